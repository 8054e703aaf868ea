"""The figures of a simulated market's report. Colours of text, axes and grid are left to the page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots
from scipy.special import erfc

from massjax.report.drawing import INK, styled
from massjax.report.market.result import BAR, HOMOGENEOUS, RULES, SHUFFLED, TRAINED, UNTRAINED, MarketResult, Population
from massjax.report.market.words import TRAIT_WORDS
from massjax.simulator.measures import BEHAVIOURS, TRAITS
from massjax.statistics.over_markets import MarketBand

COLORS = {TRAINED: "#3b7ae0", HOMOGENEOUS: "#1f9d76", SHUFFLED: "#a24bc0", UNTRAINED: "#8a929c", RULES: "#d9652b"}
BUYS, SELLS = "#1f9d76", "#c43d6b"
MOST_POINTS = 2_000
"""Ticks drawn of one market at most; more would only make the page heavy."""
SHADE = 0.16
"""Opacity of bands."""


def figures(result: MarketResult) -> dict[str, go.Figure]:
    """All figures of a run, by the name under which the page places them."""
    drawn = {
        "price": price_figure(result),
        "book": book_figure(result),
        "tails": tails_figure(result.populations),
        "memory": memory_figure(result),
        "behaviour": effects_figure(result, BEHAVIOURS),
        "wealth": effects_figure(result, tuple(dict.fromkeys(one.behaviour for one in result.effects if one.behaviour not in BEHAVIOURS))),
    }
    if not result.learning.is_empty():
        drawn["learning"] = learning_figure(result)
    return drawn


def price_figure(result: MarketResult) -> go.Figure:
    """Price of one market of the trained agents against its fundamental value."""
    example = result.example
    every = -(-example.price.size // MOST_POINTS)
    ticks = np.arange(example.price.size)[::every]
    figure = go.Figure()
    figure.add_scatter(x=ticks, y=example.fundamental[::every], name="fundamental value", line={"color": INK, "width": 1.5})
    figure.add_scatter(x=ticks, y=example.price[::every], name="price", line={"color": COLORS[TRAINED], "width": 1.5})
    figure.update_xaxes(title_text="tick")
    return styled(figure, height=340, hover="x unified", hover_format=".2f")


def book_figure(result: MarketResult) -> go.Figure:
    """The book of that market after its last tick: shares that rest at or better than each price."""
    example = result.example
    figure = go.Figure()
    for name, color, side in (("to buy", BUYS, 1), ("to sell", SELLS, -1)):
        of_side = np.sign(example.book_volume) == side
        price, volume = example.book_price[of_side], np.abs(example.book_volume[of_side])
        order = np.argsort(-side * price, kind="stable")
        figure.add_scatter(
            x=price[order],
            y=np.cumsum(volume[order]),
            name=name,
            line={"color": color, "width": 2, "shape": "hv"},
            fill="tozeroy",
            hovertemplate="%{y} shares at %{x:.2f} or better",
        )
    figure.update_xaxes(title_text="price")
    figure.update_yaxes(rangemode="tozero")
    return styled(figure, height=300, hover="closest")


def tails_figure(populations: Sequence[Population]) -> go.Figure:
    """Share of returns that are larger than a size in standard deviations, on logarithmic axes, beside a Gaussian's."""
    scales = [tail.scale for tail in populations[0].tails]
    titles = [f"returns over {scale} tick{'s' * (scale > 1)}" for scale in scales]
    figure = make_subplots(1, len(scales), subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.06)
    size = np.geomspace(0.5, 4.5, 60)
    for column in range(1, len(scales) + 1):
        gaussian = {"x": size, "y": erfc(size / np.sqrt(2)), "name": "Gaussian", "line": {"color": INK, "width": 1.25, "dash": "dot"}}
        figure.add_scatter(**gaussian, legendgroup="gaussian", showlegend=column == 1, row=1, col=column)
        for population in populations:
            tail = population.tails[column - 1]
            figure.add_scatter(
                x=tail.size,
                y=tail.share,
                name=population.label,
                line=_line(population),
                legendgroup=population.name,
                showlegend=column == 1,
                hovertemplate="%{y:.1e} above %{x:.1f} deviations",
                row=1,
                col=column,
            )
    figure.update_xaxes(type="log", tickvals=[0.5, 1, 2, 5, 10, 20], title_text="|z|")
    figure.update_yaxes(type="log", exponentformat="power", dtick=1)
    return _legend_below_title(_titled_apart(styled(figure, height=400, hover="closest"), len(scales)))


def memory_figure(result: MarketResult) -> go.Figure:
    """Autocorrelations of |r| and r over bars at all lags, with 95 % bands over markets, and where the life of an order ends."""
    figure = make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.1, subplot_titles=["of |r|", "of r"])
    for population in result.populations:
        for row, band in enumerate((population.of_magnitudes, population.of_returns), start=1):
            _band(figure, population.lags, band, COLORS[population.name], population.name, row=row, col=1)
            figure.add_scatter(
                x=population.lags,
                y=band.estimate,
                name=population.label,
                line=_line(population),
                legendgroup=population.name,
                showlegend=row == 1,
                row=row,
                col=1,
            )
    figure.add_vline(x=result.config.simulation.market.agents / BAR, line={"color": "#8a929c", "width": 1, "dash": "dot"})
    figure.update_yaxes(range=[-0.05, 0.2], zeroline=True, row=1)
    figure.update_yaxes(range=[-0.2, 0.1], zeroline=True, row=2)
    figure.update_xaxes(title_text=f"lag in bars of {BAR} ticks", row=2)
    return _legend_below_title(styled(figure, height=560, hover="x unified", hover_format=".4f"))


def effects_figure(result: MarketResult, behaviours: Sequence[str]) -> go.Figure:
    """Mean of each behaviour in the fifths of agents by each trait, with 95 % bands: a row a behaviour, a column a trait."""
    titles = [f"{behaviour}, by {TRAIT_WORDS[trait]}" for behaviour in behaviours for trait in TRAITS]
    figure = make_subplots(
        len(behaviours),
        len(TRAITS),
        subplot_titles=titles,
        shared_xaxes="columns",
        shared_yaxes="rows",
        horizontal_spacing=0.04,
        vertical_spacing=0.3 / max(len(behaviours), 1),
    )
    for effect in result.effects:
        if effect.behaviour not in behaviours:
            continue
        row, column = behaviours.index(effect.behaviour) + 1, TRAITS.index(effect.trait) + 1
        _band(figure, effect.level, effect.mean, COLORS[TRAINED], effect.behaviour, row=row, col=column)
        figure.add_scatter(
            x=effect.level,
            y=effect.mean.estimate,
            name=effect.behaviour,
            mode="lines+markers",
            line={"color": COLORS[TRAINED], "width": 2},
            hovertemplate="%{y:.3f} at %{x:.3g}<extra></extra>",
            row=row,
            col=column,
        )
    return _titled_apart(styled(figure, height=60 + 190 * len(behaviours), hover="closest", legend=False), len(TRAITS))


def learning_figure(result: MarketResult) -> go.Figure:
    """Trades, mispricing and reward of each update."""
    shown = (("trades", "share of ticks with a trade"), ("mispricing", "mispricing"), ("reward", "reward of a turn"))
    figure = make_subplots(len(shown), 1, shared_xaxes=True, vertical_spacing=0.08, subplot_titles=[words for _, words in shown])
    every = -(-result.learning.height // MOST_POINTS)
    table = result.learning.gather_every(every)
    for row, (name, words) in enumerate(shown, start=1):
        figure.add_scatter(
            x=table["update"].to_numpy(),
            y=table[name].to_numpy(),
            name=words,
            line={"color": COLORS[TRAINED], "width": 1.25},
            row=row,
            col=1,
        )
    figure.update_yaxes(rangemode="tozero", row=1)
    figure.update_yaxes(rangemode="tozero", row=2)
    figure.update_xaxes(title_text="update", row=len(shown))
    return styled(figure, height=520, hover="x unified", hover_format=".4f", legend=False)


def _line(population: Population) -> dict[str, object]:
    trained = population.name == TRAINED
    return {"color": COLORS[population.name], "width": 2.25 if trained else 1.5, "dash": "solid" if trained else "dash"}


def _band(figure: go.Figure, x: Float[np.ndarray, " L"], band: MarketBand, color: str, group: str, *, row: int, col: int) -> None:
    """Shade a band where there is one."""
    known = np.isfinite(band.low) & np.isfinite(band.high)
    if not known.any():
        return
    x, low, high = np.asarray(x)[known], band.low[known], band.high[known]
    figure.add_scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        fill="toself",
        fillcolor=_faint(color),
        mode="lines",
        line={"width": 0},
        hoverinfo="skip",
        legendgroup=group,
        showlegend=False,
        row=row,
        col=col,
    )


def _faint(color: str) -> str:
    """A colour `#rrggbb` with the opacity of bands."""
    red, green, blue = (int(color[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{SHADE})"


def _legend_below_title(figure: go.Figure) -> go.Figure:
    """The figure with its legend below the title of its horizontal axis."""
    return figure.update_layout(legend={"y": -80 / figure.layout.height})


def _titled_apart(figure: go.Figure, columns: int) -> go.Figure:
    """The figure with each panel's title above its own panel."""
    for place, note in enumerate(figure.layout.annotations):
        note.update(x=(place % columns) / columns, font={"size": 12})
    return figure
