"""The report of a simulated market: one HTML file with everything in it, that opens without a network."""

from __future__ import annotations

from markupsafe import Markup
from plotly.offline import get_plotlyjs

from massjax.report.market import words
from massjax.report.market.figures import figures
from massjax.report.market.result import MarketResult
from massjax.report.market.tables import fact_rows, health_rows, relation_rows
from massjax.report.pages import figure_json, page_environment
from massjax.report.run_directory import settings_text
from massjax.report.wording import number
from massjax.simulator.measures import BEHAVIOURS


def render_market(result: MarketResult) -> str:
    """The page as text; script library, data and style are inlined, and its content security policy forbids everything else."""
    environment = page_environment()
    environment.filters["number"] = number
    return environment.get_template("market.html.j2").render(
        result=result,
        opening=words.opening(result),
        findings=words.findings(result),
        marks=words.marks(result),
        facts=words.run_facts(result),
        labels=[one.label for one in result.populations],
        health_rows=health_rows(result),
        fact_rows=fact_rows(result),
        relation_rows=relation_rows(result.trained),
        behaviours=BEHAVIOURS,
        config_yaml=settings_text(result.config),
        figures={name: figure_json(figure) for name, figure in figures(result).items()},
        plotly=Markup(get_plotlyjs()),
    )
