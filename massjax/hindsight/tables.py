"""What was measured as tables, with the words beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table as RichTable

from massjax.hindsight.running import Hindsight, HindsightPlan
from massjax.hindsight.states import model_states
from massjax.progress import duration
from massjax.row_words import counted
from massjax.scores.printing import LITTLE_MASS
from massjax.statistics.clusters import Estimate
from massjax.statistics.familiarity import Coefficient
from massjax.statistics.intervals import Interval
from massjax.statistics.memory_probe import Period
from massjax.terminal import markup_text
from massjax.version import massjax_version

NONE = "–"


class Shown(NamedTuple):
    """A table: title, headings, and rows of text."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


HOW_TO_READ = (
    "RankIC is in points (hundredths), a mean over dates. Brackets are 95 % intervals. `partial` holds size, momentum and fame fixed, "
    "as far as they are known; its p is one-sided, of returns shifted in time, so that an opinion a model always has of a stock is no "
    "memory; `dates` are those with a partial RankIC. A blank answer is one to name and date without facts."
)


def plan_table(plan: HindsightPlan) -> Shown:
    """What each part would ask."""
    rows = list[tuple[str, ...]]()
    for part, one in plan.parts.items():
        seconds = one.open.seconds
        time = "nothing is open" if not one.open.open else "unknown" if seconds is None else duration(seconds)
        cost = "no price given" if one.cost is None else f"{one.cost:,.2f}"
        rows.append((part, f"{one.questions:,}", f"{one.open.open:,}", f"{one.open.prompt_tokens:,}", time, cost))
    if len(plan.parts) > 1:
        rows.append(_all_parts(plan))
    return Shown("Plan", ("part", "questions", "to ask", "prompt tokens", "estimated time", "cost"), tuple(rows))


def _all_parts(plan: HindsightPlan) -> tuple[str, ...]:
    """The last row of the plan: all parts together."""
    some = list(plan.parts.values())
    seconds, costs = [one.open.seconds for one in some if one.open.open], [one.cost for one in some]
    known, priced = [part for part in seconds if part is not None], [cost for cost in costs if cost is not None]
    time = "unknown" if len(known) < len(seconds) else duration(sum(known)) if known else "nothing is open"
    cost = f"{sum(priced):,.2f}" if len(priced) == len(costs) else "no price given"
    counts = (sum(one.questions for one in some), sum(one.open.open for one in some), sum(one.open.prompt_tokens for one in some))
    return ("all", *(f"{count:,}" for count in counts), time, cost)


def tables(found: Hindsight) -> Iterator[Shown]:
    """The tables of all parts that were measured."""
    headings: tuple[str, ...]
    if found.probed:
        yield Shown("Memory by model", ("model", "state"), tuple((_model(one.model), one.words) for one in model_states(found)))
        headings = ("model", "horizon", "period", "RankIC", "partial", "p", "dates")
        yield Shown("Memory probe: RankIC of blank answers", headings, tuple(_probe_rows(found)))
        yield Shown("Memory probe by year, partial RankIC", ("model", "horizon", "year", "RankIC", "t", "dates"), tuple(_year_rows(found)))
    if found.splits:
        headings = ("scores", "cut-off", "up to it", "after it", "difference")
        yield Shown(f"Before and after the cut-off: RankIC over {found.horizon} rows", headings, tuple(_split_rows(found)))
    if found.audited:
        headings = (
            "facts",
            "asked",
            "company right",
            "by chance",
            "excess",
            "year right",
            "by chance",
            "excess",
            "names left",
            "dates left",
        )
        yield Shown("Audit of masks", headings, tuple(_audit_rows(found)))
    if found.familiar:
        headings = ("archetype", "Min-20 %", "b3", "p", "p between dates", "p within", "p between, beyond facts", "clusters")
        yield Shown("Familiarity: does a score foretell more where its prompt is familiar?", headings, tuple(_familiar_rows(found)))
    if found.swapped:
        headings = ("archetype", "pairs", "same side", "by chance", "confidence kept", "explained by facts", "by the name")
        yield Shown("Counterfactual facts", headings, tuple(_swapped_rows(found)))


def _probe_rows(found: Hindsight) -> Iterator[tuple[str, ...]]:
    for one in found.probed:
        for horizon, probe in one.horizons.items():
            for name, period in probe.periods.items():
                dates = f"{period.partial.dates:,}"
                yield (
                    _model(one.model),
                    str(horizon),
                    name,
                    _interval(period.rank_ic),
                    _interval(period.partial),
                    _p(period.p_value.value),
                    dates,
                )
            yield (_model(one.model), str(horizon), "difference", "", _points(probe.difference), "", "")


def _year_rows(found: Hindsight) -> Iterator[tuple[str, ...]]:
    for one in found.probed:
        for horizon, probe in one.horizons.items():
            for year, of_year in probe.years.items():
                t = NONE if np.isnan(of_year.t_statistic) else f"{of_year.t_statistic:.1f}"
                yield (_model(one.model), str(horizon), str(year), _number(of_year.mean, 100.0, 2), t, f"{of_year.dates:,}")


def _split_rows(found: Hindsight) -> Iterator[tuple[str, ...]]:
    for one in found.splits:
        sides = (NONE if side is None else _interval(side) for side in (one.before, one.after))
        yield (one.name, NONE if one.cutoff is None else str(one.cutoff), *sides, _points(one.difference))


def _audit_rows(found: Hindsight) -> Iterator[tuple[str, ...]]:
    for one in found.audited:
        companies, years = one.companies, one.years
        yield (
            f"{one.name} alone" if one.alone else one.name,
            f"{one.cells:,}",
            *(_percent(companies.right.value), _percent(companies.chance), _percents(companies.excess)),
            *(_percent(years.right.value), _percent(years.chance), _percents(years.excess)),
            *(f"{leak.prompts:,} of {one.scanned:,}" for leak in (one.names, one.times)),
        )


def _familiar_rows(found: Hindsight) -> Iterator[tuple[str, ...]]:
    for one in found.familiar:
        if one.test is None or one.test.reason:
            yield (one.archetype, _number(one.mean, 1.0, 2), *(NONE,) * 6)
            continue
        test = one.test
        beyond = np.nan if one.beyond is None else one.beyond.p_between
        p_values = (_p(value) for value in (test.p_value, test.p_between, test.p_within, beyond))
        yield (one.archetype, _number(one.mean, 1.0, 2), _coefficient(test.interaction), *p_values, f"{test.smallest_cluster:,}")


def _swapped_rows(found: Hindsight) -> Iterator[tuple[str, ...]]:
    for one in found.swapped:
        if one.measures is None:
            yield (one.archetype, *(NONE,) * 6)
            continue
        m = one.measures
        yield (
            *(one.archetype, f"{m.count:,}", _percents(m.consistency), _percent(m.chance)),
            *(_percents(m.confidence_invariance), _percents(m.facts), _percents(m.name)),
        )


def notes(found: Hindsight) -> Iterator[str]:
    """What has to be known beside the tables: how to read them, and everything that is undefined, by name."""
    yield HOW_TO_READ
    if found.fake:
        yield "The answers are of the fake engine, hence noise."
    if found.asked:
        yield f"Questions asked: {', '.join(f'{count:,} for {part}' for part, count in found.asked.items())}."
    for probe in found.probed:
        where = f"{_model(probe.model)}: " if len(found.probed) > 1 else ""
        yield f"{where}{probe.cells:,} stocks and dates were asked about, on {probe.dates:,} dates; {'; '.join(probe.controls.told)}."
        if probe.power is not None:
            power = probe.power
            yield (
                f"{where}The probe finds a RankIC of {100 * found.settings.rank_ic:.2f} points with a power of {power.power:.0%} at level "
                f"{power.level:g}, and {100 * power.least:.2f} points with {power.target:.0%}."
            )
        else:
            yield f"{where}The power of the probe is undefined: {probe.no_power}."
        period, judged = probe.judged(found.horizon)
        if lost := judged.rank_ic.dates - judged.partial.dates:
            yield (
                f"{where}Of {counted(judged.rank_ic.dates, 'date')} with a RankIC {lost:,} have no partial one, and do not count: "
                "a control is not known yet, or the controls leave nothing of the order of the blank answers."
            )
        null = judged.p_value.null
        if null is not None and null.method == "stock permutations":
            dealt = f"{where}Too few dates {_when(period)} to shift returns in time: they are dealt to other stocks."
            yield f"{dealt} That assumes {null.assumption}."
        if probe.mass < LITTLE_MASS:
            share = f"{where}Blank answers put only {probe.mass:.0%} of their probability on the choices, so they say little"
            yield f'{share}; a prefill such as "Rating: " (scoring.prefill) makes the model choose.'
        if probe.why_none:
            yield f"{where}Blank questions without an answer: {probe.why_none}."
        reason = probe.horizons[found.horizon].difference.reason
        if reason and not found.splits:
            yield f"{where}Blank answers before and after the cut-off: {reason}."
    splits = [(split.name, split.reason or split.difference.reason) for split in found.splits]
    yield from _by_reason("Before and after the cut-off, ", splits)
    for audit in found.audited:
        if audit.found:
            named = ", ".join(f"{stock} ({share:.0%})" for stock, share in audit.found)
            yield f"Masked facts of {audit.name} give away: {named}."
        for what, leak in (("a name or ticker", audit.names), ("a year or date", audit.times)):
            if leak.prompts:
                yield f"Masked facts of {audit.name} still hold {what}, the first {leak.first!r} in {leak.line.strip()[:100]!r}."
        if not audit.cells:
            yield f"Audit of {audit.name}: no date has two stocks about which its modalities know something."
        if audit.why_none:
            yield f"Audit of {audit.name}, questions without an answer: {audit.why_none}."
    if any(audit.cells for audit in found.audited) and len({day.year for day in found.days}) == 1:
        yield "Audit: all dates lie in one year: to know it and always to say it are the same."
    yield from _by_reason("Familiarity of ", [(one.archetype, why) for one in found.familiar for why in (one.reason, one.why_none)])
    yield from _by_reason("Counterfactual of ", [(pair.archetype, pair.reason) for pair in found.swapped])


def _by_reason(what: str, reasons: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Each reason once, after the names of all that it is of; empty ones are none."""
    for reason in dict.fromkeys(why for _, why in reasons if why):
        yield f"{what}{', '.join(name for name, why in reasons if why == reason)}: {reason}."


def show_hindsight(found: Hindsight, console: Console) -> None:
    """Print what was measured."""
    for shown in tables(found):
        show_table(shown, console)
    for note in notes(found):
        console.print(markup_text(note), soft_wrap=True, highlight=False)


def show_plan(plan: HindsightPlan, console: Console) -> None:
    """Print what would be asked, and what the probe would find."""
    show_table(plan_table(plan), console)
    console.print(f"{plan.stocks:,} stocks, {plan.dates:,} dates. Questions that parts share are asked once.", highlight=False)
    if any(one.open.seconds is None for one in plan.parts.values()):
        console.print("Times are unknown until the log has answers of such length; prompts_per_second tells them.", highlight=False)
    if plan.without_scores:
        lacking = f"The log has no score of {', '.join(plan.without_scores)}: run python -m massjax.precompute with this config first"
        console.print(markup_text(f"{lacking}; without scores nothing is asked for familiarity."), soft_wrap=True, highlight=False)
    if plan.power is None:
        console.print(markup_text(f"The power of the probe is undefined: {plan.no_power}."), soft_wrap=True, highlight=False)
    else:
        power = plan.power
        told = (
            f"The probe would find a RankIC of {100 * power.least:.2f} points, the same on all dates, with a power of {power.target:.0%} "
            f"at level {power.level:g}."
        )
        console.print(told, soft_wrap=True, highlight=False)


def show_table(shown: Shown, console: Console) -> None:
    """Print a table."""
    table = RichTable(*shown.headings, title=markup_text(shown.title), title_justify="left", title_style="bold")
    for row in shown.rows:
        table.add_row(*map(markup_text, row))
    console.print(table)


def markdown(found: Hindsight, kept: Sequence[str] = ()) -> str:
    """The tables and words in markdown.

    Args:
        found: what was measured.
        kept: parts that an earlier call measured, which stand in the document alone.
    """
    models = ", ".join(f"{_model(name)} ({named})" for name, named in found.named.items())
    share = f", on {found.settings.sample:.0%} of the dates" if found.settings.sample < 1 else ""
    heads = [
        f"# What is remembered by {models}",
        f"{len(found.stocks):,} stocks, {found.days[0]} to {found.days[-1]}{share}; massjax {massjax_version()}.",
    ]
    if kept:
        heads.append(f"Measured by an earlier call, and in hindsight.json alone: {', '.join(kept)}.")
    parts = list(heads)
    for shown in tables(found):
        lines = [f"| {' | '.join(one.replace('|', chr(92) + '|') for one in row)} |" for row in (shown.headings, *shown.rows)]
        lines.insert(1, f"|{' --- |' * len(shown.headings)}")
        parts.append(f"**{shown.title}**\n\n" + "\n".join(lines))
    return "\n\n".join([*parts, *notes(found)]) + "\n"


def _when(period: Period) -> str:
    return "in all" if period == "all dates" else f"lie {period}"


def _model(name: str) -> str:
    return name or "scoring"


def _number(value: float, times: float, digits: int) -> str:
    return f"{times * value:.{digits}f}" if np.isfinite(value) else NONE


def _bounded(value: float, low: float, high: float, times: float, digits: int) -> str:
    if not np.isfinite(value):
        return NONE
    shown = _number(value, times, digits)
    return shown if not np.isfinite([low, high]).all() else f"{shown} [{times * low:.{digits}f}, {times * high:.{digits}f}]"


def _interval(found: Interval) -> str:
    return _bounded(found.mean, found.low, found.high, 100.0, 2)


def _points(found: Estimate) -> str:
    return _bounded(found.value, found.low, found.high, 100.0, 2)


def _percents(found: Estimate) -> str:
    shown = _bounded(found.value, found.low, found.high, 100.0, 1)
    return shown if shown == NONE else f"{shown} %"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if np.isfinite(share) else NONE


def _coefficient(found: Coefficient) -> str:
    if not np.isfinite(found.value):
        return NONE
    shown = f"{found.value:.2g}"
    return shown if not np.isfinite([found.low, found.high]).all() else f"{shown} [{found.low:.2g}, {found.high:.2g}]"


def _p(value: float) -> str:
    return NONE if np.isnan(value) else f"{value:.3g}"
