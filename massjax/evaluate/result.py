"""What came of a strategy: its weights and signals through time, its correlations with what followed, its portfolio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from massjax.evaluate.evidence import Evidence
from massjax.portfolio.backtest import Backtest
from massjax.portfolio.band import Band
from massjax.portfolio.performance import Performance
from massjax.statistics.series import SeriesSummary
from massjax.statistics.shrinkage import Shrinkage

UNIFORM, UNIFORM_LLM, UNIFORM_RULES, BEST_SINGLE, BENCHMARK = "uniform", "uniform_llm", "uniform_rules", "best_single", "benchmark"
EQUAL_RISK, RAW_FEATURES, PERMUTED, LIGHTGBM = "equal_risk", "raw_features", "permuted_scores", "lightgbm"
"""Names of the controls and of the benchmark portfolio in files and reports."""


@dataclass(frozen=True)
class HorizonMetrics:
    """One strategy's correlations with the forward returns over one horizon.

    Attributes:
        rank_ic, ic: of the signal.
        over_uniform, over_best_single: of the daily RankIC less that of the control, on the dates both have.
    """

    rank_ic: SeriesSummary
    ic: SeriesSummary
    over_uniform: SeriesSummary
    over_best_single: SeriesSummary


@dataclass(frozen=True, eq=False)
class Portfolio:
    """The backtest of one signal.

    Attributes:
        backtest: the equity curve and its trades, from the first evaluated date.
        performance: its figures, the active ones against the benchmark.
        band: its spread over the days on which it may start.
    """

    backtest: Backtest
    performance: Performance
    band: Band

    def __repr__(self) -> str:
        return f"Portfolio(CAGR {self.performance.cagr:.2%}, Sharpe {self.performance.sharpe:.2f}, {self.backtest!r})"


@dataclass(frozen=True, eq=False)
class Strategy:
    """One way to weight the archetypes through time, and what came of it.

    Attributes:
        name: of the search or control, unique in a run.
        label: what people call it.
        kind: `search`, or `control` for weights that no search has chosen.
        about: one line on the size of the search; empty for controls.
        ranked_by: which signal ranks the stocks.
        weights: applied on each date, summing to 1; all 0 for a control that ranks the stocks without the archetypes.
        signals: `mean`, `disagreement` and `combined`; NaN off-universe.
        evaluated: True on the dates it is judged on: those of the run on which its own weights were chosen by a known fitness. A search
            whose look-back window allowed no rank correlation has equal weights on that date, which are not its own.
        fitness: mean RankIC of the weights of each date on the look-back window they were chosen on; NaN off its evaluated dates.
        rank_ic, ic: daily, by horizon; NaN off its evaluated dates.
        metrics: by horizon.
        rank_ic_by_signal: RankIC at the fitted horizon had each of the three signals ranked the stocks.
        shrinkage: in-sample against out-of-sample.
        portfolio: from the first evaluated date of the run, the same for every strategy; None where the panel has neither prices nor
            one-day returns.
        seconds: what the search took, compilation included.
        evidence: how sure one can be of it.
        daily_rank_ic: by signal and horizon, NaN off its evaluated dates; that of the signal `ranked_by` is `rank_ic`.
    """

    name: str
    label: str
    kind: Literal["search", "control"]
    about: str
    ranked_by: str
    weights: Float[np.ndarray, "T K"]
    evaluated: Bool[np.ndarray, " T"]
    signals: Mapping[str, Float[np.ndarray, "N T"]]
    fitness: Float[np.ndarray, " T"]
    rank_ic: Mapping[int, Float[np.ndarray, " T"]]
    ic: Mapping[int, Float[np.ndarray, " T"]]
    metrics: Mapping[int, HorizonMetrics]
    rank_ic_by_signal: Mapping[str, SeriesSummary]
    shrinkage: Shrinkage
    portfolio: Portfolio | None
    seconds: float = 0.0
    daily_rank_ic: Mapping[str, Mapping[int, Float[np.ndarray, " T"]]] = field(default_factory=dict)
    evidence: Evidence | None = None

    def __repr__(self) -> str:
        means = ", ".join(f"{horizon}: {metrics.rank_ic.mean:.4f}" for horizon, metrics in self.metrics.items())
        dates = int(self.evaluated.sum())
        return f"Strategy({self.name!r}, {self.kind}, {dates} dates, mean RankIC by horizon {{{means}}})"
