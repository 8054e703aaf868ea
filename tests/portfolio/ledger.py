"""A slow portfolio to compare with: shares and cash, one stock and one order at a time."""

from __future__ import annotations

import numpy as np

from massjax.portfolio.settings import BacktestSettings

NAN = np.nan


class Ledger:
    """One unit of money, kept as shares and cash, one stock and one order at a time."""

    def __init__(self, prices: np.ndarray, can: np.ndarray, ends: np.ndarray, rules: BacktestSettings) -> None:
        self.prices, self.can, self.ends, self.rules = prices, can, ends, rules
        self.cash, self.shares, self.last = 1.0, [0.0] * len(prices), [NAN] * len(prices)
        self.buy: dict[int, float] = {}
        self.sell: dict[int, float] = {}
        self.began, self.lost, self.traded, self.before, self.flows = False, False, 0.0, 0.0, 0.0
        self.seen = -1

    def value(self, n: int) -> float:
        return self.shares[n] * self.last[n] if self.shares[n] else 0.0

    def worth(self) -> float:
        return self.cash + sum(self.value(n) for n in range(len(self.shares)))

    def day(self, t: int, target: np.ndarray) -> None:
        stocks = range(len(self.shares))
        for day in range(self.seen + 1, t + 1):
            self.last = [self.prices[n, day] if np.isfinite(self.prices[n, day]) else self.last[n] for n in stocks]
        self.seen, self.traded = t, 0.0
        for n in stocks:
            if self.shares[n] and self.ends[n] == t - 1:
                self.cash += self.value(n) * (1 + self.rules.delisting_return)
                self.lost |= self.rules.delisting_return != 0
                self.shares[n] = 0.0
                self.buy.pop(n, None)
                self.sell.pop(n, None)
        worth = self.before = self.worth()
        if worth <= 0:
            return
        if target.any():
            self.began, self.buy, self.sell = True, {}, {}
            for n in stocks:
                change = target[n] * worth - self.value(n)
                if change > 1e-12 * worth:
                    self.buy[n] = change
                if change < -1e-12 * worth:
                    self.sell[n] = -change / self.last[n]
            taking_part = [n for n in stocks if self.can[n, t]]
        else:
            taking_part = [n for n in stocks if self.can[n, t] and (n in self.buy or n in self.sell)]
        self.trade(taking_part)
        if self.rules.unfilled == "lapse":
            self.buy, self.sell = {}, {}

    def trade(self, taking_part: list[int]) -> None:
        before, traded = self.worth(), 0.0
        for n in taking_part:
            if n in self.sell:
                count = min(self.sell.pop(n), self.shares[n])
                self.shares[n] = self.shares[n] - count if self.shares[n] - count > 1e-14 else 0.0
                self.cash += count * self.last[n]
                traded += count * self.last[n]
        wanted = sum(self.buy.get(n, 0.0) for n in taking_part)
        part = min(1.0, self.cash / wanted) if wanted else 0.0
        for n in taking_part:
            if n in self.buy:
                money = self.buy[n] * part
                self.shares[n] += money / self.last[n]
                self.cash -= money
                traded += money
                self.buy[n] -= money
                if self.buy[n] < 1e-13:
                    del self.buy[n]
        self.flows += self.worth() - before
        liquid = self.cash + sum(self.value(n) for n in taking_part)
        if traded:
            left = 1 - self.rules.cost / 2 * traded / liquid
            self.cash *= left
            for n in taking_part:
                self.shares[n] *= left
        self.traded = traded
