"""The figure of the agent-count scaling curve."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from massjax.evaluate.settings import EvaluateSettings

MASS_RANGE = (64, 1536)
"""Numbers of agents in MASS's own scaling figure (arXiv 2505.10278)."""
FIXED, OUTSIDE, INSIDE, THEORY, EXPECTED = "#3b7ae0", "#d9652b", "#d9a98f", "#20242c", "#8a929c"
FEW_SEEDS = 4
"""Seeds under which a dispersion is not drawn."""
READING = (
    f"In sample is judged on the look-back dates before each search, out of sample on the dates after it: the levels are of different "
    f"dates.\nHollow points: fewer than {FEW_SEEDS} seeds. Theory is for several agents an archetype."
)
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9aa0a8",
    "axes.labelcolor": "#20242c",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": "#e6e8ec",
    "grid.linewidth": 0.8,
    "xtick.color": "#5a616b",
    "ytick.color": "#5a616b",
    "svg.hashsalt": "massjax",
    "svg.fonttype": "path",
}


def draw_figure(rows: pl.DataFrame, expected: dict[str, float], about: str, how: str, path: Path, settings: EvaluateSettings) -> None:
    """RankIC against agents above, what the seeds differ by below; written as the suffix of `path` says."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 8.2), layout="constrained")
        axes = figure.subplot_mosaic([["curve", "curve"], ["rank_ic", "score"]], height_ratios=[1.5, 1])
        _curve(axes["curve"], rows, expected, settings)
        _dispersion(axes["rank_ic"], rows, settings)
        _variance(axes["score"], rows)
        for name, axis in axes.items():
            _agents_axis(axis, rows, every=4 if name == "curve" or len(rows) < 12 else 16)
        figure.suptitle("What more agents are worth", x=0.01, ha="left", fontsize=14, fontweight="bold")
        figure.supxlabel(f"{about}\n{how}\n{READING}", x=0.01, ha="left", fontsize=8, color="#5a616b")
        partial = path.with_name(f".{path.name}.partial")
        metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        figure.savefig(partial, format=path.suffix[1:], dpi=160, metadata=metadata)
        partial.replace(path)


def _curve(axis: Axes, rows: pl.DataFrame, expected: dict[str, float], settings: EvaluateSettings) -> None:
    agents = rows["agents"].to_numpy()
    if np.isfinite(rows["in_sample"].to_numpy()).any():
        _band(axis, rows, "in_sample", INSIDE, "re-optimized, in sample: on the windows that were searched", dashes=(2, 2))
        _band(axis, rows, "out_of_sample", OUTSIDE, "re-optimized, out of sample: on the dates that followed")
    _band(axis, rows, "fixed", FIXED, "fixed distribution: nothing fitted")
    if settings.signal == "mean":
        axis.plot(agents, 100 * rows["theory"].to_numpy(), color=THEORY, lw=1.1, ls=(0, (5, 2)), label="theory for the fixed one", zorder=5)
    for name, color, side in (("out_of_sample", OUTSIDE, 1), ("fixed", FIXED, -1)):
        if name in expected:
            words = "expected scores, re-optimized" if name == "out_of_sample" else "expected scores, fixed distribution"
            axis.axhline(100 * expected[name], color=color, lw=0.9, ls=":", zorder=1)
            axis.annotate(words, (0.0, 100 * expected[name]), xycoords=("axes fraction", "data"), xytext=(6, 3 * side), fontsize=8,
                          textcoords="offset points", color=color, ha="left", va="bottom" if side > 0 else "top")  # fmt: skip
    axis.axhline(0, color="#9aa0a8", lw=0.8, zorder=0)
    axis.set_title(f"RankIC over {settings.horizon} days of the {settings.signal} signal; bands: ± 1 standard deviation over seeds")
    axis.set_ylabel("RankIC, %")
    axis.legend(loc="upper left", frameon=False, fontsize=8.5, ncols=2)
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + 0.22 * (high - low))
    axis.axvspan(*MASS_RANGE, color="#eef1f6", lw=0, zorder=-1)
    middle = min(float(np.sqrt(MASS_RANGE[0] * MASS_RANGE[1])), float(agents.max()))
    axis.annotate("MASS's range\n64 to 1,536", (middle, 0.02), xycoords=("data", "axes fraction"),
                  ha="center", va="bottom", fontsize=8, color="#5a616b")  # fmt: skip


def _band(axis: Axes, rows: pl.DataFrame, name: str, color: str, label: str, dashes: tuple[int, int] | None = None) -> None:
    agents, mean, spread = (rows[column].to_numpy() for column in ("agents", name, f"{name}_deviation"))
    spread = np.where(rows["seeds"].to_numpy() >= FEW_SEEDS, spread, 0.0)
    axis.fill_between(agents, 100 * (mean - spread), 100 * (mean + spread), color=color, alpha=0.16, lw=0, zorder=2)
    style = {} if dashes is None else {"ls": (0, dashes)}
    axis.plot(agents, 100 * mean, color=color, lw=1.8, label=label, zorder=4, **style)
    few = rows["seeds"].to_numpy() < FEW_SEEDS
    axis.plot(agents, 100 * mean, color=color, lw=0, marker="o", ms=3.5, zorder=5)
    axis.plot(agents[few], 100 * mean[few], color=color, lw=0, marker="o", ms=3.5, mfc="white", zorder=6)


def _dispersion(axis: Axes, rows: pl.DataFrame, settings: EvaluateSettings) -> None:
    enough = rows.filter(pl.col("seeds") >= FEW_SEEDS)
    agents = enough["agents"].to_numpy()
    for name, color in (("out_of_sample", OUTSIDE), ("fixed", FIXED)):
        values = 100 * enough[f"{name}_deviation"].to_numpy()
        if np.isfinite(values).any():
            axis.plot(agents, np.where(values > 0, values, np.nan), color=color, marker="o", ms=3.5, lw=0.8, alpha=0.9)
    if settings.signal == "mean":
        axis.plot(rows["agents"], 100 * rows["theory_deviation"].to_numpy(), color=THEORY, lw=1.1, ls=(0, (5, 2)))
    axis.set_yscale("log")
    axis.set_title("Standard deviation of RankIC over seeds")
    axis.set_ylabel("percentage points")
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _variance(axis: Axes, rows: pl.DataFrame) -> None:
    axis.plot(rows["agents"], rows["score_variance"], color=FIXED, marker="o", ms=3.5, lw=0)
    axis.plot(rows["agents"], rows["theory_score_variance"], color=THEORY, lw=1.1, ls=(0, (5, 2)), label="theory: V / agents")
    axis.set_yscale("log")
    axis.set_title("Variance of a stock's mean score over seeds")
    axis.legend(loc="upper right", frameon=False, fontsize=8.5)


def _agents_axis(axis: Axes, rows: pl.DataFrame, every: int) -> None:
    axis.set_xscale("log", base=2)
    axis.set_xlim(rows["agents"].min() * 0.8, rows["agents"].max() * 1.25)  # type: ignore[operator]
    axis.xaxis.set_major_locator(LogLocator(base=every, numticks=99))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel("agents")
