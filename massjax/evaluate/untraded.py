"""What a run says of the trades that could not be made: holdings whose prices ended, orders that found no price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from massjax.config import BacktestSettings
from massjax.evaluate.backtest import Backtest, returns_from_forward
from massjax.market import Panel
from massjax.market.fills import last_prices, priced
from massjax.market.row_words import counted, first_few

MOST_NAMED = 50
"""Stocks named in a warning at most."""


def untraded_warnings(panel: Panel, backtests: Sequence[Backtest], settings: BacktestSettings, execution_lag: int) -> tuple[str, ...]:
    """Sentences on holdings whose prices ended, on those without a price on the last date or a return over a gap, and on unfilled orders.

    Args:
        panel: whose stocks and dates are named.
        backtests: of all portfolios of a run, the benchmark's too.
        settings: under which they were made.
        execution_lag: dates from decision to fill.
    """
    found = []
    if ended := {ended.stock: ended.last for result in backtests for ended in result.ended}:
        stocks = "1 stock was held when its" if len(ended) == 1 else f"{len(ended)} stocks were held when their"
        found.append(
            f"{stocks} prices ended, delisted or suspended until after the data ends: {_named(panel, ended)}; such a holding is paid out "
            f"{_loss(settings.delisting_return)} on the date after"
        )
    if silent := _silent(panel, backtests, execution_lag):
        stocks = "1 stock is" if len(silent) == 1 else f"{len(silent)} stocks are"
        found.append(
            f"{stocks} held without a price on the last date, {panel.dates[-1]}, suspended or delivered late, and valued at the last price "
            f"there is: {_named(panel, silent)}"
        )
    if gaps := _gaps(panel, backtests, execution_lag):
        stocks = "1 stock was" if len(gaps) == 1 else f"{len(gaps)} stocks were"
        found.append(
            f"{stocks} held over dates without a return, which count as 0, so a jump of the price over that gap is lost: "
            f"{_spans(panel, gaps)}; ready-made one-day returns do not reach across a gap, market.prices would"
        )
    if unfilled := sum(result.unfilled for result in backtests):
        became = {"wait": "waited for the stock's next price or the next rebalance", "lapse": "lapsed"}[settings.unfilled]
        found.append(
            f"{counted(unfilled, 'order')} of all portfolios together could not be filled on the date of the fill, on which the stock had "
            f"no price or was not tradable, and {became} (evaluate.backtest.unfilled)"
        )
    return tuple(found)


def _silent(panel: Panel, backtests: Sequence[Backtest], execution_lag: int) -> dict[int, int]:
    """Index of the last price of each stock that is held to the end without one on the last date."""
    known = priced(panel, execution_lag)
    if known is None or not backtests:
        return {}
    last = last_prices(known)
    held = np.any([result.holdings[:, -1] > 0 for result in backtests], axis=0)
    return {int(stock): int(last[stock]) for stock in np.flatnonzero(held & ~known[:, -1])}


def _gaps(panel: Panel, backtests: Sequence[Backtest], execution_lag: int) -> dict[int, tuple[int, int]]:
    """Indices of the first and last date before its last return on which a stock is held and its ready-made return is unknown."""
    if panel.prices is not None or 1 not in panel.forward_returns or not backtests:
        return {}
    known = np.isfinite(returns_from_forward(panel.forward_returns[1], execution_lag))
    before_last = np.arange(known.shape[1]) < last_prices(known)[:, None]
    held = np.zeros(known.shape, bool)
    held[:, 1:] = np.any([result.holdings[:, :-1] > 0 for result in backtests], axis=0)
    lost = held & ~known & before_last
    return {int(stock): (int(lost[stock].argmax()), int(np.flatnonzero(lost[stock])[-1])) for stock in np.flatnonzero(lost.any(axis=1))}


def _spans(panel: Panel, gaps: Mapping[int, tuple[int, int]]) -> str:
    """`AAA (2021-01-04 to 2021-02-04), BBB (2021-03-01)`, the earliest first."""
    ordered = sorted(gaps.items(), key=lambda pair: pair[::-1])
    named = [
        f"{panel.stocks[stock]} ({panel.dates[first]}{'' if first == last else f' to {panel.dates[last]}'})"
        for stock, (first, last) in ordered
    ]
    return first_few(named, MOST_NAMED)


def _named(panel: Panel, last: Mapping[int, int]) -> str:
    """`AAA (last price 2021-01-04), BBB (last price 2021-02-04) and 3 more`, the earliest first."""
    named = [f"{panel.stocks[stock]} (last price {panel.dates[at]})" for stock, at in sorted(last.items(), key=lambda pair: pair[::-1])]
    return first_few(named, MOST_NAMED)


def _loss(delisting_return: float) -> str:
    if not delisting_return:
        return "at its last price (evaluate.backtest.delisting_return takes a loss)"
    return f"at its last price and a return of {delisting_return:.0%} (evaluate.backtest.delisting_return)"
