"""From weights through time to a judged strategy: its signals, its correlations with what followed, its portfolio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from massjax.evaluate.controls import best_single, lookback_mean, uniform_weights
from massjax.evaluate.judge import Judged, judge_weights
from massjax.evaluate.result import BEST_SINGLE, UNIFORM, UNIFORM_LLM, UNIFORM_RULES, HorizonMetrics, Portfolio, Strategy
from massjax.evaluate.settings import EvaluateSettings
from massjax.portfolio.backtest import Backtest, backtest
from massjax.portfolio.band import band
from massjax.portfolio.performance import performance
from massjax.statistics.series import summarize
from massjax.statistics.shrinkage import shrinkage
from massjax.timing import Timing


@dataclass(frozen=True, eq=False)
class EvaluationData:
    """What every strategy of a run is judged on.

    Attributes:
        scores, member, forward_returns: of the panel, the last by horizon.
        kinds: `llm` or `rule`, by archetype.
        settings: of the evaluation.
        timing: of the run; a method with a look-back of its own has another.
        evaluated: True on the dates that the run is about; a strategy whose weights were chosen by a fitness is judged on those of
            them on which it has one.
        returns: from close to close, for the portfolios; None where the panel has none.
        fillable: where an order can be filled; None = where the return is known.
        ends: index of the last date with a price of each stock, T where they go on; None = everywhere.
        dates: of the panel, by which growth a year is reckoned; None = by `periods_per_year`.
        periods_per_year: rows of the panel that make a year.
    """

    scores: Float[np.ndarray, "K N T"]
    kinds: tuple[str, ...]
    member: Bool[np.ndarray, "N T"]
    forward_returns: Mapping[int, Float[np.ndarray, "N T"]]
    settings: EvaluateSettings
    timing: Timing
    evaluated: Bool[np.ndarray, " T"]
    returns: Float[np.ndarray, "N T"] | None
    fillable: Bool[np.ndarray, "N T"] | None = None
    ends: Int[np.ndarray, " N"] | None = None
    dates: Shaped[np.ndarray, " T"] | None = None
    periods_per_year: float = 252.0


@dataclass(frozen=True, eq=False)
class Candidate:
    """Weights through time that are to be judged.

    Attributes:
        name: of the search or control, unique in a run.
        label: what people call it.
        kind: `search`, or `control` for weights that no search has chosen.
        ranked_by: which signal ranks the stocks.
        weights: applied on each date, summing to 1.
        fitness: mean RankIC of the weights on the look-back window that they were chosen on, NaN where it allowed none; None for weights
            that are fitted to nothing.
        own: True where the weights were chosen on a window that allowed it; None = wherever the fitness is known, or everywhere.
        about: one line on the size of the search; empty for controls.
        seconds: what the search took, compilation included.
    """

    name: str
    label: str
    kind: Literal["search", "control"]
    ranked_by: str
    weights: Float[np.ndarray, "T K"]
    fitness: Float[np.ndarray, " T"] | None = None
    own: Bool[np.ndarray, " T"] | None = None
    about: str = ""
    seconds: float = 0.0


def controls(data: EvaluationData, *, fake: bool = False) -> list[Candidate]:
    """Uniform weights, and the best single archetype of the same look-back, gap and delay as the searches.

    Where both kinds of archetypes are there, also uniform weights over each kind: do language models add to the rules?

    Args:
        fake: the scores of the kind `llm` are the fake engine's; their control is called that.
    """
    settings, dates = data.settings, data.member.shape[1]
    best = best_single(
        data.scores,
        data.member,
        data.forward_returns[settings.horizon],
        timing=data.timing,
        missing=settings.missing,
    )
    found = [Candidate(UNIFORM, "Uniform weights", "control", settings.signal, uniform_weights(np.ones(len(data.kinds), bool), dates))]
    llm = "Uniform, fake only" if fake else "Uniform, LLM only"
    for name, label, kind in ((UNIFORM_LLM, llm, "llm"), (UNIFORM_RULES, "Uniform, rules only", "rule")):
        chosen = np.array([k == kind for k in data.kinds])
        if chosen.any() and not chosen.all():
            found.append(Candidate(name, label, "control", settings.signal, uniform_weights(chosen, dates)))
    return [*found, Candidate(BEST_SINGLE, "Best single archetype", "control", "mean", best.weights, best.fitness)]


def evaluated_dates(candidates: Sequence[Candidate], first: int, dates: int) -> Bool[np.ndarray, " T"]:
    """True on the dates that a run is about: those on which a candidate has a fitness, or all where none is fitted to anything.

    Args:
        candidates: the searches.
        first: index of the first date with a full look-back behind it; those before are never evaluated.
        dates: T.
    """
    known = [own for own in map(own_dates, candidates) if own is not None]
    return (np.arange(dates) >= first) & (np.any(known, axis=0) if known else True)


def judge(data: EvaluationData, candidates: list[Candidate], benchmark: Backtest | None) -> tuple[Strategy, ...]:
    """Every candidate on its own dates; `uniform` and `best_single` must be among them, as the others are compared with them."""
    settings = data.settings
    judged = {
        c.name: judge_weights(data.scores, data.member, data.forward_returns, c.weights, alpha=settings.alpha, missing=settings.missing)
        for c in candidates
    }
    own = {c.name: own_dates(c) for c in candidates}
    evaluated = {name: data.evaluated if dates is None else data.evaluated & dates for name, dates in own.items()}
    rank_ic = {c.name: judged[c.name].rank_ic[c.ranked_by] for c in candidates}
    return tuple(_judge_one(data, candidate, judged[candidate.name], rank_ic, evaluated, benchmark) for candidate in candidates)


def own_dates(candidate: Candidate) -> Bool[np.ndarray, " T"] | None:
    """True on the dates on which a candidate has weights of its own; None for weights that are fitted to nothing."""
    if candidate.own is not None:
        return candidate.own
    return None if candidate.fitness is None else np.isfinite(candidate.fitness)


def _judge_one(
    data: EvaluationData,
    candidate: Candidate,
    judged: Judged,
    rank_ic: Mapping[str, Mapping[int, Float[np.ndarray, " T"]]],
    dates: Mapping[str, Bool[np.ndarray, " T"]],
    benchmark: Backtest | None,
) -> Strategy:
    settings, own, evaluated = data.settings, rank_ic[candidate.name], dates[candidate.name]
    ic = judged.ic[candidate.ranked_by]
    uniform, best = rank_ic[UNIFORM], {h: np.where(dates[BEST_SINGLE], daily, np.nan) for h, daily in rank_ic[BEST_SINGLE].items()}
    uniform_fitness = _lookback_fitness(data, uniform[settings.horizon])
    fitness = _lookback_fitness(data, own[settings.horizon]) if candidate.fitness is None else candidate.fitness
    kept = {h: np.where(evaluated, own[h], np.nan) for h in own}
    by_signal = {
        name: {h: np.where(evaluated, daily, np.nan) for h, daily in of_signal.items()} for name, of_signal in judged.rank_ic.items()
    }
    return Strategy(
        name=candidate.name,
        label=candidate.label,
        kind=candidate.kind,
        about=candidate.about,
        ranked_by=candidate.ranked_by,
        weights=candidate.weights,
        evaluated=evaluated,
        signals=judged.signals,
        fitness=np.where(evaluated, fitness, np.nan),
        rank_ic=kept,
        ic={h: np.where(evaluated, ic[h], np.nan) for h in ic},
        metrics={
            h: HorizonMetrics(
                rank_ic=summarize(kept[h], h),
                ic=summarize(np.where(evaluated, ic[h], np.nan), h),
                over_uniform=summarize(kept[h] - uniform[h], h),
                over_best_single=summarize(kept[h] - best[h], h),
            )
            for h in own
        },
        rank_ic_by_signal={name: summarize(daily[settings.horizon], settings.horizon) for name, daily in by_signal.items()},
        shrinkage=shrinkage(fitness, kept[settings.horizon], uniform_fitness, uniform[settings.horizon]),
        portfolio=portfolio_of(data, judged.signals[candidate.ranked_by], benchmark),
        seconds=candidate.seconds,
        daily_rank_ic=by_signal,
    )


def portfolio_of(
    data: EvaluationData, ranking: Float[np.ndarray, "N T"], benchmark: Backtest | None, *, everyone: bool = False
) -> Portfolio | None:
    """The backtest of a signal's best quantile from the first evaluated date on, and its spread over starting days.

    Args:
        data: returns, fills and settings; without returns there is no portfolio.
        ranking: the signal, higher is better; NaN = not to be bought.
        benchmark: what the active figures are taken against; None leaves them out.
        everyone: hold all members in equal weights, whatever the signal.
    """
    if data.returns is None:
        return None
    settings = data.settings.backtest.replace(quantile=1.0) if everyone else data.settings.backtest
    result = backtest(
        ranking,
        data.returns,
        data.member,
        settings,
        start=int(np.argmax(data.evaluated)),
        execution_lag=data.timing.execution_lag,
        fillable=data.fillable,
        ends=data.ends,
    )
    figures = performance(result, benchmark, dates=data.dates, periods_per_year=data.periods_per_year)
    return Portfolio(result, figures, band(result, dates=data.dates, periods_per_year=data.periods_per_year))


def _lookback_fitness(data: EvaluationData, daily: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    return lookback_mean(daily, data.timing)
