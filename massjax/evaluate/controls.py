"""The controls a search has to beat: listening to all archetypes alike, and to the one that did best lately."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from massjax.engine.inputs import Missing
from massjax.statistics.correlation import daily_rank_ic
from massjax.timing import Timing


class Control(NamedTuple):
    """Weights that no search has chosen, in the form of a walk-forward result.

    Attributes:
        weights: applied on each date, summing to 1.
        fitness: mean RankIC of these weights over the look-back window they were chosen on; NaN without a full window.
    """

    weights: Float[np.ndarray, "T K"]
    fitness: Float[np.ndarray, " T"]


def uniform_weights(chosen: Bool[np.ndarray, " K"], dates: int) -> Float[np.ndarray, "T K"]:
    """Equal weights of the chosen archetypes on every date, 0 for the others; each date sums to 1."""
    return np.tile(chosen / chosen.sum(), (dates, 1))


def best_single(
    scores: Float[np.ndarray, "K N T"],
    member: Bool[np.ndarray, "N T"],
    forward_returns: Float[np.ndarray, "N T"],
    *,
    timing: Timing,
    missing: Missing = "renormalize",
) -> Control:
    """All weight on the archetype with the best mean RankIC over the look-back, walked forward like a search.

    An archetype is judged by its own scores (the `mean` signal: one archetype alone never disagrees). Of equals, to 12
    decimals, the first wins. Dates before the first full window, or on whose window no archetype has a RankIC, carry uniform weights.

    Args:
        scores: NaN where an archetype has none.
        member: True where the stock is in the universe.
        forward_returns: at the horizon that is searched for; NaN = unknown.
        timing: which dates decide, and when.
        missing: `zero` scores a stock that an archetype did not look at 0; `renormalize` leaves it out.
    """
    archetypes, _, dates = scores.shape
    window_fitness = lookback_mean(single_rank_ic(scores, member, forward_returns, missing=missing), timing)
    weights = uniform_weights(np.ones(archetypes, bool), dates)
    decided = np.isfinite(window_fitness).any(axis=0)
    best = np.argmax(np.where(np.isfinite(window_fitness), window_fitness.round(12), -np.inf), axis=0)
    weights[decided] = np.eye(archetypes)[best[decided]]
    return Control(weights, np.where(decided, window_fitness[best, np.arange(dates)], np.nan))


def single_rank_ic(
    scores: Float[np.ndarray, "K N T"],
    member: Bool[np.ndarray, "N T"],
    forward_returns: Float[np.ndarray, "N T"],
    *,
    missing: Missing = "renormalize",
) -> Float[np.ndarray, "K T"]:
    """Daily RankIC of each archetype alone; NaN where it has no or only equal scores."""
    filled = (np.where(np.isnan(s), 0.0, s) if missing == "zero" else s for s in scores)
    return np.stack([daily_rank_ic(s, forward_returns, member) for s in filled])


def lookback_mean(daily: Float[np.ndarray, "... T"], timing: Timing) -> Float[np.ndarray, "... T"]:
    """Mean of a daily series over the window whose weights are applied on each date, NaN dates skipped.

    NaN where the window is not complete or holds nothing.
    """
    dates = daily.shape[-1]
    known = np.isfinite(daily)
    sums = _running_sum(np.where(known, daily, 0.0))
    counts = _running_sum(known.astype(np.float64))
    start, end, full = timing.windows_of_applied(dates)
    total, count = sums[..., end] - sums[..., start], counts[..., end] - counts[..., start]
    return np.where(full & (count > 0), total / np.maximum(count, 1.0), np.nan)


def _running_sum(values: Float[np.ndarray, "*K T"]) -> Float[np.ndarray, "*K T+1"]:
    return np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
