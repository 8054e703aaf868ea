"""Price history as [stock, date] arrays, and windows over it that end at each date."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float

from massjax.average_ranks import column_blocks
from massjax.market.calendar import Spans, spans

ENOUGH = 0.8
"""A window is evaluated where at least this share of its dates has a value."""


class MarketModel(NamedTuple):
    """Ordinary least squares of a stock's returns from date to date on the market's, over a window that ends at each date."""

    beta: Float[np.ndarray, "N T"]
    residual_std: Float[np.ndarray, "N T"]


@dataclass(frozen=True, eq=False)
class PriceHistory:
    """What the price features are computed from.

    Attributes:
        prices: adjusted closes, NaN where the stock did not trade.
        filled: the last price known at each date, NaN before the first.
        returns: return since the last price known before, NaN where the stock did not trade.
        market: the equal-weight mean of `returns` over all stocks that traded.
        model: regression of `returns` on `market` over the last half year; NaN where that has no dates.
        sector_returns: the mean over the stocks of each stock's own sector, itself included; NaN where it is unknown.
        spans: how many dates windows of time have.
    """

    prices: Float[np.ndarray, "N T"]
    filled: Float[np.ndarray, "N T"]
    returns: Float[np.ndarray, "N T"]
    market: Float[np.ndarray, " T"]
    model: MarketModel
    sector_returns: Float[np.ndarray, "N T"]
    spans: Spans


def price_history(prices: Float[np.ndarray, "N T"], stocks: Sequence[str], sectors: Mapping[str, str], windows: Spans) -> PriceHistory:
    """Returns from date to date of the stocks, of the equal-weight market and of the equal-weight sectors."""
    filled = forward_fill(prices)
    returns = prices / shift(filled, 1) - 1.0
    sector_of = np.array([sectors.get(stock, "") for stock in stocks])
    sector_returns = np.full_like(prices, np.nan)
    for sector in set(sectors.values()):
        rows = sector_of == sector
        sector_returns[rows] = mean_over_stocks(returns[rows])
    market = mean_over_stocks(returns)
    return PriceHistory(prices, filled, returns, market, market_model(returns, market, windows.half_year or 1), sector_returns, windows)


def shift(values: Float[np.ndarray, "N T"], days: int) -> Float[np.ndarray, "N T"]:
    """The values `days` dates earlier, NaN where there is no such date."""
    result = np.full_like(values, np.nan)
    result[:, days:] = values[:, : max(values.shape[1] - days, 0)]
    return result


def forward_fill(values: Float[np.ndarray, "N T"]) -> Float[np.ndarray, "N T"]:
    """The latest known value at each date."""
    last = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(values.shape[1])), axis=1)
    return np.take_along_axis(values, last, axis=1)


def mean_over_stocks(values: Float[np.ndarray, "N T"]) -> Float[np.ndarray, " T"]:
    """Mean over the stocks with a value, NaN where none has one."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


def rolling(values: Float[np.ndarray, "N T"], window: int, statistic: Callable[[pl.Expr, int, int], pl.Expr]) -> Float[np.ndarray, "N T"]:
    """A statistic of the `window` dates up to and including each date.

    Args:
        values: numbers, NaN where unknown.
        window: number of dates.
        statistic: builds the expression from a column, the window and the least number of values in it, for example
            `lambda x, w, least: x.rolling_mean(w, min_samples=least)`.

    Returns:
        NaN where less than `ENOUGH` of the window is known.
    """
    table = pl.from_numpy(values.T).fill_nan(None)
    result = table.select(statistic(pl.all(), window, ceil(ENOUGH * window)))
    return np.ascontiguousarray(result.cast(pl.Float64).fill_null(np.nan).to_numpy().T)


def rolling_mean(values: Float[np.ndarray, "N T"], window: int) -> Float[np.ndarray, "N T"]:
    """Mean of the `window` dates up to and including each date; NaN where less than `ENOUGH` of them is known."""
    return rolling(values, window, lambda x, w, least: x.rolling_mean(w, min_samples=least))


def rolling_std(values: Float[np.ndarray, "N T"], window: int) -> Float[np.ndarray, "N T"]:
    """Sample standard deviation of the `window` dates up to and including each date; NaN where less than `ENOUGH` of them is known."""
    return rolling(values, window, lambda x, w, least: x.rolling_std(w, min_samples=least))


def rolling_max(values: Float[np.ndarray, "N T"], window: int) -> Float[np.ndarray, "N T"]:
    """Maximum of the `window` dates up to and including each date; NaN where less than `ENOUGH` of them is known."""
    return rolling(values, window, lambda x, w, least: x.rolling_max(w, min_samples=least))


def rolling_min(values: Float[np.ndarray, "N T"], window: int) -> Float[np.ndarray, "N T"]:
    """Minimum of the `window` dates up to and including each date; NaN where less than `ENOUGH` of them is known."""
    return rolling(values, window, lambda x, w, least: x.rolling_min(w, min_samples=least))


def compounded(returns: Float[np.ndarray, "N T"], window: int) -> Float[np.ndarray, "N T"]:
    """The returns of each window, from date to date, compounded."""
    return np.expm1(rolling_mean(np.log1p(returns), window) * window)


class _Fall(NamedTuple):
    """The highest and the lowest price of some successive dates that end at each date, and the deepest fall within them; NaN if unknown."""

    high: Float[np.ndarray, "N T"]
    low: Float[np.ndarray, "N T"]
    deepest: Float[np.ndarray, "N T"]

    def after(self, earlier: _Fall, days: int) -> _Fall:
        """These dates together with those of `earlier`, which end `days` dates before."""
        high, low, deepest = (shift(values, days) for values in earlier)
        across = np.fmin(np.fmin(deepest, self.deepest), self.low / high - 1.0)
        return _Fall(np.fmax(high, self.high), np.fmin(low, self.low), across)


def max_drawdown(prices: Float[np.ndarray, "N T"], window: int) -> Float[np.ndarray, "N T"]:
    """The deepest fall from a peak to a later trough within each window, from -1 to 0; NaN where less than `ENOUGH` of it is known.

    A window is put together from stretches of 1, 2, 4, ... dates, each made of two of half its length: the deepest fall of two
    stretches is the deeper one of both, or that from the high of the first to the low of the second.
    """
    result = np.empty(prices.shape)
    for rows in column_blocks(prices.shape[1], prices.shape[0]):
        result[rows] = _max_drawdown(prices[rows], window)
    known = np.cumsum(np.isfinite(prices), axis=1, dtype=np.int32)
    known[:, window:] -= known[:, :-window].copy()
    result[known < ceil(ENOUGH * window)] = np.nan
    return result


def _max_drawdown(prices: Float[np.ndarray, "N T"], window: int) -> Float[np.ndarray, "N T"]:
    stretch, length = _Fall(prices, prices, np.where(np.isnan(prices), np.nan, 0.0)), 1
    found, covered = None, 0
    while True:
        if window & length:
            found = stretch if found is None else found.after(stretch, covered)
            covered += length
        if covered == window or length >= prices.shape[1]:
            return stretch.deepest if found is None or covered < window else found.deepest
        stretch, length = stretch.after(stretch, length), 2 * length


def market_model(returns: Float[np.ndarray, "N T"], market: Float[np.ndarray, " T"], window: int) -> MarketModel:
    """Beta and the standard deviation of the residuals (per date), over the dates of each window on which the stock traded."""
    paired = np.where(np.isnan(returns), np.nan, market)
    mean_stock, mean_market = rolling_mean(returns, window), rolling_mean(paired, window)
    covariance = rolling_mean(returns * paired, window) - mean_stock * mean_market
    variance_market = rolling_mean(paired**2, window) - mean_market**2
    variance_stock = rolling_mean(returns**2, window) - mean_stock**2
    beta = np.divide(covariance, variance_market, out=np.full_like(returns, np.nan), where=variance_market > 1e-16)
    return MarketModel(beta, np.sqrt(np.maximum(variance_stock - beta * covariance, 0.0)))


def standing_in_past_year(values: Float[np.ndarray, " T"], periods_per_year: float = 252.0) -> Float[np.ndarray, " T"]:
    """Where each value stands among those of the year up to it: the share below it, half of those equal to it included; NaN if unknown.

    Args:
        values: by date, NaN where unknown.
        periods_per_year: dates that make a year.
    """
    year = spans(periods_per_year).year or 1
    standing = np.full(values.shape, np.nan)
    for t in np.flatnonzero(np.isfinite(values)):
        past = values[max(0, t - year + 1) : t + 1]
        past = past[np.isfinite(past)]
        standing[t] = (np.sum(past < values[t]) + np.sum(past <= values[t])) / (2 * len(past))
    return standing
