"""How far apart the same portfolio lies over the days on which it may start: luck of the calendar, in a band."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from massjax.portfolio.backtest import Backtest
from massjax.portfolio.performance import annual_growth, annual_ratio, returns_of


class Range(NamedTuple):
    """Lowest and highest value; NaN where none is known."""

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Band:
    """What the choice of the starting day alone makes of a portfolio.

    Of overlapping tranches each one is a starting day: all span the same dates, their equity has that of the portfolio as its mean, and
    the band encloses it. Of a single one the band is over later starts, each from its own first date on, and need not.

    Attributes:
        low, high: lowest and highest equity of one unit of money at the close of each date, over the starts; NaN before the first.
        sharpes: Sharpe ratio by start, NaN where too short to tell.
        cagrs: growth a year by start.
    """

    low: Float[np.ndarray, " T"]
    high: Float[np.ndarray, " T"]
    sharpes: Float[np.ndarray, " S"]
    cagrs: Float[np.ndarray, " S"]

    @property
    def sharpe(self) -> Range:
        """Lowest and highest Sharpe ratio."""
        return _range(self.sharpes)

    @property
    def cagr(self) -> Range:
        """Lowest and highest growth a year."""
        return _range(self.cagrs)

    def __repr__(self) -> str:
        (low, high), (least, most) = self.sharpe, self.cagr
        return f"Band({self.sharpes.size} starts, Sharpe {low:.2f} to {high:.2f}, CAGR {least:.2%} to {most:.2%})"


def band(result: Backtest, *, dates: Shaped[np.ndarray, " T"] | None = None, periods_per_year: float = 252.0) -> Band:
    """The spread of a backtest over its starting days (`Backtest.starts`).

    Args:
        result: the backtest.
        dates: datetime64[D], by which growth a year is reckoned; None = by the number of rows and `periods_per_year`.
        periods_per_year: rows that make a year (`Panel.periods_per_year`).

    Example:
        A stock that rises to the end and is given up at the second date: by one tranche there, by the other one date later.

        >>> import numpy as np
        >>> from massjax.portfolio.backtest import backtest
        >>> from massjax.portfolio.band import band
        >>> from massjax.portfolio.settings import BacktestSettings
        >>> signal = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 1.0]])
        >>> returns = np.array([[0.0, 0.1, 0.2, 0.1], [0.0, 0.0, 0.0, 0.0]])
        >>> settings = BacktestSettings(quantile=0.5, every=2, cost=0.0)
        >>> result = backtest(signal, returns, np.ones((2, 4), bool), settings, execution_lag=0)
        >>> result.equity.round(4).tolist()
        [1.0, 1.1, 1.21, 1.21]
        >>> found = band(result)
        >>> found.low.round(4).tolist(), found.high.round(4).tolist()
        ([1.0, 1.1, 1.1, 1.1], [1.0, 1.1, 1.32, 1.32])
    """
    starts, empty = result.starts, np.full(result.equity.shape, np.nan)
    return Band(
        low=np.fmin.reduce([empty, *starts]),
        high=np.fmax.reduce([empty, *starts]),
        sharpes=np.array([annual_ratio(daily[np.isfinite(daily)], periods_per_year) for daily in map(returns_of, starts)]),
        cagrs=np.array([annual_growth(equity, dates, periods_per_year) for equity in starts]),
    )


def _range(values: Float[np.ndarray, " S"]) -> Range:
    known = values[np.isfinite(values)]
    return Range(float(known.min()), float(known.max())) if known.size else Range(np.nan, np.nan)
