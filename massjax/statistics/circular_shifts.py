"""Chance of luck: the returns shifted in time, or dealt to other stocks, so that scores and returns have nothing to do with each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

SHIFTS = 200
"""Shifts to use where the history allows as many: the smallest p-value is then 1 / 201."""
FEWEST_SHIFTS = 20
"""Shifts under which even the smallest p-value, 1 / (1 + shifts), does not lie under 0.05."""
FEWEST_LOOKBACKS = 2
"""Look-backs that a history must hold before shifting it makes windows unlike the one that was searched."""
ROUNDING = 1e-6
"""A draw that falls short of the observed statistic by less than this part of it equals it: sums in float32 hang on their order."""

Method = Literal["circular shifts", "stock permutations"]
ASSUMPTIONS: dict[Method, str] = {
    "circular shifts": "scores and returns are each stationary over the history, so that how they lie against each other in time is chance",
    "stock permutations": (
        "stocks are exchangeable; where sectors move together they are not, and a nominal 5 % test then rejects up to 25 % of the time"
    ),
}
"""What must hold for the p-value of each method to be right."""


@dataclass(frozen=True)
class Null:
    """How returns without skill are made from the returns themselves.

    Attributes:
        method: "circular shifts" of the returns' dates, or "stock permutations", each one deal of the stocks for the whole history.
        count: number of draws.
        assumption: what must hold for the p-value to be right, in words.
    """

    method: Method
    count: int
    assumption: str


@dataclass(frozen=True)
class PValue:
    """The probability that luck alone does as well.

    Attributes:
        value: (1 + draws at or above the observed statistic) / (1 + draws); NaN where the statistic or every draw is undefined.
        observed: the statistic on the returns as they came.
        null_mean, null_sd: mean and standard deviation (ddof 1) of the statistic over the draws; NaN where too few are defined.
        draws: number of draws on which the statistic is defined.
        undefined: number of draws on which it is not (NaN), left out of all of these.
        null: how the draws were made; None where not told.
    """

    value: float
    observed: float
    null_mean: float
    null_sd: float
    draws: int
    undefined: int
    null: Null | None = None

    @property
    def smallest(self) -> float:
        """The smallest value that this many draws can give, 1 / (1 + draws)."""
        return 1.0 / (1 + self.draws)


def least_shift(horizon: int, execution_lag: int = 0) -> int:
    """The fewest dates to shift by so that no shifted forward return shares a day with the return of the date it is moved to.

    The forward return of date t runs over the days t + execution_lag + 1 … t + execution_lag + horizon. A distance of
    horizon + execution_lag keeps clear of them in both directions, and of the days on which an order of that date is still open.
    Scores made of past returns (momentum, reversal) are related to the shifted returns up to their own look-back: a larger distance
    than this keeps that relation out of the null, where the history is long enough.

    Example:
        >>> from massjax.statistics.circular_shifts import least_shift
        >>> least_shift(horizon=5, execution_lag=1)
        6
    """
    return horizon + execution_lag


def circular_shifts(dates: int, least: int, count: int = SHIFTS) -> Int[np.ndarray, " S"]:
    r"""The shifts to use: `count` of those in [least, dates − least], evenly spread, or all of them where there are no more.

    Moving the returns s dates later is moving them T − s dates earlier, so that a shift above T − least would again lie closer than
    `least`. Nothing is drawn at random: the same history gives the same shifts.

    Args:
        dates: number of dates T in the history that is shifted.
        least: the smallest distance, as of `least_shift`; at least 1.
        count: how many are wanted.

    Returns:
        Increasing and distinct; empty where the history is shorter than two least distances.

    Raises:
        ValueError: `least` or `count` is under 1.

    Example:
        >>> from massjax.statistics.circular_shifts import circular_shifts
        >>> circular_shifts(dates=20, least=6).tolist()
        [6, 7, 8, 9, 10, 11, 12, 13, 14]
        >>> circular_shifts(dates=20, least=6, count=3).tolist()
        [6, 10, 14]
        >>> circular_shifts(dates=11, least=6).size
        0
    """
    if least < 1 or count < 1:
        raise ValueError(f"least and count must be 1 or more, not {least} and {count}: a shift by nothing is no shift")
    available = dates - 2 * least + 1
    if available <= count:
        return np.arange(least, least + max(available, 0))
    if count == 1:
        return np.array([dates // 2])
    return least + np.arange(count) * (available - 1) // (count - 1)


def shifted(values: Float[np.ndarray, "... T"], shift: int) -> Float[np.ndarray, "... T"]:
    """The values moved `shift` dates later, those that leave at the end coming in at the beginning.

    Every series stays whole, with its autocorrelation, its overlap and its correlation with the others, except at the one seam where the
    end of the history meets its beginning. The universe is not moved: on date t the members of t meet the returns of t − shift.
    A member of t without a return then (it was not in the universe yet, and its returns are NaN there) drops out of that date's
    correlation; `pairs_kept` says how much of the panel is left.

    Args:
        values: forward returns [N, T], or anything else whose last axis is dates.
        shift: in dates; of `circular_shifts`.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.circular_shifts import shifted
        >>> shifted(np.array([[0.01, 0.02, 0.03, np.nan]]), 1).tolist()
        [[nan, 0.01, 0.02, 0.03]]
    """
    return np.roll(values, shift, axis=-1)


def pairs_kept(known: Bool[np.ndarray, "N T"], member: Bool[np.ndarray, "N T"], shifts: Int[np.ndarray, " S"]) -> Float[np.ndarray, " S"]:
    """Share of the stocks and dates behind the observed statistic that still have a return once the returns are shifted.

    Where stocks enter and leave the universe and returns are known only inside it, a shifted panel holds fewer stocks a date. Its
    correlations then spread more than the observed ones, which makes p-values too large rather than too small.

    Args:
        known: True where a forward return is known.
        member: True where the stock is in the universe.
        shifts: of `circular_shifts`.

    Returns:
        For each shift in [0, 1] unless returns are known outside the universe, where it may exceed 1; NaN where nothing was known.

    Example:
        The second stock replaces the first half-way, and each has returns only while it is a member.

        >>> import numpy as np
        >>> from massjax.statistics.circular_shifts import pairs_kept
        >>> member = np.array([[True, True, False, False], [False, False, True, True], [True, True, True, True]])
        >>> pairs_kept(member, member, np.array([1, 2])).tolist()
        [0.75, 0.5]
    """
    observed = int((known & member).sum())
    left = np.array([(np.roll(known, shift, axis=1) & member).sum() for shift in shifts], np.float64)
    return left / observed if observed else np.full(len(shifts), np.nan)


def stock_permutations(stocks: int, count: int = SHIFTS, seed: int = 0) -> Int[np.ndarray, "S N"]:
    """Deals of the stocks' returns to other stocks, each one deal for the whole history.

    The one null that needs no history: a stock keeps its returns in time (overlap and autocorrelation stay), and meets the scores of
    another. It holds where stocks are exchangeable. Where sectors move together and scores are alike within sectors they are not: on
    simulated windows of no skill a nominal 5 % test rejected 25 % of the time. (A new deal each date is worse still: it destroys the
    autocorrelation, and rejected 56 to 78 % of the time.)

    Args:
        stocks: number of stocks N.
        count: number of deals.
        seed: of `numpy.random.default_rng`.

    Returns:
        Row i is a permutation p; `returns[p]` are the dealt returns. Every deal is as likely, that which leaves all in their places too:
        of few stocks it comes often, and keeps p-values from falling under one over the number of permutations there are.

    Example:
        >>> from massjax.statistics.circular_shifts import stock_permutations
        >>> deals = stock_permutations(stocks=4, count=2, seed=0)
        >>> deals.shape, sorted(deals[0].tolist())
        ((2, 4), [0, 1, 2, 3])
    """
    return np.random.default_rng(seed).permuted(np.tile(np.arange(stocks), (count, 1)), axis=1)


def choose_null(dates: int, horizon: int, execution_lag: int = 0, lookback: int | None = None, count: int = SHIFTS) -> Null:
    """Circular shifts where the history is long enough for them, else permutations of the stocks, with what each assumes.

    Args:
        dates: number of dates in the history that can be shifted, T.
        horizon: dates over which a forward return runs.
        execution_lag: dates between the decision and the first price of the forward return.
        lookback: dates a search looks back on, of which the history must hold two; None = all that is known, and no such bound.
        count: draws wanted.

    Returns:
        "circular shifts" with the number of distinct ones there are, at most `count`; "stock permutations", `count` of them, where the
        history is shorter than two look-backs or gives fewer than 20 shifts, of which the smallest p-value would not tell.

    Example:
        >>> from massjax.statistics.circular_shifts import choose_null
        >>> choose_null(dates=250, horizon=5, execution_lag=1, lookback=60).method
        'circular shifts'
        >>> short = choose_null(dates=100, horizon=5, execution_lag=1, lookback=60)
        >>> short.method, short.count
        ('stock permutations', 200)
    """
    shifts = circular_shifts(dates, least_shift(horizon, execution_lag), count).size
    enough = shifts >= min(FEWEST_SHIFTS, count) and (lookback is None or dates >= FEWEST_LOOKBACKS * lookback)
    method: Method = "circular shifts" if enough else "stock permutations"
    return Null(method, shifts if enough else count, ASSUMPTIONS[method])


def null_returns(
    returns: Float[np.ndarray, "N T"], null: Null, horizon: int, execution_lag: int = 0, seed: int = 0
) -> Iterator[Float[np.ndarray, "N T"]]:
    """The returns under each draw of a null, one after the other: repeat the whole procedure on each, the search included.

    Args:
        returns: forward returns; NaN = unknown.
        null: of `choose_null`.
        horizon, execution_lag: those that `null` was chosen with.
        seed: of the permutations; shifts have none.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.circular_shifts import choose_null, null_returns
        >>> returns = np.random.default_rng(0).normal(size=(4, 60))
        >>> null = choose_null(dates=60, horizon=5)
        >>> null.count, len(list(null_returns(returns, null, horizon=5)))
        (51, 51)
    """
    stocks, dates = returns.shape
    if null.method == "circular shifts":
        yield from (shifted(returns, int(s)) for s in circular_shifts(dates, least_shift(horizon, execution_lag), null.count))
    else:
        yield from (returns[deal] for deal in stock_permutations(stocks, null.count, seed))


def p_value(observed: float, draws: Float[np.ndarray, " S"], null: Null | None = None) -> PValue:
    r"""The probability that luck alone does as well, one-sided: large values of the statistic speak against luck.

    $$ p = \frac{1 + \#\{\,i : x_i \ge x\,\}}{1 + n}, $$

    with x the observed statistic and x_i that of draw i. The observed arrangement counts as one of those that luck could have made, so
    that p is never 0 and the test keeps its level for any n (Phipson and Smyth 2010; Davison and Hinkley 1997, section 4.2). A draw
    below x by less than a millionth of it counts as equal, since sums of the same numbers in another order differ by rounding.

    Args:
        observed: the statistic on the returns as they came.
        draws: the same statistic under each draw of the null; NaN = undefined there, left out and counted.
        null: how the draws were made, kept with the result.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.circular_shifts import p_value
        >>> p_value(0.03, np.array([-0.01, 0.0, 0.03, 0.01])).value
        0.4
        >>> p_value(float("nan"), np.array([0.0])).value
        nan
    """
    known = draws[np.isfinite(draws)].astype(np.float64)
    n = known.size
    defined = bool(np.isfinite(observed)) and n > 0
    return PValue(
        value=float((1 + (known >= observed - ROUNDING * abs(observed)).sum()) / (1 + n)) if defined else np.nan,
        observed=float(observed),
        null_mean=float(known.mean()) if n else np.nan,
        null_sd=float(known.std(ddof=1)) if n > 1 else np.nan,
        draws=n,
        undefined=draws.size - n,
        null=null,
    )
