"""The RankIC of blank answers and of answers with facts year by year, with the cut-off, as a drawing in SVG."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import numpy as np

from massjax.hindsight.running import Hindsight
from massjax.hindsight.splitting import BLANK, Split

WIDTH, HEIGHT = 720, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 40, 36
BLANK_COLORS = ("#d9652b", "#a24bc0", "#c43d6b", "#5b8c1a")
FULL_COLOR, EACH_COLOR, AXIS_COLOR = "#3b7ae0", "#b9c6dd", "#8a929c"
LEAST_SPAN = 0.02
"""Of the axis of RankIC."""


def picture(found: Hindsight) -> str:
    """RankIC by year: blank answers of each model, and the mean of the archetypes' scores, each of them a thin line.

    Bars are ± 1.96 standard errors. The cut-offs of the models are drawn at their place in the year.
    """
    blank = [one for one in found.splits if one.name.startswith(BLANK)]
    full = [one for one in found.splits if not one.name.startswith(BLANK)]
    years = sorted({year for one in found.splits for year in one.years})
    means = {one.name: {year: of_year.mean for year, of_year in one.years.items()} for one in found.splits}
    together = {year: [means[one.name][year] for one in full if np.isfinite(means[one.name].get(year, np.nan))] for year in years}
    average = {year: float(np.mean(values)) for year, values in together.items() if values}
    shown = [value for values in (*means.values(), average) for value in values.values() if np.isfinite(value)]
    shown += [edge for one in blank for edges in _bars(one).values() for edge in edges]
    low, high = min([0.0, *shown]), max([0.0, *shown])
    low, high = (low, high) if high - low >= LEAST_SPAN else (low - LEAST_SPAN / 2, high + LEAST_SPAN / 2)

    def x(year: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (year - years[0] + 0.5) / len(years)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    def line(values: dict[int, float], color: str, width: float) -> str:
        points = [f"{x(year):.1f},{y(value):.1f}" for year, value in sorted(values.items()) if np.isfinite(value)]
        dots = [f'<circle cx="{one.split(",")[0]}" cy="{one.split(",")[1]}" r="{width + 1:g}" fill="{color}"/>' for one in points]
        return f'<polyline points="{" ".join(points)}" fill="none" stroke="{color}" stroke-width="{width:g}"/>{"".join(dots)}'

    parts = [_axis(low, high, y), *(_text(x(year), HEIGHT - 14, str(year), "middle") for year in _few(years))]
    for model, cutoff in found.cutoffs.items():
        if cutoff is not None and years[0] <= cutoff.year <= years[-1]:
            at = x(cutoff.year + (cutoff.timetuple().tm_yday - 0.5) / 365.25 - 0.5)
            parts.append(
                f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{AXIS_COLOR}" stroke-dasharray="4 3"/>'
            )
            parts.append(_text(at + 4, TOP + 10, f"cut-off of {model or 'the model'} {cutoff}", "start"))
    parts += [line(means[one.name], EACH_COLOR, 0.8) for one in full]
    legend = list[tuple[str, str]]()
    if full:
        parts.append(line(average, FULL_COLOR, 2.2))
        legend.append(("answers with facts, mean of the archetypes", FULL_COLOR))
    for number, one in enumerate(blank):
        color = BLANK_COLORS[number % len(BLANK_COLORS)]
        for year, (bottom, top) in _bars(one).items():
            parts.append(f'<line x1="{x(year):.1f}" x2="{x(year):.1f}" y1="{y(bottom):.1f}" y2="{y(top):.1f}" stroke="{color}"/>')
        parts.append(line(means[one.name], color, 2.2))
        legend.append((one.name, color))
    at = float(LEFT)
    for words, color in legend:
        parts.append(f'<rect x="{at:.0f}" y="9" width="10" height="10" fill="{color}"/>{_text(at + 15, 18, words, "start")}')
        at += 34 + 6.6 * len(words)
    fake = _text(WIDTH / 2, HEIGHT / 2, "fake scores: noise", "middle") if found.fake else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">\n'
        f"<title>RankIC by year over {found.horizon} rows: blank answers and answers with facts</title>\n"
        + "\n".join([*parts, fake])
        + "\n</svg>\n"
    )


def _bars(one: Split) -> dict[int, tuple[float, float]]:
    found = {}
    for year, of_year in one.years.items():
        reach = 1.96 * of_year.standard_error
        if np.isfinite([of_year.mean, reach]).all():
            found[year] = (of_year.mean - reach, of_year.mean + reach)
    return found


def _axis(low: float, high: float, y: Callable[[float], float]) -> str:
    parts = []
    for value in sorted({low, 0.0, high}):
        color = AXIS_COLOR if value == 0.0 else "#e3e6ea"
        at = y(value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="{color}"/>')
        parts.append(_text(LEFT - 6, at + 4, f"{100 * value:.1f}", "end"))
    return "\n".join(parts)


def _few(years: list[int]) -> list[int]:
    """At most a dozen of them, the first among them."""
    return years[:: 1 + (len(years) - 1) // 12]


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#5c6670">{escape(words)}</text>'
