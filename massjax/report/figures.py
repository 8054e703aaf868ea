"""The figures of the report. Colours of text, axes and grid are left to the page, which knows whether it is light or dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from massjax.evaluate.result import BEST_SINGLE, Portfolio, Strategy
from massjax.report.drawing import INK, line_style, strategy_color, styled
from massjax.report.evidence_figures import evidence_figures
from massjax.report.run import RunResult
from massjax.report.telling import shown_summary
from massjax.report.wording import LARGEST_IN_FULL, MINUS
from massjax.statistics.series import window_means

ARCHETYPE_COLORS = (
    "#4a74c0", "#de8a50", "#58a38a", "#c2606d", "#8b72b6", "#c8a945", "#66adcf", "#a46d58",
    "#89ab57", "#d18bb0", "#56648a", "#e3b48c", "#3f8178", "#e29a9d", "#b3a5d6", "#8c8148",
)  # fmt: skip
OTHERS_COLOR = "#9aa0a8"
MOST_DATES = 1500
"""Dates drawn in a stacked area at most; more would only make the file heavy."""


def figures(result: RunResult) -> dict[str, go.Figure]:
    """All figures of a run, by the name under which the page places them."""
    drawn = {"rank_ic": rank_ic_figure(result), "promised": promised_figure(result), "weights": weights_figure(result)}
    if result.benchmark is not None:
        drawn["equity"] = equity_figure(result)
    drawn |= evidence_figures(result)
    marks = ["fake scores: noise"] if result.fake else []
    marks += ["leakage ablation: not a result"] if result.config.evaluate.leakage_ablation else []
    if marks:
        mark = "; ".join(marks)
        for figure in drawn.values():
            figure.add_annotation(text=mark, xref="paper", yref="paper", x=0.5, y=0.5, showarrow=False, opacity=0.35, font={"size": 26})
    return drawn


def rank_ic_figure(result: RunResult) -> go.Figure:
    """Rolling RankIC of all strategies above the daily one of each search."""
    searches = [strategy for strategy in result.strategies if strategy.kind == "search"]
    window = rolling_window(result)
    titles = [f"Mean of the last {window} dates", *(f"{strategy.label}, daily" for strategy in searches)]
    figure = make_subplots(
        len(titles),
        1,
        shared_xaxes=True,
        vertical_spacing=0.1 / len(titles) + 0.03,
        subplot_titles=titles,
        row_heights=[2.0] + [1.0] * len(searches),
    )
    dates, horizon = result.panel.dates[result.evaluated], result.horizon
    for strategy in result.strategies:
        daily = strategy.rank_ic[horizon][result.evaluated]
        figure.add_scatter(
            x=dates,
            y=100 * trailing_mean(daily, window),
            name=strategy.label,
            line=line_style(result, strategy),
            legendgroup=strategy.name,
            row=1,
            col=1,
        )
    for row, strategy in enumerate(searches, start=2):
        daily = 100 * strategy.rank_ic[horizon][result.evaluated]
        figure.add_bar(x=dates, y=daily, name=strategy.label, marker={"color": strategy_color(result, strategy), "line": {"width": 0}},
                       opacity=0.75, showlegend=False, legendgroup=strategy.name, row=row, col=1)  # fmt: skip
    figure.update_yaxes(ticksuffix=" %", zeroline=True)
    for row in range(2, len(titles) + 1):
        figure.update_yaxes(range=[-100, 100], tickvals=[-50, 0, 50], ticktext=[f"{MINUS}50 %", "0 %", "50 %"], row=row)
    return styled(figure, height=280 + 130 * len(searches), hover="x unified", hover_format=".1f")


def promised_figure(result: RunResult) -> go.Figure:
    """In-sample RankIC against what came out of sample, with twice the standard error: one line a strategy."""
    figure = go.Figure()
    for strategy in reversed(result.strategies):
        shrinkage, color = strategy.shrinkage, strategy_color(result, strategy)
        error = shown_summary(strategy.metrics[result.horizon].rank_ic, result.horizon).standard_error
        promised, kept = 100 * shrinkage.in_sample, 100 * shrinkage.out_of_sample
        line, open_circle = {"color": color, "width": 1.5, "dash": "dot"}, {"color": color, "size": 11, "symbol": "circle-open"}
        spread = {"array": [200 * error], "thickness": 1.5, "width": 4, "color": color}
        add = partial(figure.add_scatter, mode="markers")
        add(x=[promised, kept], y=[strategy.label] * 2, mode="lines", line=line, hoverinfo="skip")
        add(x=[promised], y=[strategy.label], marker=open_circle, hovertemplate="in sample %{x:.2f} %<extra></extra>")
        filled = {"color": color, "size": 11}
        add(x=[kept], y=[strategy.label], marker=filled, error_x=spread, hovertemplate="out of sample %{x:.2f} %<extra></extra>")
    figure.update_xaxes(ticksuffix=" %", zeroline=True)
    figure.update_yaxes(showgrid=False)
    return styled(figure, height=70 + 42 * len(result.strategies), hover="closest", legend=False)


def weights_figure(result: RunResult) -> go.Figure:
    """Weights of the archetypes through time, stacked: the searches, and the best single archetype below them."""
    shown = [strategy for strategy in result.strategies if strategy.kind == "search" or strategy.name == BEST_SINGLE]
    figure = make_subplots(
        len(shown), 1, shared_xaxes=True, vertical_spacing=0.16 / len(shown), subplot_titles=[strategy.label for strategy in shown]
    )
    dates = np.flatnonzero(result.evaluated)
    dates = dates[:: -(-dates.size // MOST_DATES)]
    bands = archetype_bands(result, result.searches or shown)
    for row, strategy in enumerate(shown, start=1):
        for band, (label, members, color) in enumerate(bands):
            share = 100 * strategy.weights[dates][:, members].sum(axis=1)
            shape = "hv" if strategy.kind == "control" else "linear"
            figure.add_scatter(
                x=result.panel.dates[dates],
                y=share,
                name=label,
                stackgroup=strategy.name,
                legendgroup=str(band),
                showlegend=row == 1,
                mode="lines",
                line={"width": 0, "shape": shape},
                fillcolor=color,
                hovertemplate="%{y:.1f} %",
                row=row,
                col=1,
            )
    figure.update_yaxes(range=[0, 100], tickvals=[0, 50, 100], ticktext=["0 %", "50 %", "100 %"], showgrid=False)
    figure.update_xaxes(showgrid=False)
    return styled(figure, height=90 + 180 * len(shown), hover="x unified", side_legend=True)


def equity_figure(result: RunResult) -> go.Figure:
    """Value of one unit of money in each portfolio and in all members alike, on a logarithmic axis, above its drawdown.

    Behind each the band of its values over the starting days.
    """
    figure = make_subplots(
        2,
        1,
        shared_xaxes=True,
        vertical_spacing=0.07,
        row_heights=[2.4, 1.0],
        subplot_titles=["Value of 1", "Below its highest value so far"],
    )
    held: list[tuple[str, Portfolio, Mapping[str, object]]] = [
        (s.label, s.portfolio, line_style(result, s)) for s in result.strategies if s.portfolio is not None
    ]
    if result.benchmark is not None:
        held.append(("All members alike", result.benchmark, {"color": INK, "width": 1.5, "dash": "dot"}))
    curves = [curve for _, portfolio, _ in held for curve in (portfolio.backtest.equity, portfolio.band.high)]
    high = max((float(np.nan_to_num(curve).max(initial=1.0)) for curve in curves), default=1.0)
    axis, hover = (".2f", "%{y:.3f}") if high < LARGEST_IN_FULL else (".1e", "%{y:.1e}")
    for label, portfolio, line in held:
        figure.add_trace(_band(result, portfolio, label, str(line["color"])), row=1, col=1)
    for label, portfolio, line in held:
        known = np.isfinite(portfolio.backtest.equity)
        dates, equity = result.panel.dates[known], portfolio.backtest.equity[known]
        drawdown = 100 * (equity / np.maximum.accumulate(np.maximum(equity, 1.0)) - 1.0)
        figure.add_scatter(x=dates, y=equity, name=label, line=line, legendgroup=label, hovertemplate=hover, row=1, col=1)
        figure.add_scatter(
            x=dates,
            y=drawdown,
            name=label,
            line={**line, "width": 1},
            legendgroup=label,
            showlegend=False,
            hovertemplate="%{y:.1f} %",
            row=2,
            col=1,
        )
    figure.update_yaxes(type="log", tickformat=axis, nticks=7, row=1)
    figure.update_yaxes(ticksuffix=" %", nticks=4, row=2)
    return styled(figure, height=470, hover="x unified")


def _band(result: RunResult, portfolio: Portfolio, label: str, color: str) -> go.Scatter:
    """The values between the lowest and the highest over the starting days, shaded."""
    known = np.isfinite(portfolio.band.low)
    dates, low, high = result.panel.dates[known], portfolio.band.low[known], portfolio.band.high[known]
    return go.Scatter(
        x=np.concatenate([dates, dates[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        fill="toself",
        mode="lines",
        line={"color": color, "width": 0},
        opacity=0.3,
        legendgroup=label,
        showlegend=False,
        hoverinfo="skip",
    )


def archetype_bands(result: RunResult, strategies: Sequence[Strategy]) -> list[tuple[str, list[int], str]]:
    """(label, rows, colour) of the archetypes that weigh most over the given strategies, and of all the others together."""
    total = sum((strategy.weights[result.evaluated].mean(axis=0) for strategy in strategies), np.zeros(len(result.archetypes)))
    order = [int(k) for k in np.argsort(-total, kind="stable")]
    most = len(ARCHETYPE_COLORS) if len(order) <= len(ARCHETYPE_COLORS) else len(ARCHETYPE_COLORS) - 1
    bands = [
        (f"{result.archetypes[k].archetype.name} · {kind_word(result, result.archetypes[k].archetype.kind)}", [k], color)
        for k, color in zip(order[:most], ARCHETYPE_COLORS, strict=False)
    ]
    rest = order[most:]
    return [*bands, (f"{len(rest)} others", rest, OTHERS_COLOR)] if rest else bands


def kind_word(result: RunResult, kind: str) -> str:
    """What an archetype of that kind is called: `LLM` or `rule`, and `fake` where no language model was asked."""
    return "rule" if kind == "rule" else "fake" if result.fake else "LLM"


def rolling_window(result: RunResult) -> int:
    """Dates of the rolling mean: about a quarter of a year, less where the run is short."""
    dates = int(result.evaluated.sum())
    return 60 if dates >= 180 else 20 if dates >= 60 else 5


def trailing_mean(daily: Float[np.ndarray, " T"], window: int) -> Float[np.ndarray, " T"]:
    """Mean of the last `window` values, NaN left out; NaN until there are that many dates."""
    end = np.arange(1, daily.size + 1)
    means = window_means(daily, np.maximum(end - window, 0), end)
    return np.where(end >= window, means, np.nan)
