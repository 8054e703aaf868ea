"""A long-only portfolio of the stocks a signal likes best: filled late, left to drift, and charged for what it trades."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import ArrayLike, Bool, Float, Int

from massjax.errors import DataError
from massjax.labels import check_labels, plain
from massjax.portfolio.accounts import Accounts
from massjax.portfolio.settings import BacktestSettings


class Ended(NamedTuple):
    """A holding whose stock was never priced again.

    Attributes:
        stock: its row.
        last: index of the last date with a price.
        share: of the portfolio's value, at that price, before the loss that was taken.
    """

    stock: int
    last: int
    share: float


@dataclass(frozen=True, eq=False)
class Backtest:
    """What became of one unit of money.

    Attributes:
        equity: value at the close of each date, after costs; NaN before the date on which the first orders were due, which starts from 1.
        turnover: on each date, value bought plus value sold, as a share of the portfolio's value before trading; 0 without a trade.
        cost: on each date, what trading cost, in the unit of `equity`.
        rebalances: number of dates on which orders were given to bring the portfolio, or one of its tranches, to its target.
        unpriced: number of held stock-days without a known return, carried at their last value.
        holdings: value of each stock held at the close of each date, in the unit of `equity`; what is missing to `equity` is cash.
        unfilled: number of orders that could not be filled on the date they were due, for want of a price; those of several tranches in
            one stock on one date are one.
        ended: holdings that were paid out because no price followed, in the order of their dates.
        starts: equity of one unit of money by starting day. Of overlapping tranches that of each tranche, over the same dates: `equity`
            is their mean, in which the first stands for all whose turn never comes. Of a single one what it would be if begun one,
            two, ... dates later, NaN before; no part of `equity`.
    """

    equity: Float[np.ndarray, " T"]
    turnover: Float[np.ndarray, " T"]
    cost: Float[np.ndarray, " T"]
    rebalances: int
    unpriced: int
    holdings: Float[np.ndarray, "N T"]
    unfilled: int
    ended: tuple[Ended, ...]
    starts: Float[np.ndarray, "S T"]

    def __repr__(self) -> str:
        held = self.equity[np.isfinite(self.equity)]
        value = held[-1] if held.size else np.nan
        return f"Backtest({held.size} of {self.equity.size} dates, equity {value:.4f}, {self.rebalances} rebalances)"


def backtest(
    signal: Float[ArrayLike, "N T"],
    returns: Float[ArrayLike, "N T"],
    member: Bool[ArrayLike, "N T"],
    settings: BacktestSettings,
    *,
    start: int = 0,
    execution_lag: int = 1,
    fillable: Bool[ArrayLike, "N T"] | None = None,
    ends: Int[ArrayLike, " N"] | None = None,
) -> Backtest:
    """Hold the top quantile of the signal in equal weights, each tranche rebalanced every `settings.every` dates.

    A decision taken from the signal of date t is due at the close of t + `execution_lag`: orders bring the holdings h, worth V with the
    cash, to the target weights w. Between fills the holdings drift with their returns. Trading costs `settings.cost / 2` · Σ|w V − h|
    (the setting is the cost of a round trip), which is taken from all that could be traded alike.

    **Tranches.** A portfolio that is rebalanced every h dates is another one for each of h starting days, and their difference is luck.
    With `settings.tranches = "overlapping"` h tranches of 1 / h of the capital hold them all (Jegadeesh and Titman, Journal of Finance
    48, 1993). All are bought by the first decision, so that the whole is invested from the first date on; tranche i decides again i, i
    + h, i + 2h, ... dates after `start`. Tranches are accounts of their own: none lends or gives to another, so their shares of the
    whole drift apart with their gains, which costs no trade, and the equity of the whole is the mean of theirs. They rebalance on
    different dates, so there is nothing to be netted but the orders that wait for a price; each tranche pays for its own
    trades in full, never less than one desk for all would. With `settings.tranches = "single"`, or h = 1, there is one.

    A trade needs a price. An order in a stock that is not `fillable` on its date waits for the first date on which it is, or lapses
    (`settings.unfilled`): shares that were not sold stay held, and bear what happens until then; money that was not spent stays cash,
    and what follows a suspension is earned by those alone who held the stock before. A sale waits as a number of shares, a purchase as
    an amount of money; purchases are scaled down to the money there is, so nothing is borrowed, and what they lack waits for the sales
    that were to pay for it. The next rebalance of the tranche takes the place of all that waits. A holding whose prices have ended is
    paid out in cash on the date after, at its last price and `settings.delisting_return`, and told in `ended`.

    Args:
        signal: by decision date, higher is better; NaN = not to be bought.
        returns: return from the close of the date before to the close of the date; NaN = unknown, taken as 0 and counted. Over a gap
            in the prices the whole return falls on the date on which the price is known again.
        member: True where the stock may be bought.
        start: index of the first decision date; the next ones of a tranche are `settings.every` dates apart.
        execution_lag: dates from decision to fill.
        fillable: True where the stock has a price and may be traded (`massjax.market.fills.fillable`); None = where the return is
            known, and on the first date if that of the second is.
        ends: index of the last date with a price of each stock, T where prices go on (`massjax.market.fills.ends_of_prices`); None =
            no holding is paid out.

    Returns:
        The equity curve, the holdings and the trades. A decision date on which no member has a signal leaves the tranche as it is; a
        portfolio of overlapping tranches begins on the first date with a signal.

    Raises:
        DataError: the arrays do not fit together, or no decision can be filled within them.

    Example:
        The better half of two stocks, decided at the first close and bought at the second, at 0.2 % a round trip: 0.1 % to buy, and then
        10 % a date.

        >>> import numpy as np
        >>> from massjax.portfolio.backtest import backtest
        >>> from massjax.portfolio.settings import BacktestSettings
        >>> signal, member = np.array([[0.9] * 4, [0.1] * 4]), np.ones((2, 4), bool)
        >>> returns = np.array([[np.nan, 0.1, 0.1, 0.1], [np.nan, 0.0, 0.0, 0.0]])
        >>> result = backtest(signal, returns, member, BacktestSettings(quantile=0.5, every=10, cost=0.002))
        >>> result.equity.round(4).tolist()
        [nan, 0.999, 1.0989, 1.2088]
    """
    given = {} if fillable is None else {"fillable": fillable}
    check_labels(member=member, signal=signal, returns=returns, **given)
    signal, returns, member = (np.asarray(plain(what, it)) for what, it in (("signal", signal), ("returns", returns), ("member", member)))
    if not signal.shape == returns.shape == member.shape:
        raise DataError(f"backtest: signal {signal.shape}, returns {returns.shape} and member {member.shape} must have one shape")
    stocks, dates = signal.shape
    decisions = dates - start - execution_lag
    if decisions < 1:
        raise DataError(
            f"backtest: a decision on date number {start + 1} with an execution lag of {execution_lag} is not filled within "
            f"the {dates} dates of the panel; bring more dates or a shorter look-back"
        )
    fillable = _with_known_return(returns) if fillable is None else np.asarray(plain("fillable", fillable))
    if fillable.shape != signal.shape or fillable.dtype != bool:
        raise DataError(
            f"backtest: fillable {fillable.shape} of {fillable.dtype} must be booleans of the shape of the signal, {signal.shape}"
        )
    ends = np.full(stocks, dates) if ends is None else np.asarray(ends)
    return _hold(signal, returns, member, fillable, ends, settings, start, execution_lag)


def _hold(
    signal: Float[np.ndarray, "N T"],
    returns: Float[np.ndarray, "N T"],
    member: Bool[np.ndarray, "N T"],
    fillable: Bool[np.ndarray, "N T"],
    ends: Int[np.ndarray, " N"],
    settings: BacktestSettings,
    start: int,
    execution_lag: int,
) -> Backtest:
    """All tranches side by side, date after date: drift, pay out what has ended, decide, trade."""
    (stocks, dates), overlapping = signal.shape, settings.tranches == "overlapping"
    units = _units(settings, dates - start - execution_lag)
    accounts, number, money, whole = Accounts.of_cash(units.size, stocks), np.arange(units.size), units.sum(), units > 0
    equity, turnover, cost, held = np.full((units.size, dates), np.nan), np.zeros(dates), np.zeros(dates), np.zeros((dates, stocks))
    rebalances = unpriced = unfilled = 0
    ended: list[Ended] = []
    for date in range(start + execution_lag, dates):
        known, now, decision = np.isfinite(returns[:, date]), fillable[:, date], date - execution_lag
        unpriced += int(((units @ accounts.holdings > 0) & ~known).sum())
        accounts.holdings *= 1.0 + np.where(known, returns[:, date], 0.0)
        if (over := ends == date - 1).any():
            holdings, worth = units @ accounts.holdings, units @ accounts.value()
            ended += [Ended(int(stock), date - 1, float(holdings[stock] / worth)) for stock in np.flatnonzero(over & (holdings > 0))]
            accounts.pay_out(over, settings.delisting_return)
        value = accounts.value()
        decides = (decision - start - number) % settings.every == 0
        decides = (decides | ~accounts.begun if overlapping else decides) & (value > 0)
        if decides.any():
            target = top_quantile(signal[:, decision], member[:, decision], settings.quantile)
            decides &= target.any()
            for one in np.flatnonzero(decides).tolist():
                accounts.order(one, target)
        waiting, given = accounts.open(), decides & whole
        rebalances += bool(given.any())
        unfilled += int((waiting[given].any(axis=0) & ~now).sum())
        trades = (decides & now.any()) | (waiting & now).any(axis=1)
        for one in np.flatnonzero(trades & (value > 0)).tolist():
            traded, paid = accounts.trade(one, now if decides[one] else now & waiting[one], settings.cost / 2)
            turnover[date] += units[one] * traded
            cost[date] += units[one] * paid
        turnover[date] /= (units @ value) or 1.0
        if settings.unfilled == "lapse":
            accounts.cancel()
        equity[:, date] = np.where(accounts.begun, accounts.value(), np.nan)
        held[date] = units @ accounts.holdings
    held /= money
    return Backtest(
        equity=units[whole] @ equity[whole] / money,
        turnover=turnover,
        cost=cost / money,
        rebalances=rebalances,
        unpriced=unpriced,
        holdings=held.T,
        unfilled=unfilled,
        ended=tuple(ended),
        starts=equity if overlapping else equity[1:],
    )


def _units(settings: BacktestSettings, decisions: int) -> Float[np.ndarray, " S"]:
    """Units of money with which each tranche begins, of which `settings.every` are one, or one alone where the portfolio is single.

    There are no more tranches than decision dates: overlapping ones whose own date never comes would stay as they were bought, which
    the first one does too, so it holds their money.
    """
    count = min(settings.every, decisions)
    if settings.tranches == "single":
        return np.eye(count)[0]
    return np.concatenate([[1.0 + settings.every - count], np.ones(count - 1)])


def _with_known_return(returns: Float[np.ndarray, "N T"]) -> Bool[np.ndarray, "N T"]:
    """True where the return is known, which takes a price; on the first date, whose return nobody knows, where that of the second is."""
    known = np.isfinite(returns)
    if known.shape[1] > 1:
        known[:, 0] |= known[:, 1]
    return known


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
