"""What a run says of the trades that could not be made: holdings whose prices ended, orders that found no price."""

from __future__ import annotations

from collections.abc import Sequence

from massjax.config import BacktestSettings
from massjax.evaluate.backtest import Backtest
from massjax.market import Panel

MOST_NAMED = 50
"""Stocks named in a warning at most."""


def untraded_warnings(panel: Panel, backtests: Sequence[Backtest], settings: BacktestSettings) -> tuple[str, ...]:
    """A sentence on the holdings that were never priced again, by stock and last date, and one on the orders that were not filled.

    Args:
        panel: whose stocks and dates are named.
        backtests: of all portfolios of a run, the benchmark's too.
        settings: under which they were made.
    """
    found = []
    if last := {ended.stock: ended.last for result in backtests for ended in result.ended}:
        named = [f"{panel.stocks[stock]} (last price {panel.dates[at]})" for stock, at in sorted(last.items(), key=lambda pair: pair[::-1])]
        listed = ", ".join(named[:MOST_NAMED]) + (f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else "")
        stocks, they = ("1 stock was", "its prices") if len(named) == 1 else (f"{len(named)} stocks were", "their prices")
        found.append(
            f"{stocks} held when {they} ended, delisted or suspended until after the data ends: {listed}; such a holding is paid out "
            f"{_loss(settings.delisting_return)} on the date after"
        )
    if unfilled := sum(result.unfilled for result in backtests):
        became = {"wait": "waited for the stock's next price or the next rebalance", "lapse": "lapsed"}[settings.unfilled]
        orders = "1 order" if unfilled == 1 else f"{unfilled:,} orders"
        found.append(
            f"{orders} of all portfolios together had no price to be filled at on the date of the fill and {became} "
            "(evaluate.backtest.unfilled)"
        )
    return tuple(found)


def _loss(delisting_return: float) -> str:
    if not delisting_return:
        return "at its last price (evaluate.backtest.delisting_return takes a loss)"
    return f"at its last price and a return of {delisting_return:.0%} (evaluate.backtest.delisting_return)"
