"""Whether answers without facts order stocks as they then returned: the rank correlation of a model that can only remember."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from massjax.statistics.by_year import by_year
from massjax.statistics.circular_shifts import SHIFTS, PValue, choose_null, null_returns, p_value
from massjax.statistics.clusters import Estimate, undefined
from massjax.statistics.correlation import daily_rank_ic
from massjax.statistics.intervals import Interval, newey_west
from massjax.statistics.partial_correlation import centred_ranks, partial_ranks
from massjax.statistics.series import SeriesSummary

Period = Literal["all dates", "up to the cut-off", "after the cut-off"]
NO_DATES = "no date with a RankIC lies {where} the cut-off, so nothing is compared"
TOO_FEW = "too few dates with a RankIC lie {where} the cut-off for an interval"


@dataclass(frozen=True, eq=False)
class ProbedPeriod:
    """What answers without facts come to over a stretch of dates.

    Attributes:
        rank_ic: mean RankIC, nothing held fixed: memory and distraction together.
        partial: mean partial RankIC, with the controls held fixed.
        p_value: of the mean partial RankIC, one-sided, the returns shifted within the period.
        daily: partial RankIC of each date of the period; NaN = skipped.
    """

    rank_ic: Interval
    partial: Interval
    p_value: PValue
    daily: Float[np.ndarray, " D"]


@dataclass(frozen=True, eq=False)
class MemoryProbe:
    """The RankIC of answers without facts, over all dates, by year, and on both sides of a model's cut-off.

    Attributes:
        periods: all dates, and those up to and after the cut-off, as far as there are any.
        years: partial RankIC by calendar year.
        difference: mean partial RankIC up to the cut-off less that after it; with the reason where there is none to give.
    """

    periods: dict[Period, ProbedPeriod]
    years: dict[int, SeriesSummary]
    difference: Estimate


def memory_probe(
    blank: Float[np.ndarray, "N T"],
    forward_returns: Float[np.ndarray, "N T"],
    controls: Float[np.ndarray, "F N T"],
    member: Bool[np.ndarray, "N T"],
    dates: Sequence[date],
    horizon: int,
    *,
    execution_lag: int = 0,
    cutoff: date | None = None,
    shifts: int = SHIFTS,
    level: float = 0.95,
) -> MemoryProbe:
    """Test whether a model that is told a stock's name and the date, and no facts, orders stocks as they then returned.

    The statistic is the mean over dates of `massjax.statistics.partial_correlation.daily_partial_rank_ic`. Its p-value repeats it on
    returns that are shifted in time (`massjax.statistics.circular_shifts`): an opinion that a model always holds of a stock, and whatever
    the stock owes to its size for years, are in the shifted returns too, so that only knowing *when* counts as memory. Where a period
    is too short for twenty shifts, returns are dealt to other stocks instead; `p_value.null` says which was done.

    Args:
        blank: scores of the answers without facts; NaN = not asked, or no answer.
        forward_returns: over `horizon` dates; NaN = unknown.
        controls: what is held fixed, as size, momentum and fame; NaN = unknown.
        member: True where the stock is in the universe.
        dates: of the panel, ascending.
        horizon, execution_lag: dates over which a forward return runs, and before it begins.
        cutoff: last date that the model may know of; None where it is not known, and then nothing is compared.
        shifts: draws of the null.
        level: of the intervals.

    Raises:
        ValueError: there are not as many dates as columns.

    Example:
        A model that remembers a third of the return, beside what it makes of a name.

        >>> from datetime import date, timedelta
        >>> import numpy as np
        >>> from massjax.statistics.memory_probe import memory_probe
        >>> rng = np.random.default_rng(0)
        >>> returns, size = rng.normal(size=(30, 120)), np.repeat(rng.normal(size=(30, 1)), 120, axis=1)
        >>> days = [date(2022, 11, 1) + timedelta(days=t) for t in range(120)]
        >>> blank = 0.3 * returns + size + rng.normal(size=(30, 120))
        >>> found = memory_probe(blank, returns, size[None], np.ones((30, 120), bool), days, horizon=1)
        >>> found.periods["all dates"].p_value.value < 0.02, list(found.years), found.difference.reason
        (True, [2022, 2023], 'the cut-off is not known, so nothing is compared')
    """
    if len(dates) != blank.shape[1]:
        raise ValueError(f"{blank.shape[1]} columns of scores but {len(dates)} dates")

    def probed(kept: Bool[np.ndarray, " T"]) -> ProbedPeriod:
        signal, returns, inside = blank[:, kept], forward_returns[:, kept], member[:, kept]
        prepared = partial_ranks(signal, returns, controls[:, :, kept], inside)
        daily = prepared.correlations(returns)
        null = choose_null(int(kept.sum()), horizon, execution_lag, count=shifts)
        if prepared.known.all():  # ranks move with the returns that they are of, over dates and over stocks
            ranks = centred_ranks(returns, prepared.known)
            draws = [_mean(prepared.correlations_of_ranks(moved.T)) for moved in null_returns(ranks.T, null, horizon, execution_lag)]
        else:
            draws = [_mean(prepared.correlations(moved)) for moved in null_returns(returns, null, horizon, execution_lag)]
        return ProbedPeriod(
            newey_west(daily_rank_ic(signal, returns, inside), horizon, level),
            newey_west(daily, horizon, level),
            p_value(_mean(daily), np.array(draws), null),
            daily,
        )

    before = np.array([day <= cutoff if cutoff is not None else True for day in dates])
    every = probed(np.ones(len(dates), bool))
    periods: dict[Period, ProbedPeriod] = {"all dates": every}
    years = by_year(every.daily, dates, horizon)
    if cutoff is None:
        return MemoryProbe(periods, years, undefined("the cut-off is not known, so nothing is compared", level))
    if before.any():
        periods["up to the cut-off"] = probed(before)
    if not before.all():
        periods["after the cut-off"] = probed(~before)
    return MemoryProbe(periods, years, before_and_after(every.daily, before, horizon, level))


def sides_of_cutoff(
    daily: Float[np.ndarray, " T"], before: Bool[np.ndarray, " T"], horizon: int
) -> tuple[Interval | None, Interval | None, Estimate]:
    """Means of a daily series up to a cut-off and after it, None on a side without a value, and their difference.

    Args:
        daily, before, horizon: as `before_and_after` takes them.
    """
    up_to, after = (newey_west(daily[side], horizon) if np.isfinite(daily[side]).any() else None for side in (before, ~before))
    return up_to, after, before_and_after(daily, before, horizon)


def before_and_after(daily: Float[np.ndarray, " T"], before: Bool[np.ndarray, " T"], horizon: int, level: float = 0.95) -> Estimate:
    r"""Mean of a daily series up to a cut-off less its mean after it, with an interval that allows for autocorrelation.

    $$ \hat d = \bar x_b - \bar x_a, \qquad \mathrm{se}^2 = \mathrm{se}_b^2 + \mathrm{se}_a^2, \qquad
       \nu = \mathrm{se}^4 \Big/ \Big(\frac{\mathrm{se}_b^4}{\nu_b} + \frac{\mathrm{se}_a^4}{\nu_a}\Big), $$

    the errors and degrees of freedom of each side being those of `massjax.statistics.intervals.newey_west`, and ν of Welch (1947). The
    few returns that begin before the cut-off and end after it are taken as they are.

    Args:
        daily: one value per consecutive trading day; NaN = skipped.
        before: True on dates up to the cut-off.
        horizon: dates over which the return behind each value runs.
        level: of the two-sided interval.

    Returns:
        NaN, with the reason, where a side has no date, or too few of them.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.memory_probe import before_and_after
        >>> daily = np.random.default_rng(0).normal(size=400) * 0.1 + np.where(np.arange(400) < 300, 0.05, 0.0)
        >>> found = before_and_after(daily, np.arange(400) < 300, horizon=1)
        >>> found.low < 0.05 < found.high, found.count
        (True, 400)
    """
    sides = [newey_west(daily[side], horizon, level) for side in (before, ~before)]
    for where, side in zip(("before", "after"), sides, strict=True):
        if not np.isfinite(side.standard_error):
            return undefined((TOO_FEW if side.dates else NO_DATES).format(where=where), level)
    squares = [side.standard_error**2 for side in sides]
    freedoms = [1.5 * side.size / (kept.memory + 1) for side, kept in zip((daily[before], daily[~before]), sides, strict=True)]
    total = sum(squares)
    freedom = total**2 / sum(square**2 / free for square, free in zip(squares, freedoms, strict=True)) if total > 0 else min(freedoms)
    value, error = sides[0].mean - sides[1].mean, float(np.sqrt(total))
    reach = error * float(stats.t.ppf((1 + level) / 2, freedom))
    return Estimate(value, error, value - reach, value + reach, level, sides[0].dates + sides[1].dates)


def _mean(daily: Float[np.ndarray, " D"]) -> float:
    known = daily[np.isfinite(daily)]
    return float(known.mean()) if known.size else np.nan
