"""Candidate evaluations a second: the kernel and the searches on it, against pandas, numba and a bare matrix product, in one run.

    python benchmarks/kernel.py [--platform cuda] [--out benchmarks/results]

Machines are noisy: what is compared is interleaved, the best of many rounds counts, and the ratios matter more than the absolute figures.
Every size is first checked against a loop in float64.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import timing
from jax import lax
from timing import Size

import massjax as mj
from massjax.engine.devices import spread_candidates
from massjax.engine.evaluation import in_tiles, window_fitness
from massjax.engine.windows import Window, prepare_window
from massjax.search import MeanRankIC

SIZES = {
    Size(16, 50, 5, 4096): 2_500_000,
    Size(16, 300, 5, 1024): 150_000,
    Size(16, 3000, 20, 256): 2_000,
    Size(512, 50, 5, 4096): None,
}
"""Sizes, and the evaluations a second hoped for on two quiet AVX-512 cores."""
CHECKED = 6


def pandas_fitness(scores: np.ndarray, member: np.ndarray, returns: np.ndarray, weights: np.ndarray) -> float:
    """One candidate's mean RankIC of the combined signal, in float64, as a researcher would write it."""
    daily = []
    for t in range(scores.shape[2]):
        frame = pd.DataFrame(scores[:, member[:, t], t].T.astype(float))
        present = frame.notna() * weights
        mean = (frame.fillna(0.0) * weights).sum(axis=1) / present.sum(axis=1)
        variance = (present * frame.sub(mean, axis=0).fillna(0.0) ** 2).sum(axis=1) / present.sum(axis=1)
        signal = (0.5 * mean - 0.5 * np.sqrt(variance)).round(12)
        daily.append(signal.corr(pd.Series(returns[member[:, t], t], dtype=float), method="spearman"))
    return float(np.nanmean(daily))


def numba_fitness(data: tuple[np.ndarray, ...]) -> Callable[[], object] | None:
    """The kernel written by hand, on the same window; None without numba."""
    try:
        import by_hand
    except ImportError:
        return None
    window = jax.tree.map(np.asarray, prepare_window(*map(jnp.asarray, data[:3]), "renormalize"))
    columns = np.ascontiguousarray(data[3].T)
    return partial(by_hand.fitness, window.opinions.scores, window.opinions.present, window.returns.ranks, window.returns.common, columns)


def product_alone(size: Size) -> Callable[[], object]:
    """The matrix product that the moments of all stocks and dates need at least: scores, their squares, and presence."""
    rng = np.random.default_rng(0)
    rows = rng.random((3 * size.stocks * size.dates, size.archetypes), np.float32)
    candidates = rng.random((size.candidates, size.archetypes), np.float32)

    def product(candidates: jax.Array, rows: jax.Array) -> jax.Array:
        return lax.map(lambda tile: (rows @ tile.T).sum(0), in_tiles(candidates, 256)).reshape(-1)

    return partial(jax.jit(partial(spread_candidates, product)), *timing.on_devices((candidates, rows)))


def measure_size(size: Size, target: int | None, rounds: int) -> dict[str, object]:
    data = timing.window(size)
    found = np.asarray(mj.fitness(*data))
    pandas_fitness(*data[:3], data[3][0].astype(float))
    began = time.perf_counter()
    expected = [pandas_fitness(*data[:3], row.astype(float)) for row in data[3][:CHECKED]]
    pandas = CHECKED / (time.perf_counter() - began)
    calls = {"fitness": partial(mj.fitness, *timing.on_devices(data)), "kernel": kernel(data)}
    by_hand = numba_fitness(data)
    if by_hand is not None:
        calls["numba"] = by_hand
    if size.archetypes >= 64:
        calls["product"] = product_alone(size)
    rate = {name: size.candidates / seconds for name, seconds in timing.best_seconds(calls, rounds).items()}
    return {
        **{"K": size.archetypes, "N": size.stocks, "D": size.dates, "P": size.candidates},
        "evaluations/s": rate["fitness"],
        "window ready": rate["kernel"],
        "hoped for": target,
        "pandas/s": pandas,
        "x pandas": rate["fitness"] / pandas,
        "x numba": rate["kernel"] / rate["numba"] if "numba" in rate else None,
        "x product": rate["kernel"] / rate["product"] if "product" in rate else None,
        "largest error": float(np.abs(found[:CHECKED] - expected).max()),
        "MB": memory(data) / 1e6,
    }


def ready(panel: list[jax.Array]) -> Window:
    """The window that a search prepares once."""
    return jax.jit(prepare_window, static_argnums=3)(*panel, "renormalize")


def kernel(data: tuple[np.ndarray, ...]) -> partial[jax.Array]:
    """What a search calls: the evaluation on a window that is ready, as numba's kernel gets it too."""
    *panel, weights = timing.on_devices(data)
    return partial(jax.jit(window_fitness, static_argnums=3), ready(panel), weights, jnp.float32(0.5), "combined")


def memory(data: tuple[np.ndarray, ...]) -> int:
    """Bytes that an evaluation holds on a device beside its arguments, as XLA has planned it."""
    call = kernel(data)
    return call.func.lower(*call.args).compile().memory_analysis().temp_size_in_bytes


def measure_searches(rounds: int) -> pl.DataFrame:
    size = Size(16, 50, 5, 4096)
    *data, weights = timing.on_devices(timing.window(size))
    searches: Mapping[str, tuple[mj.Search, int]] = {
        "Annealing, 4096 chains": (mj.Annealing(chains=4096, steps=50), 4096 * 51),
        "GradientSearch, 1024 restarts": (mj.GradientSearch(restarts=1024, steps=50), 1024 * 51),
    }
    key = jax.random.key(0)
    calls: dict[str, Callable[[], object]] = {"fitness": lambda: mj.fitness(*data, weights)}
    calls |= {name: lambda search=search: mj.search_window(*data, search, key=key).fitness for name, (search, _) in searches.items()}
    calls["value and gradient, 1024 restarts"] = gradients(data, weights[:1024])
    best = timing.best_seconds(calls, rounds)
    rates = {"fitness": size.candidates / best["fitness"]} | {name: count / best[name] for name, (_, count) in searches.items()}
    rates["value and gradient, 1024 restarts"] = 1024 / best["value and gradient, 1024 restarts"]
    return pl.DataFrame(
        {"what": list(rates), "candidates/s": list(rates.values()), "of fitness": [r / rates["fitness"] for r in rates.values()]}
    )


def gradients(data: list[jax.Array], weights: jax.Array) -> Callable[[], object]:
    """The soft RankIC and its gradient of every restart, and nothing else."""
    objective = MeanRankIC(ready(data), jnp.float32(0.5), "combined")
    search = mj.GradientSearch(restarts=len(weights))
    return partial(jax.jit(lambda logits, objective: spread_candidates(search.slopes, logits, objective)), jnp.log(weights), objective)


def measure_walk_forward(rounds: int) -> dict[str, object]:
    """A year: 243 dates, 1024 chains of 200 steps, 50 stocks, look-back 5; the first call compiles."""
    scores, member, returns, _ = timing.window(Size(16, 50, 243, 1))
    walk = partial(mj.walk_forward, scores, member, returns, mj.Annealing(chains=1024, steps=200), lookback=5, gap=4, key=jax.random.key(0))
    seconds = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        walk()
        seconds.append(time.perf_counter() - began)
    return {"first call, s": seconds[0], "after compilation, s": min(seconds[1:])}


def main() -> None:
    parser = timing.arguments(__doc__.split("\n")[0], ())
    parser.add_argument("--year", action="store_true", help="also a year of walk-forward (minutes)")
    options = parser.parse_args()
    with timing.over_all_devices(options):
        report(options)


def report(options: argparse.Namespace) -> None:
    where = f"best of {options.rounds} rounds; {timing.provenance()['device']}, {os.cpu_count()} CPUs, jax {jax.__version__}"
    sizes = pl.DataFrame([measure_size(size, target, options.rounds) for size, target in SIZES.items()])
    timing.print_table(f"Evaluations a second, {where}", sizes)
    searches = measure_searches(options.rounds)
    timing.print_table("K=16, N=50, D=5: candidates judged a second, proposals or gradients included", searches)
    timing.write(options.out, "kernel", "The kernel", sizes)
    timing.write(options.out, "searches", "The searches on it", searches)
    if options.year:
        year = pl.DataFrame([measure_walk_forward(1)])
        timing.print_table("Walk-forward over 243 dates, 1024 chains of 200 steps, N=50, look-back 5", year)
        timing.write(options.out, "walk_forward", "A year of walk-forward", year)


if __name__ == "__main__":
    main()
