"""The standard cross-sectional price features, each known at the close of its date and assigned to a MASS modality.

Windows are windows of time that end at the date itself: on daily data of a market that opens from Monday to Friday a week is 5 dates,
a month 21, a year 252; on weekly data 1, 4 and 52 (see `calendar.spans`). A feature whose window is shorter than a row, or holds too
few of them for its statistic, is not computed. Momentum over 3, 6 and 12 months skips the last month (Jegadeesh and Titman 1993), whose
return tends to reverse (Jegadeesh 1990). The market is the equal-weight mean of all stocks of the data that traded, members or not. A
feature is NaN where the stock did not trade that day or has too little history.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from massjax.market.calendar import Spans, spans
from massjax.market.history import (
    PriceHistory,
    compounded,
    max_drawdown,
    price_history,
    rolling_max,
    rolling_mean,
    rolling_min,
    rolling_std,
    shift,
)
from massjax.market.panel import LEVELS, Feature, Style

Compute: TypeAlias = Callable[..., Float[np.ndarray, "N T"]]
"""Of a price history and of the rows of each window."""
FeatureWindow: TypeAlias = Literal["week", "month", "quarter", "half_year", "year"] | int
"""A span of the calendar, or a number of days."""

TREND = ("strong downtrend", "downtrend", "sideways", "uptrend", "strong uptrend")
MOVE = ("sharp fall", "fall", "little change", "rise", "sharp rise")
CALM = ("very calm", "calm", "average", "turbulent", "very turbulent")
STRENGTH = ("lagging badly", "lagging", "in line", "leading", "leading strongly")

FEW, SOME = 4, 6
"""Rows that a window needs for an extreme or a standard deviation, and for a regression."""


class Definition(NamedTuple):
    """How one feature is computed and spoken of; the other fields are those of `Feature`.

    Attributes:
        compute: called with the price history and the rows of each of `windows`.
        least: rows that the longest of the windows needs.
    """

    name: str
    modality: str
    label: str
    style: Style
    words: tuple[str, ...]
    compute: Compute
    windows: tuple[FeatureWindow, ...]
    least: int = 1

    def rows(self, calendar: Spans) -> tuple[int, ...] | None:
        """The rows of each window; None where one is shorter than a row, or the longest has too few."""
        found = [calendar.days(window) if isinstance(window, int) else getattr(calendar, window) for window in self.windows]
        known = tuple(rows for rows in found if rows is not None)
        return known if len(known) == len(found) and max(known) >= self.least else None


def price_features(
    prices: Float[np.ndarray, "N T"],
    stocks: Sequence[str],
    sectors: Mapping[str, str] | None = None,
    periods_per_year: float = 252.0,
) -> dict[str, Feature]:
    """All standard price features that can be computed from rows of this frequency.

    Args:
        prices: adjusted closes, positive, NaN where the stock did not trade.
        stocks: identifiers, one per row of `prices`.
        sectors: sector by stock; without any, the sector features are left out.
        periods_per_year: dates that make a year: from it follow how many dates a window has, and what is annualised.

    Returns:
        Features by name, in the order of `definitions`.
    """
    calendar = spans(periods_per_year)
    history = price_history(prices, stocks, sectors or {}, calendar)
    traded = np.isfinite(prices)
    features = {}
    for d in definitions(with_sectors=bool(sectors)):
        rows = d.rows(calendar)
        if rows is not None:
            label = d.label if calendar.daily else _in_weeks(d.label)
            features[d.name] = Feature(d.name, d.modality, np.where(traded, d.compute(history, *rows), np.nan), label, d.style, d.words)
    return features


def not_computed(periods_per_year: float, with_sectors: bool = True) -> tuple[str, ...]:
    """A sentence that names the standard price features for which rows of this frequency are too few."""
    names = [repr(d.name) for d in definitions(with_sectors) if d.rows(spans(periods_per_year)) is None]
    if not names:
        return ()
    return (f"not computed, because {periods_per_year:g} rows a year are too few for their windows: {', '.join(names)}",)


def definitions(with_sectors: bool = True) -> tuple[Definition, ...]:
    """The standard price features, with or without those that need sectors."""
    return PRICE + PRICE_FEATURE + RISK + CROSS_INDUSTRY + (SECTOR if with_sectors else ())


def _in_weeks(label: str) -> str:
    """A label that names its window in days of a five-day week, with weeks instead."""
    return re.sub(r"(\d+)( |-)day", lambda days: f"{int(days[1]) // 5}{days[2]}week", label)


def _past_return(history: PriceHistory, start: int, end: int = 0) -> Float[np.ndarray, "N T"]:
    """Return from `start` to `end` dates ago."""
    return shift(history.filled, end) / shift(history.filled, start) - 1.0


def _distance_from_high(history: PriceHistory, year: int) -> Float[np.ndarray, "N T"]:
    return history.prices / rolling_max(history.prices, year) - 1.0


def _range_position(history: PriceHistory, window: int) -> Float[np.ndarray, "N T"]:
    low = rolling_min(history.prices, window)
    spread = rolling_max(history.prices, window) - low
    return np.divide(history.prices - low, spread, out=np.where(np.isnan(spread), np.nan, 0.5), where=spread > 0.0)


def _z_score(history: PriceHistory, window: int) -> Float[np.ndarray, "N T"]:
    moved = rolling_max(history.prices, window) > rolling_min(history.prices, window)
    deviation = history.prices - rolling_mean(history.prices, window)
    return np.divide(deviation, rolling_std(history.prices, window), out=np.where(np.isnan(deviation), np.nan, 0.0), where=moved)


def _average_ratio(history: PriceHistory, short: int, long: int) -> Float[np.ndarray, "N T"]:
    return rolling_mean(history.prices, short) / rolling_mean(history.prices, long) - 1.0


def _acceleration(history: PriceHistory, quarter: int) -> Float[np.ndarray, "N T"]:
    return _past_return(history, quarter) - _past_return(history, 2 * quarter, quarter)


def _volatility(history: PriceHistory, window: int) -> Float[np.ndarray, "N T"]:
    return rolling_std(history.returns, window) * np.sqrt(history.spans.periods_per_year)


def _drawdown(history: PriceHistory, window: int) -> Float[np.ndarray, "N T"]:
    return max_drawdown(history.prices, window)


def _downside(history: PriceHistory, window: int) -> Float[np.ndarray, "N T"]:
    variance = np.maximum(rolling_mean(np.minimum(history.returns, 0.0) ** 2, window), 0.0)
    return np.sqrt(variance * history.spans.periods_per_year)


def _beta(history: PriceHistory, _: int) -> Float[np.ndarray, "N T"]:
    return history.model.beta


def _idiosyncratic(history: PriceHistory, _: int) -> Float[np.ndarray, "N T"]:
    return history.model.residual_std * np.sqrt(history.spans.periods_per_year)


def _relative_strength(history: PriceHistory, quarter: int) -> Float[np.ndarray, "N T"]:
    return _past_return(history, quarter) - compounded(history.market[None, :], quarter)


def _beta_adjusted(history: PriceHistory, month: int, _: int) -> Float[np.ndarray, "N T"]:
    return _past_return(history, month) - history.model.beta * compounded(history.market[None, :], month)


def _sector_momentum(history: PriceHistory, quarter: int) -> Float[np.ndarray, "N T"]:
    return compounded(history.sector_returns, quarter)


def _sector_relative(history: PriceHistory, month: int) -> Float[np.ndarray, "N T"]:
    return _past_return(history, month) - compounded(history.sector_returns, month)


# fmt: off
PRICE = (
    Definition("return_1w", "price", "return over the last week", "percent", MOVE, _past_return, ("week",)),
    Definition("return_1m", "price", "return over the last month", "percent", MOVE, _past_return, ("month",)),
    Definition("momentum_3m", "price", "return over the last 3 months, skipping the last one", "percent",
               TREND, _past_return, ("quarter", "month")),
    Definition("momentum_6m", "price", "return over the last 6 months, skipping the last one", "percent",
               TREND, _past_return, ("half_year", "month")),
    Definition("momentum_12m", "price", "return over the last 12 months, skipping the last one", "percent",
               TREND, _past_return, ("year", "month")),
)

PRICE_FEATURE = (
    Definition("high_52w", "price_feature", "distance from the highest close of the last 52 weeks", "percent",
               ("far below its high", "well below its high", "below its high", "near its high", "closest to its high"),
               _distance_from_high, ("year",), FEW),
    Definition("range_20d", "price_feature", "position in the price range of the last 20 days, 0 at the low and 1 at the high", "ratio",
               ("at the low", "near the low", "mid-range", "near the high", "at the high"), _range_position, (20,), FEW),
    Definition("zscore_20d", "price_feature", "standard deviations above the 20-day average price", "ratio",
               ("strongly oversold", "oversold", "neutral", "overbought", "strongly overbought"), _z_score, (20,), FEW),
    Definition("average_50_200", "price_feature", "50-day average price relative to the 200-day average", "percent",
               ("far below", "below", "level", "above", "far above"), _average_ratio, (50, 200), FEW),
    Definition("acceleration_3m", "price_feature", "return of the last 3 months less that of the 3 months before", "percent",
               ("slowing sharply", "slowing", "steady", "accelerating", "accelerating sharply"), _acceleration, ("quarter",)),
)

RISK = (
    Definition("volatility_20d", "risk", "annualised volatility over the last 20 days", "percent", CALM, _volatility, (20,), FEW),
    Definition("volatility_60d", "risk", "annualised volatility over the last 60 days", "percent", CALM, _volatility, (60,), FEW),
    Definition("drawdown_6m", "risk", "deepest fall from a peak within the last 6 months", "percent",
               ("very deep", "deep", "moderate", "shallow", "very shallow"), _drawdown, ("half_year",), FEW),
    Definition("downside_6m", "risk", "annualised downside deviation over the last 6 months", "percent",
               ("very small", "small", "average", "large", "very large"), _downside, ("half_year",), FEW),
    Definition("beta_6m", "risk", "beta to the equal-weight market over the last 6 months", "ratio",
               ("very defensive", "defensive", "market-like", "aggressive", "very aggressive"), _beta, ("half_year",), SOME),
    Definition("idiosyncratic_6m", "risk", "annualised volatility over the last 6 months that the market does not explain", "percent",
               LEVELS, _idiosyncratic, ("half_year",), SOME),
)

CROSS_INDUSTRY = (
    Definition("relative_3m", "cross_industry", "return over the last 3 months less that of the equal-weight market", "percent",
               STRENGTH, _relative_strength, ("quarter",)),
    Definition("beta_adjusted_1m", "cross_industry", "return over the last month beyond what its beta to the market explains", "percent",
               ("far below expectation", "below expectation", "as expected", "above expectation", "far above expectation"),
               _beta_adjusted, ("month", "half_year"), SOME),
)

SECTOR = (
    Definition("sector_momentum_3m", "cross_industry", "return of its sector over the last 3 months", "percent",
               ("very weak sector", "weak sector", "average sector", "strong sector", "very strong sector"),
               _sector_momentum, ("quarter",)),
    Definition("sector_relative_1m", "cross_industry", "return over the last month less that of its sector", "percent",
               STRENGTH, _sector_relative, ("month",)),
)
# fmt: on
