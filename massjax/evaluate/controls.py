"""The controls a search has to beat: listening to all archetypes alike, and to the one that did best lately."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from massjax.average_ranks import column_blocks, unit_ranks
from massjax.engine.devices import device_count
from massjax.engine.inputs import Missing
from massjax.statistics.cross_sections import Ranked, rank_correlations_of_many, rank_members
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
    mean, square = lookback_mean(daily, timing), lookback_mean(np.square(daily, dtype=np.float64), timing)
    return Control(inverse_noise(mean, square).T, np.full(daily.shape[1], np.nan))


def inverse_noise(mean: Float[np.ndarray, "... K T"], square: Float[np.ndarray, "... K T"]) -> Float[np.ndarray, "... K T"]:
    """Weights of `equal_risk` from the means, over each look-back, of a daily RankIC and of its square; each date sums to 1."""
    spread = np.sqrt(np.maximum(square - mean**2, 0.0))
    inverse = np.where(np.isfinite(spread) & (spread > LEAST_NOISE), 1.0 / np.maximum(np.nan_to_num(spread, nan=1.0), LEAST_NOISE), 0.0)
    total = inverse.sum(axis=-2, keepdims=True)
    return np.where(total > 0, inverse / np.where(total > 0, total, 1.0), 1.0 / mean.shape[-2])


def single_rank_ic(
    scores: Float[np.ndarray, "K N T"] | Sequence[Float[np.ndarray, "N T"]],
    member: Bool[np.ndarray, "N T"],
    forward_returns: Float[np.ndarray, "N T"] | Ranked,
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
    returns = forward_returns if isinstance(forward_returns, Ranked) else rank_members(forward_returns, member)
    found = np.empty((len(scores), member.shape[1]))

    def fill(rows: slice) -> None:
        here = some_dates(scores, rows)
        filled = np.where(np.isnan(here), 0.0, here) if missing == "zero" else here
        found[:, rows] = rank_correlations_of_many(filled, member[:, rows].T, returns.on(rows)).T

    with ThreadPoolExecutor(device_count()) as pool:
        deque(pool.map(fill, column_blocks(len(scores) * len(member), member.shape[1])), maxlen=0)
    return found


def some_dates(
    values: Float[np.ndarray, "K N T"] | Sequence[Float[np.ndarray, "N T"]], rows: slice | Int[np.ndarray, " B"]
) -> Float[np.ndarray, "B K N"]:
    """Some dates of scores, or of features that lie apart in memory, the dates first; a view where scores are stored so."""
    if isinstance(values, np.ndarray):
        return np.moveaxis(values, 2, 0)[rows]
    return np.stack([one[:, rows].T for one in values], axis=1)


def learned_signs(daily: Float[np.ndarray, "... T"], timing: Timing) -> Float[np.ndarray, "... T"]:
    """The sign of each feature's mean RankIC over the look-back; 0 where it has none."""
    return signs_of(lookback_mean(daily, timing))


def signs_of(means: Float[np.ndarray, "... T"]) -> Float[np.ndarray, "... T"]:
    """The sign of each mean; 0 where there is none."""
    return np.where(np.isfinite(means), np.sign(means), 0.0)


def feature_ranks(
    values: Float[np.ndarray, "F N T"] | Sequence[Float[np.ndarray, "N T"]], member: Bool[np.ndarray, "N T"]
) -> Float[np.ndarray, "F N T"]:
    """Average rank of each member among those that have the feature, from -1/2 to 1/2; 0, the middle, where it has not."""
    found = np.zeros((len(values), *member.shape))
    for row, feature in zip(found, values, strict=True):
        row[:] = np.nan_to_num(unit_ranks(np.where(member, feature, np.nan)))
    return found


def signed_sum(
    values: Sequence[Float[np.ndarray, "N T"]], signs: Float[np.ndarray, "F T"], member: Bool[np.ndarray, "N T"]
) -> Float[np.ndarray, "N T"]:
    """The sum of the ranks of F features (see `feature_ranks`), each with its sign; NaN off-universe."""
    found = np.empty(member.shape)
    for rows in column_blocks(*member.shape):
        ranks = feature_ranks([feature[:, rows] for feature in values], member[:, rows])
        found[:, rows] = np.where(member[:, rows], np.einsum("fnt,ft->nt", ranks, signs[:, rows]).round(9), np.nan)
    return found


def lookback_mean(daily: Float[np.ndarray, "... T"], timing: Timing) -> Float[np.ndarray, "... T"]:
    """Mean of a daily series over the window whose weights are applied on each date, NaN dates skipped.

    NaN where the window is not complete or holds nothing.
    """
    dates = np.arange(daily.shape[-1])
    return lookback_mean_of(daily, dates, timing, dates)


def lookback_mean_of(
    daily: Float[np.ndarray, "... E"], dates: Int[np.ndarray, " E"], timing: Timing, applied: Int[np.ndarray, " D"]
) -> Float[np.ndarray, "... D"]:
    """`lookback_mean` for the weights of some dates, of a series that is there on some dates alone.

    Args:
        daily: the series; NaN = unknown.
        dates: indices, ascending, of what is there; all others are unknown.
        timing: which dates decide, and when.
        applied: indices of the dates whose weights are decided.
    """
    start, end, full = (values[applied] for values in timing.windows_of_applied(int(applied.max(initial=-1)) + 1))
    means = window_means(daily, np.searchsorted(dates, start), np.searchsorted(dates, end))
    return np.where(full, means, np.nan)
