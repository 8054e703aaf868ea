"""One stock under two names is told; stocks that share a price now and then, or never move, are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from massjax.market import load_panel
from massjax.market.doubles import doubles
from tests.market.conftest import Tables

FILE = Path("prices.parquet")
STOCKS = tuple(f"S{n}" for n in range(60))


def walks() -> np.ndarray:
    steps = np.random.default_rng(1).normal(0.0, 0.02, (len(STOCKS), 250))
    return (20.0 * np.exp(np.cumsum(steps, axis=1))).round(2)


def test_prices_that_meet_now_and_then_are_those_of_different_stocks() -> None:
    assert doubles(walks(), STOCKS, FILE, "close") == ()


@pytest.mark.parametrize("lacks", [slice(0, 0), slice(0, 210), slice(100, 250), slice(3, 250, 7)])
def test_a_copy_is_named_although_it_begins_late_ends_early_or_has_holes(lacks: slice) -> None:
    prices = walks()
    prices[7] = prices[2]
    prices[7, lacks] = np.nan
    (sentence,) = doubles(prices, STOCKS, FILE, "close")
    shared = int(np.isfinite(prices[7]).sum())
    assert f"1 pair of stocks has the same close on every date that both have: S2 and S7 on {shared} dates;" in sentence


def test_coins_at_one_dollar_and_copies_for_a_week_are_not_told() -> None:
    prices = walks()
    prices[3:5] = 1.0
    prices[9] = np.nan
    prices[9, -7:] = prices[8, -7:]
    assert doubles(prices, STOCKS, FILE, "close") == ()


def test_two_spellings_may_differ_by_a_rounding_and_two_share_classes_are_two_stocks() -> None:
    prices = walks()
    prices[1] = prices[0] * 1.0004
    assert "S-0 and S0 on 250 dates" in doubles(prices, ("S-0", "S0", *STOCKS[2:]), FILE, "close")[0]
    assert doubles(prices, STOCKS, FILE, "close") == ()
    prices[1] = walks()[1]
    assert doubles(prices, ("MS-I", "MSI", *STOCKS[2:]), FILE, "close") == ()


def test_a_table_with_one_stock_in_two_spellings_is_told_when_it_is_loaded(tables: Tables) -> None:
    copy = tables.prices.filter(pl.col("stock") == "AAA").with_columns(stock=pl.lit("aaa"))
    warnings = load_panel(tables.but(prices=pl.concat([tables.prices, copy])).settings()).warnings
    assert any("AAA and aaa on 60 dates" in warning for warning in warnings)
