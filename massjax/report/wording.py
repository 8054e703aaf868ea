"""Numbers and findings in words: how a figure is printed, and what may be concluded from it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from massjax.evaluate.result import BEST_SINGLE, UNIFORM, HorizonMetrics, Strategy
from massjax.report.run import RunResult
from massjax.report.telling import known_dates, too_few
from massjax.row_words import counted, short_unit
from massjax.statistics.series import SeriesSummary, telling_dates

MINUS = "\N{MINUS SIGN}"
ABLATION = "Leakage ablation: the search could see returns that were not yet known. Nothing here is a result."
FAKE = "Fake scores: the fake engine answered with noise, no language model was asked. Nothing here is a finding about one."
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
    """`0.0045` as `+0.45`: the number of percent with its sign, for differences; a dash where it is NaN."""
    return number(100 * value, digits, sign=True)


def marks(result: RunResult) -> tuple[str, ...]:
    """What must be said before any figure, and again beside each: that the scores are noise, that the search saw the future."""
    return (*([FAKE] if result.fake else []), *([ABLATION] if result.config.evaluate.leakage_ablation else []))


def headline(result: RunResult) -> str:
    """What the run shows in one sentence: did searching beat not searching?"""
    if too_few(result):
        return (
            f"Too few dates to tell: {known_dates(result)} with a known {return_name(result, result.horizon)}, "
            f"of at least {telling_dates(result.horizon)} that it takes."
        )
    if not result.searches:
        return f"No search was run. Uniform weights: RankIC {_finding(result.strategy(UNIFORM), result.horizon)}."
    found: dict[str, list[str]] = {}
    for strategy in result.searches:
        found.setdefault(_compared(strategy.metrics[result.horizon].over_uniform, result.horizon), []).append(strategy.label)
    if set(found) == {_LIKE}:
        return f"{'No search can' if len(result.searches) > 1 else 'The search cannot'} be told apart from uniform weights."
    clear = [word for word in (_BETTER, _WORSE) if word in found] or [word for word in (_LIKE,) if word in found]
    rest = [word for word in found if word not in (_BETTER, _WORSE, _LIKE)]
    return "; ".join(f"{_listed(found[word])} {word}" for word in (*clear, *rest)) + "."


_BETTER, _WORSE = "beat uniform weights beyond chance", "did worse than uniform weights beyond chance"
_LIKE, _SAME = "cannot be told apart from uniform weights", "ranked no better and no worse than uniform weights on any date"


def _compared(over_uniform: SeriesSummary, horizon: int) -> str:
    """What a search did against uniform weights, as the end of a sentence that begins with its name."""
    if over_uniform.dates < telling_dates(horizon):
        return f"had too few dates in common with uniform weights to tell: {over_uniform.dates}"
    if over_uniform.standard_error == 0 and over_uniform.mean == 0:
        return _SAME
    if not abs(over_uniform.t_statistic) >= CONVENTIONAL_T:
        return _LIKE
    return _BETTER if over_uniform.t_statistic > 0 else _WORSE


def judged(result: RunResult) -> tuple[Strategy, ...]:
    """The strategies that `verdict` speaks of: the searches, or the controls where there is none."""
    return result.searches or result.strategies


def verdict(result: RunResult) -> tuple[str, ...]:
    """One sentence for each of `judged`, against both controls, that claims no more than its dates and t-statistics allow."""
    return tuple(_verdict(strategy, result.horizon) for strategy in judged(result))


def _verdict(strategy: Strategy, horizon: int) -> str:
    metrics = strategy.metrics[horizon]
    told = f"{strategy.label}: RankIC {_finding(strategy, horizon)}."
    against = _against_controls(strategy, metrics, horizon)
    if against:
        told += f" Against {against}."
    return told.replace("t = ", "t\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}").replace(" %", "\N{NO-BREAK SPACE}%")


def _finding(strategy: Strategy, horizon: int) -> str:
    """`2.08 % out of sample (t = 0.6), not distinguishable from zero`."""
    own = strategy.metrics[horizon].rank_ic
    if not own.dates:
        return "unknown on every date out of sample"
    if own.dates < telling_dates(horizon):
        return f"{percent(own.mean)} % out of sample, on too few dates to tell: {own.dates}"
    return f"{percent(own.mean)} % out of sample ({_t(own)}), {_against_zero(own)}"


def _against_zero(summary: SeriesSummary) -> str:
    if not math.isfinite(summary.t_statistic):
        return "the same on every date"
    if abs(summary.t_statistic) < CONVENTIONAL_T:
        return "not distinguishable from zero"
    return "above zero beyond chance" if summary.t_statistic > 0 else "below zero beyond chance"


def _against_controls(strategy: Strategy, metrics: HorizonMetrics, horizon: int) -> str:
    told = []
    if strategy.name != UNIFORM:
        told.append(f"uniform weights {_difference(metrics.over_uniform, metrics.rank_ic.dates, horizon)}")
    if strategy.name != BEST_SINGLE:
        best = _difference(metrics.over_best_single, metrics.rank_ic.dates, horizon)
        told.append(f"the best single archetype of the look-back {best}")
    return "; against ".join(told)


def _difference(summary: SeriesSummary, own_dates: int, horizon: int) -> str:
    """`+0.45 points (t = 0.2, within chance)`, with the number of shared dates where it is not that of the strategy's own."""
    if not summary.dates:
        return "no date in common"
    shared = "" if summary.dates == own_dates else f" on {counted(summary.dates, 'shared date')}"
    told = f"{signed_percent(summary.mean)} points{shared}"
    if summary.dates < telling_dates(horizon):
        return f"{told} (too few dates to tell)"
    if not math.isfinite(summary.t_statistic):
        return f"{told} (the same on every date)"
    told += f" ({_t(summary)}"
    if abs(summary.t_statistic) < CONVENTIONAL_T:
        return told + ", within chance)"
    return told + (", better beyond chance)" if summary.t_statistic > 0 else ", worse beyond chance)")


def _t(summary: SeriesSummary) -> str:
    return f"t = {number(summary.t_statistic, 1)}" if math.isfinite(summary.t_statistic) else "no t"


def _listed(labels: Sequence[str]) -> str:
    return labels[0] if len(labels) == 1 else ", ".join(labels[:-1]) + " and " + labels[-1]


def return_name(result: RunResult, horizon: int) -> str:
    """`5-day return`, or `5-week return` where a row of the data is a week."""
    return f"{horizon}-{short_unit(result.panel.periods_per_year)} return"


def about_horizons(result: RunResult) -> str:
    """Which returns were fitted to, and why horizons may have fewer dates than there are; as much as is so in this run."""
    horizons = sorted(result.strategies[0].metrics)
    told = []
    if result.searches:
        what = "The searches were" if len(result.searches) > 1 else "The search was"
        told.append(f"{what} fitted to the {return_name(result, result.horizon)}")
        if len(horizons) > 1:
            told[-1] += "; the other horizons use the same signals" if len(horizons) > 2 else "; the other horizon uses the same signals"
    counts = [max(strategy.metrics[horizon].rank_ic.dates for strategy in result.strategies) for horizon in horizons]
    if counts[-1] < counts[0]:
        told.append("Fewer dates have a return over the longer horizons")
    return " ".join(f"{sentence}." for sentence in told)


def about_few(result: RunResult) -> str:
    """What a dash in place of a t-statistic means, where a table has one for want of dates."""
    few = [h for h, metrics in result.strategies[0].metrics.items() if metrics.rank_ic.dates < telling_dates(h)]
    if not few:
        return ""
    bounds = ", ".join(f"{telling_dates(h)} for the {return_name(result, h)}" for h in sorted(few))
    return f"Where there are too few dates to tell it is left out (fewer than {bounds})."


def horizon_dates(result: RunResult, horizon: int) -> str:
    """`230 dates`, or `180 to 230 dates` where the strategies have a RankIC on different numbers of dates."""
    counts = {strategy.metrics[horizon].rank_ic.dates for strategy in result.strategies}
    low, high = min(counts), max(counts)
    return counted(high, "date") if low == high else f"{low:,} to {counted(high, 'date')}"


def dates_differ(result: RunResult) -> bool:
    """Whether, at some horizon, the strategies have a RankIC on different numbers of dates."""
    return any(
        len({strategy.metrics[horizon].rank_ic.dates for strategy in result.strategies}) > 1 for horizon in result.strategies[0].metrics
    )


def evaluated_span(result: RunResult) -> str:
    """`2021-04-09 to 2022-06-30 (310 dates)`."""
    dates = result.panel.dates[result.evaluated]
    return f"{dates[0]} to {dates[-1]} ({counted(dates.size, 'date')})"
