"""Numbers and findings in words: how a figure is printed, and what may be concluded from it."""

from __future__ import annotations

import math

from massjax.evaluate.metrics import SeriesSummary
from massjax.evaluate.result import RunResult, Strategy

MINUS = "\N{MINUS SIGN}"
ABLATION = "Leakage ablation: the search could see returns that were not yet known. Nothing here is a result."
NONE = "\N{EN DASH}"
LARGEST_IN_FULL = 100_000.0
"""Numbers from this size on are printed with a power of ten, so that no table outgrows its page."""
CONVENTIONAL_T = 2.0
"""|t| from which a difference is called distinguishable from chance: the usual 5 % of a single test."""


def percent(value: float, digits: int = 2) -> str:
    """`0.0907` as `9.07`: the number of percent, without the sign; a dash where it is NaN."""
    return number(100 * value, digits)


def number(value: float, digits: int = 2, *, sign: bool = False) -> str:
    """Fixed decimals, a real minus sign, never `-0.00`; `1.2e64` where it is too large to be told in full, a dash where it is NaN."""
    if not math.isfinite(value):
        return NONE
    if abs(value) >= LARGEST_IN_FULL:
        digits_and_power = f"{value:+.1e}" if sign else f"{value:.1e}"
        return digits_and_power.replace("e+0", "e").replace("e+", "e").replace("-", MINUS)
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    if not float(text):
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def signed_percent(value: float, digits: int = 2) -> str:
    """As `percent`, with a sign for gains too."""
    return number(100 * value, digits, sign=True)


def headline(result: RunResult) -> str:
    """What the run shows in one sentence: did searching beat not searching?"""
    searches = [strategy for strategy in result.strategies if strategy.kind == "search"]
    by_t = [(s.label, s.metrics[result.horizon].over_uniform.t_statistic) for s in searches]
    better, worse = [label for label, t in by_t if t >= CONVENTIONAL_T], [label for label, t in by_t if t <= -CONVENTIONAL_T]
    told = [f"{_listed(better)} beat uniform weights beyond chance"] if better else []
    told += [f"{_listed(worse)} did worse than uniform weights beyond chance"] if worse else []
    if told:
        return "; ".join(told) + "."
    return (
        "No search can be told apart from uniform weights."
        if len(searches) > 1
        else "The search cannot be told apart from uniform weights."
    )


def verdict(result: RunResult) -> tuple[str, ...]:
    """One sentence for each search, against both controls, that claims no more than the t-statistics allow."""
    return tuple(_verdict(strategy, result.horizon) for strategy in result.strategies if strategy.kind == "search")


def _verdict(strategy: Strategy, horizon: int) -> str:
    metrics = strategy.metrics[horizon]
    own = metrics.rank_ic
    told = (
        f"{strategy.label}: RankIC {percent(own.mean)} % out of sample (t = {number(own.t_statistic, 1)}), {_against_zero(own)}. "
        f"Against uniform weights {_difference(metrics.over_uniform)}; against the best single archetype of the look-back "
        f"{_difference(metrics.over_best_single)}."
    )
    return told.replace("t = ", "t\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}").replace(" %", "\N{NO-BREAK SPACE}%")


def _against_zero(summary: SeriesSummary) -> str:
    if not math.isfinite(summary.t_statistic):
        return "on too few dates to tell from zero"
    if abs(summary.t_statistic) < CONVENTIONAL_T:
        return "not distinguishable from zero"
    return "above zero beyond chance" if summary.t_statistic > 0 else "below zero beyond chance"


def _difference(summary: SeriesSummary) -> str:
    if not math.isfinite(summary.t_statistic):
        return f"{signed_percent(summary.mean)} points (no standard error)"
    told = f"{signed_percent(summary.mean)} points (t = {number(summary.t_statistic, 1)}"
    if abs(summary.t_statistic) < CONVENTIONAL_T:
        return told + ", within chance)"
    return told + (", better beyond chance)" if summary.t_statistic > 0 else ", worse beyond chance)")


def _listed(labels: list[str]) -> str:
    return labels[0] if len(labels) == 1 else ", ".join(labels[:-1]) + " and " + labels[-1]


def evaluated_span(result: RunResult) -> str:
    """`2021-04-09 to 2022-06-30 (310 dates)`."""
    dates = result.panel.dates[result.evaluated]
    return f"{dates[0]} to {dates[-1]} ({dates.size} dates)"
