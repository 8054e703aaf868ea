"""Where an order can be filled: on a date on which the stock has a price of its own and may be traded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from massjax.market.panel import Panel
from massjax.market.returns import own_prices

FEW_PRICES = 0.1
"""Share of the usual number of priced stocks below which a last date is half delivered data, and ends no stock."""

SHORT_SILENCE = 4
"""Dates without a price at the end of the data that do not yet end a stock: less than a week of trading."""


def priced(panel: Panel, execution_lag: int) -> Bool[np.ndarray, "N T"] | None:
    """True where the stock has a price of the date.

    Where the panel has no prices, a known one-day forward return tells of one at both its ends, t + `execution_lag` and the date
    after. A price that merely repeats the one before on a date that is not `tradable` was filled forward, and is none.

    Args:
        panel: prices or one-day forward returns, and `tradable` if it has that.
        execution_lag: dates from decision to fill.

    Returns:
        None where the panel has neither prices nor one-day forward returns.
    """
    if panel.prices is not None:
        return np.isfinite(panel.prices) if panel.tradable is None else own_prices(panel.prices, panel.tradable)
    if 1 in panel.forward_returns:
        one_day, dates = panel.forward_returns[1], panel.dates.size
        known, repeated = np.zeros((2, *one_day.shape), bool)
        known[:, execution_lag:] = np.isfinite(one_day[:, : dates - execution_lag])
        known[:, execution_lag + 1 :] |= np.isfinite(one_day[:, : max(dates - execution_lag - 1, 0)])
        repeated[:, execution_lag + 1 :] = one_day[:, : max(dates - execution_lag - 1, 0)] == 0.0
        return known if panel.tradable is None else known & (panel.tradable | ~repeated)
    return None


def fillable(panel: Panel, execution_lag: int) -> Bool[np.ndarray, "N T"] | None:
    """True where an order in the stock can be filled at the close of the date; None where the panel tells of no price."""
    known = priced(panel, execution_lag)
    return known if known is None or panel.tradable is None else known & panel.tradable


def last_prices(known: Bool[np.ndarray, "N T"]) -> Int[np.ndarray, " N"]:
    """Index of the last date with a price of each stock, -1 for one without any; `known` is True where there is one."""
    return np.where(known.any(axis=1), known.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1), -1)


def ends_of_prices(panel: Panel, execution_lag: int) -> Int[np.ndarray, " N"] | None:
    """Index of the last date with a price of each stock whose prices have ended; the number of dates T where they go on.

    Prices go on where one is known after the panel's last date (`Panel.last_priced`), and where the last few dates alone
    (`SHORT_SILENCE`) lack one: that is a suspension or a late delivery as far as anyone can tell.

    Returns:
        None where the panel tells of no price.
    """
    known = priced(panel, execution_lag)
    if known is None:
        return None
    count, last = known.sum(axis=0), last_prices(known)
    delivered = np.flatnonzero(count >= max(FEW_PRICES * np.median(count), 1))
    goes_on = last >= (delivered[-1] if delivered.size else -1) - SHORT_SILENCE
    if panel.last_priced is not None:
        goes_on |= panel.last_priced > panel.dates[-1]
    return np.where(goes_on, panel.dates.size, last)


def judged_returns(panel: Panel, execution_lag: int) -> dict[int, Float[np.ndarray, "N T"]]:
    """The forward returns by horizon, NaN for each decision whose order cannot be filled `execution_lag` dates later.

    So a rank correlation leaves out what a portfolio could not have bought. Decisions whose fill lies after the panel stay.
    """
    can = panel.tradable if panel.prices is None else fillable(panel, execution_lag)
    return dict(panel.forward_returns) if can is None else _of_decisions(panel, can, execution_lag)


def with_fills(panel: Panel, execution_lag: int) -> Panel:
    """The whole panel of a source with `last_priced`, and with its forward returns NaN where `tradable` forbids the fill.

    To be called before the panel is cut to its dates: what lies after its last date tells a suspension from an end. A panel without
    prices keeps its forward returns, of which those of its portfolios are made.
    """
    known = priced(panel, execution_lag)
    if known is None:
        return panel
    last_priced = np.where(known.any(axis=1), panel.dates[last_prices(known)], np.datetime64("NaT", "D"))
    if panel.prices is None or panel.tradable is None:
        return replace(panel, last_priced=last_priced)
    return replace(panel, last_priced=last_priced, forward_returns=_of_decisions(panel, panel.tradable, execution_lag))


def _of_decisions(panel: Panel, can: Bool[np.ndarray, "N T"], execution_lag: int) -> dict[int, Float[np.ndarray, "N T"]]:
    decided = np.ones_like(can)
    decided[:, : max(panel.dates.size - execution_lag, 0)] = can[:, execution_lag:]
    return {horizon: np.where(decided, values, np.nan) for horizon, values in panel.forward_returns.items()}
