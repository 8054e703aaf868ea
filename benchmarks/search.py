"""Searches at equal wall time on the same exact fitness: the best each has found after 0.1, 1 and 10 seconds.

    pip install cmaes && python benchmarks/search.py --out benchmarks/results

Windows: synthetic ones (K=16, N=50, D=5, scores without skill) and, if the data is there, MASS's SSE 50 data: its six features as ranked
rule archetypes, and 64 archetypes mixed from them with noise. Everyone calls massjax's compiled fitness; compilation is left out, by a
warm-up of each. Whoever ends before the time is up starts again from another seed. MASS's chain gets our kernel too: its own pandas code
manages about 70 evaluations a second.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import timing
from rich.console import Console
from rich.table import Table
from scipy.optimize import dual_annealing

from massjax.engine import prepare_window
from massjax.search import Annealing, DifferentialEvolution, GradientSearch, MeanRankIC, Objective, Search
from massjax.search.loop import advance, begin

SIGNS = (-1, -1, -1, 1, -1, 1)
SIZE, LOOKBACK, MIXED = 52, 5, 64
CLOCK = (0.1, 1.0, 10.0)
NEARLY = 0.99
"""Share of the best fitness anyone found, the time to which is told."""
LOT = 5
"""Steps between two looks at the clock."""

NOTES = (
    "Equal wall time, compilation left out, means over seeds. `best known` is the best that any of them found on the window; whoever never "
    "came within 1 % of it has nothing in the last column.",
)

Panel = tuple[np.ndarray, np.ndarray, np.ndarray]
Report = Callable[[float], None]
"""Told of each fitness found; raises `TimeUp` when the time is up."""
WHEN = {"real 2021-09": 20210910, "real 2022-03": 20220301, "real 2023-06": 20230601}

OURS: dict[str, Search] = {
    "MASS: one chain, 20 steps": Annealing(chains=1, steps=20),
    "annealing, 1024 chains": Annealing(chains=1024, steps=200),
    "differential evolution, 1024 chains": DifferentialEvolution(chains=1024, steps=100_000),
    "differential evolution, 256 chains": DifferentialEvolution(chains=256, steps=100_000),
    "gradient, soft RankIC": GradientSearch(restarts=256, steps=200),
    "gradient, IC": GradientSearch(restarts=256, steps=200, objective="ic"),
    "gradient, perturbed RankIC": GradientSearch(restarts=64, steps=200, objective="perturbed_rank_ic"),
}


def synthetic(seed: int) -> Panel:
    """Scores without skill, with ties and gaps."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.random((16, 50, LOOKBACK)), 2).astype(np.float32)
    scores[rng.random(scores.shape) < 0.02] = np.nan
    return scores, rng.random((50, LOOKBACK)) < 0.95, rng.normal(size=(50, LOOKBACK)).astype(np.float32)


def real(folder: Path, day: int) -> Panel:
    """The six features of MASS's data as ranks in [0, 1], with five-day returns, from `day` on."""
    features, labels = (pl.read_parquet(folder / name) for name in ("sub_fudamental_data.parq", "ih_label.parq"))
    joined = labels.join(features, on=["Stock", "Date"], how="left").filter(pl.col("Date") >= day)
    days = joined["Date"].unique().sort()[:LOOKBACK]
    joined = joined.filter(pl.col("Date").is_in(days.implode())).sort("Date", "Stock")
    place = {stock: n for n, stock in enumerate(joined["Stock"].unique().sort())}
    scores = np.full((6, SIZE, LOOKBACK), np.nan, np.float32)
    member, returns = np.zeros((SIZE, LOOKBACK), bool), np.full((SIZE, LOOKBACK), np.nan, np.float32)
    for t, day_rows in enumerate(joined.partition_by("Date", maintain_order=True)):
        rows = [place[stock] for stock in day_rows["Stock"]]
        member[rows, t], returns[rows, t] = True, day_rows["5_15_labelB"].to_numpy()
        for k, sign in enumerate(SIGNS):
            ranks = (sign * day_rows[f"price_value_feature_{k}"]).fill_nan(None).rank()
            scores[k, rows, t] = ((ranks - 1) / (ranks.max() - 1)).to_numpy()
    return scores, member, returns


def mixed(panel: Panel, seed: int = 0) -> Panel:
    """64 archetypes mixed from the six, each with noise of its own."""
    rng, (scores, member, returns) = np.random.default_rng(seed), panel
    blend = np.einsum("ak,knd->and", rng.dirichlet(np.full(6, 0.5), MIXED), scores)
    noisy = np.clip(np.round(blend + 0.15 * rng.normal(size=blend.shape), 2), 0, 1)
    return noisy.astype(np.float32), member, returns


def panels(shared: Path) -> dict[str, Panel]:
    found = {f"synthetic {seed}": synthetic(seed) for seed in (0, 1)}
    folder = shared / "data" / "mass_sse50"
    if folder.is_dir():
        six = {name: real(folder, day) for name, day in WHEN.items()}
        found |= {f"{name}, 6": panel for name, panel in six.items()} | {f"{name}, 64": mixed(panel) for name, panel in six.items()}
    return found


_begin = jax.jit(begin, static_argnames="settings")
_advance = jax.jit(advance, static_argnames="settings", donate_argnames="running")
_judge = jax.jit(lambda objective, weights: objective.judge(weights).fitness)


class TimeUp(Exception):
    """A contestant's time is over."""


def ours(objective: Objective, seed: int, report: Report, settings: Search) -> None:
    """A search of massjax, from the next seed when its steps are over."""
    start = jnp.full((settings.population, archetypes(objective)), 1 / archetypes(objective))
    for again in range(1_000_000):
        key = jax.random.fold_in(jax.random.key(seed), again)
        running = _begin(objective, settings, start, key)
        for taken in range(0, settings.steps + 1, LOT if settings.population > 1 else settings.steps + 1):
            until = min(taken + LOT, settings.steps + 1) if settings.population > 1 else settings.steps + 1
            running = _advance(objective, settings, running, key, np.int32(until))
            report(float(running.state.best.fitness.max()))


def by_dual_annealing(objective: Objective, seed: int, report: Report) -> None:
    """scipy's generalised simulated annealing on the unit cube, its local search included; one evaluation a call, as it asks."""

    def loss(x: np.ndarray) -> float:
        fitness = float(_judge(objective, np.maximum(x, 1e-9).astype(np.float32)[None])[0])
        report(fitness)
        return -fitness

    for again in range(1_000_000):
        dual_annealing(loss, [(0.0, 1.0)] * archetypes(objective), maxiter=1000, rng=seed * 1_000_003 + again)


def by_cma(objective: Objective, seed: int, report: Report, population: int = 64) -> None:
    """CMA-ES (Hansen) on logits, a population a call, restarted where it converges."""
    from cmaes import CMA

    for again in range(1_000_000):
        strategy = CMA(mean=np.zeros(archetypes(objective)), sigma=1.0, population_size=population, seed=seed * 1003 + again)
        while not strategy.should_stop():
            asked = np.stack([strategy.ask() for _ in range(population)])
            weights = np.maximum(np.exp(asked - asked.max(axis=1, keepdims=True)), 1e-9).astype(np.float32)
            fitness = np.asarray(_judge(objective, weights))
            strategy.tell([(x, -float(f)) for x, f in zip(asked, fitness, strict=True)])
            report(float(fitness.max()))


def archetypes(objective: Objective) -> int:
    return int(objective.window.opinions.scores.shape[1])


CONTESTANTS: dict[str, Callable[[Objective, int, Report], None]] = {
    **{name: partial(ours, settings=settings) for name, settings in OURS.items()},
    "scipy dual_annealing": by_dual_annealing,
    "CMA-ES (cmaes), population 64": by_cma,
}


def race(
    contestant: Callable[[Objective, int, Report], None], objective: Objective, seed: int, seconds: float
) -> list[tuple[float, float]]:
    """The improvements of one contestant, as (seconds, best fitness so far)."""
    found: list[tuple[float, float]] = []
    began, reports_to_compile = 0.0, 2

    def report(fitness: float) -> None:
        nonlocal reports_to_compile
        if reports_to_compile:
            reports_to_compile -= 1
            if not reports_to_compile:
                raise TimeUp
            return
        elapsed = time.perf_counter() - began
        if fitness > (found[-1][1] if found else -np.inf):
            found.append((elapsed, fitness))
        if elapsed > seconds:
            raise TimeUp

    for _ in range(2):
        try:
            began = time.perf_counter()
            contestant(objective, seed, report)
        except TimeUp:
            pass
    return found


def best_after(found: list[tuple[float, float]], seconds: float) -> float:
    return max((fitness for elapsed, fitness in found if elapsed <= seconds), default=float("nan"))


def mean_or_none(values: list[float]) -> float | None:
    mean = float(np.mean(values))
    return mean if np.isfinite(mean) else None


def rows_of(window: str, races: dict[str, list[list[tuple[float, float]]]], clock: list[float]) -> list[dict[str, object]]:
    """A row for each contestant: the mean over seeds of the best after each time, and the median time to nearly the best known."""
    known = max(found[-1][1] for runs in races.values() for found in runs if found)
    rows: list[dict[str, object]] = []
    for name, runs in races.items():
        reached = [next((t for t, fitness in found if fitness >= NEARLY * known), np.inf) for found in runs]
        after = {f"after {seconds:g} s": mean_or_none([best_after(found, seconds) for found in runs]) for seconds in clock}
        middle = float(np.median(reached))
        rows.append(
            {"window": window, "search": name, **after, "best known": known, "seconds to 99 %": middle if np.isfinite(middle) else None}
        )
    return rows


def show(rows: list[dict[str, object]], clock: list[float]) -> None:
    table = Table(title=f"{rows[0]['window']}: best exact fitness; best known {rows[0]['best known']:.4f}", title_justify="left")
    times = [f"after {seconds:g} s" for seconds in clock]
    for heading in ("search", *times, f"seconds to {NEARLY:.0%} of it"):
        table.add_column(heading, justify="left" if heading == "search" else "right")
    for row in sorted(rows, key=lambda row: -(row[times[-1]] or -1.0)):
        reached = row["seconds to 99 %"]
        table.add_row(
            str(row["search"]), *("—" if row[t] is None else f"{row[t]:.4f}" for t in times), "—" if reached is None else f"{reached:.2f}"
        )
    Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, nargs="+", default=list(CLOCK), help="when to look (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=1, help="races of each contestant on each window (default: %(default)s)")
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder with data/mass_sse50 (default: %(default)s)")
    parser.add_argument("--windows", nargs="+", default=None, metavar="NAME", help="some windows only")
    parser.add_argument("--searches", nargs="+", default=None, metavar="WORD", help="only searches with one of these words in their name")
    parser.add_argument("--platform", choices=("cpu", "cuda", "tpu"), default=None, help="where JAX computes (default: what it finds)")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder for parquet and Markdown (default: none)")
    options = parser.parse_args()
    timing.choose_platform(options.platform)
    clock, rows = sorted(options.seconds), []
    chosen = {n: c for n, c in CONTESTANTS.items() if not options.searches or any(word in n for word in options.searches)}
    for window, panel in panels(options.shared).items():
        if options.windows and window not in options.windows:
            continue
        objective = MeanRankIC(jax.jit(prepare_window, static_argnums=3)(*panel, "renormalize"), jnp.float32(0.5), "combined")
        races = {
            name: [race(contestant, objective, seed, clock[-1]) for seed in range(options.seeds)] for name, contestant in chosen.items()
        }
        some = rows_of(window, races, clock)
        show(some, clock)
        rows += some
        timing.write(
            options.out,
            "search",
            "Searches at equal wall time on the same exact fitness",
            pl.DataFrame(rows, infer_schema_length=None),
            NOTES,
        )


if __name__ == "__main__":
    main()
