"""How each archetype did by itself: how much of the panel it scored, how well it ranked, what weight each strategy gave it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from massjax.average_ranks import column_blocks
from massjax.evaluate.candidates import EvaluationData
from massjax.evaluate.controls import some_dates
from massjax.evaluate.result import Strategy
from massjax.statistics.series import SeriesSummary, summarize


class Alone(NamedTuple):
    """One archetype by itself.

    Attributes:
        coverage: share of members with a score.
        rank_ic: of its own scores, over the evaluated dates, at the fitted horizon.
        mean_weight: by strategy name, over the evaluated dates of that strategy; NaN for a strategy without any.
    """

    coverage: float
    rank_ic: SeriesSummary
    mean_weight: Mapping[str, float]


def each_alone(data: EvaluationData, strategies: Sequence[Strategy]) -> tuple[Alone, ...]:
    """Every archetype of a run by itself, in the order of the scores.

    Args:
        data: what the strategies were judged on.
        strategies: as they were judged.
    """
    horizon = data.settings.horizon
    daily = data.single_rank_ic
    coverage = score_coverage(data.scores, data.member)
    means = {strategy.name: _mean_weights(strategy) for strategy in strategies}
    return tuple(
        Alone(
            coverage=float(coverage[k]),
            rank_ic=summarize(np.where(data.evaluated, daily[k], np.nan), horizon),
            mean_weight={name: float(mean[k]) for name, mean in means.items()},
        )
        for k in range(len(coverage))
    )


def score_coverage(scores: Float[np.ndarray, "K N T"], member: Bool[np.ndarray, "N T"]) -> Float[np.ndarray, " K"]:
    """Share of the members, over all dates, for which each archetype has a score."""
    scored = np.zeros(len(scores), np.int64)
    for rows in column_blocks(len(scores) * len(member), member.shape[1]):
        scored += (np.isfinite(some_dates(scores, rows)) & member.T[rows, None]).sum(axis=(0, 2))
    return scored / max(int(member.sum()), 1)


def _mean_weights(strategy: Strategy) -> Float[np.ndarray, " K"]:
    chosen = strategy.weights[strategy.evaluated]
    return chosen.mean(axis=0) if len(chosen) else np.full(strategy.weights.shape[1], np.nan)
