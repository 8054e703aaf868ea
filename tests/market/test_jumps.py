"""Jumps as at splits, across suspensions too, told from crashes and fat tails; and closes that stand still."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from massjax.market.jumps import jumps, still

STOCKS = tuple(f"S{n:02d}" for n in range(8))
DATES = np.arange("2021-01-04", "2023-01-04", dtype="datetime64[D]")
FILE = Path("prices.csv")


def market(seed: int = 0, stocks: int = 8, moves: float = 0.015) -> np.ndarray:
    rng = np.random.default_rng(seed)
    common = rng.normal(0.0, 0.01, len(DATES))
    return 100.0 * np.exp(np.cumsum(rng.normal(0.0, moves, (stocks, len(DATES))) + common, axis=1))


@pytest.mark.parametrize("ratio", [3 / 2, 2 / 3, 2, 3, 1 / 3, 4, 10, 1 / 10, 7, 20, 4 / 3, 5 / 4, 7 / 4])
def test_splits_of_usual_ratios_are_named(ratio: float) -> None:
    prices = market()
    prices[1, 300:] /= ratio
    (warning,) = jumps(prices, DATES, STOCKS, FILE)
    assert "once: S01 on 2021-10-31 (" in warning
    assert warning.startswith("prices.csv: prices double, halve or jump")
    assert warning.endswith("are they adjusted for splits?")


@pytest.mark.parametrize("ratio", [2, 3 / 2, 3, 1 / 2])
@pytest.mark.parametrize("move", [-0.03, -0.015, 0.015, 0.03])
def test_a_split_on_a_day_on_which_the_stock_moves_beyond_the_market_is_named(ratio: float, move: float) -> None:
    prices = market()
    of_market = np.median(prices[:, 300] / prices[:, 299])
    prices[1, 300:] *= np.exp(move) * of_market * prices[1, 299] / prices[1, 300] / ratio
    (warning,) = jumps(prices, DATES, STOCKS, FILE)
    assert "once: S01 on 2021-10-31 (" in warning


@pytest.mark.parametrize(("ratio", "gap"), [(2.5, 3), (2, 1), (3 / 2, 2), (4 / 3, 3), (3, 20), (10, 60)])
def test_a_split_while_suspended_is_named(ratio: float, gap: int) -> None:
    prices = market()
    prices[1, 300:] /= ratio
    prices[1, 300 - gap : 300] = np.nan
    (warning,) = jumps(prices, DATES, STOCKS, FILE)
    assert "S01 on 2021-10-31" in warning
    assert f"{gap} dates without a price between" in warning


@pytest.mark.parametrize("stocks", [1, 2, 3])
def test_few_stocks_suffice(stocks: int) -> None:
    prices = market(stocks=stocks)
    prices[0, 300:] /= 1.5
    assert "S00 on 2021-10-31" in jumps(prices, DATES, STOCKS[:stocks], FILE)[0]


def test_a_crash_of_a_third_is_no_split() -> None:
    prices = market()
    prices[:, 300:] *= np.array([0.60, 0.66, 0.667, 0.67, 0.70, 0.64, 0.68, 0.62])[:, None]
    assert jumps(prices, DATES, STOCKS, FILE) == ()


def test_a_sector_that_falls_by_a_third_is_no_split() -> None:
    prices = market(stocks=20)
    prices[:5, 300:] *= np.array([0.66, 0.70, 0.667, 0.62, 0.68])[:, None]
    assert jumps(prices, DATES, tuple(f"S{n}" for n in range(20)), FILE) == ()


def test_fat_tails_give_few_false_alarms() -> None:
    found = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        prices = 100.0 * np.exp(np.cumsum(0.01 * np.clip(rng.standard_t(3, (8, len(DATES))), -60, 60), axis=1))
        found += len(jumps(prices, DATES, STOCKS, FILE))
    assert found <= 4


def test_a_stock_that_doubled_in_a_year_without_a_price_did_not_split() -> None:
    prices = market(moves=0.04)
    prices[1, 100:500] = np.nan
    prices[1, 500:] *= 2.2 * prices[1, 99] / prices[1, 500]
    assert jumps(prices, DATES, STOCKS, FILE) == ()


def test_weekends_filled_forward_are_counted() -> None:
    prices = market()
    for t in range(1, len(DATES)):
        if (DATES[t].astype(int) + 3) % 7 >= 5:
            prices[:, t] = prices[:, t - 1]
    (warning,) = still(prices, DATES, STOCKS, FILE, flagged=False)
    assert warning.startswith("prices.csv: on 208 of 730 dates every close is that of the date before, 208 of them Saturdays and Sundays")
    assert "first 2021-01-09" in warning


def test_a_holiday_filled_forward_is_counted_even_if_a_stock_differs_among_many() -> None:
    prices = market(stocks=40)
    prices[1:, 50] = prices[1:, 49]
    (warning,) = still(prices, DATES, tuple(f"S{n}" for n in range(40)), FILE, flagged=True)
    assert "on 1 of 730 dates every close is that of the date before (first 2021-02-23)" in warning


def test_a_suspended_stock_that_is_filled_forward_is_named_unless_flagged() -> None:
    prices = market()
    prices[3, 100:112] = prices[3, 99]
    prices[5, 200:204] = prices[5, 199]
    (warning,) = still(prices, DATES, STOCKS, FILE, flagged=False)
    assert "1 stock has the same close on 5 or more dates in a row while others moved: S03 on 12 until 2021-04-25;" in warning
    assert still(prices, DATES, STOCKS, FILE, flagged=True) == ()


def test_nothing_is_said_of_ordinary_prices() -> None:
    prices = market()
    prices[2, np.random.default_rng(1).random(len(DATES)) < 0.3] = np.nan
    prices[4, :200], prices[6, 400:] = np.nan, np.nan
    assert jumps(prices, DATES, STOCKS, FILE) == ()
    assert still(prices, DATES, STOCKS, FILE, flagged=False) == ()


def test_monthly_prices_of_wild_stocks_double() -> None:
    months = np.arange("2000-01", "2020-01", dtype="datetime64[M]").astype("datetime64[D]")
    prices = 100.0 * np.exp(np.cumsum(np.random.default_rng(0).normal(0.0, 0.3, (8, len(months))), axis=1))
    assert (prices[:, 1:] > 2.0 * prices[:, :-1]).any()
    assert jumps(prices, months, STOCKS, FILE) == ()
