"""What MASS's ablations and its scaling change in a configuration, as assignments of `--set`, and their rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped
from mass_runs import Baseline, Ran, ranking_series
from mass_summaries import Row, control_rows, measured, percent, period_figures, periods

from massjax.config import RunConfig
from massjax.errors import ConfigError
from massjax.evaluate.result import UNIFORM

COOLING, STEPS, ALPHAS, LOOKBACKS = (
    (1.0, 0.95, 0.8),
    (20, 50, 100, 200),
    ("0.0", "0.2", "0.5", "0.8", "1.0", "learned"),
    (5, 20, 60, 120),
)
SIZES = (64, 128, 256, 512, 1024, 1536, 16_384, 131_072, 1_048_576)
"""Agents in all."""
EVERY_SEED = 16_384
"""Agents up to which every seed is run; above, what seeds differ by is small, and time long."""
PUBLISHED_SIZES = {64: 4.0, 512: 8.16, 1024: 9.25, 1536: 9.22}
"""RankIC in % of arXiv 2505.10278 by number of agents: SSE 50, 2023, five days, Qwen2.5-72B; read off by others, about."""


class Variant(NamedTuple):
    """One change of a configuration.

    Attributes:
        group: what is varied.
        setting: the change, as the table calls it.
        changes: assignments of `--set`.
        paper: RankIC in % of the paper, 2023; None where it has none.
        market: of the paper's figure.
    """

    group: str
    setting: str
    changes: tuple[str, ...]
    paper: float | None = None
    market: str = ""


def ablations(config: RunConfig) -> list[Variant]:
    """The ablations of MASS that a configuration allows; each changes one thing of it.

    Raises:
        ConfigError: the first search of the configuration is not annealing, whose settings are varied.
    """
    first = dict(config.search[0]) if config.search else {}
    if first.get("method") != "annealing":
        raise ConfigError(f"search.0: {first.get('method', 'no search')}; the ablations vary annealing: list it first")

    def searched(group: str, setting: str, paper: float | None = None, market: str = "", **changed: object) -> Variant:
        return Variant(group, setting, (f"search={json.dumps([{**first, **changed}])}",), paper, market)

    cooling = {1.0: -0.16, 0.95: 6.50, 0.8: 4.12}
    iterations = {50: 4.69, 100: 6.50, 200: 6.53}
    on_mean = ("evaluate.fit_signal=mean", "evaluate.signal=mean")
    default = (f"search={json.dumps([{'method': 'posterior', 'lookback': 'auto'}])}", "evaluate.fit_signal=null")
    found = [
        Variant("as configured", "as configured", (), 8.16, "SSE 50"),
        searched("optimisation", "no optimisation: 0 iterations", 0.76, "SSE 50 (CSI 300: 0.36)", steps=0),
        Variant("signal", "no disagreement: fitted on the mean, ranked by it", on_mean, 6.28, "SSE 50"),
        Variant("signal", "fitted on what ranks", ("evaluate.fit_signal=null",)),
        *(searched("cooling", f"cooling {rate:g}", cooling[rate], "CSI 300", cooling=rate) for rate in COOLING),
    ]
    for steps in STEPS:
        market = "CSI 300" if steps in iterations else ""
        found.append(searched("iterations", f"{steps} iterations", iterations.get(steps), market, steps=steps))
    return [
        *found,
        *(Variant("alpha", f"alpha {alpha}", (f"evaluate.alpha={alpha}",)) for alpha in ALPHAS),
        *(Variant("look-back", f"look-back {dates}", (f"evaluate.lookback={dates}",)) for dates in LOOKBACKS),
        *_lists(config),
        searched("search", "pair and amount drawn anew on rejection", rejection="redraw"),
        searched("search", "256 chains", chains=256),
        Variant("search", "CMA-ES", (f"search={json.dumps([{'method': 'cmaes', 'chains': 32, 'steps': 20}])}",)),
        Variant("search", "massjax's default, on all known dates", default),
        Variant("leakage", "delay 0 (leakage ablation: sees the future)", ("evaluate.delay=0", "evaluate.leakage_ablation=true")),
    ]


def _lists(config: RunConfig) -> list[Variant]:
    """How watch lists are drawn, where there are any."""
    if config.agents.finite is None:
        return []
    return [
        Variant("lists", "lists anew on each date", ("agents.finite.daily=true",), 8.03, "SSE 50"),
        Variant("lists", "fixed lists", ("agents.finite.daily=false",), 8.16, "SSE 50"),
        Variant("lists", "fixed lists of 20 distinct stocks (mass-paper)", ("agents.finite={preset: mass-paper}",)),
        Variant("lists", "no lists: scores as they are", ("agents.finite=null",)),
    ]


def ablation_rows(baseline: Baseline, variants: Sequence[Variant]) -> list[Row]:
    """Run every variant; all rows are judged on the dates that all of them have.

    Returns:
        The variants, with what uniform weights make under the same change and the gain over them; then the controls of every table.
    """
    runs = [(variant, baseline.changed(*variant.changes)) for variant in variants]
    dates, common = baseline.learned.dates, common_dates([baseline.learned, *(run for _, some in runs for run in some)])
    rows: list[Row] = []
    for variant, some in runs:
        paper: Row = {"paper 2023": variant.paper, "paper's market": variant.market}
        rows.append({"group": variant.group, "setting": variant.setting, **compared(some, dates, common), **paper})
    return [*rows, *({"group": "controls", **row} for row in beside(baseline, common))]


def common_dates(runs: Sequence[Ran]) -> Bool[np.ndarray, " T"]:
    """True on the dates on which all of some runs are judged.

    Raises:
        ConfigError: there is none.
    """
    common = np.logical_and.reduce([run.evaluated for run in runs])
    if not common.any():
        raise ConfigError(
            "market.start: no date is left on which all variants can be judged; load more dates, or leave out long look-backs"
        )
    return common


def beside(baseline: Baseline, common: Bool[np.ndarray, " T"]) -> list[Row]:
    """The rows of the controls that every table has, on its common dates."""
    series = [*ranking_series(baseline.runs), *ranking_series([baseline.learned])]
    return control_rows(series, baseline.learned.dates, common)


def compared(runs: Sequence[Ran], dates: Shaped[np.ndarray, " T"], common: Bool[np.ndarray, " T"]) -> Row:
    """RankIC of the first search, of uniform weights under the same settings, and of the daily difference of the two."""
    horizon = runs[0].horizon
    searched, uniform = daily(runs, runs[0].search.name), daily(runs, UNIFORM)
    last = str(dates[common][-1].astype("datetime64[Y]"))
    in_year = common & periods(dates)[last]
    return {
        **period_figures(searched, horizon, dates, common),
        **measured(uniform[:, common], horizon, "uniform"),
        f"uniform {last}": percent(_mean_of(uniform[:, in_year])),
        **measured((searched - uniform)[:, common], horizon, "gain"),
    }


def _mean_of(values: Float[np.ndarray, "S D"]) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else np.nan


def daily(runs: Sequence[Ran], name: str) -> Float[np.ndarray, "S T"]:
    """Daily RankIC of a strategy's ranking signal at the fitted horizon, by seed; NaN off its evaluated dates."""
    found = [run.strategy(name) for run in runs]
    return np.stack([one.rank_ic[one.ranked_by][run.horizon] for one, run in zip(found, runs, strict=True)])


def replicas_of(sizes: Sequence[int], archetypes: int) -> list[int]:
    """Replicas of each archetype for so many agents in all, at least one; each number once.

    Example:
        >>> replicas_of([8, 16, 64, 512], archetypes=16)
        [1, 4, 32]
    """
    return sorted({max(1, size // archetypes) for size in sizes})


def scaling_rows(baseline: Baseline, sizes: Sequence[int], full_seeds: int) -> list[Row]:
    """Search and uniform weights by number of agents; beside them expected scores, without agents, and the controls of every table.

    Args:
        baseline: whose configuration has finite agents.
        sizes: agents in all.
        full_seeds: seeds above `EVERY_SEED` agents.

    Raises:
        ConfigError: the configuration has no finite agents.
    """
    source = baseline.source
    if source.config().agents.finite is None:
        raise ConfigError("agents.finite: not set; scaling needs a number of agents, as in agents: {finite: {preset: mass-code}}")
    types, runs = baseline.runs[0].archetypes, list[tuple[int, tuple[Ran, ...]]]()
    for replicas in replicas_of(sizes, types):
        seeds = source.seeds if replicas * types <= EVERY_SEED else min(full_seeds, source.seeds)
        runs.append((replicas, baseline.changed(f"agents.finite.replicas={replicas}", seeds=seeds)))
    without = baseline.changed("agents.finite=null")
    dates = baseline.learned.dates
    common = common_dates([baseline.learned, *without, *(run for _, some in runs for run in some)])
    rows: list[Row] = [
        {
            "setting": "agents",
            "agents": replicas * types,
            **compared(some, dates, common),
            "paper 2023": PUBLISHED_SIZES.get(replicas * types),
        }
        for replicas, some in runs
    ]
    rows.append({"setting": "expected scores, no agents", "agents": None, **compared(without, dates, common)})
    return [*rows, *({"agents": None, **row} for row in beside(baseline, common))]
