"""The usual figures of an equity curve, and of its difference from a benchmark's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from massjax.evaluate.backtest import Backtest


TRADING_DAYS = 252
"""Trading days a year, for annualising."""


@dataclass(frozen=True)
class Performance:
    """An equity curve in numbers, all after costs and with a risk-free rate of 0; NaN where too short to tell.

    Attributes:
        total_return: over the whole span.
        cagr: compound growth a year of 252 trading days.
        volatility: standard deviation of daily returns (ddof 1), times √252.
        sharpe: mean / standard deviation of daily returns, times √252.
        max_drawdown: the deepest fall from an earlier high, negative.
        turnover: one-way turnover a year (half of all that was bought and sold), without the first purchase.
        cost: what trading cost a year, as a share of the portfolio's value, first purchase included.
        active_return: CAGR less the benchmark's.
        information_ratio: mean / standard deviation of the daily returns less the benchmark's, times √252.
        days: trading days behind the figures.
        rebalances, unpriced: see `massjax.evaluate.Backtest`.
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


def performance(result: Backtest, benchmark: Backtest | None = None) -> Performance:
    """Figures of a backtest, and against a benchmark's on the dates that both have."""
    curve = result.equity[np.isfinite(result.equity)]
    daily = curve[1:] / curve[:-1] - 1.0
    days = int(daily.size)
    growth = curve[-1] if days else np.nan
    high = np.maximum.accumulate(np.concatenate([[1.0], curve]))[1:]
    active = daily_returns(result) - daily_returns(benchmark) if benchmark is not None else np.full(result.equity.shape, np.nan)
    cagr = _annual_growth(curve)
    return Performance(
        total_return=float(growth - 1.0),
        cagr=cagr,
        volatility=float(daily.std(ddof=1) * np.sqrt(TRADING_DAYS)) if days > 1 else np.nan,
        sharpe=_annual_ratio(daily),
        max_drawdown=float((curve / high - 1.0).min()) if curve.size else np.nan,
        turnover=_yearly(result.turnover[_after_first_purchase(result) :].sum() / 2, days),
        cost=_yearly(np.nansum(result.cost / (result.equity + result.cost)), days),
        active_return=np.nan if benchmark is None else cagr - _annual_growth(benchmark.equity[np.isfinite(benchmark.equity)]),
        information_ratio=_annual_ratio(active[np.isfinite(active)]),
        days=days,
        rebalances=result.rebalances,
        unpriced=result.unpriced,
    )


def daily_returns(result: Backtest) -> Float[np.ndarray, " T"]:
    """Return of the portfolio on each date, after costs; NaN up to and including the day of the first purchase."""
    returns = np.full(result.equity.shape, np.nan)
    returns[1:] = result.equity[1:] / result.equity[:-1] - 1.0
    return returns


def _annual_growth(curve: Float[np.ndarray, " D"]) -> float:
    return float(curve[-1] ** (TRADING_DAYS / (curve.size - 1)) - 1.0) if curve.size > 1 else np.nan


def _annual_ratio(daily: Float[np.ndarray, " D"]) -> float:
    if daily.size < 2 or not (spread := daily.std(ddof=1)) > 0:
        return np.nan
    return float(daily.mean() / spread * np.sqrt(TRADING_DAYS))


def _yearly(total: float, days: int) -> float:
    return float(total * TRADING_DAYS / days) if days else np.nan


def _after_first_purchase(result: Backtest) -> int:
    return int(np.argmax(np.isfinite(result.equity))) + 1
