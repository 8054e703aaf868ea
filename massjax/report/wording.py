"""Numbers and findings in words: how a figure is printed, and what may be concluded from it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from massjax.evaluate.result import BEST_SINGLE, UNIFORM, HorizonMetrics, Strategy
from massjax.evaluate.verdict import LEVEL, bounds
from massjax.report.run import RunResult
from massjax.report.telling import known_dates, too_few
from massjax.row_words import counted, short_unit
from massjax.statistics.series import SeriesSummary
from massjax.timing import telling_dates

MINUS = "\N{MINUS SIGN}"
UNKNOWN_SEEN = "the search could see returns that were not yet known"
TOO_SOON = "weights were applied at the very close that makes the returns behind them known (delay 0, the leakage ablation of MASS)"
FAKE = "Fake scores: the fake engine answered with noise, no language model was asked. Nothing here is a finding about one."
NONE = "\N{EN DASH}"
LARGEST_IN_FULL = 100_000.0
"""Numbers from this size on are printed with a power of ten, so that no table outgrows its page."""
SURE_P = 0.0005
"""p-values below this are printed as `<0.001`."""
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


def probability(p: float) -> str:
    """A p-value: `0.004`, `0.31`, `<0.001`; a dash where it is NaN."""
    if math.isnan(p):
        return NONE
    if p < SURE_P:
        return "<0.001"
    return number(p, 3 if p < 0.0995 else 2)


def marks(result: RunResult) -> tuple[str, ...]:
    """What must be said before any figure, and again beside each: that the scores are noise, that the search saw the future."""
    ablation = [f"Leakage ablation: {leak_words(result)}. Nothing here is a result."] if result.config.evaluate.leakage_ablation else []
    return (*([FAKE] if result.fake else []), *ablation)


def leak_words(result: RunResult) -> str:
    """What a leakage ablation allowed: a gap that sees the future, weights that apply too soon, or both."""
    timing = result.config.evaluate.timing(result.config.market.execution_lag)
    seen = [UNKNOWN_SEEN] if timing.gap_leaks or not timing.applied_too_soon else []
    return ", and ".join(seen + ([TOO_SOON] if timing.applied_too_soon else []))


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
    return "; ".join(f"{listed(found[word])} {word}" for word in (*clear, *rest)) + "."


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
    """The strategies that `findings` speak of: the searches, or the controls where there is none."""
    return result.searches or result.strategies


def findings(result: RunResult) -> tuple[str, ...]:
    """A sentence or two for each of `judged`, against both controls, that claim no more than dates, p-values and t-statistics allow.

    What a p-value says goes before what a t-statistic says: it knows how the weights were found, and how many searches there were.
    """
    return tuple(_finding_of(strategy, result.horizon) for strategy in judged(result))


def _finding_of(strategy: Strategy, horizon: int) -> str:
    metrics = strategy.metrics[horizon]
    told = f"{strategy.label}: RankIC {_finding(strategy, horizon)}."
    against = _against_controls(strategy, metrics, horizon)
    if against:
        told += f" Against {against}."
    return re.sub(r"\b([tp]) ([=<]) ", "\\1\N{NO-BREAK SPACE}\\2\N{NO-BREAK SPACE}", told).replace(" %", "\N{NO-BREAK SPACE}%")


def _finding(strategy: Strategy, horizon: int) -> str:
    """`2.08 % out of sample (t = 0.6), not distinguishable from zero`."""
    own = strategy.metrics[horizon].rank_ic
    if not own.dates:
        return "unknown on every date out of sample"
    if own.dates < telling_dates(horizon):
        return f"{percent(own.mean)} % out of sample, on too few dates to tell: {own.dates}"
    p = _luck(strategy).out_of_sample
    return f"{percent(own.mean)} % out of sample ({_t(own)}{_p(p)}), {_against_zero(own, p)}"


def _against_zero(summary: SeriesSummary, p: float) -> str:
    if not math.isfinite(summary.t_statistic):
        return "the same on every date"
    side = _side(summary, p, summary.mean)
    return "not distinguishable from zero" if side == 0 else f"{'above' if side > 0 else 'below'} zero beyond chance"


def _side(summary: SeriesSummary, p: float, low: float) -> int:
    """1 = above zero beyond chance, -1 = below, 0 = neither: upwards by p-value and lower bound where they are known, else by t."""
    if summary.t_statistic <= -CONVENTIONAL_T:
        return -1
    return int(summary.t_statistic >= CONVENTIONAL_T if math.isnan(p) else p <= LEVEL and low > 0)


class _Chances(NamedTuple):
    """What the sentences on a strategy tell of its p-values; NaN where not known."""

    out_of_sample: float = math.nan
    adjusted: float = math.nan
    least_gain: float = math.nan


def _luck(strategy: Strategy) -> _Chances:
    evidence = strategy.evidence
    if evidence is None or evidence.luck is None:
        return _Chances()
    least = math.nan if evidence.gain is None else bounds(evidence.gain)[0]
    return _Chances(evidence.luck.out_of_sample, evidence.luck.adjusted, least)


def _p(p: float) -> str:
    """`; p = 0.31`, `; p < 0.001`, or nothing."""
    told = probability(p)
    return "" if math.isnan(p) else f"; p < {told[1:]}" if told.startswith("<") else f"; p = {told}"


def _against_controls(strategy: Strategy, metrics: HorizonMetrics, horizon: int) -> str:
    told = []
    if strategy.name != UNIFORM:
        chances = _luck(strategy)
        against = _difference(metrics.over_uniform, metrics.rank_ic.dates, horizon, chances.adjusted, chances.least_gain)
        told.append(f"uniform weights {against}")
    if strategy.name != BEST_SINGLE:
        best = _difference(metrics.over_best_single, metrics.rank_ic.dates, horizon)
        told.append(f"the best single archetype of the look-back {best}")
    return "; against ".join(told)


def _difference(summary: SeriesSummary, own_dates: int, horizon: int, p: float = math.nan, low: float = math.nan) -> str:
    """`+0.45 points (t = 0.2, within chance)`, with the number of shared dates where it is not that of the strategy's own."""
    if not summary.dates:
        return "no date in common"
    shared = "" if summary.dates == own_dates else f" on {counted(summary.dates, 'shared date')}"
    told = f"{signed_percent(summary.mean)} points{shared}"
    if summary.dates < telling_dates(horizon):
        return f"{told} (too few dates to tell)"
    if not math.isfinite(summary.t_statistic):
        return f"{told} (the same on every date)"
    told += f" ({_t(summary)}{_p(p)}"
    side = _side(summary, p, low)
    return f"{told}, within chance)" if side == 0 else f"{told}, {'better' if side > 0 else 'worse'} beyond chance)"


def _t(summary: SeriesSummary) -> str:
    return f"t = {number(summary.t_statistic, 1)}" if math.isfinite(summary.t_statistic) else "no t"


def listed(labels: Sequence[str]) -> str:
    """`A`, `A and B`, `A, B and C`."""
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
