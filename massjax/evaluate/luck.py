"""The probability that luck alone does as well as a strategy: its whole procedure repeated on returns that its scores cannot know."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from massjax.evaluate.evidence import Luck
from massjax.evaluate.procedures import Repeated, row_means
from massjax.evaluate.repeated import Repetitions
from massjax.statistics.circular_shifts import p_value
from massjax.statistics.multiple import romano_wolf

ROMANO_WOLF = "Romano-Wolf"
DECIMALS = 6
"""Of a mean RankIC; what lies beyond is rounding of float32, and equal is equal."""


def luck_of_strategies(
    repetitions: Repetitions, repeated: Mapping[str, Repeated], uniform: str, searches: frozenset[str]
) -> dict[str, Luck]:
    """Chance of luck of each strategy: of its fitness, of its RankIC, of its gain over uniform weights.

    The statistic is a mean over dates, p = (1 + draws at or above that of the true returns) / (1 + draws). All strategies are repeated on
    the same draws, so that the gains of several searches are corrected by their joint null (Romano and Wolf 2005).

    Args:
        repetitions: the draws.
        repeated: each strategy under all of them.
        uniform: name of the uniform weights among these.
        searches: names of the searches, among which one may have been lucky.
    """
    gains = {name: row_means(each.rank_ic - repeated[uniform].rank_ic) for name, each in repeated.items() if name != uniform}
    chosen = [name for name in repeated if name in searches and name in gains]
    adjusted, correction = {}, ""
    if len(chosen) > 1:
        joint = np.stack([gains[name] for name in chosen]).round(DECIMALS)
        adjusted, correction = dict(zip(chosen, romano_wolf(joint[:, 0], joint[:, 1:]), strict=True)), ROMANO_WOLF
    found = {}
    for name, each in repeated.items():
        mean = row_means(each.rank_ic)
        gain = _p(gains[name]) if name in gains else np.nan
        found[name] = Luck(
            null=repetitions.draws.null.method,
            repetitions=repetitions.draws.null.count,
            refitted_every=each.refitted_every,
            in_sample=_p(each.in_sample),
            out_of_sample=_p(mean),
            gain=gain,
            adjusted=float(adjusted.get(name, gain)),
            correction=correction if name in adjusted else "",
            null_rank_ic=mean[1:],
        )
    return found


def _p(statistic: Float[np.ndarray, " R"]) -> float:
    statistic = statistic.round(DECIMALS)
    return p_value(float(statistic[0]), statistic[1:]).value
