"""Settings of the portfolio that a signal is judged by."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from massjax.settings import Settings


class BacktestSettings(Settings):
    """A long-only portfolio of the best quantile of the signal, equally weighted.

    Attributes:
        quantile: share of the members held.
        every: rows (dates) between rebalances.
        cost: cost of a round trip, as a share of the value traded (MASS: 0.1 %).
        unfilled: what becomes of an order in a stock without a price on the date of its fill: `wait` for the stock's next price, until
            the next rebalance decides anew, or `lapse`.
        delisting_return: return of a holding whose stock is never priced again (for five dates or more, to the end of the data), taken on
            the first date without a price, on which its last price and this pay it out in cash: 0 = at the last price, -1 = nothing left.
    """

    quantile: float = Field(0.2, gt=0.0, le=1.0)
    every: int = Field(5, ge=1)
    cost: float = Field(0.001, ge=0.0, lt=0.5)
    unfilled: Literal["wait", "lapse"] = "wait"
    delisting_return: float = Field(0.0, ge=-1.0, le=1.0)
