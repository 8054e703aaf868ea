"""Forward returns: what a decision at the close of each date earned."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from massjax.errors import DataError
from massjax.market.history import forward_fill, shift
from massjax.market.panel import Panel
from massjax.row_words import counted


def forward_returns(
    prices: Float[np.ndarray, "N T"], horizon: int, execution_lag: int = 1, tradable: Bool[np.ndarray, "N T"] | None = None
) -> Float[np.ndarray, "N T"]:
    """Simple return of buying at the close `execution_lag` dates after each date and selling `horizon` dates after that.

    y[n, t; h] = p[n, t + lag + h] / p[n, t + lag] − 1

    With `execution_lag=1`, a decision made from what is known at the close of t is filled at the close of t + 1; with 0 it is
    filled at the very close that decided it, which no one can quite do.

    Args:
        prices: adjusted closes, NaN where the stock did not trade.
        horizon: dates held, at least 1.
        execution_lag: dates from decision to fill, at least 0.
        tradable: True where an order in the stock can be filled at the close of the date; None where every price can be traded at.

    Returns:
        Returns as fractions by decision date, NaN where either price is missing or not yet known, where the first cannot be traded at,
        and where the last was filled forward (see `own_prices`): a stock that closes limit-down has lost what its price says, though
        nobody could sell it. A stock that stops trading has no return over its last `execution_lag + horizon` dates.

    Raises:
        DataError: there are not more than `execution_lag + horizon` dates, so no return is known at all.
    """
    _, dates = prices.shape
    ahead = execution_lag + horizon
    if ahead >= dates:
        raise DataError(
            f"market.horizons: a horizon of {counted(horizon, 'row')} with an execution lag of {execution_lag} needs at least "
            f"{ahead + 1} dates of prices, the data has {dates}; shorten the horizon or bring more data"
        )
    entry = prices if tradable is None else np.where(tradable, prices, np.nan)
    last = prices if tradable is None else np.where(own_prices(prices, tradable), prices, np.nan)
    result = np.full(prices.shape, np.nan)
    result[:, : dates - ahead] = last[:, ahead:] / entry[:, execution_lag : dates - horizon] - 1.0
    return result


def own_prices(prices: Float[np.ndarray, "N T"], tradable: Bool[np.ndarray, "N T"]) -> Bool[np.ndarray, "N T"]:
    """True where a price is one of its date: known, and no mere copy of the one before on a date that is not tradable."""
    repeated = np.zeros(prices.shape, bool)
    repeated[:, 1:] = prices[:, 1:] == prices[:, :-1]
    return np.isfinite(prices) & (tradable | ~repeated)


def returns_from_prices(prices: Float[np.ndarray, "N T"]) -> Float[np.ndarray, "N T"]:
    """Simple return from the close of the date before to the close of the date.

    Over a gap in the prices the whole return falls on the date on which the price is known again; NaN in the gap, before the
    first price and after the last one.
    """
    return prices / shift(forward_fill(prices), 1) - 1.0


def returns_from_forward(one_day: Float[np.ndarray, "N T"], execution_lag: int) -> Float[np.ndarray, "N T"]:
    """Simple return from close to close, from one-day forward returns: that of date t runs from the close of t + lag to the next close."""
    return shift(one_day, execution_lag + 1)


def close_to_close(panel: Panel, execution_lag: int) -> Float[np.ndarray, "N T"] | None:
    """Simple return of each stock from the close of the date before to the close of the date, of which portfolios are made.

    Args:
        panel: prices, or else one-day forward returns.
        execution_lag: dates from decision to fill, which the forward returns allow for.

    Returns:
        None where the panel has neither.
    """
    if panel.prices is not None:
        return returns_from_prices(panel.prices)
    return returns_from_forward(panel.forward_returns[1], execution_lag) if 1 in panel.forward_returns else None
