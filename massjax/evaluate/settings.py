"""Settings of walk-forward evaluation and of the backtest."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from massjax.portfolio.settings import BacktestSettings
from massjax.settings import Settings


class EvaluateSettings(Settings):
    """How the search walks forward through time.

    Attributes:
        horizon: forward-return horizon the search is fitted to, in rows (dates); one of `market.horizons`.
        lookback: number of dates whose returns the search for one date may use.
        gap: dates between the last of them and the date; None = the smallest that does not leak.
        delay: weights found at a date are applied this many dates later.
        alpha, signal, missing: see `massjax.aggregate`.
        warm_start: start each date's search from the weights of the date before.
        leakage_ablation: allow a gap that sees the future; every output is then marked.
        backtest: the portfolio that each strategy is judged by, besides its correlations.
    """

    horizon: int = Field(5, ge=1)
    lookback: int = Field(20, ge=1)
    gap: int | None = Field(None, ge=0)
    delay: int = Field(1, ge=0)
    alpha: float = Field(0.5, ge=0.0, le=1.0)
    signal: Literal["combined", "mean", "disagreement"] = "combined"
    missing: Literal["renormalize", "zero"] = "renormalize"
    warm_start: bool = False
    leakage_ablation: bool = False
    backtest: BacktestSettings = BacktestSettings()
