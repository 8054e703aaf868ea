"""A slow continuous double auction in plain Python: the reference for `massjax.simulator.book`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Resting:
    """An order in the book."""

    tick: int
    agent: int
    side: int
    volume: int
    price: int


@dataclass
class PlainMarket:
    """One market; `last` is the price of the last trade."""

    cash: list[int]
    shares: list[int]
    last: int
    orders: list[Resting] = field(default_factory=list)

    def arrives(self, tick: int, agent: int, side: int, volume: int, limit: int, is_open: bool) -> list[tuple[int, int, int]]:
        """An order arrives: it trades, what is left rests, and orders of as many ticks as agents before expire.

        Returns:
            The trades as (maker, price, volume).
        """
        volume = min(volume, self.cash[agent] // limit if side > 0 else self.shares[agent])
        trades = []
        while is_open and volume > 0 and (best := self.best_against(side, limit)) is not None:
            buyer, seller = (agent, best.agent) if side > 0 else (best.agent, agent)
            payable, deliverable = self.cash[buyer] // best.price, self.shares[seller]
            traded = min(volume, best.volume, payable, deliverable)
            wanted = min(volume, best.volume)
            if traded:
                self.cash[buyer] -= traded * best.price
                self.cash[seller] += traded * best.price
                self.shares[buyer] += traded
                self.shares[seller] -= traded
                self.last = best.price
                trades.append((best.agent, best.price, traded))
            own_limit = payable if side > 0 else deliverable
            best.volume -= traded
            volume -= traded
            if own_limit <= traded:
                volume = 0
            elif traded < wanted:
                best.volume = 0
            self.orders = [order for order in self.orders if order.volume > 0]
        if volume > 0:
            self.orders.append(Resting(tick, agent, side, volume, limit))
        self.orders = [order for order in self.orders if order.tick > tick + 1 - len(self.cash)]
        return trades

    def best_against(self, side: int, limit: int) -> Resting | None:
        """The resting order that an order meets first: the best price, then the oldest."""
        met = [order for order in self.orders if order.side == -side and side * (limit - order.price) >= 0]
        return min(met, key=lambda order: (side * order.price, order.tick), default=None)
