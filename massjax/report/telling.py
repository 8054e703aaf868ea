"""What a run has too few dates to say: which t-statistics are shown, and whether anything is given per year."""

from __future__ import annotations

import math
from dataclasses import replace

from massjax.report.run import RunResult
from massjax.statistics.series import SeriesSummary
from massjax.timing import telling_dates


def shown_summary(summary: SeriesSummary, horizon: int) -> SeriesSummary:
    """The summary as it may be shown: without standard error and t-statistic where it has fewer than `telling_dates`."""
    if summary.dates >= telling_dates(horizon):
        return summary
    return replace(summary, standard_error=math.nan, t_statistic=math.nan)


def known_dates(result: RunResult) -> int:
    """Dates with a RankIC at the fitted horizon, of the strategy that has most."""
    return max(strategy.metrics[result.horizon].rank_ic.dates for strategy in result.strategies)


def too_few(result: RunResult) -> bool:
    """Whether no strategy has enough dates at the fitted horizon to tell anything."""
    return known_dates(result) < telling_dates(result.horizon)


def annualised(result: RunResult) -> bool:
    """Whether figures are given per year: from a quarter of a year on, and where there are dates enough to tell anything.

    The standard error of an annualised Sharpe ratio is about 1 / √years (Lo 2002): after less than a quarter of a year it is above 2,
    more than the ratios that it is to tell apart, and a growth rate is raised to more than the fourth power.
    """
    if result.benchmark is None or too_few(result):
        return False
    return result.benchmark.performance.days >= result.panel.periods_per_year / 4
