"""The summary a run prints when it is done."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from massjax.evaluate.result import BEST_SINGLE, UNIFORM, RunResult, Strategy
from massjax.report.wording import ABLATION, evaluated_span, number, percent, signed_percent, verdict


def print_summary(result: RunResult, console: Console) -> None:
    """Metrics of every strategy beside the controls, the portfolios, what may be concluded, and the warnings."""
    console.print(summary(result))


def summary(result: RunResult) -> RenderableType:
    """The same as something rich can print; fits 80 columns."""
    parts: list[RenderableType] = [Text(ABLATION, style="bold red")] if result.config.evaluate.leakage_ablation else []
    tables = [_metrics(result), _shrinkage(result), *([_portfolios(result)] if result.benchmark is not None else [])]
    for table in tables:
        parts += [table, Text()]
    parts += [Text(sentence + "\n") for sentence in verdict(result)]
    parts += [Text(f"Warning: {warning}.", style="yellow") for warning in result.warnings]
    return Group(*parts)


def _metrics(result: RunResult) -> Table:
    title = f"Out of sample, {evaluated_span(result)}; %, t-statistics aside"
    table = _table(title, "", "RankIC", "t", "RankICIR", "IC", "ICIR", "vs uniform", "t")
    for horizon in sorted(result.strategies[0].metrics):
        fitted = ", fitted" if horizon == result.horizon else ""
        table.add_row(f"[italic]{horizon}-day return{fitted}[/italic]")
        for strategy in result.strategies:
            table.add_row(strategy.label, *_metrics_row(strategy, horizon), style=_style(strategy))
        table.add_section()
    return table


def _metrics_row(strategy: Strategy, horizon: int) -> list[str]:
    metrics = strategy.metrics[horizon]
    rank_ic, ic, over = metrics.rank_ic, metrics.ic, metrics.over_uniform
    compared = ["", ""] if strategy.name == UNIFORM else [signed_percent(over.mean), number(over.t_statistic, 1)]
    return [
        percent(rank_ic.mean),
        number(rank_ic.t_statistic, 1),
        percent(rank_ic.ratio, 1),
        percent(ic.mean),
        percent(ic.ratio, 1),
        *compared,
    ]


def _shrinkage(result: RunResult) -> Table:
    title = f"Promised on the look-back, and kept afterwards: {result.horizon}-day RankIC, %"
    table = _table(title, "", "in sample", "out", "gain in", "gain out", "kept")
    for strategy in result.strategies:
        s = strategy.shrinkage
        gains = [signed_percent(s.in_sample_gain), signed_percent(s.out_of_sample_gain), percent(s.kept, 0)]
        if strategy.kind == "control" and strategy.name != BEST_SINGLE:
            gains = ["", "", ""]
        table.add_row(strategy.label, percent(s.in_sample), percent(s.out_of_sample), *gains, style=_style(strategy))
    return table


def _portfolios(result: RunResult) -> Table:
    settings = result.config.evaluate.backtest
    title = f"Long-only, best {settings.quantile:.0%}, every {settings.every} days, {settings.cost:.2%} a round trip; % a year"
    table = _table(title, "", "CAGR", "vol.", "Sharpe", "drawdown", "turnover", "cost", "vs all")
    held = [(s.label, s.portfolio, _style(s)) for s in result.strategies] + [("All members alike", result.benchmark, "dim")]
    for label, portfolio, style in held:
        if portfolio is not None:
            p = portfolio.performance
            figures = [
                percent(p.cagr, 1),
                percent(p.volatility, 1),
                number(p.sharpe),
                percent(p.max_drawdown, 1),
                percent(p.turnover, 0),
                percent(p.cost),
            ]
            table.add_row(label, *figures, "" if portfolio is result.benchmark else signed_percent(p.active_return, 1), style=style)
    return table


def _table(title: str, first: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, header_style="", padding=(0, 1, 0, 0))
    table.show_edge = False
    table.add_column(first, no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _style(strategy: Strategy) -> str:
    return "" if strategy.kind == "search" else "dim"
