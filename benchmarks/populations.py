"""Growing populations of agents on one market, judged at every size with a fixed and with a re-optimized agent distribution."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int
from scaling_theory import Theory, theory_of

import massjax as mj
from massjax.config import RunConfig
from massjax.engine.finite.agents import Drawn, draw_agents
from massjax.evaluate.searches import first_evaluated
from massjax.evaluate.settings import check_horizon
from massjax.scores.gathering import gather_scores
from massjax.scores.inputs import prepare
from massjax.statistics.correlation import daily_rank_ic


@dataclass(frozen=True)
class Market:
    """Scores and returns with each date's members moved up to the first rows, which changes no cross-section.

    Attributes:
        scores: NaN where missing.
        evaluated: dates on which every strategy is judged.
        config: with the gap resolved.
    """

    scores: Float[np.ndarray, "K M T"]
    member: Bool[np.ndarray, "M T"]
    forward_returns: Float[np.ndarray, "M T"]
    evaluated: Bool[np.ndarray, " T"]
    dates: np.ndarray
    archetypes: tuple[str, ...]
    config: RunConfig


@dataclass(frozen=True)
class Agents:
    """How agents act, and the distribution they are drawn from."""

    weights: Float[np.ndarray, " K"]
    watchlist: int
    picks: int
    temperature: float


@dataclass(frozen=True)
class Research:
    """How the agent distribution is searched again: with what, and every how many dates."""

    search: mj.Search
    refit: int


class Outcome(NamedTuple):
    """What a population of one size did: mean RankIC, NaN where not searched, and the mean score of each stock on each evaluated date."""

    agents: int
    fixed: float
    in_sample: float
    out_of_sample: float
    mean: Float[np.ndarray, "M E"]


def load_market(config: RunConfig) -> Market:
    """Panel and scores of a configuration."""
    work = prepare(config)
    panel, settings = work.panel, config.evaluate
    check_horizon(settings, panel.forward_returns)
    timing = settings.timing(config.market.execution_lag, dates=panel.dates)
    first = first_evaluated([timing], panel.dates)
    scores, returns = gather_scores(work).scores, panel.forward_returns[settings.horizon]
    order = np.argsort(~panel.member, axis=0, kind="stable")[: panel.member.sum(axis=0).max()]
    member, returns = (np.take_along_axis(values, order, axis=0) for values in (panel.member, returns))
    known = (member & np.isfinite(returns)).sum(axis=0) > 2
    return Market(
        scores=np.take_along_axis(scores, order[None], axis=1),
        member=member,
        forward_returns=returns.astype(np.float32),
        evaluated=(np.arange(panel.dates.size) >= first) & known,
        dates=panel.dates,
        archetypes=tuple(archetype.name for archetype in work.archetypes),
        config=config.replace(evaluate=settings.replace(gap=timing.gap, lookback=timing.least)),
    )


def grow(market: Market, agents: Agents, research: Research | None, most: int, seed: int) -> tuple[list[Outcome], Drawn]:
    """Draw one population of `most` agents, doubling it, and judge it at every size."""
    key, rng = jax.random.key(seed), np.random.default_rng(seed)
    weights, here, counts = agents.weights, market.evaluated, np.zeros(len(agents.weights), np.int32)
    numbers = {"watchlist": agents.watchlist, "picks": agents.picks, "temperature": agents.temperature}
    draw = partial(draw_agents, market.scores, market.member, key=key, **numbers)
    drawn, allotted, outcomes = draw(counts, counts), partial(allot, weights, offset=rng.random(), order=rng.permutation(len(weights))), []
    for size in (2**doubling for doubling in range(most.bit_length())):
        grown = allotted(size)
        drawn, counts = drawn + draw(counts, grown), grown
        shares = np.asarray(drawn.shares())
        signals = signals_of(market, shares, weights[None])
        searched = (np.nan, np.nan) if research is None else reoptimize(market, shares, research, key)
        fixed = judge(market, getattr(signals, market.config.evaluate.signal)[0])
        outcomes.append(Outcome(size, fixed, *searched, np.asarray(signals.mean[0][:, here])))
    return outcomes, jax.device_get(drawn)


def allot(weights: Float[np.ndarray, " K"], agents: int, offset: float, order: Int[np.ndarray, " K"]) -> Int[np.ndarray, " K"]:
    """Agents of each archetype in a systematic sample of the distribution; twice as many agents, a power of two, are these and others."""
    edges = np.cumsum(weights[order]) / weights.sum()
    points = (np.arange(agents) / agents + offset) % 1.0
    counts = np.bincount(np.minimum(np.searchsorted(edges, points, side="right"), len(weights) - 1), minlength=len(weights))
    allotted = np.empty(len(weights), np.int32)
    allotted[order] = counts
    return allotted


def signals_of(market: Market, scores: Float[np.ndarray, "K M T"], weights: Float[np.ndarray, "P K"]) -> mj.Signal:
    """The signals of each distribution."""
    settings = market.config.evaluate
    return jax.device_get(mj.aggregate(scores, market.member, weights, alpha=settings.alpha, missing=settings.missing))


def judge(market: Market, signal: Float[np.ndarray, "M T"]) -> float:
    """Mean RankIC over the evaluated dates; dates on which it is undefined are left out."""
    here = market.evaluated
    daily = daily_rank_ic(signal[:, here], market.forward_returns[:, here], market.member[:, here])
    return float(np.nanmean(daily)) if np.isfinite(daily).any() else np.nan


def reoptimize(market: Market, scores: Float[np.ndarray, "K M T"], research: Research, key: jax.Array) -> tuple[float, float]:
    """Search the distribution every `refit` dates and apply it to the dates that follow.

    Returns:
        Mean fitness in the look-back windows (in sample), and mean RankIC on the evaluated dates (out of sample).
    """
    settings, first = market.config.evaluate, int(np.argmax(market.evaluated))
    found = []
    for start in range(first, len(market.dates), research.refit):
        until = start - settings.delay - (settings.gap or 0)
        found.append(
            mj.search_window(
                *(values[..., until - settings.lookback : until] for values in (scores, market.member, market.forward_returns)),
                settings=research.search,
                key=jax.random.fold_in(key, start),
                alpha=settings.alpha,
                signal=settings.signal,
                missing=settings.missing,
            )
        )
    fitness = np.array([float(result.fitness) for result in found])
    signals = signals_of(market, scores, np.stack([np.asarray(result.weights) for result in found]))
    search = np.clip((np.arange(len(market.dates)) - first) // research.refit, 0, None)
    applied = np.take_along_axis(getattr(signals, settings.signal), search[None, None, :], axis=0)[0]
    return float(np.nanmean(fitness)) if np.isfinite(fitness).any() else np.nan, judge(market, applied)


def scaling_curve(
    market: Market, agents: Agents, research: Research | None, sizes: list[int], seed: int, threads: int
) -> tuple[pl.DataFrame, dict[str, float]]:
    """Grow a population to each of the sizes, several at a time, and compare with theory and with the expected scores themselves.

    Returns:
        The curve, one row a number of agents; and the RankIC of expected scores (`fixed`, `in_sample`, `out_of_sample`) and of the limit of
        infinitely many agents (`limit`).
    """
    with ThreadPoolExecutor(threads) as pool:
        grown = list(pool.map(lambda s: grow(market, agents, research, sizes[s], seed * 1_000_003 + s), range(len(sizes))))
    everyone = sum((drawn for _, drawn in grown[1:]), grown[0][1])
    limit = np.where(everyone.looked > 0, everyone.picked / np.maximum(everyone.looked, 1), np.nan)
    here = market.evaluated
    theory = theory_of(limit[:, :, here], agents.weights, market.member[:, here], market.forward_returns[:, here], agents.watchlist)
    expected_signal = getattr(signals_of(market, market.scores, agents.weights[None]), market.config.evaluate.signal)[0]
    expected = {"fixed": judge(market, expected_signal), "limit": float(np.nanmean(theory.rank_ic))}
    if research is not None:
        searched = reoptimize(market, market.scores, research, jax.random.key(seed))
        expected |= dict(zip(("in_sample", "out_of_sample"), searched, strict=True))
    return tabulate([outcomes for outcomes, _ in grown], theory), expected


def tabulate(seeds: list[list[Outcome]], theory: Theory) -> pl.DataFrame:
    """One row a number of agents: means and standard deviations over the seeds, and what theory says."""
    rows = []
    for i in range(max(map(len, seeds))):
        there = [outcomes[i] for outcomes in seeds if i < len(outcomes)]
        row: dict[str, float | int] = {"agents": there[0].agents, "seeds": len(there)}
        for name in ("fixed", "out_of_sample", "in_sample"):
            values = np.array([getattr(outcome, name) for outcome in there])
            values = values[np.isfinite(values)]
            row[name] = float(values.mean()) if values.size else np.nan
            row[f"{name}_deviation"] = float(values.std(ddof=1)) if values.size > 1 else np.nan
        mean = np.stack([outcome.mean for outcome in there])
        seen = np.isfinite(mean).sum(axis=0) > 1
        row["score_variance"] = float(np.nanvar(mean[:, seen], axis=0, ddof=1).mean()) if seen.any() else np.nan
        rows.append(row)
    agents = np.array([row["agents"] for row in rows])
    predicted = {
        "theory": theory.mean_rank_ic(agents),
        "theory_deviation": theory.rank_ic_deviation(agents),
        "theory_score_variance": theory.variance(agents),
    }
    return pl.DataFrame(rows).with_columns(**{name: pl.Series(values) for name, values in predicted.items()})
