"""The tables of evidence, for terminal and page alike: luck and intervals, how much there is to tell, years, signals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from massjax.evaluate.evidence import Evidence
from massjax.evaluate.result import Strategy
from massjax.report.run import RunResult
from massjax.report.telling import shown_summary
from massjax.report.verdict_words import about_luck, about_opinions, further_dates, half_width
from massjax.report.wording import NONE, dates_differ, horizon_dates, number, percent, probability, return_name, signed_percent
from massjax.row_words import counted
from massjax.statistics.intervals import Interval
from massjax.statistics.series import SeriesSummary
from massjax.timing import telling_dates

FEW = "*"
"""Marks a year with too few dates to tell."""
P_HEADINGS = ("p in", "p out", "p gain", "adj.")
HALF = "±: half of its 95 % interval by Newey and West."
P_NOTE = "p in: of the fitness on the look-back. p out: of the RankIC out of sample. p gain: of the gain."


@dataclass(frozen=True)
class EvidenceTable:
    """A table with a row for each strategy.

    Attributes:
        title: what it shows, and its unit.
        headings: of the columns, without that of the strategies.
        rows: a strategy and its cells each.
        notes: sentences beneath.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Strategy, tuple[str, ...]], ...]
    notes: tuple[str, ...] = ()


def judgement_table(result: RunResult) -> EvidenceTable:
    """What decides, in one table: RankIC out of sample at the fitted horizon, gain over uniform weights, and the chance of luck of each.

    Without evidence RankIC and its t-statistic alone; with a column of dates where the strategies have different ones.
    """
    evident, several, differ = bool(_evidence(result)), _several(result), dates_differ(result)
    headings = ["RankIC", "t", *(["gain", "±", *P_HEADINGS[: 4 if several else 3]] if evident else []), *(["dates"] if differ else [])]
    rows = []
    for strategy in result.strategies:
        own = shown_summary(strategy.metrics[result.horizon].rank_ic, result.horizon)
        cells = [percent(own.mean), number(own.t_statistic, 1)]
        if evident:
            evidence = strategy.evidence
            judged = ("",) * 6 if evidence is None else (*_gain_cells(evidence)[:2], *_p_cells(evidence))
            cells += judged[: 6 if several else 5]
        rows.append((strategy, (*cells, *([f"{own.dates:,}"] if differ else []))))
    fitted = ", fitted" if result.searches else ""
    title = f"{return_name(result, result.horizon)}{fitted}, {horizon_dates(result, result.horizon)} out of sample; RankIC and gain in %"
    notes = (f"Gain: RankIC less that of uniform weights, in points. {HALF}", P_NOTE, *about_luck(result)) if evident else ()
    return EvidenceTable(title, tuple(headings), tuple(rows), notes)


def luck_table(result: RunResult) -> EvidenceTable | None:
    """Gains over uniform weights with both intervals, and every p-value; None where the run has no evidence."""
    several = _several(result)
    rows = _rows(result, lambda _, evidence: (*_gain_cells(evidence), *_p_cells(evidence))[: 7 if several else 6])
    headings = ("gain", "±", "bootstrap", *P_HEADINGS[: 4 if several else 3])
    gain = f"Gain: points of RankIC over uniform weights. {HALF} Bootstrap: the interval by the stationary bootstrap."
    title = f"Luck and gain out of sample, {return_name(result, result.horizon)}"
    return EvidenceTable(title, headings, rows, (gain, P_NOTE, *about_luck(result))) if rows else None


def _several(result: RunResult) -> bool:
    """Whether p-values are adjusted for a number of searches."""
    return any(evidence.luck is not None and evidence.luck.correction for _, evidence in _evidence(result))


def power_table(result: RunResult) -> EvidenceTable | None:
    """How many dates and opinions there really are behind each strategy, and how many more dates would tell its gain from luck."""
    seeds = any(evidence.seeds for _, evidence in _evidence(result))
    rows = _rows(result, lambda strategy, evidence: _power_cells(result, strategy, evidence)[: 5 if seeds else 4])
    headings = ("dates", "independent", "more dates", "archetypes", *(["by seed"] if seeds else []))
    notes = [
        "Independent: dates without overlap or memory that would tell as much of the gain",
        "More dates: until a gain of the size found would be told from luck in four of five cases; a dash where there is no gain",
        "Archetypes: effective number in the mix, 1 / Σ w²",
    ]
    if seeds:
        count = max(len(evidence.seeds) for _, evidence in _evidence(result))
        notes.append(f"By seed: lowest and highest RankIC out of sample, %, over {counted(count, 'seed')}")
    opinions = about_opinions(result)
    told = (*(f"{note}." for note in notes), *([opinions] if opinions else []))
    return EvidenceTable("How much there is to tell", headings, rows, told) if rows else None


def years_table(result: RunResult) -> EvidenceTable | None:
    """RankIC of every strategy by calendar year, in percent."""
    return _by_year(result, f"RankIC by year, {return_name(result, result.horizon)}, %", lambda evidence: evidence.by_year, percent)


def gains_table(result: RunResult) -> EvidenceTable | None:
    """Gain over uniform weights of every other strategy by calendar year, in points."""
    title = f"Gain over uniform weights by year, {return_name(result, result.horizon)}, points"
    return _by_year(result, title, lambda evidence: evidence.gain_by_year if evidence.gain else {}, signed_percent)


def signals_table(result: RunResult) -> EvidenceTable:
    """RankIC that each of the signals of the same weights has, with its t-statistic; the one that ranks the stocks is marked."""
    names = tuple(result.strategies[0].rank_ic_by_signal)
    headings = tuple(heading for name in names for heading in (name, "t"))
    cells = [tuple(cell for name in names for cell in _signal_cells(result, strategy, name)) for strategy in result.strategies]
    title = f"RankIC by signal, {return_name(result, result.horizon)}, %"
    rows = tuple(zip(result.strategies, cells, strict=True))
    return EvidenceTable(title, headings, rows, (f"{FEW} the signal that ranks the stocks of the strategy.",))


def _by_year(
    result: RunResult,
    title: str,
    series: Callable[[Evidence], Mapping[int, SeriesSummary]],
    printed: Callable[[float, int], str],
) -> EvidenceTable | None:
    found = [(strategy, series(evidence)) for strategy, evidence in _evidence(result)]
    years = sorted({year for _, by_year in found for year, summary in by_year.items() if summary.dates})
    cells = [tuple(_year_cell(by_year.get(year), result.horizon, printed) for year in years) for _, by_year in found]
    rows = tuple((strategy, row) for (strategy, by_year), row in zip(found, cells, strict=True) if by_year)
    if not rows or not years:
        return None
    few = any(FEW in cell for _, cells in rows for cell in cells)
    note = (f"{FEW} fewer than {telling_dates(result.horizon)} dates: too few to tell.",) if few else ()
    return EvidenceTable(title, tuple(map(str, years)), rows, note)


def _year_cell(summary: SeriesSummary | None, horizon: int, printed: Callable[[float, int], str]) -> str:
    if summary is None or not summary.dates:
        return NONE
    return f"{printed(summary.mean, 1)}{FEW if summary.dates < telling_dates(horizon) else ''}"


def _evidence(result: RunResult) -> list[tuple[Strategy, Evidence]]:
    return [(strategy, strategy.evidence) for strategy in result.strategies if strategy.evidence is not None]


def _rows(result: RunResult, cells: Callable[[Strategy, Evidence], tuple[str, ...]]) -> tuple[tuple[Strategy, tuple[str, ...]], ...]:
    return tuple((strategy, cells(strategy, evidence)) for strategy, evidence in _evidence(result))


def _gain_cells(evidence: Evidence) -> tuple[str, str, str]:
    gain = evidence.gain
    return ("", "", "") if gain is None else (signed_percent(gain.mean), percent(half_width(gain)), _ends(gain.bootstrap))


def _p_cells(evidence: Evidence) -> tuple[str, str, str, str]:
    luck = evidence.luck
    if luck is None:
        return (NONE, NONE, NONE, NONE)
    values = (luck.in_sample, luck.out_of_sample, luck.gain, luck.adjusted if luck.correction else math.nan)
    return tuple(probability(p) for p in values)  # type: ignore[return-value]


def _power_cells(result: RunResult, strategy: Strategy, evidence: Evidence) -> tuple[str, str, str, str, str]:
    gain, effective = evidence.gain, number(evidence.effective_archetypes, 1)
    seeds = f"{percent(min(evidence.seeds), 1)} to {percent(max(evidence.seeds), 1)}" if evidence.seeds else ""
    if gain is None:
        return (f"{strategy.metrics[result.horizon].rank_ic.dates:,}", "", "", effective, seeds)
    return (f"{gain.dates:,}", number(gain.independent_dates, 0), further_dates(result, gain), effective, seeds)


def _signal_cells(result: RunResult, strategy: Strategy, name: str) -> tuple[str, str]:
    summary = shown_summary(strategy.rank_ic_by_signal[name], result.horizon)
    return f"{percent(summary.mean)}{FEW if strategy.ranked_by == name else ''}", number(summary.t_statistic, 1)


def _ends(interval: Interval) -> str:
    return f"{percent(interval.low, 1)} to {percent(interval.high, 1)}" if math.isfinite(interval.low) else NONE
