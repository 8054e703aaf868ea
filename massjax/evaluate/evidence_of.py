"""How sure one can be of every strategy of a run: chance of luck, intervals, years, effective numbers, seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from massjax.evaluate.candidates import Candidate, EvaluationData
from massjax.evaluate.draws import make_draws
from massjax.evaluate.evidence import Evidence, Gain, Luck
from massjax.evaluate.learned_alpha import LEARNED, redrawn_alphas
from massjax.evaluate.luck import luck_of_strategies
from massjax.evaluate.named_signals import named_signal
from massjax.evaluate.procedures import Repeated
from massjax.evaluate.repeated import Repetitions, judged_dates, ranked_dates
from massjax.evaluate.result import LIGHTGBM, PERMUTED, UNIFORM, Strategy
from massjax.row_words import counted
from massjax.statistics.by_year import by_year
from massjax.statistics.effective import effective_archetypes, effective_opinions, independent_days, power, rank_correlation
from massjax.statistics.intervals import import_bootstrap, newey_west, stationary_bootstrap
from massjax.statistics.series import SeriesSummary
from massjax.timing import Timing

TURNED_OFF = "p-values are turned off (`evaluate.p_values`)"
NOT_REPEATED = {
    PERMUTED: "its scores know nothing: it is itself what luck makes of them",
    LIGHTGBM: "its fits take too long to be repeated",
}
TOO_FEW = "no evaluated date has known returns"


def with_evidence(
    data: EvaluationData,
    candidates: Sequence[Candidate],
    strategies: Sequence[Strategy],
    timings: Sequence[Timing],
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Strategy, ...]:
    """The strategies of a run with what is known about each beyond its mean.

    Args:
        data: what they were judged on.
        candidates: as they were judged, in the order of the strategies.
        strategies: as they were judged; `uniform` among them.
        timings: of the searches.
        progress: called with the strategies that are repeated, and with their number.
    """
    importing = import_bootstrap()
    luck, reasons, repeated = _luck(data, candidates, timings, progress)
    uniform = next(strategy for strategy in strategies if strategy.name == UNIFORM)
    told = tuple(
        replace(
            strategy,
            evidence=_evidence(data, strategy, uniform, luck.get(strategy.name), reasons[strategy.name], repeated.get(strategy.name)),
        )
        for strategy in strategies
    )
    importing.join()
    return told


def opinions_of(data: EvaluationData) -> float:
    """Number of independent opinions among the archetypes of a run; NaN where none tells two stocks apart."""
    return effective_opinions(rank_correlation(data.scores, data.member))


def _luck(
    data: EvaluationData, candidates: Sequence[Candidate], timings: Sequence[Timing], progress: Callable[[int, int], None] | None
) -> tuple[Mapping[str, Luck], Mapping[str, str], Mapping[str, Repeated]]:
    """The chance of luck of each candidate that can be repeated, for each why there is none or what limits it, and the repetitions."""
    settings = data.settings
    if not settings.p_values:
        return {}, {c.name: TURNED_OFF for c in candidates}, {}
    returns = data.forward_returns[settings.horizon]
    draws = make_draws(returns, timings or [data.timing], settings.repetitions)
    dates = judged_dates(data.evaluated, returns, len(data.kinds), len(draws))
    if not dates.size:
        return {}, {c.name: TOO_FEW for c in candidates}, {}
    repetitions = Repetitions(
        draws=draws,
        scores=data.scores,
        member=data.member,
        returns=returns.astype(np.float32),
        daily_returns=data.returns,
        dates=dates,
        alpha=0.5 if isinstance(settings.alpha, str) else settings.alpha,
        fit_signal=named_signal(settings.fitted_to),
        missing=settings.missing,
    )
    if settings.alpha == LEARNED:
        repetitions = replace(repetitions, alpha=redrawn_alphas(repetitions, data.timing))
    repeated: dict[str, Repeated] = {}
    for number, candidate in enumerate(candidates, start=1):
        if candidate.procedure is not None:
            repeated[candidate.name] = candidate.procedure(repetitions)
        if progress is not None:
            progress(number, len(candidates))
    searches = frozenset(candidate.name for candidate in candidates if candidate.kind == "search")
    luck = luck_of_strategies(repetitions, repeated, UNIFORM, searches)
    series = max(len(data.scores), len(data.features or {}))
    limits = _limits(repetitions, int((np.isfinite(returns).any(axis=0) & data.evaluated).sum()), series)
    return luck, {c.name: limits if c.name in luck else NOT_REPEATED.get(c.name, "") for c in candidates}, repeated


def _limits(repetitions: Repetitions, dates: int, series: int) -> str:
    """What limits the p-values: the draws, and the dates left out to save time."""
    judged, learned = repetitions.dates.size, ranked_dates(repetitions, series).size
    left_out = f"to save time they rest on {judged} of {counted(dates, 'date')}, evenly spread" if judged < dates else ""
    total = repetitions.member.shape[1]
    fewer = f"to save time each archetype or feature alone is judged on {learned} of {counted(total, 'date')}" if learned < total else ""
    return "; ".join(filter(None, (repetitions.draws.reason, left_out, fewer)))


def _evidence(
    data: EvaluationData, strategy: Strategy, uniform: Strategy, luck: Luck | None, reason: str, repeated: Repeated | None
) -> Evidence:
    horizon = data.settings.horizon
    own, over = strategy.rank_ic[horizon], strategy.rank_ic[horizon] - uniform.rank_ic[horizon]
    chosen = strategy.weights[strategy.evaluated]
    effective = effective_archetypes(chosen)
    effective = effective[np.isfinite(effective)]
    return Evidence(
        luck=luck,
        reason=reason,
        gain=None if strategy.name == UNIFORM else gain_of(over[data.evaluated], horizon, data.periods_per_year),
        by_year=_years(data, own),
        gain_by_year={} if strategy.name == UNIFORM else _years(data, over),
        effective_archetypes=float(effective.mean()) if effective.size else np.nan,
        seeds=() if repeated is None else repeated.seeds,
    )


def gain_of(over_uniform: Float[np.ndarray, " T"], horizon: int, periods_per_year: float) -> Gain:
    """The gain over uniform weights, its intervals, and how much longer it would take to tell it from luck.

    Args:
        over_uniform: RankIC less that of uniform weights on consecutive dates; NaN where one of them is undefined.
        horizon: dates over which the returns run.
        periods_per_year: dates that make a year.
    """
    values = np.asarray(over_uniform, np.float64)
    error, resampled = newey_west(values, horizon), stationary_bootstrap(values, horizon)
    further = power(error.mean, error.standard_error, error.dates).further
    return Gain(
        mean=error.mean,
        newey_west=error,
        bootstrap=resampled,
        dates=error.dates,
        independent_dates=independent_days(values, horizon),
        more_years=further / periods_per_year,
    )


def _years(data: EvaluationData, daily: Float[np.ndarray, " T"]) -> Mapping[int, SeriesSummary]:
    """The evaluated dates year by year; nothing where dates have no labels."""
    if data.dates is None or not np.issubdtype(data.dates.dtype, np.datetime64):
        return {}
    days = data.dates[data.evaluated].astype("datetime64[D]").tolist()
    return by_year(daily[data.evaluated], days, data.settings.horizon)
