"""From what was measured to the state of each model."""

from __future__ import annotations

from math import factorial

import numpy as np

from massjax.hindsight.probing import Probed
from massjax.hindsight.running import Hindsight
from massjax.models.identity import identity_digest
from massjax.scores.measured import ModelState
from massjax.statistics.circular_shifts import PValue


def model_states(found: Hindsight) -> tuple[ModelState, ...]:
    """The state of each model that was probed: memory is found where the partial RankIC of its blank answers, up to its cut-off, at the
    run's horizon, has a p-value of at most the level; where the cut-off is not known, over all dates."""
    return tuple(_state(found, one) for one in found.probed)


def _state(found: Hindsight, one: Probed) -> ModelState:
    period, probed = one.judged(found.horizon)
    p_value, points = probed.p_value.value, 100 * probed.partial.mean
    level, cutoff = found.settings.level, found.cutoffs[one.model]
    reason = _why(one) if not np.isfinite(p_value) else _untold(one, probed.p_value, level) if p_value > level else ""
    power = one.power
    return ModelState(
        model=one.model,
        named=found.named[one.model],
        identity=identity_digest(found.identities[one.model]),
        first=str(found.days[0]),
        last=str(found.days[-1]),
        stocks=found.stocks,
        cutoff=None if cutoff is None else str(cutoff),
        state="undefined" if reason else "found" if p_value <= level else "none found",
        points=points,
        p_value=p_value,
        least=None if power is None else 100 * power.least,
        period=period,
        horizon=found.horizon,
        level=level,
        target=0.8 if power is None else power.target,
        reason=reason,
    )


def _why(one: Probed) -> str:
    known = np.isfinite(one.blank)
    if not known.any():
        return f"no blank question has an answer ({one.why_none})" if one.why_none else "no blank question was asked"
    if (known.sum(axis=0) < 2).all():
        return "no date has blank answers about two stocks"
    lowest, highest = np.where(known, one.blank, np.inf).min(axis=0), np.where(known, one.blank, -np.inf).max(axis=0)
    if (lowest >= highest).all():
        return "on every date the blank answers about all stocks are the same"
    return "too few dates have a partial RankIC: blank answers, controls and returns have to be known of the same stocks"


def _untold(one: Probed, p_value: PValue, level: float) -> str:
    """Why no memory would have been found, however strong; empty where it would have been."""
    stocks = int(np.isfinite(one.blank).any(axis=1).sum())
    dealt = p_value.null is not None and p_value.null.method == "stock permutations"
    if p_value.smallest > level or (dealt and factorial(stocks) * level < 1):
        return f"too few dates and stocks for a p-value of {level:g} or less"
    return one.no_power if one.power is None else ""
