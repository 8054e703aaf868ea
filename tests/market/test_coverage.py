"""Unknown forward returns of members are counted with their reason, the end of the data aside."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from massjax.market import Panel, load_panel
from massjax.market.coverage import lost_returns
from massjax.market.returns import forward_returns
from massjax.market.settings import MarketSettings, PricesTable, ReturnsTable

DATES = np.arange("2021-01-04", "2021-04-14", dtype="datetime64[D]")


def panel(
    prices: np.ndarray, lag: int = 1, horizon: int = 5, tradable: np.ndarray | None = None, member: np.ndarray | None = None
) -> Panel:
    stocks = tuple(f"S{n}" for n in range(len(prices)))
    returns = {horizon: forward_returns(prices, horizon, lag, tradable)}
    return Panel(
        DATES, stocks, np.isfinite(prices) if member is None else member, forward_returns=returns, prices=prices, tradable=tradable
    )


def closes() -> np.ndarray:
    return np.exp(np.random.default_rng(0).normal(size=(10, len(DATES))))


def said(data: Panel, first: int = 0, end: int = 100) -> tuple[str, ...]:
    return lost_returns(data, slice(first, end), 1, frozenset(), "prices.csv")


def test_the_end_of_the_data_is_not_counted() -> None:
    assert said(panel(closes())) == ()


def test_thin_stocks_are_counted_with_the_reason() -> None:
    prices = closes()
    prices[5:, 1::2] = np.nan  # a decision on an even date is filled on an odd one
    (sentence,) = said(panel(prices))
    assert sentence == (
        "prices.csv: 235 of 705 forward returns over 5 rows of members are unknown (33.3%, the last 6 dates aside): 235 without a price on "
        "the date of entry; most of S5 (47 of 47), S6 (47 of 47), S7 (47 of 47) and 2 more; RankIC is that of the others"
    )


def test_a_single_thin_stock_is_named_though_the_others_are_known() -> None:
    prices = np.concatenate([closes()] * 4)
    prices[3, 1::2] = np.nan
    (sentence,) = said(panel(prices))
    assert "47 of 3,713 forward returns" in sentence
    assert "most of S3 (47 of 47);" in sentence


def test_a_few_unknown_ones_are_not_told() -> None:
    prices = closes()
    prices[2, 40:43], prices[3, 90:] = np.nan, np.nan
    assert said(panel(prices)) == ()


def test_delisted_and_untradable_stocks_have_reasons_of_their_own() -> None:
    prices, tradable = closes(), np.ones((10, len(DATES)), dtype=bool)
    prices[:6, 50:] = np.nan
    tradable[6:, 20:60] = False
    (sentence,) = said(panel(prices, tradable=tradable))
    assert "36 of stocks that have no price any more" in sentence
    assert "160 not tradable at entry, or filled forward at exit" in sentence
    member = np.ones(prices.shape, dtype=bool)
    assert "300 of stocks that have no price any more" in said(panel(prices, member=member))[0]


def test_only_the_dates_of_the_run_count() -> None:
    prices = closes()
    prices[:, 10:20:2] = np.nan
    assert said(panel(prices), 30, 90) == ()
    assert said(panel(prices), 0, 30) != ()


@pytest.mark.parametrize("end", [None, date(2021, 3, 1)])
def test_loading_says_it(tmp_path: Path, end: date | None) -> None:
    rows = [(day, f"S{n}", 100.0 + i % 7 + n) for i, day in enumerate(DATES.tolist()) for n in range(6) if n < 3 or i % 2 == 0]
    path = tmp_path / "prices.csv"
    pl.DataFrame(rows, schema=["date", "stock", "close"], orient="row").write_csv(path)
    settings = MarketSettings(source="tables", prices=PricesTable(path=path), horizons=(5,), price_features=False, end=end)
    found = [warning for warning in load_panel(settings).warnings if "forward returns" in warning]
    assert len(found) == 1
    assert "without a price on the date of entry; most of S3" in found[0]


def test_ready_made_returns_with_holes_are_told(tmp_path: Path) -> None:
    rows = [(day, f"S{n}", None if i % 3 == 0 else 0.01 * n) for i, day in enumerate(DATES.tolist()) for n in range(4)]
    path = tmp_path / "returns.parquet"
    pl.DataFrame(rows, schema=["date", "stock", "r"], orient="row").write_parquet(path)
    settings = MarketSettings(source="tables", forward_returns=ReturnsTable(path=path, columns={1: "r"}), horizons=(1,))
    (warning,) = [warning for warning in load_panel(settings).warnings if "unknown" in warning]
    assert warning.startswith(f"{path}: 132 of 392 forward returns over 1 row of members are unknown (33.7%, the last 2 dates aside); most")
