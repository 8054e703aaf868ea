"""Institutions' net buying from a user's table."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_series_equal

from massjax.errors import ConfigError, DataError
from massjax.market.identifiers import Conventions
from massjax.market.institutions import read_net_buying
from massjax.market.panel import Panel
from massjax.statistics.decisions import MISSING, directions
from tests.market.conftest import STOCKS, weekdays

DAYS = weekdays(6)
DATES = np.array(DAYS, dtype="datetime64[D]")


@pytest.fixture
def panel() -> Panel:
    """Four stocks on six days; DDD is a member from the third on."""
    member = np.ones((4, 6), bool)
    member[3, :2] = False
    return Panel(DATES, STOCKS, member)


def table(net: np.ndarray | None = None) -> pl.DataFrame:
    """A row for each stock and date, in no order."""
    values = np.arange(24, dtype=float).reshape(4, 6) - 10 if net is None else net
    rows = [{"date": DAYS[t], "stock": STOCKS[n], "net": values[n, t]} for n in range(4) for t in range(6)]
    return pl.DataFrame(rows).sample(fraction=1.0, shuffle=True, seed=0)


def written(folder: Path, rows: pl.DataFrame, kind: str = "parquet") -> Path:
    path = folder / f"net.{kind}"
    rows.write_parquet(path) if kind == "parquet" else rows.write_csv(path)
    return path


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_rows_lie_at_their_stock_and_date_and_members_alone(tmp_path: Path, panel: Panel, kind: str) -> None:
    found = read_net_buying(written(tmp_path, table(), kind), panel)
    expected = np.arange(24, dtype=float).reshape(4, 6) - 10
    expected[3, :2] = np.nan
    np.testing.assert_array_equal(found.net, expected)
    assert found.warnings == ()
    assert directions(found.net)[1].tolist() == [-1, -1, -1, -1, 0, 1]
    assert directions(found.net)[3, 0] == MISSING


def test_an_absent_row_is_unknown_or_zero_as_named(tmp_path: Path, panel: Panel) -> None:
    rows = table().filter(~((pl.col("stock") == "BBB") & (pl.col("date") == DAYS[2])), pl.col("date") != DAYS[5])
    path = written(tmp_path, rows)
    assert np.isnan(read_net_buying(path, panel).net[1, 2])
    zero = read_net_buying(path, panel, unlisted="zero").net
    assert zero[1, 2] == 0.0
    assert np.isnan(zero[:, 5]).all()
    assert np.isnan(zero[3, 0])
    with pytest.raises(ConfigError, match="unlisted is 'neutral'; expected 'unknown' or 'zero'"):
        read_net_buying(path, panel, unlisted="neutral")  # type: ignore[arg-type]


def test_numbers_may_be_text_and_columns_have_other_names(tmp_path: Path, panel: Panel) -> None:
    rows = table().select(Tag="date", Code="stock", Saldo=pl.col("net").cast(pl.String))
    found = read_net_buying(written(tmp_path, rows), panel, date="Tag", stock="Code", net="Saldo")
    assert found.net[0, 0] == -10.0


def test_days_with_a_zone_need_that_of_the_market(tmp_path: Path, panel: Panel) -> None:
    rows = table().with_columns(
        pl.col("date").map_elements(lambda day: datetime(day.year, day.month, day.day), pl.Datetime).dt.replace_time_zone("Asia/Taipei")
    )
    path = written(tmp_path, rows)
    with pytest.raises(DataError, match=r"names a zone, .*set market.timezone"):
        read_net_buying(path, panel)
    found = read_net_buying(path, panel, conventions=Conventions(timezone="Asia/Taipei"))
    plain = read_net_buying(written(tmp_path, table(), "csv"), panel)
    assert_series_equal(pl.Series(found.net.ravel()), pl.Series(plain.net.ravel()))


def test_rows_that_meet_nothing_are_told(tmp_path: Path, panel: Panel) -> None:
    odd = pl.DataFrame({"date": [date(2020, 1, 4), DAYS[0]], "stock": ["AAA", "ZZZ"], "net": [5.0, -5.0]})
    said = read_net_buying(written(tmp_path, pl.concat([table().filter(pl.col("stock") != "CCC"), odd])), panel).warnings
    assert any("has no row of 1 of the 4 stocks of the universe: CCC" in one for one in said)
    assert any("1 row of 1 stock without market data: ZZZ" in one for one in said)
    assert any("left out 1 row on dates without market data (first 2020-01-04, all Saturdays or Sundays)" in one for one in said)


def test_other_spellings_of_a_stock_are_mapped(tmp_path: Path, panel: Panel) -> None:
    rows = table().with_columns(pl.col("stock").replace({"AAA": "aaa.TW"}))
    path = written(tmp_path, rows)
    assert any("market.ticker_map" in one for one in read_net_buying(path, panel).warnings)
    mapped = read_net_buying(path, panel, conventions=Conventions(ticker_map={"aaa.TW": "AAA"}))
    assert mapped.net[0, 0] == -10.0
    assert mapped.warnings == ()


@pytest.mark.parametrize(("sign", "missing"), [(1, "negative"), (-1, "positive")])
def test_purchases_alone_are_remarked_on(tmp_path: Path, panel: Panel, sign: int, missing: str) -> None:
    rows = table().with_columns((sign * pl.col("net").abs()).alias("net"))
    (said,) = read_net_buying(written(tmp_path, rows), panel).warnings
    assert f"column 'net' has no {missing} number: is it what was bought less what was sold?" in said


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (table().drop("net"), "no column 'net'"),
        (pl.concat([table(), table().head(1)]), "this stock and date occur more than once; keep one row"),
        (table().with_columns(pl.lit("1,200").alias("net")), r"expected a number, found '1,200'; leave the commas between thousands out"),
        (table().with_columns(pl.lit(float("nan")).alias("net")), "the net buying is NaN; leave the field empty where it is unknown"),
        (table().with_columns(pl.lit(float("inf")).alias("net")), "an infinite number"),
        (table().with_columns(pl.lit(None, pl.Float64).alias("net")), "has no row with a number in column 'net'"),
        (table().head(0), "has no row with a number in column 'net'"),
        (table().with_columns(pl.col("stock") + "X"), "do the identifiers match"),
        (table().with_columns(pl.col("date").dt.offset_by("10y")), "none within the dates of the market data"),
        (table().with_columns(pl.lit("03/01/2020").alias("date")), "write the year first"),
        (table().with_columns(pl.lit("").alias("stock")), "expected a stock identifier"),
    ],
)
def test_a_table_that_cannot_be_used_is_named_with_its_fault(tmp_path: Path, panel: Panel, rows: pl.DataFrame, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        read_net_buying(written(tmp_path, rows), panel)
    assert "net.parquet" in str(caught.value)


def test_no_such_file(tmp_path: Path, panel: Panel) -> None:
    with pytest.raises(DataError, match=r"nett.csv: no such file; institutions names it"):
        read_net_buying(tmp_path / "nett.csv", panel)
