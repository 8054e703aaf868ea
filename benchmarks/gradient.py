"""What a gradient can train on: how each objective ranks candidates beside the exact fitness, and how fast its gradients are.

    python benchmarks/gradient.py --out benchmarks/results

Rank correlations are over random distributions, and over those near the best one found, where a search spends its time. What each
reaches at equal wall time is in `benchmarks/search.py --searches gradient`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import timing
from jaxtyping import Array
from scipy.stats import spearmanr
from search import panels

from massjax.engine import prepare_window
from massjax.search import DifferentialEvolution, MeanRankIC, Objective, search_window
from massjax.search.gradient import map_tiles
from massjax.search.perturbed import perturbed_slopes
from massjax.search.soft import soft_value

RESTARTS, CANDIDATES, PAIRS, NOISE = 1024, 2048, 8, 0.1
TEMPERATURES = (0.1, 0.25, 0.5, 1.0)
Value = Callable[[Objective, Array], Array]


def soft(temperature: float) -> Value:
    return lambda objective, logits: soft_value(objective, jax.nn.softmax(logits), "soft_rank_ic", temperature)


VALUES: dict[str, Value] = {
    "IC": lambda objective, logits: soft_value(objective, jax.nn.softmax(logits), "ic", 1.0),
    **{f"soft RankIC, width {temperature:g}": soft(temperature) for temperature in TEMPERATURES},
}


def slopes(value: Value) -> Callable[[Objective, Array], Array]:
    return jax.jit(lambda objective, logits: map_tiles(jax.grad(lambda some: value(objective, some).sum()), logits))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder with data/mass_sse50 (default: %(default)s)")
    parser.add_argument("--windows", nargs="+", default=["synthetic 0", "real 2023-06, 64"], metavar="NAME")
    parser.add_argument("--rounds", type=int, default=8, help="interleaved rounds, of which the best counts (default: %(default)s)")
    parser.add_argument("--platform", choices=("cpu", "cuda", "tpu"), default=None, help="where JAX computes (default: what it finds)")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder for parquet and Markdown (default: none)")
    options = parser.parse_args()
    timing.choose_platform(options.platform)
    rows: list[dict[str, object]] = []
    for window, panel in panels(options.shared).items():
        if window in options.windows:
            rows += compare(window, panel, options.rounds)
    frame = pl.DataFrame(rows, infer_schema_length=None)
    timing.print_table("Objectives for a gradient", frame)
    timing.write(options.out, "gradient", "Objectives for a gradient, beside the exact RankIC", frame)


def compare(window: str, panel: tuple[np.ndarray, np.ndarray, np.ndarray], rounds: int) -> list[dict[str, object]]:
    """A row for each objective."""
    objective = MeanRankIC(jax.jit(prepare_window, static_argnums=3)(*panel, "renormalize"), jnp.float32(0.5), "combined")
    found = search_window(*panel, DifferentialEvolution(chains=256, steps=100), key=jax.random.key(0))
    noise = np.random.default_rng(0).normal(size=(2, CANDIDATES, panel[0].shape[0])).astype(np.float32)
    samples = {"random": noise[0], "near the best": np.log(np.asarray(found.weights))[None] + 0.3 * noise[1]}
    judge = jax.jit(lambda logits: objective.judge(jax.nn.softmax(logits)).fitness)
    exact = {where: np.asarray(judge(logits)) for where, logits in samples.items()}
    starts = jnp.asarray(noise[0][:RESTARTS])
    gradients = {name: slopes(value) for name, value in VALUES.items()}
    perturbed = jax.jit(lambda objective, logits: perturbed_slopes(objective, logits, NOISE, PAIRS, jax.random.key(0)))
    name = f"exact, perturbed by {NOISE:g}, {PAIRS} pairs"
    calls = {n: lambda f=f: f(objective, starts) for n, f in {**gradients, name: perturbed}.items()}
    best = timing.best_seconds(calls, rounds)
    rows: list[dict[str, object]] = []
    for objective_name, seconds in best.items():
        row: dict[str, object] = {"window": window, "objective": objective_name}
        for where, logits in samples.items():
            value = VALUES.get(objective_name)
            row[f"rank correlation, {where}"] = (
                None if value is None else float(spearmanr(jax.jit(value)(objective, logits), exact[where], nan_policy="omit")[0])
            )
        rows.append(row | {"gradients a second": RESTARTS / seconds})
    return rows


if __name__ == "__main__":
    main()
