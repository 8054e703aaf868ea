"""Orders of a portfolio: given at a rebalance, filled where the stock has a price, waiting elsewhere."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

ROUNDING = 1e-12
"""Share of what is traded with below which money left over, or to be traded, is rounding."""


class Orders(NamedTuple):
    """What is still to be traded of each stock.

    Attributes:
        buy: money to be spent.
        sell: share of the holding to be sold, in [0, 1]: a number of shares, whatever their price will be.
    """

    buy: Float[np.ndarray, " N"]
    sell: Float[np.ndarray, " N"]

    def open(self) -> Bool[np.ndarray, " N"]:
        """True where something is still to be traded."""
        return (self.buy > 0) | (self.sell > 0)

    def only(self, kept: Bool[np.ndarray, " N"]) -> Orders:
        """The orders of some stocks; none for the others."""
        return Orders(np.where(kept, self.buy, 0.0), np.where(kept, self.sell, 0.0))


class Filled(NamedTuple):
    """The account after a fill.

    Attributes:
        holdings: value of the holding of each stock.
        cash: money not invested, never negative.
        orders: what is left to be traded.
        traded: value bought plus value sold.
        cost: what that cost, in money.
    """

    holdings: Float[np.ndarray, " N"]
    cash: float
    orders: Orders
    traded: float
    cost: float


def orders_to(target: Float[np.ndarray, " N"], holdings: Float[np.ndarray, " N"], cash: float) -> Orders:
    """The orders that bring the holdings to the target weights of the whole portfolio, if all of them are filled.

    A difference that is rounding is no order: one that waited would share in the cost of later trades.

    Args:
        target: weights, summing to 1 at most.
        holdings: value of the holding of each stock.
        cash: money not invested.
    """
    worth = cash + holdings.sum()
    change = target * worth - holdings
    change = np.where(np.abs(change) > ROUNDING * worth, change, 0.0)
    sold = np.maximum(-change, 0.0)
    return Orders(np.maximum(change, 0.0), np.divide(sold, holdings, out=np.zeros_like(holdings), where=sold > 0))


def fill(orders: Orders, holdings: Float[np.ndarray, " N"], cash: float, now: Bool[np.ndarray, " N"], rate: float) -> Filled:
    """Fill the orders of some stocks, sales first; purchases share the money there is, and nothing is borrowed.

    What a purchase lacks, because a sale that was to pay for it could not be filled, is left to be bought. The cost of trading is
    taken alike from the money and from the holdings of the stocks that take part.

    Args:
        orders: what is to be traded.
        holdings: value of the holding of each stock.
        cash: money not invested.
        now: True for the stocks that take part; orders in the others stay as they are.
        rate: cost as a share of the value traded, below 1 / 2.
    """
    sold, wanted = np.where(now, orders.sell * holdings, 0.0), np.where(now, orders.buy, 0.0)
    there, asked = cash + sold.sum(), wanted.sum()
    liquid = cash + holdings[now].sum()
    if not liquid > 0:
        return Filled(holdings, cash, orders, 0.0, 0.0)
    bought = wanted * min(1.0, there / asked) if asked > 0 else wanted
    money = there - bought.sum()
    traded = float(bought.sum() + sold.sum())
    cost = rate * traded
    left = 1.0 - cost / liquid
    after = np.where(now, (holdings - sold + bought) * left, holdings)
    rest = wanted - bought
    return Filled(
        holdings=after,
        cash=float(money * left) if money > ROUNDING * liquid else 0.0,
        orders=Orders(np.where(now, np.where(rest > ROUNDING * liquid, rest, 0.0), orders.buy), np.where(now, 0.0, orders.sell)),
        traded=traded,
        cost=cost,
    )
