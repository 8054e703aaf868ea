"""The standard cross-sectional price features, each known at the close of its date and assigned to a MASS modality.

Windows count trading days and end at the date itself: a week is 5 days, a month 21, a year 252. Momentum over 3, 6 and 12 months
skips the last month (Jegadeesh and Titman 1993), whose return tends to reverse (Jegadeesh 1990). The market is the equal-weight
mean of all stocks of the data that traded, members or not. A feature is NaN where the stock did not trade that day or has too
little history.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from massjax.market.history import (
    HALF_YEAR,
    MONTH,
    QUARTER,
    WEEK,
    YEAR,
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

Compute: TypeAlias = Callable[[PriceHistory], Float[np.ndarray, "N T"]]

TREND = ("strong downtrend", "downtrend", "sideways", "uptrend", "strong uptrend")
MOVE = ("sharp fall", "fall", "little change", "rise", "sharp rise")
CALM = ("very calm", "calm", "average", "turbulent", "very turbulent")
STRENGTH = ("lagging badly", "lagging", "in line", "leading", "leading strongly")


class Definition(NamedTuple):
    """How one feature is computed and spoken of; the other fields are those of `Feature`."""

    name: str
    modality: str
    label: str
    style: Style
    words: tuple[str, ...]
    compute: Compute


def price_features(prices: Float[np.ndarray, "N T"], stocks: Sequence[str], sectors: Mapping[str, str] | None = None) -> dict[str, Feature]:
    """All standard price features.

    Args:
        prices: adjusted closes, positive, NaN where the stock did not trade.
        stocks: identifiers, one per row of `prices`.
        sectors: sector by stock; without any, the sector features are left out.

    Returns:
        Features by name, in the order of `definitions`.
    """
    history = price_history(prices, stocks, sectors or {})
    traded = np.isfinite(prices)
    return {
        d.name: Feature(d.name, d.modality, np.where(traded, d.compute(history), np.nan), d.label, d.style, d.words)
        for d in definitions(with_sectors=bool(sectors))
    }


def definitions(with_sectors: bool = True) -> tuple[Definition, ...]:
    """The standard price features, with or without those that need sectors."""
    return PRICE + PRICE_FEATURE + RISK + CROSS_INDUSTRY + (SECTOR if with_sectors else ())


def _past_return(start: int, end: int = 0) -> Compute:
    """Return from `start` to `end` trading days ago."""
    return lambda history: shift(history.filled, end) / shift(history.filled, start) - 1.0


def _distance_from_high(history: PriceHistory) -> Float[np.ndarray, "N T"]:
    return history.prices / rolling_max(history.prices, YEAR) - 1.0


def _range_position(history: PriceHistory) -> Float[np.ndarray, "N T"]:
    low = rolling_min(history.prices, 20)
    spread = rolling_max(history.prices, 20) - low
    return np.divide(history.prices - low, spread, out=np.where(np.isnan(spread), np.nan, 0.5), where=spread > 0.0)


def _z_score(history: PriceHistory) -> Float[np.ndarray, "N T"]:
    moved = rolling_max(history.prices, 20) > rolling_min(history.prices, 20)
    deviation = history.prices - rolling_mean(history.prices, 20)
    return np.divide(deviation, rolling_std(history.prices, 20), out=np.where(np.isnan(deviation), np.nan, 0.0), where=moved)


def _average_ratio(history: PriceHistory) -> Float[np.ndarray, "N T"]:
    return rolling_mean(history.prices, 50) / rolling_mean(history.prices, 200) - 1.0


def _acceleration(history: PriceHistory) -> Float[np.ndarray, "N T"]:
    return _past_return(QUARTER)(history) - _past_return(2 * QUARTER, QUARTER)(history)


def _volatility(window: int) -> Compute:
    return lambda history: rolling_std(history.returns, window) * np.sqrt(YEAR)


def _drawdown(history: PriceHistory) -> Float[np.ndarray, "N T"]:
    return max_drawdown(history.prices, HALF_YEAR)


def _downside(history: PriceHistory) -> Float[np.ndarray, "N T"]:
    return np.sqrt(rolling_mean(np.minimum(history.returns, 0.0) ** 2, HALF_YEAR) * YEAR)


def _beta(history: PriceHistory) -> Float[np.ndarray, "N T"]:
    return history.model.beta


def _idiosyncratic(history: PriceHistory) -> Float[np.ndarray, "N T"]:
    return history.model.residual_std * np.sqrt(YEAR)


def _relative_strength(history: PriceHistory) -> Float[np.ndarray, "N T"]:
    return _past_return(QUARTER)(history) - compounded(history.market[None, :], QUARTER)


def _beta_adjusted(history: PriceHistory) -> Float[np.ndarray, "N T"]:
    return _past_return(MONTH)(history) - history.model.beta * compounded(history.market[None, :], MONTH)


def _sector_momentum(history: PriceHistory) -> Float[np.ndarray, "N T"]:
    return compounded(history.sector_returns, QUARTER)


def _sector_relative(history: PriceHistory) -> Float[np.ndarray, "N T"]:
    return _past_return(MONTH)(history) - compounded(history.sector_returns, MONTH)


# fmt: off
PRICE = (
    Definition("return_1w", "price", "return over the last week", "percent", MOVE, _past_return(WEEK)),
    Definition("return_1m", "price", "return over the last month", "percent", MOVE, _past_return(MONTH)),
    Definition("momentum_3m", "price", "return over the last 3 months, skipping the last one", "percent",
               TREND, _past_return(QUARTER, MONTH)),
    Definition("momentum_6m", "price", "return over the last 6 months, skipping the last one", "percent",
               TREND, _past_return(HALF_YEAR, MONTH)),
    Definition("momentum_12m", "price", "return over the last 12 months, skipping the last one", "percent",
               TREND, _past_return(YEAR, MONTH)),
)

PRICE_FEATURE = (
    Definition("high_52w", "price_feature", "distance from the highest close of the last 52 weeks", "percent",
               ("far below its high", "well below its high", "below its high", "near its high", "closest to its high"),
               _distance_from_high),
    Definition("range_20d", "price_feature", "position in the price range of the last 20 days, 0 at the low and 1 at the high", "ratio",
               ("at the low", "near the low", "mid-range", "near the high", "at the high"), _range_position),
    Definition("zscore_20d", "price_feature", "standard deviations above the 20-day average price", "ratio",
               ("strongly oversold", "oversold", "neutral", "overbought", "strongly overbought"), _z_score),
    Definition("average_50_200", "price_feature", "50-day average price relative to the 200-day average", "percent",
               ("far below", "below", "level", "above", "far above"), _average_ratio),
    Definition("acceleration_3m", "price_feature", "return of the last 3 months less that of the 3 months before", "percent",
               ("slowing sharply", "slowing", "steady", "accelerating", "accelerating sharply"), _acceleration),
)

RISK = (
    Definition("volatility_20d", "risk", "annualised volatility over the last 20 days", "percent", CALM, _volatility(20)),
    Definition("volatility_60d", "risk", "annualised volatility over the last 60 days", "percent", CALM, _volatility(60)),
    Definition("drawdown_6m", "risk", "deepest fall from a peak within the last 6 months", "percent",
               ("very deep", "deep", "moderate", "shallow", "very shallow"), _drawdown),
    Definition("downside_6m", "risk", "annualised downside deviation over the last 6 months", "percent",
               ("very small", "small", "average", "large", "very large"), _downside),
    Definition("beta_6m", "risk", "beta to the equal-weight market over the last 6 months", "ratio",
               ("very defensive", "defensive", "market-like", "aggressive", "very aggressive"), _beta),
    Definition("idiosyncratic_6m", "risk", "annualised volatility over the last 6 months that the market does not explain", "percent",
               LEVELS, _idiosyncratic),
)

CROSS_INDUSTRY = (
    Definition("relative_3m", "cross_industry", "return over the last 3 months less that of the equal-weight market", "percent",
               STRENGTH, _relative_strength),
    Definition("beta_adjusted_1m", "cross_industry", "return over the last month beyond what its beta to the market explains", "percent",
               ("far below expectation", "below expectation", "as expected", "above expectation", "far above expectation"),
               _beta_adjusted),
)

SECTOR = (
    Definition("sector_momentum_3m", "cross_industry", "return of its sector over the last 3 months", "percent",
               ("very weak sector", "weak sector", "average sector", "strong sector", "very strong sector"), _sector_momentum),
    Definition("sector_relative_1m", "cross_industry", "return over the last month less that of its sector", "percent",
               STRENGTH, _sector_relative),
)
# fmt: on
