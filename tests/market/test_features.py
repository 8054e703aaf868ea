"""Every price feature against a slow reference: pandas and plain loops over one stock and one date at a time."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import numpy as np
import pandas as pd
import pytest
from jaxtyping import Float

from massjax.market import load_panel
from massjax.market.features import definitions, not_computed, price_features
from massjax.market.panel import Feature
from massjax.market.settings import MarketSettings

STOCKS = ("A", "B", "C", "D", "E")
SECTORS = {"A": "x", "B": "x", "C": "y", "D": "y"}
DAYS = 420


def market() -> Float[np.ndarray, "N T"]:
    """Random walks: A trades always, B begins late, C misses days at random, D stands still for a month, E stops."""
    rng = np.random.default_rng(7)
    common = rng.normal(0.0, 0.01, DAYS)
    prices = 50.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, (5, DAYS)) + common, axis=1))
    prices[1, :60] = np.nan
    prices[2, rng.random(DAYS) < 0.1] = np.nan
    prices[3, 300:330] = prices[3, 300]
    prices[4, 400:] = np.nan
    return prices


PRICES = market()
TABLE = pd.DataFrame(PRICES.T, columns=list(STOCKS))
FILLED = TABLE.ffill()
RETURNS = TABLE / FILLED.shift(1) - 1.0
MARKET = RETURNS.mean(axis=1)
SECTOR_RETURNS = pd.DataFrame(
    {s: RETURNS[[o for o in STOCKS if SECTORS.get(o) == SECTORS[s]]].mean(axis=1) if s in SECTORS else np.nan for s in STOCKS}
)


def past(start: int, end: int = 0) -> pd.DataFrame:
    return FILLED.shift(end) / FILLED.shift(start) - 1.0


def compound(daily: pd.Series, window: int) -> pd.Series:
    """Over the known days, scaled to the whole window."""
    return windows(daily, window).apply(lambda r: np.prod(1.0 + r[~np.isnan(r)]) ** (window / (~np.isnan(r)).sum()) - 1.0, raw=True)


def windows(table: pd.DataFrame | pd.Series, window: int) -> pd.api.typing.Rolling:
    return table.rolling(window, min_periods=ceil(0.8 * window))


def over_windows(window: int, statistic: Callable[[np.ndarray, np.ndarray], float], table: pd.DataFrame) -> pd.DataFrame:
    """A statistic of each stock's known values in each window and of the market's on the same days."""
    values, market = table.to_numpy(), MARKET.to_numpy()
    result = np.full(values.shape, np.nan)
    for day, stock in np.ndindex(values.shape):
        days = np.arange(max(day - window + 1, 0), day + 1)
        known = days[~np.isnan(values[days, stock])]
        if len(known) >= ceil(0.8 * window):
            result[day, stock] = statistic(values[known, stock], market[known])
    return pd.DataFrame(result, columns=table.columns)


def beta(stock: np.ndarray, market: np.ndarray) -> float:
    return float(np.cov(stock, market)[0, 1] / np.var(market, ddof=1))


def residual(stock: np.ndarray, market: np.ndarray) -> float:
    return float(np.std(stock - beta(stock, market) * market) * np.sqrt(252))


def drawdown(prices: np.ndarray, _: np.ndarray) -> float:
    return float((prices / np.maximum.accumulate(prices)).min() - 1.0)


def in_range() -> pd.DataFrame:
    low, high = windows(TABLE, 20).min(), windows(TABLE, 20).max()
    return ((TABLE - low) / (high - low)).where(high > low, 0.5).where(high.notna())


def z_score() -> pd.DataFrame:
    low, high = windows(TABLE, 20).min(), windows(TABLE, 20).max()
    z = (TABLE - windows(TABLE, 20).mean()) / windows(TABLE, 20).std()
    return z.where(high > low, 0.0).where(high.notna())


REFERENCE: dict[str, Callable[[], pd.DataFrame]] = {
    "return_1w": lambda: past(5),
    "return_1m": lambda: past(21),
    "momentum_3m": lambda: past(63, 21),
    "momentum_6m": lambda: past(126, 21),
    "momentum_12m": lambda: past(252, 21),
    "high_52w": lambda: TABLE / windows(TABLE, 252).max() - 1.0,
    "range_20d": in_range,
    "zscore_20d": z_score,
    "average_50_200": lambda: windows(TABLE, 50).mean() / windows(TABLE, 200).mean() - 1.0,
    "acceleration_3m": lambda: past(63) - past(126, 63),
    "volatility_20d": lambda: windows(RETURNS, 20).std() * np.sqrt(252),
    "volatility_60d": lambda: windows(RETURNS, 60).std() * np.sqrt(252),
    "drawdown_6m": lambda: over_windows(126, drawdown, TABLE),
    "downside_6m": lambda: np.sqrt(windows(RETURNS.clip(upper=0.0) ** 2, 126).mean() * 252),
    "beta_6m": lambda: over_windows(126, beta, RETURNS),
    "idiosyncratic_6m": lambda: over_windows(126, residual, RETURNS),
    "relative_3m": lambda: past(63).sub(compound(MARKET, 63), axis=0),
    "beta_adjusted_1m": lambda: past(21) - over_windows(126, beta, RETURNS).mul(compound(MARKET, 21), axis=0),
    "sector_momentum_3m": lambda: SECTOR_RETURNS.apply(lambda daily: compound(daily, 63)),
    "sector_relative_1m": lambda: past(21) - SECTOR_RETURNS.apply(lambda daily: compound(daily, 21)),
}


@pytest.fixture(scope="module")
def features() -> dict[str, Feature]:
    return price_features(PRICES, STOCKS, SECTORS)


def test_every_feature_has_a_reference() -> None:
    assert {definition.name for definition in definitions()} == set(REFERENCE)


@pytest.mark.parametrize("name", REFERENCE)
def test_equals_the_reference(features: dict[str, Feature], name: str) -> None:
    expected = REFERENCE[name]().where(TABLE.notna()).to_numpy().T
    assert np.isfinite(expected[0, 252:]).all()
    np.testing.assert_allclose(features[name].values, expected, rtol=1e-8, atol=1e-10)


def test_a_stock_that_stands_still_has_no_risk_and_is_in_the_middle(features: dict[str, Feature]) -> None:
    still = 325
    assert features["volatility_20d"].values[3, still] == 0.0
    assert features["range_20d"].values[3, still] == 0.5
    assert features["zscore_20d"].values[3, still] == 0.0


def test_unknown_where_the_stock_does_not_trade_or_has_too_little_history(features: dict[str, Feature]) -> None:
    for feature in features.values():
        assert np.isnan(feature.values[np.isnan(PRICES)]).all(), feature.name
        assert np.isnan(feature.values[:, 0]).all(), feature.name
    first_known = int(np.isfinite(features["momentum_12m"].values[1]).argmax())
    assert first_known == 60 + 252


def test_sector_features_need_sectors(features: dict[str, Feature]) -> None:
    without = price_features(PRICES, STOCKS)
    assert set(features) - set(without) == {"sector_momentum_3m", "sector_relative_1m"}
    assert np.isnan(features["sector_momentum_3m"].values[4]).all()


def test_each_feature_can_be_spoken_of(features: dict[str, Feature]) -> None:
    modalities = {feature.modality for feature in features.values()}
    assert modalities == {"price", "price_feature", "risk", "cross_industry"}
    for feature in features.values():
        assert len(feature.words) == len(set(feature.words)) == 5
        assert feature.label
        assert feature.style in ("percent", "ratio", "number")


def test_data_shorter_than_every_window_has_no_features() -> None:
    for feature in price_features(PRICES[:, :3], STOCKS, SECTORS).values():
        assert np.isnan(feature.values).all(), feature.name


def test_the_past_of_the_sample_does_not_depend_on_its_future() -> None:
    panel = load_panel(MarketSettings())
    assert panel.prices is not None
    known = 5000
    spoilt = panel.prices.copy()
    spoilt[:, known:] = np.random.default_rng(0).lognormal(3.0, 2.0, spoilt[:, known:].shape)
    before, after = price_features(panel.prices, panel.stocks, panel.sectors), price_features(spoilt, panel.stocks, panel.sectors)
    for name in before:
        np.testing.assert_array_equal(before[name].values[:, :known], after[name].values[:, :known], err_msg=name)


WEEKLY = PRICES[:, ::5]


def test_windows_of_weekly_data_are_windows_of_time() -> None:
    table = pd.DataFrame(WEEKLY.T, columns=list(STOCKS))
    filled = table.ffill()
    returns = table / filled.shift(1) - 1.0
    expected = {
        "return_1w": filled / filled.shift(1) - 1.0,
        "return_1m": filled / filled.shift(4) - 1.0,
        "momentum_12m": filled.shift(4) / filled.shift(52) - 1.0,
        "high_52w": table / windows(table, 52).max() - 1.0,
        "volatility_20d": windows(returns, 4).std() * np.sqrt(52),
        "volatility_60d": windows(returns, 12).std() * np.sqrt(52),
        "average_50_200": windows(table, 10).mean() / windows(table, 40).mean() - 1.0,
    }
    found = price_features(WEEKLY, STOCKS, SECTORS, 52.0)
    assert set(found) == set(REFERENCE)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name].values, values.where(table.notna()).to_numpy().T, rtol=1e-8, atol=1e-10, err_msg=name)


def test_labels_name_weeks_where_rows_are_weeks_and_days_where_they_are_days() -> None:
    weekly, daily = price_features(WEEKLY, STOCKS, SECTORS, 52.0), price_features(PRICES, STOCKS, SECTORS, 365.0)
    assert weekly["volatility_20d"].label == "annualised volatility over the last 4 weeks"
    assert weekly["average_50_200"].label == "10-week average price relative to the 40-week average"
    assert daily["volatility_20d"].label == "annualised volatility over the last 20 days"


def test_a_market_that_never_closes_has_weeks_of_seven_days() -> None:
    found = price_features(PRICES, STOCKS, SECTORS, 365.0)
    expected = {"return_1w": past(7), "return_1m": past(30), "momentum_12m": past(365, 30)}
    for name, values in expected.items():
        np.testing.assert_allclose(found[name].values, values.where(TABLE.notna()).to_numpy().T, rtol=1e-8, err_msg=name)
    np.testing.assert_allclose(found["volatility_20d"].values[0], windows(RETURNS, 20).std()["A"] * np.sqrt(365))


def test_windows_shorter_than_a_row_are_not_computed_and_told() -> None:
    found = price_features(PRICES[:, ::21], STOCKS, SECTORS, 12.0)
    left_out = set(REFERENCE) - set(found)
    assert left_out == {"return_1w", "range_20d", "zscore_20d", "volatility_20d", "volatility_60d"}
    (warning,) = not_computed(12.0)
    assert all(repr(name) in warning for name in left_out)
    assert not_computed(252.0) == not_computed(365.0) == not_computed(52.0) == ()
