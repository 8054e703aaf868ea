"""Evidence made of a run's own series by short plain code, so that the report can be tested with any outcome."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from massjax.evaluate.evidence import Evidence, Gain, Luck
from massjax.evaluate.result import BEST_SINGLE, UNIFORM, Strategy
from massjax.evaluate.verdict import verdict
from massjax.report.run import RunResult
from massjax.statistics.intervals import Interval
from massjax.statistics.series import summarize


def with_evidence(result: RunResult, *, seeds: bool = False, correction: str = "", refitted_every: int = 1) -> RunResult:
    """The run, with two controls alone, with evidence of every strategy, and the verdict that follows from it."""
    kept = tuple(s for s in result.strategies if s.kind == "search" or s.name in (UNIFORM, BEST_SINGLE))
    result = replace(result, strategies=kept)
    uniform = result.strategy(UNIFORM).rank_ic[result.horizon]
    strategies = tuple(
        replace(strategy, evidence=made(result, strategy, uniform, seeds, correction, refitted_every)) for strategy in result.strategies
    )
    return replace(result, strategies=strategies, verdict=verdict(strategies, result.horizon), effective_opinions=2.7)


def interval(low: float, high: float) -> Interval:
    """Bounds of a gain, of which nothing else is shown."""
    return Interval((low + high) / 2, low, high, 0.95, (high - low) / 4, 80, "Newey-West", 10)


def without_evidence(result: RunResult) -> RunResult:
    """The run as if p-values had been turned off."""
    return replace(result, strategies=tuple(replace(s, evidence=None) for s in result.strategies), verdict=None)


def made(
    result: RunResult, strategy: Strategy, uniform: np.ndarray, seeds: bool, correction: str, refitted_every: int, draws: int = 40
) -> Evidence:
    daily, years = strategy.rank_ic[result.horizon], result.panel.dates.astype("datetime64[Y]").astype(int) + 1970
    over, random = daily - uniform, np.random.default_rng(0)
    own, shared = daily[np.isfinite(daily)], over[np.isfinite(over)]
    error = summarize(over, result.horizon).standard_error
    mean = float(shared.mean()) if shared.size else np.nan
    half = 1.96 * error
    gain = None
    if strategy.name != UNIFORM:
        needed = (2.4865 * error / mean) ** 2 * shared.size if mean > 0 else np.inf
        bootstrap = interval(mean - 1.1 * half, mean + 0.9 * half)
        more_years = max(0.0, needed - shared.size) / result.panel.periods_per_year
        gain = Gain(mean, interval(mean - half, mean + half), bootstrap, int(shared.size), shared.size / result.horizon, more_years)
    null = np.array([np.roll(own, k).mean() + random.normal(0, 0.05) for k in range(draws)])
    p_out = float((1 + (null >= own.mean()).sum()) / (1 + draws))
    p_gain = float((1 + (random.normal(0, 0.05, draws) >= mean).sum()) / (1 + draws)) if gain else np.nan
    fitted = np.isfinite(strategy.fitness).any() and gain is not None
    luck = Luck(
        null="circular shifts",
        repetitions=draws,
        refitted_every=refitted_every if strategy.kind == "search" else 1,
        in_sample=0.25 if fitted else np.nan,
        out_of_sample=p_out,
        gain=p_gain,
        adjusted=p_gain,
        correction=correction if strategy.kind == "search" else "",
        null_rank_ic=null,
    )
    concentration = (strategy.weights[strategy.evaluated] ** 2).sum(axis=1)
    return Evidence(
        luck=luck,
        reason="",
        gain=gain,
        by_year={int(y): summarize(daily[years == y], result.horizon) for y in np.unique(years[result.evaluated])},
        gain_by_year={int(y): summarize(over[years == y], result.horizon) for y in np.unique(years[result.evaluated])},
        effective_archetypes=float((1 / concentration).mean()) if concentration.all() else np.nan,
        seeds=(float(own.mean()), float(own.mean()) + 0.01) if seeds and strategy.kind == "search" else (),
    )
