"""What a run says of the trades that could not be made: holdings whose prices ended, orders that found no price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int, Shaped

from massjax.portfolio.backtest import Backtest
from massjax.portfolio.settings import BacktestSettings
from massjax.row_words import counted, first_few

MOST_NAMED = 50
"""Stocks named in a warning at most."""


def untraded_warnings(
    backtests: Sequence[Backtest],
    settings: BacktestSettings,
    *,
    stocks: Sequence[str],
    dates: Shaped[np.ndarray, " T"],
    last_price: Int[np.ndarray, " N"] | None,
    ready_made: Float[np.ndarray, "N T"] | None,
) -> tuple[str, ...]:
    """Sentences on holdings whose prices ended, on those without a price on the last date or a return over a gap, and on unfilled orders.

    Args:
        backtests: of all portfolios of a run, the benchmark's too.
        settings: under which they were made.
        stocks: names, by row.
        dates: datetime64[D], by column.
        last_price: index of the last date with a price of each stock, -1 for one without any; None where prices are unknown.
        ready_made: returns from close to close that do not reach across gaps in the prices; None where they are made of prices.
    """
    found = []
    if ended := {ended.stock: ended.last for result in backtests for ended in result.ended}:
        which = "1 stock was held when its" if len(ended) == 1 else f"{len(ended)} stocks were held when their"
        found.append(
            f"{which} prices ended, delisted or suspended until after the data ends: {_named(stocks, dates, ended)}; such a holding is "
            f"paid out {_loss(settings.delisting_return)} on the date after"
        )
    if silent := _silent(backtests, last_price):
        which = "1 stock is" if len(silent) == 1 else f"{len(silent)} stocks are"
        found.append(
            f"{which} held without a price on the last date, {dates[-1]}, suspended or delivered late, and valued at the last price "
            f"there is: {_named(stocks, dates, silent)}"
        )
    if gaps := _gaps(backtests, ready_made):
        which = "1 stock was" if len(gaps) == 1 else f"{len(gaps)} stocks were"
        found.append(
            f"{which} held over dates without a return, which count as 0, so a jump of the price over that gap is lost: "
            f"{_spans(stocks, dates, gaps)}; ready-made one-day returns do not reach across a gap, market.prices would"
        )
    if unfilled := sum(result.unfilled for result in backtests):
        became = {"wait": "waited for the stock's next price or the next rebalance", "lapse": "lapsed"}[settings.unfilled]
        found.append(
            f"{counted(unfilled, 'order')} of all portfolios together could not be filled on the date of the fill, on which the stock had "
            f"no price or was not tradable, and {became} (evaluate.backtest.unfilled)"
        )
    return tuple(found)


def _silent(backtests: Sequence[Backtest], last_price: Int[np.ndarray, " N"] | None) -> dict[int, int]:
    """Index of the last price of each stock that is held to the end without one on the last date."""
    if last_price is None or not backtests:
        return {}
    end = backtests[0].equity.size - 1
    held = np.any([result.holdings[:, -1] > 0 for result in backtests], axis=0)
    return {int(stock): int(last_price[stock]) for stock in np.flatnonzero(held & (last_price < end))}


def _gaps(backtests: Sequence[Backtest], ready_made: Float[np.ndarray, "N T"] | None) -> dict[int, tuple[int, int]]:
    """Indices of the first and last date before its last return on which a stock is held and its ready-made return is unknown."""
    if ready_made is None or not backtests:
        return {}
    known = np.isfinite(ready_made)
    goes_on = np.logical_or.accumulate(known[:, ::-1], axis=1)[:, ::-1]
    held = np.zeros(known.shape, bool)
    held[:, 1:] = np.any([result.holdings[:, :-1] > 0 for result in backtests], axis=0)
    lost = held & ~known & goes_on
    return {int(stock): (int(lost[stock].argmax()), int(np.flatnonzero(lost[stock])[-1])) for stock in np.flatnonzero(lost.any(axis=1))}


def _spans(stocks: Sequence[str], dates: Shaped[np.ndarray, " T"], gaps: Mapping[int, tuple[int, int]]) -> str:
    """`AAA (2021-01-04 to 2021-02-04), BBB (2021-03-01)`, the earliest first."""
    ordered = sorted(gaps.items(), key=lambda pair: pair[::-1])
    named = [f"{stocks[stock]} ({dates[first]}{'' if first == last else f' to {dates[last]}'})" for stock, (first, last) in ordered]
    return first_few(named, MOST_NAMED)


def _named(stocks: Sequence[str], dates: Shaped[np.ndarray, " T"], last: Mapping[int, int]) -> str:
    """`AAA (last price 2021-01-04), BBB (last price 2021-02-04) and 3 more`, the earliest first."""
    named = [f"{stocks[stock]} (last price {dates[at]})" for stock, at in sorted(last.items(), key=lambda pair: pair[::-1])]
    return first_few(named, MOST_NAMED)


def _loss(delisting_return: float) -> str:
    if not delisting_return:
        return "at its last price (evaluate.backtest.delisting_return takes a loss)"
    return f"at its last price and a return of {delisting_return:.0%} (evaluate.backtest.delisting_return)"
