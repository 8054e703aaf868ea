"""Where an order can be filled: flags in every spelling, volumes, and the forward returns that need a fill."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from massjax.errors import DataError
from massjax.market import Panel, load_panel
from massjax.market.returns import forward_returns
from massjax.market.settings import MarketSettings, PricesTable
from massjax.market.tradable import never_tradable

DAYS = [date(2022, 1, d) for d in (3, 4, 5, 6, 7)]


def loaded(folder: Path, flags: object, volumes: object = None, file: str = "prices.csv") -> Panel:
    """Two stocks on five days at closes 1 to 5; those of A have flags and volumes, those of B are always tradable."""
    table = pl.DataFrame({"date": DAYS, "stock": "A", "close": [1.0, 2.0, 3.0, 4.0, 5.0]})
    both = pl.concat([table, table.with_columns(stock=pl.lit("B"))])
    options = {}
    if flags is not None:
        flags = pl.Series(flags, strict=False)
        always = "yes" if flags.dtype == pl.String else True if flags.dtype == pl.Boolean else 1
        both = both.with_columns(ok=pl.concat([flags, pl.Series([always] * 5, dtype=flags.dtype)]))
        options["tradable"] = "ok"
    if volumes is not None:
        both = both.with_columns(vol=pl.Series([*volumes, 1, 1, 1, 1, 1], dtype=pl.Float64))
        options["volume"] = "vol"
    path = folder / file
    (both.write_csv if path.suffix == ".csv" else both.write_parquet)(path)
    prices = PricesTable(path=path, **options)
    return load_panel(MarketSettings(source="tables", prices=prices, horizons=(1,), price_features=False))


@pytest.mark.parametrize("file", ["prices.csv", "prices.parquet"])
@pytest.mark.parametrize(
    "flags",
    [
        [True, False, True, True, True],
        [1, 0, 1, 1, 1],
        [1.0, 0.0, 1.0, 1.0, 1.0],
        ["TRUE", "False", "yes", "Y", "t"],
        ["1", "0", "1", "1.0", " true"],
    ],
)
def test_flags_in_every_spelling(tmp_path: Path, flags: list[object], file: str) -> None:
    panel = loaded(tmp_path, flags, file=file)
    assert panel.tradable is not None
    assert panel.tradable.tolist() == [[True, False, True, True, True], [True] * 5]
    np.testing.assert_allclose(panel.forward_returns[1][0], [np.nan, 1 / 3, 0.25, np.nan, np.nan])
    np.testing.assert_allclose(panel.forward_returns[1][1], [0.5, 1 / 3, 0.25, np.nan, np.nan])


def test_volumes_of_nothing_fill_no_order(tmp_path: Path) -> None:
    panel = loaded(tmp_path, None, [10, 0, None, float("nan"), 7], file="prices.parquet")
    assert panel.tradable is not None
    assert panel.tradable[0].tolist() == [True, False, False, False, True]
    assert panel.member.all()


def test_flags_and_volumes_must_both_allow_it(tmp_path: Path) -> None:
    panel = loaded(tmp_path, [1, 0, 1, 1, 1], [1, 1, 0, 1, 1])
    assert panel.tradable is not None
    assert panel.tradable[0].tolist() == [True, False, False, True, True]


def test_without_a_column_every_price_can_be_traded_at(tmp_path: Path) -> None:
    assert loaded(tmp_path, None).tradable is None


def test_a_stock_that_can_never_be_traded_is_named(tmp_path: Path) -> None:
    panel = loaded(tmp_path, None, [0, 0, 0, 0, 0])
    assert any("1 of 2 stocks can be traded on no date (A)" in warning for warning in panel.warnings)


def test_flags_that_forbid_most_trades_are_doubted() -> None:
    listed = np.ones((3, 10), bool)
    listed[0, :5] = False
    inverted = np.zeros((3, 10), bool)
    inverted[1, 4:6] = True
    (sentence,) = never_tradable(inverted, listed, ("A", "B", "C"), Path("p.csv"))
    assert sentence.startswith("p.csv: orders can be filled on 2 of 25 rows with a price alone (8.0%)")
    assert "is the flag inverted, true where trading was suspended?" in sentence
    assert never_tradable(listed & ~inverted, listed, ("A", "B", "C"), Path("p.csv")) == ()


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        (["yes", "halted", "yes", "yes", "yes"], "row 2 .*stock A.*: expected true or false.* found 'halted'"),
        (["yes", None, "yes", "yes", "yes"], "row 2 .*found nothing"),
        ([1000, 0, 2000, 1, 1], "row 1 .*market.prices.volume"),
    ],
)
def test_what_is_no_flag_is_refused(tmp_path: Path, flags: list[object], found: str) -> None:
    with pytest.raises(DataError, match=f"column 'ok', {found}"):
        loaded(tmp_path, flags, file="prices.parquet")


def test_a_negative_volume_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"column 'vol', row 2 .*the volume is negative"):
        loaded(tmp_path, None, [1, -1, 1, 1, 1])


@pytest.mark.parametrize(("lag", "horizon"), [(0, 1), (1, 1), (1, 2), (2, 1)])
def test_a_return_needs_a_fill_at_its_start_and_a_price_of_its_own_at_its_end(lag: int, horizon: int) -> None:
    rng = np.random.default_rng(0)
    prices, tradable = rng.uniform(1.0, 2.0, (4, 30)), rng.random((4, 30)) < 0.7
    filled_forward = ~tradable & (rng.random((4, 30)) < 0.5)
    filled_forward[:, 0] = False
    for t in range(1, 30):
        prices[:, t] = np.where(filled_forward[:, t], prices[:, t - 1], prices[:, t])
    returns = forward_returns(prices, horizon, lag, tradable)
    for n, t in np.ndindex(4, 30 - lag - horizon):
        known = tradable[n, t + lag] and not filled_forward[n, t + lag + horizon]
        expected = prices[n, t + lag + horizon] / prices[n, t + lag] - 1.0 if known else np.nan
        assert returns[n, t] == pytest.approx(expected, nan_ok=True)
