"""Whether tests and intervals of paired decisions hold their level where pairs share stocks and dates, and what power is left.

    OMP_NUM_THREADS=1 python benchmarks/desk_level.py --jobs 2 --out benchmarks/results      # some minutes

Two variants of a head trader answer follow or not follow to the same traders' decisions. The answers come of normal latent numbers: a
part that both variants share, and parts of a variant's own that belong to the pair, to the stock, to the date, or to a date and, fading
by a tenth a day, those after it. A part of the pairs has no answer. Without effect both follow at one rate; with it the second more often.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int8
from scipy import stats
from scipy.signal import lfilter
from timing import print_table, write

from massjax.statistics.agreement import market_consistency
from massjax.statistics.clusters import Estimate, cells_of, estimate, spread_of
from massjax.statistics.decisions import MISSING
from massjax.statistics.paired import PairedComparison, clustered_mcnemar, compare_pairs

LEVEL = 0.05
RATE, HIGHER = 0.30, 0.42
"""Of follow, without and with an effect."""
SHARED = 0.5
"""Of the latent variance, what both variants have in common."""
FADING = 0.9


@dataclass(frozen=True)
class Kind:
    """Shares of the latent variance that are a variant's own and belong to a stock, a date, or a stretch of dates."""

    stock: float = 0.0
    date: float = 0.0
    stretch: float = 0.0
    blocks: int = 1
    """Dates that are one cluster."""


KINDS: Mapping[str, Kind] = {
    "independent": Kind(),
    "by date": Kind(date=0.15),
    "by stock": Kind(stock=0.15),
    "by stock and date": Kind(stock=0.1, date=0.1),
    "by stretch of dates": Kind(stretch=0.1),
    "by stretch of dates, clustered by 10 dates": Kind(stretch=0.1, blocks=10),
}
SIZES = ((12, 60, 0.7), (40, 120, 0.7))
"""Stocks, dates, and the share of pairs without an answer."""


def answers(
    kind: Kind, stocks: int, dates: int, missing: float, rates: tuple[float, float], rng: np.random.Generator
) -> tuple[Int8[np.ndarray, "N T"], Int8[np.ndarray, "N T"]]:
    """Answers of two variants, of which the same have none."""
    common = np.sqrt(SHARED) * rng.normal(size=(stocks, dates))
    unasked = rng.random((stocks, dates)) < missing
    own = 1 - SHARED - kind.stock - kind.date - kind.stretch
    made = []
    for rate in rates:
        steps = np.concatenate([rng.normal(size=1), np.sqrt(1 - FADING**2) * rng.normal(size=dates - 1)])
        latent = common + np.sqrt(own) * rng.normal(size=(stocks, dates))
        latent += np.sqrt(kind.stock) * rng.normal(size=(stocks, 1)) + np.sqrt(kind.date) * rng.normal(size=(1, dates))
        latent += np.sqrt(kind.stretch) * lfilter([1.0], [1.0, -FADING], steps)
        made.append(np.where(unasked, MISSING, latent < stats.norm.ppf(rate)).astype(np.int8))
    return made[0], made[1]


def true_odds(rates: tuple[float, float]) -> float:
    """Second only over first only, in the limit."""
    low, high = stats.norm.ppf(rates)
    both = stats.multivariate_normal([0, 0], [[1, SHARED], [SHARED, 1]]).cdf([low, high])
    return float((rates[1] - both) / (rates[0] - both))


def tests(found: PairedComparison, net: Float[np.ndarray, "S D"], pairs: Float[np.ndarray, "S D"]) -> dict[str, float]:
    return {
        "compare_pairs": found.p_value,
        "McNemar, exact": found.p_exact,
        "McNemar, mid-p": found.p_mid,
        "signs of dates flipped": clustered_mcnemar(net, "date"),
        "signs of stocks flipped": clustered_mcnemar(net, "stock"),
    }


def intervals(found: PairedComparison, net: Float[np.ndarray, "S D"], pairs: Float[np.ndarray, "S D"], seed: int) -> dict[str, Estimate]:
    """Intervals for the difference: massjax's and others."""
    count, mean = pairs.sum(), net.sum() / pairs.sum()
    cells, shape = cells_of(net.shape), net.size
    influence, known = ((net - mean * pairs) / count).reshape(shape), (pairs > 0).reshape(shape)
    alone = float(np.sqrt((influence**2).sum()))
    reach = stats.norm.ppf(1 - LEVEL / 2) * alone
    low, high = np.quantile(pigeonholes(net, pairs, seed), [LEVEL / 2, 1 - LEVEL / 2])
    return {
        "compare_pairs": found.difference,
        "two-way errors, Student's t": estimate(mean, spread_of(influence, known, cells), int(count)),
        "dates alone, Student's t": estimate(mean, spread_of(influence, known, cells, "date"), int(count)),
        "pairs independent": Estimate(mean, alone, mean - reach, mean + reach, 1 - LEVEL, int(count)),
        "pigeonhole quantiles": Estimate(mean, np.nan, float(low), float(high), 1 - LEVEL, int(count)),
    }


def pigeonholes(net: Float[np.ndarray, "S D"], pairs: Float[np.ndarray, "S D"], seed: int, draws: int = 400) -> Float[np.ndarray, " B"]:
    rng = np.random.default_rng(seed)
    stocks, dates = (rng.multinomial(size, np.full(size, 1 / size), draws).astype(float) for size in net.shape)
    number = ((stocks @ pairs) * dates).sum(axis=1)
    means = ((stocks @ net) * dates).sum(axis=1) / np.where(number > 0, number, np.nan)
    return np.asarray(means[np.isfinite(means)])


def measure(name: str, kind: Kind, size: tuple[int, int, float], trials: int) -> list[dict[str, object]]:
    """Rejections without and with an effect, and how often intervals hold the truth, of one kind and size."""
    stocks, dates, missing = size
    where = {"pairs": name, "stocks": stocks, "dates": dates, "answered, %": 100 * (1 - missing)}
    rng = np.random.default_rng([stocks, dates, int(100 * missing), list(KINDS).index(name)])
    labels = np.arange(dates) // kind.blocks
    rejected: dict[str, list[float]] = {}
    held: dict[str, list[float]] = {}
    for rates in ((RATE, RATE), (RATE, HIGHER)):
        counts: dict[str, int] = {}
        for trial in range(trials):
            first, second = answers(kind, stocks, dates, missing, rates, rng)
            found = compare_pairs(first, second, dates=labels, draws=400, seed=trial)
            net, pairs = blocked(first, second, labels)
            for test, p in tests(found, net, pairs).items():
                counts[test] = counts.get(test, 0) + (p <= LEVEL)
            for method, interval in intervals(found, net, pairs, trial).items():
                held.setdefault(f"difference: {method}", []).append(interval.low <= rates[1] - rates[0] <= interval.high)
            held.setdefault("odds ratio: compare_pairs", []).append(found.odds_ratio.low <= true_odds(rates) <= found.odds_ratio.high)
            held.setdefault("rate: clustered_share", []).append(found.second.low <= rates[1] <= found.second.high)
        for test, count in counts.items():
            rejected.setdefault(test, []).append(100 * count / trials)
    rows = [where | {"method": f"test: {test}", "level, %": low, "power, %": high} for test, (low, high) in rejected.items()]
    return rows + [where | {"method": method, "holds the truth, %": 100 * float(np.mean(all_held))} for method, all_held in held.items()]


def blocked(
    first: Int8[np.ndarray, "N T"], second: Int8[np.ndarray, "N T"], labels: np.ndarray
) -> tuple[Float[np.ndarray, "S D"], Float[np.ndarray, "S D"]]:
    """Discordant pairs for the second less those for the first, and all pairs, by stock and cluster of dates."""
    cells = cells_of(first.shape, dates=labels)
    known: Bool[np.ndarray, " M"] = (first != MISSING).ravel()
    net = np.where(known, second.ravel().astype(int) - first.ravel(), 0)
    return cells.sums(net), cells.sums(known)


def measure_market(horizon: int, trials: int, stocks: int = 12, dates: int = 120) -> list[dict[str, object]]:
    """How often the interval of the excess over the base rate holds 0 where decisions know nothing of the returns."""
    rng, held = np.random.default_rng(horizon), {"with the horizon": 0, "as if returns did not overlap": 0}
    for _ in range(trials):
        moves = rng.normal(size=(stocks, dates + horizon - 1)) + rng.normal(size=dates + horizon - 1)
        returns = np.apply_along_axis(np.convolve, 1, moves, np.ones(horizon), "valid")
        slow = lfilter([1.0], [1.0, -FADING], rng.normal(size=(stocks, dates)), axis=1) + lfilter(
            [1.0], [1.0, -FADING], rng.normal(size=dates)
        )
        decisions = np.where(slow > 3.0, 1, np.where(slow < -3.0, -1, 0))
        for method, given in (("with the horizon", horizon), ("as if returns did not overlap", 1)):
            excess = market_consistency(decisions, returns, given).overall.excess
            held[method] += excess.low <= 0 <= excess.high
    where = {"pairs": f"decisions that persist, returns over {horizon} dates", "stocks": stocks, "dates": dates, "answered, %": 100.0}
    return [where | {"method": f"excess: {method}", "holds the truth, %": 100 * count / trials} for method, count in held.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=1000, help="data sets of each kind and size (default: %(default)s)")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS), help="how pairs are dependent (default: all)")
    parser.add_argument("--sizes", type=int, default=len(SIZES), help="how many of the sizes, from the smallest (default: all)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder for tables, parquet and Markdown (default: none)")
    options = parser.parse_args()
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        tasks = [pool.submit(measure, name, KINDS[name], size, options.trials) for size in SIZES[: options.sizes] for name in options.kinds]
        tasks += [pool.submit(measure_market, horizon, options.trials) for horizon in (1, 5, 10)]
        rows = [row for task in tasks for row in task.result()]
    title = f"Tests and intervals of paired decisions: {options.trials} data sets of each kind"
    table = pl.DataFrame(rows, infer_schema_length=None)
    print_table(title, table)
    level, share = (100 * np.sqrt(LEVEL * (1 - LEVEL) / tried) for tried in (options.trials, 2 * options.trials))
    notes = [
        f"Nominal level 5 %, intervals of 95 %. A level of 5 % has a standard error of {level:.1f} points, a share held of {share:.1f}.",
        f"Rates of follow {100 * RATE:.0f} and {100 * HIGHER:.0f} % under the effect; intervals are over data sets with and without it.",
    ]
    write(options.out, "desk_level", title, table, notes)


if __name__ == "__main__":
    main()
