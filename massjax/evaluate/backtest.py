"""A long-only portfolio of the stocks a signal likes best: filled late, left to drift, and charged for what it trades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from massjax.config import BacktestSettings
from massjax.engine.labels import check_labels, plain
from massjax.errors import DataError

TRADING_DAYS = 252
"""Trading days a year, for annualising."""


@dataclass(frozen=True, eq=False)
class Backtest:
    """What became of one unit of money.

    Attributes:
        equity: value at the close of each date, after costs; NaN before the first purchase, which starts from 1.
        turnover: on each date, value bought plus value sold, as a share of the portfolio's value before trading; 0 without a trade.
        cost: on each date, what trading cost, in the unit of `equity`.
        rebalances: number of dates on which the portfolio was brought to its target.
        unpriced: number of held stock-days without a known return, carried at their last value.
    """

    equity: Float[np.ndarray, " T"]
    turnover: Float[np.ndarray, " T"]
    cost: Float[np.ndarray, " T"]
    rebalances: int
    unpriced: int

    def __repr__(self) -> str:
        held = self.equity[np.isfinite(self.equity)]
        value = held[-1] if held.size else np.nan
        return f"Backtest({held.size} of {self.equity.size} dates, equity {value:.4f}, {self.rebalances} rebalances)"


def backtest(
    signal: Float[np.ndarray, "N T"],
    returns: Float[np.ndarray, "N T"],
    member: Bool[np.ndarray, "N T"],
    settings: BacktestSettings,
    *,
    start: int = 0,
    execution_lag: int = 1,
) -> Backtest:
    """Hold the top quantile of the signal in equal weights, rebalanced every `settings.every` trading days.

    A decision taken from the signal of date t is filled at the close of t + `execution_lag`. Between fills the holdings drift with
    their returns. On a fill the holdings h, worth V, are brought to the target weights w at a cost of
    `settings.cost / 2` · Σ|w V − h| (the setting is the cost of a round trip), which is taken from all of them alike.

    Args:
        signal: by decision date, higher is better; NaN = not to be bought.
        returns: return from the close of the date before to the close of the date; NaN = unknown, taken as 0 and counted.
        member: True where the stock may be bought.
        start: index of the first decision date; the next ones are `settings.every` dates apart.
        execution_lag: trading days from decision to fill.

    Returns:
        The equity curve and its trades. A decision date on which no member has a signal leaves the portfolio as it is.

    Raises:
        DataError: the arrays do not fit together, or no decision can be filled within them.
    """
    check_labels(member=member, signal=signal, returns=returns)
    signal, returns, member = (np.asarray(plain(what, it)) for what, it in (("signal", signal), ("returns", returns), ("member", member)))
    if not signal.shape == returns.shape == member.shape:
        raise DataError(f"backtest: signal {signal.shape}, returns {returns.shape} and member {member.shape} must have one shape")
    stocks, dates = signal.shape
    if start + execution_lag >= dates:
        raise DataError(
            f"backtest: a decision on date number {start + 1} with an execution lag of {execution_lag} is not filled within "
            f"the {dates} dates of the panel; bring more dates or a shorter look-back"
        )
    equity, turnover, cost = np.full(dates, np.nan), np.zeros(dates), np.zeros(dates)
    holdings, cash, rebalances, unpriced = np.zeros(stocks), 1.0, 0, 0
    for date in range(start + execution_lag, dates):
        if rebalances:
            held = holdings > 0
            unpriced += int((held & ~np.isfinite(returns[:, date])).sum())
            holdings = holdings * (1.0 + np.nan_to_num(returns[:, date]))
        decision = date - execution_lag
        if (decision - start) % settings.every == 0:
            target = top_quantile(signal[:, decision], member[:, decision], settings.quantile)
            value = cash + holdings.sum()
            if target.any() and value > 0:
                turnover[date] = float(np.abs(target - holdings / value).sum())
                cost[date] = settings.cost / 2 * turnover[date] * value
                holdings, cash = target * (value - cost[date]), 0.0
                rebalances += 1
        equity[date] = cash + holdings.sum() if rebalances else np.nan
    return Backtest(equity, turnover, cost, rebalances, unpriced)


def top_quantile(signal: Float[np.ndarray, " N"], member: Bool[np.ndarray, " N"], quantile: float) -> Float[np.ndarray, " N"]:
    """Equal weights on the best `quantile` of the members that have a signal, at least one; they sum to 1, or to 0 with no signal.

    Stocks tied at the edge share the places that are left, so that the order of the stocks in the panel decides nothing.
    """
    candidates = member & np.isfinite(signal)
    count = int(candidates.sum())
    if not count:
        return np.zeros(signal.shape)
    places = max(1, int(np.floor(quantile * count + 0.5)))
    values = np.where(candidates, signal, -np.inf)
    edge = np.partition(values, -places)[-places]
    above, tied = values > edge, values == edge
    return np.asarray((above + tied * (places - above.sum()) / tied.sum()) / places)


def returns_from_prices(prices: Float[np.ndarray, "N T"]) -> Float[np.ndarray, "N T"]:
    """Simple return from the close of the date before to the close of the date.

    Over a gap in the prices the whole return falls on the date on which the price is known again; NaN in the gap, before the
    first price and after the last one.
    """
    known = np.isfinite(prices)
    last_seen = np.maximum.accumulate(np.where(known, np.arange(prices.shape[1]), -1), axis=1)
    before = np.concatenate([np.full((prices.shape[0], 1), -1), last_seen[:, :-1]], axis=1)
    earlier = np.take_along_axis(prices, np.maximum(before, 0), axis=1)
    return np.where(known & (before >= 0), prices / earlier - 1.0, np.nan)


def returns_from_forward(one_day: Float[np.ndarray, "N T"], execution_lag: int) -> Float[np.ndarray, "N T"]:
    """The same from one-day forward returns: that of date t runs from the close of t + lag to the close of t + lag + 1."""
    returns = np.full(one_day.shape, np.nan)
    shift = execution_lag + 1
    returns[:, shift:] = one_day[:, : one_day.shape[1] - shift]
    return returns
