"""Candidate evaluations a second: the kernel and the searches on it, against a pandas loop doing the same work, in one run.

    python benchmarks/kernel.py

The best of interleaved rounds is reported, because machines are noisy; compare the ratios rather than the absolute figures. Every size is
first checked against the pandas loop in float64.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import jax
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

import massjax as mj

SIZES = ((16, 50, 5, 4096), (16, 300, 5, 1024), (16, 3000, 20, 256), (512, 50, 5, 512))
CHECKED = 6


def window(archetypes: int, stocks: int, dates: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores with ties and gaps, members, forward returns."""
    rng = np.random.default_rng(0)
    scores = np.round(rng.random((archetypes, stocks, dates)), 2).astype(np.float32)
    scores[rng.random(scores.shape) < 0.02] = np.nan
    member = rng.random((stocks, dates)) < 0.95
    return scores, member, rng.normal(size=(stocks, dates)).astype(np.float32)


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


def best_seconds(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The shortest time of each call over interleaved rounds, after one to compile."""
    best = dict.fromkeys(calls, np.inf)
    for turn in range(rounds + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            jax.block_until_ready(call())
            if turn:
                best[name] = min(best[name], time.perf_counter() - began)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=8)
    rounds = parser.parse_args().rounds
    table = Table(title=f"Evaluations a second, best of {rounds} rounds; {jax.devices()[0].device_kind}, jax {jax.__version__}")
    for heading in ("K", "N", "D", "P", "fitness", "pandas", "ratio", "largest error"):
        table.add_column(heading, justify="right")
    for archetypes, stocks, dates, candidates in SIZES:
        data = window(archetypes, stocks, dates)
        weights = np.random.default_rng(1).gamma(1.0, size=(candidates, archetypes)).astype(np.float32) + 1e-3
        on_device = [jax.device_put(array) for array in (*data, weights)]
        found = np.asarray(mj.fitness(*data, weights))
        pandas_fitness(*data, weights[0].astype(float))
        began = time.perf_counter()
        expected = [pandas_fitness(*data, row.astype(float)) for row in weights[:CHECKED]]
        slow = CHECKED / (time.perf_counter() - began)
        fast = candidates / best_seconds({"fitness": partial(mj.fitness, *on_device)}, rounds)["fitness"]
        error = np.abs(found[:CHECKED] - expected).max()
        sizes = map(str, (archetypes, stocks, dates, candidates))
        table.add_row(*sizes, f"{fast:,.0f}", f"{slow:,.1f}", f"{fast / slow:,.0f}", f"{error:.0e}")
    console = Console(width=110)
    console.print(table)

    data = [jax.device_put(array) for array in window(16, 50, 5)]
    weights = jax.device_put(np.random.default_rng(1).gamma(1.0, size=(4096, 16)).astype(np.float32) + 1e-3)
    annealing, gradient, key = mj.Annealing(chains=4096, steps=50), mj.GradientSearch(restarts=1024, steps=50), jax.random.key(0)
    best = best_seconds(
        {
            "fitness": lambda: mj.fitness(*data, weights),
            "annealing, 4096 chains": lambda: mj.search_window(*data, annealing, key=key).fitness,
            "gradient, 1024 restarts": lambda: mj.search_window(*data, gradient, key=key).fitness,
        },
        rounds,
    )
    counts = {"fitness": 4096, "annealing, 4096 chains": 4096 * 51, "gradient, 1024 restarts": 1024 * 51}
    searches = Table(title="K=16, N=50, D=5: candidates judged a second, proposals or gradients included")
    for heading in ("", "a second", "of the fitness rate"):
        searches.add_column(heading, justify="left" if not heading else "right")
    base = counts["fitness"] / best["fitness"]
    for name, seconds in best.items():
        searches.add_row(name, f"{counts[name] / seconds:,.0f}", f"{counts[name] / seconds / base:.0%}")
    console.print(searches)


if __name__ == "__main__":
    main()
