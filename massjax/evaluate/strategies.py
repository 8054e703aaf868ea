"""From weights through time to a judged strategy: its signals, its correlations with what followed, its portfolio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from massjax.engine.blocks import MovedStocks
from massjax.engine.inputs import SIGNALS, OwnSignal
from massjax.evaluate.candidates import Candidate, EvaluationData
from massjax.evaluate.controls import lookback_mean
from massjax.evaluate.judge import Judged, judge_signals, judged_signals
from massjax.evaluate.named_signals import own_signal
from massjax.evaluate.result import BEST_SINGLE, UNIFORM, HorizonMetrics, Portfolio, Strategy
from massjax.portfolio.backtest import Backtest, backtest
from massjax.portfolio.band import band
from massjax.portfolio.performance import performance
from massjax.statistics.series import summarize
from massjax.statistics.shrinkage import shrinkage


def evaluated_dates(candidates: Sequence[Candidate], first: int, dates: int) -> Bool[np.ndarray, " T"]:
    """True on the dates that a run is about: those on which a candidate has a fitness, or all where none is fitted to anything.

    Args:
        candidates: the searches.
        first: index of the first date with a full look-back behind it; those before are never evaluated.
        dates: T.
    """
    known = [own for own in (candidate.own_dates for candidate in candidates) if own is not None]
    return (np.arange(dates) >= first) & (np.any(known, axis=0) if known else True)


def judge(data: EvaluationData, candidates: list[Candidate], benchmark: Backtest | None) -> tuple[Strategy, ...]:
    """Every candidate on its own dates; `uniform` and `best_single` must be among them, as the others are compared with them."""
    judged = {candidate.name: _signals_and_correlations(data, candidate) for candidate in candidates}
    own = {c.name: c.own_dates for c in candidates}
    evaluated = {name: data.evaluated if dates is None else data.evaluated & dates for name, dates in own.items()}
    rank_ic = {c.name: judged[c.name].rank_ic[c.ranked_by] for c in candidates}
    return tuple(_judge_one(data, candidate, judged[candidate.name], rank_ic, evaluated, benchmark) for candidate in candidates)


def _signals_and_correlations(data: EvaluationData, candidate: Candidate) -> Judged:
    if candidate.signal is not None:
        return _alike(judge_signals({"mean": candidate.signal}, data.member, data.ranked_returns), own_signal(data.settings.signal))
    scores = data.scores if candidate.stocks is None else MovedStocks(data.scores, candidate.stocks)
    settings = data.settings
    own = own_signal(settings.signal)
    signals = judged_signals(scores, data.member, candidate.weights, alpha=data.alpha, missing=settings.missing, own=own)
    return judge_signals(signals, data.member, data.ranked_returns)


def _alike(judged: Judged, own: OwnSignal | None) -> Judged:
    """All signals are the one that was judged."""
    only = judged.signals["mean"], judged.rank_ic["mean"], judged.ic["mean"]
    names = (*SIGNALS, *([own.name] if own else []))
    return Judged(dict.fromkeys(names, only[0]), dict.fromkeys(names, only[1]), dict.fromkeys(names, only[2]))


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
    uniform_fitness = lookback_mean(uniform[settings.horizon], data.timing)
    fitness = lookback_mean(own[settings.horizon], data.timing) if candidate.fitness is None else candidate.fitness
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
