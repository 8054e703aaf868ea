"""What a run of a simulated market prints when it is done."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from massjax.report.market.result import MarketResult
from massjax.report.market.tables import health_rows
from massjax.report.market.words import findings, opening
from massjax.terminal import escaped_text

ONLY_IN_REPORT = "report.html has more: stylised facts with intervals, tails, memory, what each trait does to behaviour and wealth."


def print_market(result: MarketResult, console: Console) -> None:
    """Print the opening, the health of every population, which regularities are there, and warnings."""
    console.print(market_summary(result))


def market_summary(result: MarketResult) -> RenderableType:
    """The summary, as something rich prints in 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for heading in ("trades %", "mispricing", "correlation", "least variance"):
        table.add_column(heading, justify="right")
    for row in health_rows(result):
        table.add_row(row.heading, *row.cells)
    parts: list[RenderableType] = [Text(escaped_text(opening(result)) + "\n", style="bold"), table]
    parts += [Text(f"{one.what}: {one.answer}. {one.figures}.") for one in findings(result)]
    parts += [Text(f"Warning: {escaped_text(warning)}.", style="yellow") for warning in result.warnings]
    parts += [Text(f"\n{ONLY_IN_REPORT}", style="dim")]
    return Group(*parts)
