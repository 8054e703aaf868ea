"""The verdict of a run in words, and what its p-values mean; each sentence computed from the figures."""

from __future__ import annotations

import math
from collections.abc import Sequence

from massjax.evaluate.evidence import Evidence, Gain, Luck
from massjax.evaluate.result import Strategy
from massjax.evaluate.verdict import MOST_YEARS, USEFUL_GAIN, bounds
from massjax.report.run import RunResult
from massjax.report.wording import NONE, headline, leak_words, listed, number, percent, probability, return_name, signed_percent
from massjax.row_words import counted
from massjax.timing import telling_dates

MONTHS = 12
YEARS_IN_MONTHS = 1.5
"""Years below which a wait is told in months."""


def opening(result: RunResult) -> str:
    """The first sentences of a report: the verdict, or for a run without one what its t-statistics allow to say; and whether the model's
    memory of the dates was measured."""
    words = verdict_words(result)
    if not words:
        off = "No verdict, and no mix is advised: p-values are off (evaluate.p_values). By t-statistics alone: "
        words = f"{off if result.searches else ''}{headline(result)}"
    return " ".join([words, *(f"The model's memory of these dates: {one}." for one in result.memory)])


def verdict_words(result: RunResult) -> str:
    """The verdict in words; empty where a run has none."""
    found = result.verdict
    if result.config.evaluate.leakage_ablation:
        return f"No verdict: in a leakage ablation {leak_words(result)}."
    if found is None:
        return ""
    if not found.strategy:
        return "Use uniform weights: nothing was searched."
    strategy = result.strategy(found.strategy)
    evidence = strategy.evidence
    assert evidence is not None
    assert evidence.gain is not None
    words = {"mix": _mix, "too_few": _too_few, "uniform": _uniform}[found.kind](result, strategy, evidence, evidence.gain)
    return unbroken(f"{'On noise in place of scores: ' if result.fake else ''}{words}")


def _mix(result: RunResult, strategy: Strategy, evidence: Evidence, gain: Gain) -> str:
    effective = f"{number(evidence.effective_archetypes, 1)} of {len(result.archetypes)}"
    return (
        f"Use this mix ({strategy.label}): it gained {gain_words(gain)} of RankIC over uniform weights out of sample; "
        f"{chance(result, evidence.luck)}; effective archetypes {effective}."
    )


def _too_few(result: RunResult, strategy: Strategy, evidence: Evidence, gain: Gain) -> str:
    telling = telling_dates(result.horizon)
    until = "Use uniform weights until then."
    if gain.dates < telling:
        name = return_name(result, result.horizon)
        return f"Not enough dates to tell: {gain.dates} with a known {name}, of at least {telling} that it takes. {until}"
    found = f"{strategy.label} gained {gain_words(gain)} of RankIC over uniform weights out of sample; {chance(result, evidence.luck)}"
    if evidence.luck is None and evidence.reason:
        found += f" ({evidence.reason})"
    if not (0 < gain.more_years < math.inf):
        return f"Not enough dates to tell: {found}. {until}"
    return f"Not enough dates to tell: about {wait(gain.more_years)} would. {found}. {until}"


def _uniform(result: RunResult, strategy: Strategy, evidence: Evidence, gain: Gain) -> str:
    found = f"{strategy.label} gained {gain_words(gain)} of RankIC over them out of sample; {chance(result, evidence.luck)}"
    words = f"Use uniform weights: {found}."
    _, high = bounds(gain)
    if high < USEFUL_GAIN:
        return f"{words} A gain of {percent(USEFUL_GAIN, 0)} point or more is excluded."
    if MOST_YEARS < gain.more_years < math.inf:
        return f"{words} It would take about {wait(gain.more_years)} to tell a gain of that size from luck."
    return words


def gain_words(gain: Gain) -> str:
    """`+0.45 ± 1.20 points`, with half of the 95 % interval of Newey and West."""
    return f"{signed_percent(gain.mean)} ± {percent(half_width(gain))} points"


def half_width(gain: Gain) -> float:
    """Half of the Newey-West interval, which is symmetrical."""
    return (gain.newey_west.high - gain.newey_west.low) / 2


def chance(result: RunResult, luck: Luck | None) -> str:
    """`chance of luck 0.012`, corrected for the number of searches where there were several, which is said."""
    if luck is None or math.isnan(luck.adjusted):
        return "chance of luck not known"
    several = f" allowing for {len(result.searches)} searches" if luck.correction else ""
    return f"chance of luck{several} {probability(luck.adjusted)}"


def wait(years: float) -> str:
    """`7 more months`, `3 more years`, `1,200 more years`: rounded up."""
    if years < YEARS_IN_MONTHS:
        return counted(max(1, math.ceil(MONTHS * years)), "more month")
    return counted(math.ceil(years), "more year")


def further_dates(result: RunResult, gain: Gain) -> str:
    """Dates until a gain of the size found would be told from luck: `1,240`, `0` where it is, a dash where it is not positive."""
    if not math.isfinite(gain.more_years):
        return NONE
    return f"{math.ceil(gain.more_years * result.panel.periods_per_year):,}"


def about_luck(result: RunResult) -> tuple[str, ...]:
    """What the p-values of the run are: null, repetitions, dates between searches, correction; then why some are lacking."""
    told, found = [], [(s, s.evidence) for s in result.strategies if s.evidence is not None]
    lucks = [(s, evidence.luck) for s, evidence in found if evidence.luck is not None]
    for null in dict.fromkeys(luck.null for _, luck in lucks):
        counts = sorted({luck.repetitions for _, luck in lucks if luck.null == null})
        repetitions = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
        whose = "" if len({luck.null for _, luck in lucks}) == 1 else f" of {listed([s.label for s, luck in lucks if luck.null == null])}"
        told.append(f"p{whose}: share of {repetitions} {_NULLS[null]} that do as well, the whole procedure repeated in each")
    for every in sorted({luck.refitted_every for _, luck in lucks if luck.refitted_every > 1}):
        labels = [s.label for s, luck in lucks if luck.refitted_every == every]
        told.append(f"{listed(labels)} re-fitted every {counted(every, 'date')} in them, and in the figure they are compared with")
    for correction in dict.fromkeys(luck.correction for _, luck in lucks if luck.correction):
        searches = [s for s, luck in lucks if luck.correction == correction]
        told.append(f"adj.: p gain adjusted for {len(searches)} searches, by {correction}")
    everyone = [s.label for s, _ in lucks] or [s.label for s, _ in found]
    told += [_limit(reason, labels, everyone) for reason, labels in _by_reason(found).items()]
    return tuple(f"{sentence}." for sentence in told)


_NULLS = {
    "circular shifts": "circular time shifts of the returns against the scores",
    "stock permutations": "permutations of the stocks, one for all dates (which takes stocks to be alike)",
}


def _limit(reason: str, labels: list[str], everyone: list[str]) -> str:
    """Why p-values are lacking or limited, and whose, where it is not those of all that have or could have one."""
    return f"{reason[:1].upper()}{reason[1:]}" if labels == everyone else f"{listed(labels)}: {reason}"


def _by_reason(found: Sequence[tuple[Strategy, Evidence]]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for strategy, evidence in found:
        if evidence.reason:
            reasons.setdefault(evidence.reason, []).append(strategy.label)
    return reasons


def about_opinions(result: RunResult) -> str:
    """How many archetypes say something of their own; empty where it is not known."""
    if math.isnan(result.effective_opinions):
        return ""
    return (
        f"The {len(result.archetypes)} archetypes are worth {number(result.effective_opinions, 1)} independent ones, "
        "by the correlation of their scores."
    )


def unbroken(text: str) -> str:
    """Text in which no number is parted from its sign or unit at the end of a line."""
    return text.replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}").replace(" %", "\N{NO-BREAK SPACE}%")
