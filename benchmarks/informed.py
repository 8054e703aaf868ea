"""Whether the informed are found on simulated panels, where it is known who they are, and on Gaussian panels of the same moments.

    python benchmarks/informed.py --out benchmarks/results

Sixteen groups of agents have opinions of 50 simulated stocks on each date, log(p_f / p) at the close plus noise; four of them see these
stocks, the others see stocks like them (`massjax.simulations.panel`). Returns run over five dates from the next close on. Every method sees
the first DAYS dates; its weights are judged on 2,000 later ones against uniform weights and an oracle: the best weights for the mean
correlations of one half of the later dates, judged on the other, and the other way round. The control has, in place of simulated prices and
mispricings, Gaussian series of the same auto- and cross-covariances: phases of their Fourier transforms are drawn anew, the same ones for
all stocks (Prichard and Theiler 1994). With nobody informed, p-values of whole runs must be uniform.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from default_validity import p_values, validity_rows
from jaxtyping import Float
from planted import DEFAULT, GAP, HORIZON, METHODS, UNIFORM, K, N, Planted, Window, World, best_non_negative, default_weights, unit_ranks
from timing import over_all_devices, print_table, write

from massjax.config.market_run import MarketRunConfig, PanelSettings
from massjax.simulations.panel import Days, information, panel_of_days, simulated_days
from massjax.simulations.saved_policies import SavedPolicy, read_policy

LATER, PAUSE, INFORMED, LAG = 2000, 12, 4, 1
COMPARED = (DEFAULT, "best exact candidate", "MASS (annealing on -sigma, 5 days)", "best single", "linear optimum")


class Opinions(NamedTuple):
    """Scores [K, N, T] of groups, returns [N, T] over five dates from the next close on, and what each group knows."""

    scores: Float[np.ndarray, "K N T"]
    returns: Float[np.ndarray, "N T"]
    known: Float[np.ndarray, " K"]


def opinions(seed: int, dates: int, informed: int, gaussian: bool) -> Opinions:
    """What groups think of simulated stocks, or of Gaussian ones like them, and what became of these."""
    settings = PanelSettings(stocks=N, dates=dates + LAG + HORIZON, groups=K, informed=informed)
    config = MarketRunConfig(simulation=bundled().simulation, panel=settings, updates=0, seed=seed)
    days = simulated_days(bundled().policy, config)
    panel = panel_of_days(gaussian_days(days, np.random.default_rng([seed, 1])) if gaussian else days, config)
    price = np.log(panel.days.close)
    returns = price[LAG + HORIZON :] - price[LAG:-HORIZON]
    return Opinions(panel.scores[:dates].transpose(1, 2, 0), returns.T, information(panel))


@cache
def bundled() -> SavedPolicy:
    return read_policy()


def gaussian_days(days: Days, random: np.random.Generator) -> Days:
    """The days with Gaussian returns and mispricings of the same means, auto- and cross-covariances; the first day is as it was."""
    log_close = np.log(days.close)
    series = np.stack([np.diff(log_close, axis=0), days.mispricing[1:]])
    transformed = np.fft.rfft(series, axis=1)
    turned = np.exp(2j * np.pi * random.random(transformed.shape[1]))
    turned[0] = 1.0
    if series.shape[1] % 2 == 0:
        turned[-1] = 1.0
    returns, mispricing = np.fft.irfft(transformed * turned[None, :, None], n=series.shape[1], axis=1)
    log_close = np.concatenate([log_close[:1], log_close[:1] + np.cumsum(returns, axis=0)])
    mispricing = np.concatenate([days.mispricing[:1], mispricing])
    return days._replace(close=np.exp(log_close), fundamental=np.exp(log_close + mispricing))


def one_seed(seed: int, seen: list[int], gaussian: bool, methods: list[str]) -> list[dict[str, object]]:
    """The gains over uniform weights of each method and of the oracle, by dates seen."""
    most = max(seen) + PAUSE
    made = opinions(seed, most + LATER, INFORMED, gaussian)
    scores, returns = unit_ranks(made.scores.transpose(2, 0, 1), 2), unit_ranks(made.returns.T, 1)
    first, second = slice(most, most + LATER // 2), slice(most + LATER // 2, None)

    def judged(weights: np.ndarray, dates: slice) -> float:
        signal = unit_ranks(np.einsum("k,dkn->dn", weights, made.scores.transpose(2, 0, 1)[dates]), 1)
        return float((signal * returns[dates]).sum(axis=1).mean())

    def oracle(dates: slice) -> np.ndarray:
        skills = np.einsum("dkn,dn->k", scores[dates], returns[dates])
        return best_non_negative(np.einsum("djn,dkn->jk", scores[dates], scores[dates]), skills)

    def gain(weights: np.ndarray) -> float:
        return float(np.mean([judged(weights, dates) - judged(UNIFORM, dates) for dates in (first, second)]))

    best = float(np.mean([judged(oracle(fit), dates) - judged(UNIFORM, dates) for fit, dates in ((first, second), (second, first))]))
    planted = Planted(made.scores, made.returns, None)
    default = default_weights(planted, max(seen) + GAP + 1)
    rows = []
    for some in seen:
        window = Window(Planted(made.scores[..., :some], made.returns[:, :some], None), scores[:some], returns[:some], World(overlap=True))
        for method in methods:
            weights = default[some + GAP] if method == DEFAULT else METHODS[method](window, seed)
            assert weights is not None
            on_informed = float(weights[made.known > np.sort(made.known)[-INFORMED - 1] + 1e-9].sum() / weights.sum())
            rows.append({"dates": some, "method": method, "seed": seed, "gain": gain(weights), "oracle": best, "informed": on_informed})
    return rows


def shares(name: str, rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Means over the seeds, with their standard errors."""
    summed = []
    for (dates, method), some in pl.DataFrame(rows).group_by("dates", "method", maintain_order=True):
        gain, best = 100 * some["gain"].to_numpy(), 100 * some["oracle"].to_numpy()
        share = gain.mean() / best.mean()
        error = float(np.std(gain - share * best, ddof=1) / np.sqrt(len(gain))) if len(gain) > 1 else float("nan")
        summed.append(
            {"panel": name, "dates": dates, "method": method, "seeds": len(gain), "share of the oracle's gain, %": 100 * share}
            | {"+-": 100 * error / best.mean(), "points over uniform": gain.mean(), "oracle, points": best.mean()}
            | {"weight on the informed, %": 100 * some["informed"].mean()}
        )
    return summed


def without_knowledge(gaussian: bool, dates: int) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    return lambda seed: opinions(1000 + seed, dates, 0, gaussian)[:2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=24, help="panels of each kind (default: %(default)s)")
    parser.add_argument("--dates", nargs="+", type=int, default=[60, 120, 250], help="dates seen (default: %(default)s)")
    parser.add_argument("--methods", nargs="+", default=list(COMPARED), choices=list(COMPARED), metavar="METHOD")
    parser.add_argument("--windows", type=int, default=100, help="panels of each kind with nobody informed (default: %(default)s)")
    parser.add_argument("--window-dates", type=int, default=200, help="dates of each of these (default: %(default)s)")
    parser.add_argument("--draws", type=int, default=39, help="draws of the null (default: %(default)s)")
    parser.add_argument("--platform", choices=("cpu", "cuda", "tpu"), default=None, help="where JAX computes (default: what it finds)")
    parser.add_argument("--devices", type=int, default=None, help="GPUs or CPU cores to share markets out over (default: all)")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder for tables, parquet and Markdown (default: none)")
    options = parser.parse_args()
    found, valid = [], []
    with over_all_devices(options):
        pass
    for name, gaussian in (("simulated", False), ("Gaussian", True)):
        if options.seeds:
            rows = [row for seed in range(options.seeds) for row in one_seed(seed, options.dates, gaussian, options.methods)]
            found += shares(name, rows)
            report(options, "informed", "The informed found: share of the oracle's gain over uniform weights", found)
        if options.windows:
            histories = without_knowledge(gaussian, options.window_dates)
            valid += validity_rows(name, p_values(histories, options.windows, options.draws, "mean", execution_lag=LAG))
            title = f"Nobody informed: p-values of {options.windows} panels of {options.window_dates} dates, {options.draws} draws"
            report(options, "informed_validity", title, valid)


def report(options: argparse.Namespace, name: str, title: str, rows: list[dict[str, object]]) -> None:
    table = pl.DataFrame(rows)
    print_table(title, table)
    write(options.out, name, title, table, [f"{K} groups, {INFORMED} of them informed, {N} stocks."] if name == "informed" else [])


if __name__ == "__main__":
    main()
