"""Figures of evidence: RankIC by year, the null of the mean RankIC, the gain over uniform weights as it came about."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from massjax.evaluate.evidence import Evidence, Gain, Luck
from massjax.evaluate.result import UNIFORM, Strategy
from massjax.report.drawing import INK, line_style, strategy_color, styled
from massjax.report.run import RunResult
from massjax.report.telling import shown_summary
from massjax.report.verdict_words import half_width
from massjax.report.wording import number, percent, probability

COLUMNS = 2
"""Small multiples in a row."""
BINS = 24
"""Bars of a null distribution."""


def evidence_figures(result: RunResult) -> dict[str, go.Figure]:
    """The figures that a run has evidence for, by the name under which the page places them."""
    found = [(strategy, strategy.evidence) for strategy in result.strategies if strategy.evidence is not None]
    lucks = [(strategy, evidence.luck) for strategy, evidence in found if evidence.luck is not None and evidence.luck.null_rank_ic.size]
    gains = [(strategy, evidence.gain) for strategy, evidence in found if strategy.kind == "search" and evidence.gain is not None]
    drawn = {}
    if any(summary.dates for _, evidence in found for summary in evidence.by_year.values()):
        drawn["by_year"] = by_year_figure(result, found)
    if lucks:
        drawn["luck"] = luck_figure(result, lucks)
    if gains:
        drawn["gain"] = gain_figure(result, gains)
    return drawn


def by_year_figure(result: RunResult, found: list[tuple[Strategy, Evidence]]) -> go.Figure:
    """RankIC of every strategy in each calendar year, with two standard errors where there are dates enough for them."""
    figure = go.Figure()
    for strategy, evidence in found:
        years = [(year, summary) for year, summary in sorted(evidence.by_year.items()) if summary.dates]
        errors = [200 * shown_summary(summary, result.horizon).standard_error for _, summary in years]
        figure.add_scatter(
            x=[str(year) for year, _ in years],
            y=[100 * summary.mean for _, summary in years],
            error_y={"array": np.nan_to_num(errors), "thickness": 1.2, "width": 2},
            name=strategy.label,
            mode="markers",
            marker={"color": strategy_color(result, strategy), "size": 9, "symbol": "circle" if strategy.kind == "search" else "diamond"},
            hovertemplate="%{y:.2f} %",
        )
    figure.update_layout(scattermode="group", scattergap=0.3)
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(ticksuffix=" %", zeroline=True)
    return styled(figure, height=380, hover="closest")


def luck_figure(result: RunResult, lucks: list[tuple[Strategy, Luck]]) -> go.Figure:
    """The mean RankIC out of sample in every repetition of the null, and where the run itself came to lie, a panel for each strategy."""
    rows = -(-len(lucks) // COLUMNS)
    titles = [f"{strategy.label}: p {probability(luck.out_of_sample)}" for strategy, luck in lucks]
    columns = min(COLUMNS, len(lucks))
    figure = make_subplots(rows, columns, subplot_titles=titles, shared_xaxes="all", vertical_spacing=0.3 / rows)
    observed = [strategy.metrics[result.horizon].rank_ic.mean for strategy, _ in lucks]
    values = 100 * np.concatenate([np.array(observed), *(luck.null_rank_ic for _, luck in lucks)])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    width = max(high - low, 1e-9) / BINS
    for place, ((strategy, luck), mean) in enumerate(zip(lucks, observed, strict=True)):
        at = {"row": place // COLUMNS + 1, "col": place % COLUMNS + 1}
        edges = {"start": low, "end": high + width, "size": width}
        bar = {"color": strategy_color(result, strategy), "line": {"width": 0}}
        figure.add_histogram(
            x=100 * luck.null_rank_ic, xbins=edges, marker=bar, opacity=0.55, hovertemplate="%{y} of %{x} %<extra></extra>", **at
        )
        top = float(np.histogram(100 * luck.null_rank_ic, np.arange(low, high + 2 * width, width))[0].max(initial=1))
        figure.add_scatter(
            x=[100 * mean] * 2,
            y=[0.0, 1.1 * top],
            mode="lines",
            line={"color": INK, "width": 2},
            hovertemplate=f"the run: {percent(mean)} %<extra></extra>",
            **at,
        )
    figure.update_xaxes(ticksuffix=" %", showgrid=False, zeroline=True)
    figure.update_yaxes(showticklabels=False, showgrid=False)
    styled(figure, height=60 + 130 * rows, hover="closest", legend=False)
    for place, note in enumerate(figure.layout.annotations):
        note.update(x=(place % COLUMNS) / columns + 0.02, font={"size": 12})
    return figure


def gain_figure(result: RunResult, gains: list[tuple[Strategy, Gain]]) -> go.Figure:
    """Running sum of the daily gains over uniform weights, in points, with the 95 % interval that belongs to as many dates.

    The interval of Newey and West is of the mean over all n dates; the sum over the first m of them has that times n √(m / n).
    """
    figure = go.Figure()
    uniform = result.strategy(UNIFORM).rank_ic[result.horizon]
    for strategy, gain in gains:
        daily = strategy.rank_ic[result.horizon] - uniform
        known = np.isfinite(daily)
        if not known.any():
            continue
        dates, total = result.panel.dates[known], 100 * np.cumsum(daily[known])
        half = 100 * half_width(gain) * np.sqrt(np.arange(1, total.size + 1) * total.size)
        line = line_style(result, strategy)
        if np.isfinite(half).all():
            figure.add_scatter(
                x=np.concatenate([dates, dates[::-1]]),
                y=np.concatenate([total + half, (total - half)[::-1]]),
                fill="toself",
                mode="lines",
                line={"width": 0, "color": line["color"]},
                opacity=0.25,
                legendgroup=strategy.name,
                showlegend=False,
                hoverinfo="skip",
            )
        label = f"{strategy.label} ({number(100 * gain.mean, 2, sign=True)} a date)"
        figure.add_scatter(x=dates, y=total, name=label, line=line, legendgroup=strategy.name, hovertemplate="%{y:.0f}")
    figure.update_yaxes(zeroline=True)
    return styled(figure, height=340, hover="x unified")
