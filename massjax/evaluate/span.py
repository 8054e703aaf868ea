"""Which dates a run can use: the gap that keeps the future out, and the first date with a full look-back behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Shaped

from massjax.errors import ConfigError
from massjax.evaluate.settings import EvaluateSettings
from massjax.row_words import counted


def smallest_gap(horizon: int, execution_lag: int) -> int:
    """The smallest gap with which every return of the look-back is known at the close of the date of the search.

    The last look-back date is t − gap − 1; a decision on it is filled `execution_lag` days later and its return is known `horizon`
    days after that, so t − gap − 1 + execution_lag + horizon ≤ t.
    """
    return max(0, horizon + execution_lag - 1)


def resolve_gap(settings: EvaluateSettings, execution_lag: int) -> int:
    """The gap that is set, or the smallest that does not leak; `walk_forward` refuses one that is too short."""
    return smallest_gap(settings.horizon, execution_lag) if settings.gap is None else settings.gap


def first_evaluated(settings: EvaluateSettings, gap: int, dates: Shaped[np.ndarray, " T"], execution_lag: int) -> int:
    """Index of the first date whose weights come from a full look-back window.

    Raises:
        ConfigError: the panel has no such date.
    """
    needed = settings.lookback + gap + settings.delay
    if needed + execution_lag >= dates.size:
        raise ConfigError(
            f"evaluate.lookback: {settings.lookback} dates do not fit: with a gap of {gap}, a delay of {settings.delay} and an execution "
            f"lag of {execution_lag} the first decision needs {needed + execution_lag + 1} dates, the market data has {dates.size} "
            f"({dates[0]} to {dates[-1]}); shorten the look-back or load more dates"
        )
    return needed


def check_horizon(settings: EvaluateSettings, forward_returns: Mapping[int, Any], unit: str = "trading day") -> None:
    """Refuse a horizon for which the panel has no forward returns; `unit` is what a row of it is called.

    Raises:
        ConfigError: naming the horizons there are.
    """
    if settings.horizon not in forward_returns:
        known = ", ".join(map(str, sorted(forward_returns))) or "none"
        raise ConfigError(
            f"evaluate.horizon: the market data has no forward returns over {counted(settings.horizon, unit)}, only over: {known}; "
            "choose one of these, or add it to market.horizons"
        )
