"""From what was measured to the state of each model."""

from __future__ import annotations

import numpy as np

from massjax.hindsight.probing import Probed
from massjax.hindsight.running import Hindsight
from massjax.scores.measured import ModelState


def model_states(found: Hindsight) -> tuple[ModelState, ...]:
    """The state of each model that was probed: memory is found where the partial RankIC of its blank answers, up to its cut-off, at the
    run's horizon, has a p-value of at most the level; where the cut-off is not known, over all dates."""
    return tuple(_state(found, one) for one in found.probed)


def _state(found: Hindsight, one: Probed) -> ModelState:
    period, probed = one.judged(found.horizon)
    p_value, points = probed.p_value.value, 100 * probed.partial.mean
    level = found.settings.level
    reason = "" if np.isfinite(p_value) else _why(one)
    power = one.power
    return ModelState(
        model=one.model,
        named=found.named[one.model],
        first=str(found.days[0]),
        last=str(found.days[-1]),
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
    if not np.isfinite(one.blank).any():
        return f"no blank question has an answer ({one.why_none})" if one.why_none else "no blank question was asked"
    return "too few dates have a partial RankIC: blank answers, controls and returns have to be known of the same stocks"
