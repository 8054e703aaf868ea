"""The controls a search has to beat: listening to all archetypes alike, and to the one that did best lately."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from massjax.average_ranks import unit_ranks
from massjax.engine.inputs import Missing
from massjax.statistics.cross_sections import CrossSections, cross_sections, rank_correlations
from massjax.statistics.series import window_means
from massjax.timing import Timing

LEAST_NOISE = 1e-4
"""Standard deviation of a daily RankIC at or under which it does not vary."""


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
    return best_of_daily(single_rank_ic(scores, member, forward_returns, missing=missing), timing)


def best_of_daily(daily: Float[np.ndarray, "K T"], timing: Timing) -> Control:
    """All weight on the archetype with the best mean RankIC over the look-back; see `best_single`.

    Args:
        daily: RankIC of each archetype alone; NaN where it has none.
        timing: which dates decide, and when.
    """
    archetypes, dates = daily.shape
    window_fitness = lookback_mean(daily, timing)
    weights = uniform_weights(np.ones(archetypes, bool), dates)
    best, decided = best_of_means(window_fitness)
    weights[decided] = np.eye(archetypes)[best[decided]]
    return Control(weights, np.where(decided, window_fitness[best, np.arange(dates)], np.nan))


def best_of_means(means: Float[np.ndarray, "... K T"]) -> tuple[Int[np.ndarray, "... T"], Bool[np.ndarray, "... T"]]:
    """The archetype with the highest mean on each date, the first of equals to 12 decimals, and whether there is one."""
    known = np.isfinite(means)
    return np.argmax(np.where(known, means.round(12), -np.inf), axis=-2), known.any(axis=-2)


def equal_risk(daily: Float[np.ndarray, "K T"], timing: Timing) -> Control:
    """Weights inverse to the standard deviation of each archetype's daily RankIC over the look-back, walked forward like a search.

    Where the archetypes' RankICs are equally correlated, each then adds the same risk to that of the mix (Maillard, Roncalli and
    Teïletche 2010, section 2.3). It knows how noisy an archetype was, and nothing of how good. The fitness is NaN throughout: the weights
    are not fitted to it.

    Args:
        daily: RankIC of each archetype alone; NaN where it has none.
        timing: which dates decide, and when.

    Returns:
        An archetype with fewer than two RankICs in the window, or one that does not vary, weighs nothing; weights are equal where that is
        so of all, and before the first full window.

    Example:
        The second archetype is twice as noisy as the first:

        >>> import numpy as np, massjax as mj
        >>> daily = np.array([[0.1, -0.1, 0.1, -0.1, 0.0], [0.2, -0.2, 0.2, -0.2, 0.0]])
        >>> equal_risk(daily, mj.Timing(lookback=4, gap=0, delay=0)).weights.round(3).tolist()
        [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.667, 0.333]]
    """
    return Control(inverse_noise(daily, timing).T, np.full(daily.shape[1], np.nan))


def inverse_noise(daily: Float[np.ndarray, "... K T"], timing: Timing) -> Float[np.ndarray, "... K T"]:
    """Weights of `equal_risk`, for any number of series along leading axes; each date sums to 1."""
    mean, square = lookback_mean(daily, timing), lookback_mean(np.square(daily, dtype=np.float64), timing)
    spread = np.sqrt(np.maximum(square - mean**2, 0.0))
    inverse = np.where(np.isfinite(spread) & (spread > LEAST_NOISE), 1.0 / np.maximum(np.nan_to_num(spread, nan=1.0), LEAST_NOISE), 0.0)
    total = inverse.sum(axis=-2, keepdims=True)
    return np.where(total > 0, inverse / np.where(total > 0, total, 1.0), 1.0 / daily.shape[-2])


def single_rank_ic(
    scores: Float[np.ndarray, "K N T"],
    member: Bool[np.ndarray, "N T"],
    forward_returns: Float[np.ndarray, "N T"] | CrossSections,
    *,
    missing: Missing = "renormalize",
) -> Float[np.ndarray, "K T"]:
    """Daily RankIC of each archetype alone; NaN where it has no or only equal scores.

    Args:
        scores: NaN where an archetype has none.
        member: True where the stock is in the universe.
        forward_returns: NaN = unknown; or those of the members, ranked already.
        missing: `zero` scores a stock that an archetype did not look at 0; `renormalize` leaves it out.
    """
    returns = forward_returns if isinstance(forward_returns, CrossSections) else cross_sections(forward_returns, member)
    filled = (np.where(np.isnan(s), 0.0, s) if missing == "zero" else s for s in scores)
    return np.stack([rank_correlations(cross_sections(s, member), returns) for s in filled])


def learned_signs(daily: Float[np.ndarray, "... T"], timing: Timing) -> Float[np.ndarray, "... T"]:
    """The sign of each feature's mean RankIC over the look-back; 0 where it has none."""
    means = lookback_mean(daily, timing)
    return np.where(np.isfinite(means), np.sign(means), 0.0)


def feature_ranks(values: Float[np.ndarray, "F N T"], member: Bool[np.ndarray, "N T"]) -> Float[np.ndarray, "F N T"]:
    """Average rank of each member among those that have the feature, from -1/2 to 1/2; 0, the middle, where it has not."""
    found = np.zeros(values.shape)
    for row, feature in zip(found, values, strict=True):
        row[:] = np.nan_to_num(unit_ranks(np.where(member, feature, np.nan)))
    return found


def signed_sum(
    ranks: Float[np.ndarray, "F N T"], signs: Float[np.ndarray, "F T"], member: Bool[np.ndarray, "N T"]
) -> Float[np.ndarray, "N T"]:
    """The sum of the features' ranks, each with its sign; NaN off-universe."""
    return np.where(member, np.einsum("fnt,ft->nt", ranks, signs).round(9), np.nan)


def lookback_mean(daily: Float[np.ndarray, "... T"], timing: Timing) -> Float[np.ndarray, "... T"]:
    """Mean of a daily series over the window whose weights are applied on each date, NaN dates skipped.

    NaN where the window is not complete or holds nothing.
    """
    start, end, full = timing.windows_of_applied(daily.shape[-1])
    return np.where(full, window_means(daily, start, end), np.nan)
