"""The share of the mean in the combined signal, learned on the look-back of each date: `alpha: learned`.

On each date it is the one of `ALPHAS` under which the combined signal of *equal* weights had the highest mean RankIC over the look-back of
the run. So all strategies share it, and what a search gains over equal weights is a gain of its weights. It is learned anew under every
draw of a p-value.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from massjax.engine.blocks import AnyScores
from massjax.engine.history import history_rank_ic
from massjax.engine.inputs import Missing
from massjax.evaluate.controls import best_of_means, lookback_mean
from massjax.evaluate.repeated import Repetitions, weights_rank_ic
from massjax.timing import Timing

LEARNED = "learned"
ALPHAS = np.linspace(0.0, 1.0, 11).astype(np.float32)
UNKNOWN = 0.5
"""Where no date of the look-back tells anything, and before the first search."""


def learned_alphas(
    scores: AnyScores, member: Bool[np.ndarray, "N T"], forward_returns: Float[np.ndarray, "N T"], timing: Timing, missing: Missing
) -> Float[np.ndarray, " T"]:
    """The share that is learned on each date, from `timing.window` of it alone.

    Args:
        scores: NaN where an archetype has none.
        member: True where the stock is in the universe.
        forward_returns: over `timing.horizon`; NaN where unknown.
        timing: of the run.
        missing: `renormalize` leaves missing scores out; `zero` takes them as 0.
    """
    equal = np.full((1, scores.shape[0]), 1.0 / scores.shape[0], np.float32)
    daily = [history_rank_ic(scores, member, forward_returns, equal, alpha=a, signal="combined", missing=missing)[0] for a in ALPHAS]
    return best_alphas(np.stack(daily), timing)


def redrawn_alphas(repetitions: Repetitions, timing: Timing) -> Float[np.ndarray, "R T"]:
    """The share that applies on each date under each draw of the returns.

    Args:
        repetitions: scores and draws.
        timing: of the run.
    """
    archetypes, _, total = repetitions.scores.shape
    equal = np.broadcast_to(np.float32(1.0 / archetypes), (len(repetitions.draws), total, archetypes))
    daily = [weights_rank_ic(repetitions, equal, np.arange(total), "combined", np.asarray(a)) for a in ALPHAS]
    return applied(best_alphas(np.stack(daily, axis=1), timing), timing)


def best_alphas(daily: Float[np.ndarray, "... A T"], timing: Timing) -> Float[np.ndarray, "... T"]:
    """The first of the best shares by the mean RankIC over the window of each date.

    Args:
        daily: RankIC of equal weights on each date, for each of `ALPHAS`; NaN where undefined.
        timing: of the run.
    """
    on_date = replace(timing, delay=0, leakage_ablation=True)
    best, decided = best_of_means(lookback_mean(daily.astype(np.float64).round(6), on_date))
    return np.where(decided, ALPHAS[best], UNKNOWN).astype(np.float32)


def applied(found: Float[np.ndarray, "... T"], timing: Timing) -> Float[np.ndarray, "... T"]:
    """What was found on each date, on the date `timing.delay` later on which it applies."""
    early = np.full((*found.shape[:-1], timing.delay), UNKNOWN, np.float32)
    return np.concatenate([early, found], axis=-1)[..., : found.shape[-1]]
