"""Settings of walk-forward evaluation and of the backtest."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from massjax.portfolio.settings import BacktestSettings
from massjax.settings import Settings


class EvaluateSettings(Settings):
    """How the search walks forward through time."""

    horizon: int = Field(
        5,
        ge=1,
        description="Horizon of the forward returns that the search is fitted to, in rows (trading days of daily data); one of "
        "`market.horizons`.",
    )
    lookback: int = Field(
        20,
        ge=1,
        description="Number of past dates whose returns the search for one date may use. Longer is less noisy and slower to adapt; the "
        "first evaluated date is that much later.",
    )
    gap: int | None = Field(
        None,
        ge=0,
        description="Dates between the last date of the look-back and the date of the search; null takes the smallest that does not leak, "
        "horizon + execution lag - 1. A smaller one is refused, but for `leakage_ablation`.",
    )
    delay: int = Field(
        1,
        ge=0,
        description="Dates from the date whose search found the weights to the first on which they are applied; 0 applies them at once.",
    )
    alpha: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="Share of the mean score in the signal `combined`, from 0 to 1; the rest is minus the disagreement. See "
        "`massjax.aggregate`.",
    )
    signal: Literal["combined", "mean", "disagreement"] = Field(
        "combined",
        description="What ranks the stocks: the weighted `mean` score, minus the `disagreement` (weighted standard deviation) of the "
        "archetypes, or both `combined` by `alpha`.",
    )
    missing: Literal["renormalize", "zero"] = Field(
        "renormalize",
        description="How a missing score counts: `renormalize` leaves it out and scales the other weights, `zero` takes it as 0, as MASS "
        "does for stocks that nobody looked at.",
    )
    warm_start: bool = Field(
        False,
        description="Start each date's search from the weights found for the date before (one chain; the others start equal). It keeps "
        "weights steadier from date to date.",
    )
    leakage_ablation: bool = Field(
        False,
        description="Allow a gap that sees the future, to measure what leakage would be worth; every output is then marked. Never for "
        "results.",
    )
    backtest: BacktestSettings = Field(
        BacktestSettings(), description="Portfolio that each strategy is judged by, besides its rank correlations."
    )
