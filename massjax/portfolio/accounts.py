"""Accounts that hold the tranches of a portfolio side by side: each has its own cash, holdings and orders, and pays for its own trades."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from massjax.portfolio.orders import Orders, fill, orders_to


class Traded(NamedTuple):
    """What one account did on a date.

    Attributes:
        value: bought plus sold.
        cost: what that cost, in money.
    """

    value: float
    cost: float


@dataclass(eq=False)
class Accounts:
    """One account a tranche; changed in place from date to date.

    Attributes:
        holdings: value of each holding.
        cash: money not invested.
        buy, sell: orders that are open (`massjax.portfolio.orders.Orders`).
        begun: True once an account has given its first orders.
    """

    holdings: Float[np.ndarray, "S N"]
    cash: Float[np.ndarray, " S"]
    buy: Float[np.ndarray, "S N"]
    sell: Float[np.ndarray, "S N"]
    begun: Bool[np.ndarray, " S"]

    @classmethod
    def of_cash(cls, count: int, stocks: int) -> Accounts:
        """So many accounts, with one unit of money each."""
        holdings, buy, sell = np.zeros((3, count, stocks))
        return cls(holdings, np.ones(count), buy, sell, np.zeros(count, bool))

    def value(self) -> Float[np.ndarray, " S"]:
        """Cash and holdings of each account."""
        return np.asarray(self.cash + self.holdings.sum(axis=1))

    def open(self) -> Bool[np.ndarray, "S N"]:
        """True where an account has an open order."""
        return (self.buy > 0) | (self.sell > 0)

    def pay_out(self, over: Bool[np.ndarray, " N"], delisting_return: float) -> None:
        """Turn the holdings of some stocks into cash after a last return, and drop the orders in them."""
        self.cash += self.holdings[:, over].sum(axis=1) * (1.0 + delisting_return)
        for values in (self.holdings, self.buy, self.sell):
            values[:, over] = 0.0

    def order(self, one: int, target: Float[np.ndarray, " N"]) -> None:
        """Give account number `one` the orders that bring it to the target weights, in the place of those it has."""
        self.buy[one], self.sell[one] = orders_to(target, self.holdings[one], float(self.cash[one]))
        self.begun[one] = True

    def trade(self, one: int, now: Bool[np.ndarray, " N"], rate: float) -> Traded:
        """Fill the orders of account number `one` in the stocks that are True in `now` (`massjax.portfolio.orders.fill`)."""
        filled = fill(Orders(self.buy[one], self.sell[one]), self.holdings[one], float(self.cash[one]), now, rate)
        self.holdings[one], self.cash[one] = filled.holdings, filled.cash
        self.buy[one], self.sell[one] = filled.orders
        return Traded(filled.traded, filled.cost)

    def cancel(self) -> None:
        """Drop all open orders."""
        self.buy[:] = self.sell[:] = 0.0
