"""What all figures share: the colours of strategies, and the sizes, margins and legend of a figure."""

from __future__ import annotations

import plotly.graph_objects as go

from massjax.evaluate.result import BEST_SINGLE, UNIFORM, UNIFORM_LLM, UNIFORM_RULES, Strategy
from massjax.report.run import RunResult

SEARCH_COLORS = ("#3b7ae0", "#d9652b", "#1f9d76", "#a24bc0", "#c43d6b", "#5b8c1a")
CONTROL_COLORS = {UNIFORM: "#8a929c", UNIFORM_LLM: "#8fa3d6", UNIFORM_RULES: "#c79a86", BEST_SINGLE: "#b08a2e"}
OTHER_CONTROL_COLORS = ("#7d9c94", "#a38aa8", "#b9876a", "#6f86a3", "#93a05c", "#a5757f")
INK = "black"
"""Stands for the colour of the text, which the page fills in."""


def strategy_color(result: RunResult, strategy: Strategy) -> str:
    """The colour that stands for a strategy in all figures and tables."""
    if strategy.name in CONTROL_COLORS and strategy.kind == "control":
        return CONTROL_COLORS[strategy.name]
    colors = SEARCH_COLORS if strategy.kind == "search" else OTHER_CONTROL_COLORS
    alike = [s.name for s in result.strategies if s.kind == strategy.kind and s.name not in CONTROL_COLORS]
    return colors[alike.index(strategy.name) % len(colors)]


def line_style(result: RunResult, strategy: Strategy) -> dict[str, object]:
    """Colour, width and dash of the line of a strategy."""
    control = strategy.kind == "control"
    return {
        "color": strategy_color(result, strategy),
        "width": 1.5 if control else 2.25,
        "dash": "dash" if strategy.name == BEST_SINGLE else "solid",
    }


def styled(
    figure: go.Figure, *, height: int, hover: str, hover_format: str = "", legend: bool = True, side_legend: bool = False
) -> go.Figure:
    """The figure with the sizes, margins and legend of the report; it changes `figure` itself."""
    beside = {"orientation": "v", "x": 1.01, "y": 1.0, "xanchor": "left", "traceorder": "reversed"}
    below = {"orientation": "h", "x": 0, "y": -0.08, "yanchor": "top"}
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        hovermode=hover,
        showlegend=legend,
        legend={**(beside if side_legend else below), "tracegroupgap": 0, "font": {"size": 12}},
        bargap=0.0,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    figure.update_xaxes(automargin=True, ticks="", showline=False)
    figure.update_yaxes(automargin=True, ticks="", showline=False, hoverformat=hover_format)
    figure.update_annotations(x=0, xanchor="left", font={"size": 13})
    return figure
