"""The usual figures of an equity curve, and of its difference from a benchmark's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from massjax.portfolio.backtest import Backtest
from massjax.row_words import DAYS_A_YEAR


@dataclass(frozen=True)
class Performance:
    """An equity curve in numbers, all after costs and with a risk-free rate of 0; NaN where too short to tell.

    Returns are those of `daily_returns`, which begin with the cost of the first purchase and compound to the total.

    Attributes:
        total_return: over the whole span.
        cagr: compound growth a year of 365.25 calendar days, from the date of the first purchase to the last.
        volatility: standard deviation of the returns (ddof 1), times √periods.
        sharpe: mean / standard deviation of the returns, times √periods.
        max_drawdown: the deepest fall from an earlier high, negative.
        turnover: one-way turnover a year (half of all that was bought and sold), without the first purchase.
        cost: what trading cost a year, as a share of the portfolio's value, first purchase included.
        active_return: CAGR less the benchmark's over the same dates.
        information_ratio: mean / standard deviation of the returns less the benchmark's, times √periods.
        days: rows of the panel from the first purchase to the end.
        rebalances, unpriced, unfilled: see `massjax.portfolio.backtest.Backtest`.
        periods_per_year: rows a year by which volatility, ratios, turnover and cost are annualised.
    """

    total_return: float
    cagr: float
    volatility: float
    sharpe: float
    max_drawdown: float
    turnover: float
    cost: float
    active_return: float
    information_ratio: float
    days: int
    rebalances: int
    unpriced: int
    unfilled: int = 0
    periods_per_year: float = 252.0


def performance(
    result: Backtest,
    benchmark: Backtest | None = None,
    *,
    dates: Shaped[np.ndarray, " T"] | None = None,
    periods_per_year: float = 252.0,
) -> Performance:
    """Figures of a backtest, and against a benchmark's on the dates that both have.

    Args:
        result: what is measured.
        benchmark: what it is compared with.
        dates: datetime64[D], by which growth a year is reckoned; None = by the number of rows and `periods_per_year`.
        periods_per_year: rows that make a year (`Panel.periods_per_year`).
    """
    returns = daily_returns(result)
    daily = returns[np.isfinite(returns)]
    curve = result.equity[np.isfinite(result.equity)]
    days = max(int(daily.size) - 1, 0)
    high = np.maximum.accumulate(np.concatenate([[1.0], curve]))[1:]
    active = returns - daily_returns(benchmark) if benchmark is not None else np.full(returns.shape, np.nan)
    yearly = periods_per_year / days if days else np.nan
    cagr = annual_growth(result.equity, dates, periods_per_year)
    worth = result.equity + result.cost
    costs = np.divide(result.cost, worth, out=np.zeros_like(worth), where=result.cost > 0)
    return Performance(
        total_return=float(curve[-1] - 1.0) if days else np.nan,
        cagr=cagr,
        volatility=float(daily.std(ddof=1) * np.sqrt(periods_per_year)) if days else np.nan,
        sharpe=annual_ratio(daily, periods_per_year) if days else np.nan,
        max_drawdown=float((curve / high - 1.0).min()) if curve.size else np.nan,
        turnover=float(result.turnover[_after_first_purchase(result) :].sum() / 2 * yearly),
        cost=float(costs.sum() * yearly),
        active_return=np.nan
        if benchmark is None
        else _difference(cagr, annual_growth(benchmark.equity, dates, periods_per_year, beside=result.equity)),
        information_ratio=annual_ratio(active[np.isfinite(active)], periods_per_year) if days else np.nan,
        days=days,
        rebalances=result.rebalances,
        unpriced=result.unpriced,
        unfilled=result.unfilled,
        periods_per_year=periods_per_year,
    )


def daily_returns(result: Backtest) -> Float[np.ndarray, " T"]:
    """Return of the portfolio on each date, after costs; NaN before the first purchase, whose date holds what that cost.

    The returns compound to the total: Π(1 + r) = equity at the end. Of a portfolio worth nothing they are 0.
    """
    return returns_of(result.equity)


def returns_of(equity: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """Return on each date of an equity curve that starts from 1, NaN before its first value; 0 once it is worth nothing."""
    before = np.concatenate([[np.nan], equity[:-1]])
    before = np.where(np.isfinite(equity) & ~np.isfinite(before), 1.0, before)
    worthless = before == 0
    return np.where(worthless, 0.0, equity / np.where(worthless, 1.0, before) - 1.0)


def annual_growth(
    equity: Float[np.ndarray, " T"],
    dates: Shaped[np.ndarray, " T"] | None,
    periods_per_year: float,
    *,
    beside: Float[np.ndarray, " T"] | None = None,
) -> float:
    """(1 + total) ^ (1 / years) − 1; infinite where a gain in a few days is beyond all numbers.

    Where another curve `beside` it begins later, from the close of that date on.
    """
    known = np.isfinite(equity) if beside is None else np.isfinite(equity) & np.isfinite(beside)
    at = np.flatnonzero(known)
    if at.size < 2:
        return np.nan
    first, last = at[0], at[-1]
    begun = 1.0 if first == np.argmax(np.isfinite(equity)) else equity[first]
    years = (last - first) / periods_per_year if dates is None else (dates[last] - dates[first]) / np.timedelta64(1, "D") / DAYS_A_YEAR
    with np.errstate(over="ignore"):
        return float(np.float64(equity[last] / begun) ** (1.0 / years) - 1.0)


def _difference(own: float, other: float) -> float:
    return own - other if np.isfinite([own, other]).any() else np.nan


def annual_ratio(returns: Float[np.ndarray, " D"], periods_per_year: float) -> float:
    """Mean / standard deviation (ddof 1) · √periods: the Sharpe ratio; NaN of fewer than two returns, or of equal ones."""
    if returns.size < 2 or not (spread := returns.std(ddof=1)) > 0:
        return np.nan
    return float(returns.mean() / spread * np.sqrt(periods_per_year))


def _after_first_purchase(result: Backtest) -> int:
    """Index of the date after it."""
    return int(np.argmax(result.turnover > 0)) + 1
