"""The summary a run prints when it is done."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from massjax.evaluate.result import BEST_SINGLE, Portfolio, Strategy
from massjax.report.agents_words import agents_in_words
from massjax.report.evidence_tables import EvidenceTable, judgement_table, years_table
from massjax.report.latest import latest, spoken_of, weights_in_words
from massjax.report.run import RunResult
from massjax.report.telling import annualised
from massjax.report.verdict_words import opening, verdict_words
from massjax.report.wording import findings, marks, number, percent, return_name, signed_percent
from massjax.row_words import counted, every, row_unit
from massjax.terminal import escaped_text

MOST_COLUMNS = 7
"""Columns of figures from which they stand closer together, to fit 80 columns of text."""
MOST_YEARS = 8
"""Years in a table at most; the page has all."""
ONLY_IN_REPORT = "report.html has more: the other horizons and signals, IC, bootstrap intervals, gains by year, independent dates, weights."


def print_summary(result: RunResult, console: Console) -> None:
    """Print the verdict, the latest weights and ranking, the tables, what may be concluded, and the warnings."""
    console.print(summary(result))


def summary(result: RunResult) -> RenderableType:
    """What a reader needs to act, as something rich prints in 80 columns; the page of the run has everything else.

    Verdict, latest weights and ranking; RankIC, gain and chance of luck; years; what was promised and kept; portfolios;
    warnings; without a verdict, sentences on what may be concluded.
    """
    parts: list[RenderableType] = [Text(mark, style="bold red") for mark in marks(result)]
    parts += [Text(escaped_text(opening(result)) + "\n", style="bold"), *_latest(result)]
    parts += [part for table in (judgement_table(result), years_table(result)) if table is not None for part in _evidence(table)]
    parts += [_shrinkage(result), Text()]
    parts += [_portfolios(result), Text()] if result.benchmark is not None else [Text(escaped_text(result.no_backtest) + "\n")]
    if not verdict_words(result):
        parts += [Text(escaped_text(sentence) + "\n") for sentence in findings(result)]
    parts += [Text(f"Agents: {escaped_text(agents_in_words(result))}.\n", style="dim")] if result.agents else []
    parts += [Text(f"Warning: {escaped_text(warning)}.", style="yellow") for warning in result.warnings]
    parts += [Text(f"\n{ONLY_IN_REPORT}", style="dim")]
    return Group(*parts)


def _latest(result: RunResult) -> list[RenderableType]:
    """The weights and the ranking of the last date, under the weights that are advised."""
    found = latest(result)
    if found is None:
        return []
    lines = [f"{found.strategy.label} on {found.last_date}: {weights_in_words(result, found.strategy)}."]
    search = spoken_of(result)
    if search is not None and search is not found.strategy:
        lines.append(f"{search.label} would weigh: {weights_in_words(result, search)}.")
    stale = "" if found.date == found.last_date else ", the last date with scores"
    lines.append(f"Stocks on {found.date}{stale}, by the {found.ranked_by} signal:")
    ranked = [f"  {word:<6}{', '.join(stock for stock, _ in stocks)}" for word, stocks in (("best", found.best), ("worst", found.worst))]
    return [*(Text(escaped_text(line)) for line in (*lines, *ranked)), Text()]


def _evidence(table: EvidenceTable) -> list[RenderableType]:
    """A table, the sentences beneath it, and an empty line; of more years than fit the last are shown, and one year alone is not."""
    years = all(heading.isdigit() for heading in table.headings)
    if years and len(table.headings) == 1:
        return []
    cut = max(0, len(table.headings) - MOST_YEARS) if years else 0
    title = Text(f"{table.title}{f' (the last {MOST_YEARS} years)' if cut else ''}", style="bold")
    shown = _table(None, "", *table.headings[cut:])
    for strategy, cells in table.rows:
        shown.add_row(_label(strategy), *cells[cut:], style=_style(strategy))
    return [title, shown, *(Text(escaped_text(note), style="dim") for note in table.notes), Text()]


def _shrinkage(result: RunResult) -> Table:
    """Each strategy on its own dates; gains of what chose its weights on those shared with uniform weights, told where others."""
    choosing = [s for s in result.strategies if s.kind == "search" or s.name == BEST_SINGLE]
    shared = any(s.shrinkage.compared != s.shrinkage.dates for s in choosing)
    title = f"Promised on the look-back, kept afterwards: RankIC with the {return_name(result, result.horizon)}, %"
    table = _table(title, "", "in sample", "out", "dates", "gain in", "gain out", "kept", *(["shared"] if shared else []))
    for strategy in result.strategies:
        s = strategy.shrinkage
        cells = [percent(s.in_sample), percent(s.out_of_sample), f"{s.dates:,}"]
        if strategy in choosing:
            cells += [signed_percent(s.in_sample_gain), signed_percent(s.out_of_sample_gain), percent(s.kept, 0)]
            cells += [f"{s.compared:,}"] if shared else []
        table.add_row(_label(strategy), *cells, style=_style(strategy))
    return table


def _portfolios(result: RunResult) -> Table:
    settings, unit = result.config.evaluate.backtest, row_unit(result.panel.periods_per_year)
    annual, spread = annualised(result), settings.every > 1
    overlapping = spread and settings.tranches == "overlapping"
    rhythm = f"{settings.every} tranches, each {every(settings.every, unit)}" if overlapping else every(settings.every, unit)
    rules = f"Long-only, best {settings.quantile:.0%}, {rhythm}, {settings.cost:.2%} a round trip"
    if annual:
        starts = "; Sharpe by tranche: low, high" if overlapping else ""
        if spread and not overlapping:
            starts = f"; Sharpe if begun {_later(settings.every, unit)} later: low, high"
        columns = ["CAGR", "vol.", "Sharpe", *(["low", "high"] if spread else []), "draw-\ndown", "turn-\nover", "cost", "vs all"]
        table = _table(f"{rules}; % a year{starts}", "", *columns)
    else:
        days = result.benchmark.performance.days if result.benchmark else 0
        table = _table(f"{rules}; % over {counted(days, unit)}, too few for figures a year", "", "total return", "drawdown", "vs all")
    held = [(_label(s), s.portfolio, _style(s)) for s in result.strategies] + [(Text("All members alike"), result.benchmark, "dim")]
    for label, portfolio, style in held:
        if portfolio is not None:
            figures = _yearly(portfolio, spread) if annual else _whole(portfolio)
            table.add_row(label, *figures, "" if portfolio is result.benchmark else _against(result, portfolio, annual), style=style)
    return table


def _later(rows: int, unit: str) -> str:
    return counted(1, unit) if rows == 2 else f"1 to {counted(rows - 1, unit)}"


def _yearly(portfolio: Portfolio, spread: bool) -> list[str]:
    p = portfolio.performance
    return [
        percent(p.cagr, 1),
        percent(p.volatility, 1),
        number(p.sharpe),
        *([number(end) for end in portfolio.band.sharpe] if spread else []),
        percent(p.max_drawdown, 1),
        percent(p.turnover, 0),
        percent(p.cost),
    ]


def _whole(portfolio: Portfolio) -> list[str]:
    return [percent(portfolio.performance.total_return, 1), percent(portfolio.performance.max_drawdown, 1)]


def _against(result: RunResult, portfolio: Portfolio, annual: bool) -> str:
    if annual or result.benchmark is None:
        return signed_percent(portfolio.performance.active_return, 1)
    return signed_percent(portfolio.performance.total_return - result.benchmark.performance.total_return, 1)


def _table(title: str | None, first: str, *headings: str) -> Table:
    gap = 1 if len(headings) < MOST_COLUMNS else 0
    table = Table(
        title=None if title is None else Text(title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        header_style="",
        padding=(0, gap, 0, 0),
    )
    table.show_edge = False
    table.add_column(first)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True, vertical="bottom")
    return table


def _label(strategy: Strategy) -> Text:
    return Text(escaped_text(strategy.label))


def _style(strategy: Strategy) -> str:
    return "" if strategy.kind == "search" else "dim"
