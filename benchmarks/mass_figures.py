"""The figures of the tables of MASS: one each, as SVG and PNG."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib
import numpy as np
import polars as pl
from jaxtyping import Float, Shaped
from mass_summaries import ALL
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from scaling_figure import EXPECTED, FIXED, INSIDE, OUTSIDE, STYLE, THEORY

COLORS = (OUTSIDE, FIXED, "#2a9d6f", "#8e5bb5", "#c9a227", INSIDE, EXPECTED, THEORY)
Drawing = Callable[[Axes], None]


def save(drawing: Drawing, title: str, about: str, out: Path, name: str, height: float = 5.2) -> None:
    """Draw on one pair of axes, and write `out/name.svg` and `out/name.png`, each under another name first."""
    out.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.6, height), layout="constrained")
        axis = figure.subplots()
        drawing(axis)
        figure.suptitle(title, x=0.01, ha="left", fontsize=14, fontweight="bold")
        figure.supxlabel(about, x=0.01, ha="left", fontsize=8, color="#5a616b")
        for suffix, metadata in ((".svg", {"Date": None}), (".png", {"Software": None})):
            partial = out / f".{name}{suffix}.partial"
            figure.savefig(partial, format=suffix[1:], dpi=160, metadata=metadata)
            partial.replace(out / f"{name}{suffix}")


def years(rows: pl.DataFrame, horizon: int) -> Drawing:
    """RankIC by year of every strategy and signal at one horizon, with Newey-West intervals; differences are left to the tables."""
    others = pl.col("strategy").str.starts_with("Circular-shift null") | pl.col("strategy").str.contains(" less ")
    here = rows.filter((pl.col("horizon") == horizon) & ~others)
    columns = [ALL, *sorted(set(here["period"].to_list()) - {ALL})]
    groups = here.select("strategy", "signal").unique(maintain_order=True).rows()

    def draw(axis: Axes) -> None:
        width = 0.8 / max(len(groups), 1)
        for number, (strategy, signal) in enumerate(groups):
            some = here.filter((pl.col("strategy") == strategy) & (pl.col("signal") == signal))
            at = np.array([columns.index(period) for period in some["period"]]) + width * (number + 0.5) - 0.4
            bands(axis, at, some, "RankIC", COLORS[number % len(COLORS)], f"{strategy}, {signal}", "o" if number < len(COLORS) else "s")
        axis.axhline(0, color="#9aa0a8", lw=0.8, zorder=0)
        axis.set_xticks(range(len(columns)), columns)
        axis.set_ylabel(f"RankIC with the {horizon}-day return, %")
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), frameon=False, fontsize=7.5, ncols=3)

    return draw


def bands(axis: Axes, at: Float[np.ndarray, " R"], rows: pl.DataFrame, name: str, color: str, label: str, marker: str = "o") -> None:
    """Points with an interval; the spread over seeds as a thicker bar."""
    value, wide, seeds = (numbers(rows, column) for column in (name, f"{name} NW", f"{name} seeds"))
    axis.errorbar(at, value, yerr=np.nan_to_num(wide), fmt=marker, ms=3.5, color=color, lw=0.9, label=label, zorder=4)
    axis.errorbar(at, value, yerr=np.nan_to_num(seeds), fmt="none", color=color, lw=3.0, alpha=0.45, zorder=3)


def numbers(rows: pl.DataFrame, column: str) -> Float[np.ndarray, " R"]:
    """A column as numbers, NaN where it has none; all NaN where there is no such column."""
    if column not in rows.columns:
        return np.full(len(rows), np.nan)
    return rows[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def settings(rows: pl.DataFrame) -> Drawing:
    """RankIC of search and uniform weights for each setting, from top to bottom."""

    def draw(axis: Axes) -> None:
        at = np.arange(len(rows))[::-1].astype(float)
        for name, color, shift, label in (("RankIC", OUTSIDE, 0.12, "search, or control"), ("uniform", FIXED, -0.12, "uniform weights")):
            value, wide, seeds = (numbers(rows, column) for column in (name, f"{name} NW", f"{name} seeds"))
            axis.errorbar(value, at + shift, xerr=np.nan_to_num(wide), fmt="o", ms=3.5, color=color, lw=0.9, label=label)
            axis.errorbar(value, at + shift, xerr=np.nan_to_num(seeds), fmt="none", color=color, lw=3.0, alpha=0.45)
        axis.axvline(0, color="#9aa0a8", lw=0.8, zorder=0)
        axis.set_yticks(at, rows["setting"].to_list(), fontsize=8)
        axis.set_xlabel("RankIC, %")
        axis.legend(loc="upper left", bbox_to_anchor=(0, 1.06), frameon=False, fontsize=8, ncols=2)

    return draw


def agents(rows: pl.DataFrame) -> Drawing:
    """RankIC of search and uniform weights against the number of agents, with bands over seeds; controls as lines."""
    sized, beside = rows.filter(pl.col("agents").is_not_null()), rows.filter(pl.col("agents").is_null())

    def draw(axis: Axes) -> None:
        at = sized["agents"].to_numpy()
        for name, color, label in (("RankIC", OUTSIDE, "search"), ("uniform", FIXED, "uniform weights")):
            value, seeds = numbers(sized, name), np.nan_to_num(numbers(sized, f"{name} seeds"))
            axis.fill_between(at, value - seeds, value + seeds, color=color, alpha=0.16, lw=0)
            axis.plot(at, value, color=color, marker="o", ms=3.5, lw=1.8, label=label)
        levels = zip(beside["setting"].to_list(), numbers(beside, "RankIC"), strict=True)
        for number, (setting, level) in enumerate(one for one in levels if np.isfinite(one[1])):
            axis.axhline(level, color=COLORS[(number + 2) % len(COLORS)], lw=0.9, ls=(0, (4, 2)), label=setting)
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axis.set_xlabel("agents")
        axis.set_ylabel("RankIC, %; bands: ± 1 standard deviation over seeds")
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), frameon=False, fontsize=7.5, ncols=3)

    return draw


def equity(dates: Shaped[np.ndarray, " T"], curves: Mapping[str, Float[np.ndarray, " T"]]) -> Drawing:
    """Worth of one unit of money through time."""

    def draw(axis: Axes) -> None:
        for number, (label, curve) in enumerate(curves.items()):
            known = np.isfinite(curve)
            axis.plot(dates[known], curve[known], color=COLORS[number % len(COLORS)], lw=1.3, label=label)
        axis.set_ylabel("worth of 1, after costs")
        axis.legend(loc="upper left", frameon=False, fontsize=8, ncols=2)

    return draw


def seconds(rows: pl.DataFrame) -> Drawing:
    """Seconds a date of each run, on a logarithmic axis."""

    def draw(axis: Axes) -> None:
        at = np.arange(len(rows))[::-1]
        axis.barh(at, numbers(rows, "seconds a date"), color=[OUTSIDE if turn == "first" else FIXED for turn in rows["time"]])
        axis.set_yticks(at, [f"{run}, {turn}" for run, turn in rows.select("run", "time").iter_rows()], fontsize=8)
        axis.set_xscale("log")
        axis.set_xlabel("seconds a date")

    return draw
