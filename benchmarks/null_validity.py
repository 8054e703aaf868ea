"""Which null gives right p-values: windows without any skill, judged as a run judges its strategies.

    python benchmarks/null_validity.py --out benchmarks/results        # 400 windows of each world, about ten minutes

A world is a history of scores of archetypes that know nothing, and of forward returns. Four statistics are worked out on each, and the
whole procedure, searches included, is repeated on the returns of every draw of a null. Of p-values that are right, 5 % are at or below
0.05, and their distribution is uniform (Kolmogorov–Smirnov). The worlds are made harder one by one: independent days; 5-day returns that
overlap, with scores of autocorrelation 0.9; and sectors that move together, with scores alike within a sector.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float
from scipy.stats import kstest
from timing import print_table, write

from massjax.statistics.circular_shifts import circular_shifts, least_shift, p_value, shifted, stock_permutations

LOOKBACK = 60
CANDIDATES = 32
"""Mixes that a search chooses from, the archetypes alone and uniform weights among them."""


@dataclass(frozen=True)
class World:
    """How scores and returns without skill come about.

    Attributes:
        horizon: days over which a forward return runs; dates follow each other daily, so that neighbours overlap.
        persistence: autocorrelation of the scores from date to date.
        sectors: share of the variance of scores and of returns that a sector has in common.
        archetypes, stocks, dates: K, N, T; stocks are in sectors of five.
    """

    horizon: int = 5
    persistence: float = 0.9
    sectors: float = 0.5
    archetypes: int = 8
    stocks: int = 40
    dates: int = 250

    @property
    def gap(self) -> int:
        """Dates before a decision whose forward returns are not known yet, with orders filled at the close of the decision."""
        return self.horizon - 1


WORLDS = {
    "independent days": World(horizon=1, persistence=0.0, sectors=0.0),
    "overlap, slow scores": World(sectors=0.0),
    "overlap, slow scores, sectors": World(),
}


def scores_and_returns(world: World, seed: int) -> tuple[Float[np.ndarray, "K N T"], Float[np.ndarray, "N T"]]:
    """One history without skill."""
    rng = np.random.default_rng(seed)

    def noise(*before: int, dates: int) -> Float[np.ndarray, "... N T"]:
        sector = np.repeat(rng.normal(size=(*before, world.stocks // 5, dates)), 5, axis=-2)
        return np.sqrt(world.sectors) * sector + np.sqrt(1 - world.sectors) * rng.normal(size=(*before, world.stocks, dates))

    scores = noise(world.archetypes, dates=world.dates)
    for t in range(1, world.dates):
        scores[..., t] = world.persistence * scores[..., t - 1] + np.sqrt(1 - world.persistence**2) * scores[..., t]
    price = np.cumsum(noise(dates=world.dates + world.horizon), axis=1)
    return scores, price[:, world.horizon :] - price[:, : -world.horizon]


def unit_ranks(values: Float[np.ndarray, "... N T"]) -> Float[np.ndarray, "... N T"]:
    """Ranks within each date less their mean and of length 1: the RankIC of two of them is their inner product. (No value is twice.)"""
    ranks = values.swapaxes(-1, -2).argsort(axis=-1).argsort(axis=-1).swapaxes(-1, -2).astype(np.float32)
    ranks -= ranks.mean(axis=-2, keepdims=True)
    return ranks / np.linalg.norm(ranks[..., :, :1], axis=-2, keepdims=True)


def statistics(
    scores: Float[np.ndarray, "K N T"], returns: Float[np.ndarray, "N T B"], gap: int, seed: int
) -> Mapping[str, Float[np.ndarray, " B"]]:
    """What a run would tell of each of several sets of returns, given as `unit_ranks`, the search for weights repeated on each.

    In sample: the mean RankIC of the best archetype alone, and of the best of all candidates, over the last look-back. Out of sample:
    on every date the candidate is applied that was best over the look-back that was known then.
    """
    archetypes = scores.shape[0]
    mixes = np.random.default_rng(seed).dirichlet(np.full(archetypes, 0.3), CANDIDATES - archetypes - 1)
    weights = np.concatenate([np.eye(archetypes), np.full((1, archetypes), 1 / archetypes), mixes])
    signals = unit_ranks(np.einsum("pk,knt->pnt", weights, scores))
    daily = np.matmul(signals.transpose(2, 0, 1), returns.transpose(1, 0, 2))  # [T, P, B]
    sums = np.concatenate([np.zeros_like(daily[:1]), np.cumsum(daily, axis=0, dtype=np.float64)])
    windows = (sums[LOOKBACK:] - sums[:-LOOKBACK]) / LOOKBACK  # of which window i ends before date i + LOOKBACK
    chosen = windows[: -1 - gap].argmax(axis=1)  # [dates applied, B]
    applied = daily[LOOKBACK + gap :]
    followed = np.take_along_axis(applied, chosen[:, None], axis=1)[:, 0]
    return {
        "fitness of the best archetype": windows[-1, :archetypes].max(axis=0),
        f"fitness of the best of {CANDIDATES} mixes": windows[-1].max(axis=0),
        "RankIC out of sample": followed.mean(axis=0),
        "gain over uniform out of sample": (followed - applied[:, archetypes]).mean(axis=0),
    }


Draws = Callable[[Float[np.ndarray, "N T"], World, int, int], list[Float[np.ndarray, "N T"]]]
"""From returns, their world, a seed and a number wanted to the returns of each draw of a null."""


def shifts(returns: Float[np.ndarray, "N T"], world: World, seed: int, count: int) -> list[Float[np.ndarray, "N T"]]:
    """Circular shifts of the dates."""
    return [shifted(returns, int(s)) for s in circular_shifts(world.dates, least_shift(world.horizon), count)]


def deals(returns: Float[np.ndarray, "N T"], world: World, seed: int, count: int) -> list[Float[np.ndarray, "N T"]]:
    """One deal of the stocks for the whole history."""
    return [returns[deal] for deal in stock_permutations(world.stocks, count, seed)]


def daily_deals(returns: Float[np.ndarray, "N T"], world: World, seed: int, count: int) -> list[Float[np.ndarray, "N T"]]:
    """A new deal of the stocks on each date."""
    rng = np.random.default_rng(seed)
    return [rng.permuted(returns, axis=0) for _ in range(count)]


NULLS: Mapping[str, Draws] = {"circular shifts": shifts, "stocks permuted once": deals, "stocks permuted each date": daily_deals}


def p_values(world: World, draws: Draws, windows: int, count: int, first_seed: int = 0) -> Mapping[str, Float[np.ndarray, " W"]]:
    """The p-value of each statistic in each of many histories without skill."""
    found: dict[str, list[float]] = {}
    for seed in range(first_seed, first_seed + windows):
        scores, returns = scores_and_returns(world, seed)
        ranks = unit_ranks(returns)  # of returns that are moved in time or between stocks: the ranks, moved
        every = np.stack([ranks, *draws(ranks, world, seed, count)], axis=-1)
        for name, values in statistics(scores, every, world.gap, seed).items():
            found.setdefault(name, []).append(p_value(float(values[0]), values[1:].astype(np.float64)).value)
    return {name: np.array(values) for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--windows", type=int, default=400, help="histories of each world (default: %(default)s)")
    parser.add_argument("--draws", type=int, default=200, help="draws of each null (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder for tables, parquet and Markdown (default: none)")
    options = parser.parse_args()
    rows = [
        {
            "world": world_name,
            "null": null_name,
            "statistic": statistic,
            "P(p ≤ 0.05)": float((p <= 0.05).mean()),
            "P(p ≤ 0.1)": float((p <= 0.1).mean()),
            "P(p ≤ 0.5)": float((p <= 0.5).mean()),
            "KS distance": float(kstest(p, "uniform").statistic),
            "KS p-value": float(kstest(p, "uniform").pvalue),
        }
        for world_name, world in WORLDS.items()
        for null_name, draws in NULLS.items()
        for statistic, p in p_values(world, draws, options.windows, options.draws).items()
    ]
    title = f"p-values of windows without skill: {options.windows} windows, {options.draws} draws of each null"
    print_table(title, pl.DataFrame(rows))
    notes = [
        f"K={WORLDS['independent days'].archetypes} archetypes, N={WORLDS['independent days'].stocks} stocks,"
        f" T={WORLDS['independent days'].dates} dates, look-back {LOOKBACK}. The share at or below 0.05 has a standard error of"
        f" {np.sqrt(0.05 * 0.95 / options.windows):.3f} where it is right.",
    ]
    write(options.out, "null_validity", title, pl.DataFrame(rows), notes)


if __name__ == "__main__":
    main()
