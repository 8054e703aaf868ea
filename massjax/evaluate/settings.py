"""Settings of walk-forward evaluation and of the backtest."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Shaped
from pydantic import BeforeValidator, Field

from massjax.errors import ConfigError, did_you_mean
from massjax.portfolio.settings import BacktestSettings
from massjax.row_words import counted
from massjax.settings import Settings
from massjax.timing import Lookback, LookbackSetting, Timing


def _signal(value: Any) -> Any:
    """The name of a signal as a setting gives it; one message where it is none."""
    names = ("combined", "mean", "disagreement")
    if value is None or value in names or (isinstance(value, str) and re.fullmatch(r"[\w.]+:[^\W\d]\w*", value)):
        return value
    raise ValueError(f"expected 'combined', 'mean', 'disagreement', or package.module:function{did_you_mean(str(value), names)}")


SignalSetting = Annotated[
    Annotated[str, Field(json_schema_extra={"anyOf": [{"enum": ["combined", "mean", "disagreement"]}, {"pattern": ".:."}]})],
    BeforeValidator(_signal),
]
"""A signal as a field of settings."""


def _alpha(value: Any) -> Any:
    """A share as a setting gives it; one message where it is neither a number nor `learned`."""
    if value == "learned" or (isinstance(value, int | float) and not isinstance(value, bool) and 0.0 <= value <= 1.0):
        return value
    hint = did_you_mean(value, ["learned"]) if isinstance(value, str) else ""
    raise ValueError(f"expected a number from 0 to 1, or learned{hint}")


AlphaSetting = Annotated[Annotated[float, Field(ge=0.0, le=1.0)] | Literal["learned"], BeforeValidator(_alpha)]
"""The share of the mean in the combined signal as a field of settings."""


class EvaluateSettings(Settings):
    """How the search walks forward through time."""

    horizon: int = Field(
        5,
        ge=1,
        description="Horizon of the forward returns that the search is fitted to, in rows (trading days of daily data); one of "
        "`market.horizons`.",
    )
    lookback: LookbackSetting = Field(
        "auto",
        description="Number of past dates whose returns the search for one date may use; `auto` for all that are known on that date, from "
        "the fewest that can tell anything on (30, or 12 times the horizon). A short look-back is noisy, a long one slow to adapt: only "
        "methods that weigh old dates less by themselves, as `posterior` does, should be given all of them.",
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
        description="Dates from the date whose search found the weights to the first on which they are applied. 0 applies them at once: "
        "with `market.execution_lag: 0` at the very close that makes the returns behind them known, which is MASS's leakage ablation, and "
        "refused but for `leakage_ablation`.",
    )
    alpha: AlphaSetting = Field(
        0.5,
        description="Share of the mean score in the signal `combined`, from 0 to 1; the rest is minus the disagreement. See "
        "`massjax.aggregate`. `learned` takes, on each date, the one of 0, 0.1, ..., 1 that was best for equal weights over the look-back "
        "(`evaluate.lookback`), the same for all strategies; a method that computes weights directly takes it only where `fit_signal` is "
        "`mean` or `disagreement`.",
    )
    fit_signal: SignalSetting | None = Field(
        None,
        description="Which signal the searches maximise the RankIC of; null takes `signal`, which ranks the stocks. MASS fits on "
        "`disagreement` and ranks by `combined`. The method `posterior` takes none of your own.",
    )
    signal: SignalSetting = Field(
        "combined",
        description="What ranks the stocks: the weighted `mean` score, minus the `disagreement` (weighted standard deviation) of the "
        "archetypes, both `combined` by `alpha`, or `package.module:function` of your own (docs/own_search.md).",
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
    p_values: bool = Field(
        True,
        description="Say for every strategy how likely luck alone does as well: the whole procedure is repeated with the returns shifted "
        "in time. It makes a run up to three times as long.",
    )
    repetitions: int = Field(
        200,
        ge=1,
        le=100_000,
        description="Repetitions behind a p-value, where the history allows as many shifts; the smallest p-value is 1 / (1 + repetitions).",
    )
    controls: tuple[Literal["equal_risk", "raw_features", "permuted_scores", "lightgbm"], ...] = Field(
        ("equal_risk", "raw_features", "permuted_scores"),
        description="Controls beside `uniform` and `best_single`, which every run has: `equal_risk` weighs archetypes by the inverse "
        "of the noise of their RankIC, `raw_features` sums the ranks of the market data's features, `permuted_scores` gives each stock "
        "the scores of another and finds weights on them, `lightgbm` learns from the features (needs the extra `lightgbm`).",
    )
    feature_signs: dict[str, Literal[-1, 1]] = Field(
        {},
        description="Published signs of features for the control `raw_features`, by feature name, which it then takes alone; an empty "
        "mapping takes all features, with the signs of their RankIC in the look-back.",
    )
    leakage_ablation: bool = Field(
        False,
        description="Allow a gap or a delay that sees the future, to measure what leakage would be worth; every output is then marked. "
        "MASS's own is `delay: 0`. Never for results.",
    )
    backtest: BacktestSettings = Field(
        BacktestSettings(), description="Portfolio that each strategy is judged by, besides its rank correlations."
    )

    @property
    def fitted_to(self) -> str:
        """The signal that searches maximise."""
        return self.fit_signal or self.signal

    def timing(self, execution_lag: int, lookback: Lookback | None = None, dates: Shaped[np.ndarray, " T"] | None = None) -> Timing:
        """When a search looks and when its weights apply; the gap is the smallest that does not leak unless it is set.

        Args:
            execution_lag: dates from a decision to its fill.
            lookback: of one method, in place of that of the run.
            dates: of the panel, for the message about a gap that sees the future.

        Raises:
            LeakageError: a gap or a delay that sees the future, but for `leakage_ablation`.
        """
        timing = Timing(
            lookback=self.lookback if lookback is None else lookback,
            gap=self.gap,
            delay=self.delay,
            horizon=self.horizon,
            execution_lag=execution_lag,
            leakage_ablation=True,
        )
        if dates is not None and not self.leakage_ablation:
            timing = timing.without_leak(dates)
        return replace(timing, leakage_ablation=self.leakage_ablation)


def check_horizon(settings: EvaluateSettings, horizons: Collection[int], unit: str = "trading day") -> None:
    """Refuse a horizon for which the panel has no forward returns; `unit` is what a row of it is called.

    Raises:
        ConfigError: naming the horizons there are.
    """
    if settings.horizon not in horizons:
        known = ", ".join(map(str, sorted(horizons))) or "none"
        raise ConfigError(
            f"evaluate.horizon: the market data has no forward returns over {counted(settings.horizon, unit)}, only over: {known}; "
            "choose one of these, or add it to market.horizons"
        )


def check_feature_signs(settings: EvaluateSettings, features: Collection[str]) -> None:
    """Refuse published signs of features that the market data does not have.

    Raises:
        ConfigError: naming the first of them, and what may have been meant.
    """
    unknown = [name for name in settings.feature_signs if name not in features]
    if unknown:
        known = ", ".join(sorted(features)) or "none"
        raise ConfigError(
            f"evaluate.feature_signs: the market data has no feature {unknown[0]!r}{did_you_mean(unknown[0], features)}; "
            f"known here: {known}"
        )
