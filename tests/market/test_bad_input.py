"""Every way in which market data can be wrong, and the message that says so."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

import massjax as mj
from massjax.errors import ConfigError, DataError
from massjax.market import load_panel
from massjax.market.settings import FeaturesTable, MarketSettings, MembershipTable, PricesTable, ReturnsTable, StocksTable
from massjax.settings import validate

FIRST = {"date": date(2020, 1, 6), "stock": "AAA"}


def at_first(value: object) -> pl.Expr:
    """The column `close` with one value replaced."""
    here = (pl.col("date") == FIRST["date"]) & (pl.col("stock") == FIRST["stock"])
    return pl.when(here).then(pl.lit(value, dtype=pl.Float64)).otherwise("close").alias("close")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "the price is NaN"),
        (float("inf"), "an infinite number"),
        (-1.0, "the price is zero or negative"),
        (0.0, "the price is zero or negative"),
    ],
)
def test_impossible_price(tables, value: float, message: str) -> None:
    prices = tables.prices.with_columns(at_first(value))
    row = prices.with_row_index("row", offset=1).filter(date=FIRST["date"], stock="AAA")["row"].item()
    with pytest.raises(DataError, match=rf"prices.parquet: column 'close', row {row} \(date 2020-01-06, stock AAA\): {message}"):
        load_panel(tables.but(prices=prices).settings())


def test_duplicate_row(tables) -> None:
    prices = pl.concat([tables.prices, tables.prices.filter(**FIRST)])
    with pytest.raises(
        DataError, match=r"prices.parquet: columns 'date' and 'stock', row \d+ \(date 2020-01-06, stock AAA\) \(2 rows in all\)"
    ):
        load_panel(tables.but(prices=prices).settings())


def test_missing_file_suggests_its_neighbour(tables) -> None:
    settings = tables.settings()
    missing = settings.replace(prices=PricesTable(path=tables.folder / "price.parquet"))
    with pytest.raises(DataError, match=r"price.parquet: no such file \(did you mean 'prices.parquet'\?\); market.prices names it"):
        load_panel(missing)


def test_missing_column_suggests_the_nearest(tables) -> None:
    settings = tables.settings()
    table = PricesTable(path=settings.prices.path, close="Close")
    with pytest.raises(DataError, match=r"prices.parquet: no column 'Close' \(did you mean 'close'\?\); it has date, stock, close"):
        load_panel(settings.replace(prices=table))


def test_a_damaged_file_and_an_unknown_kind_of_file(tables) -> None:
    settings = tables.settings()
    broken = tables.folder / "broken.parquet"
    broken.write_bytes(settings.prices.path.read_bytes()[:500])
    with pytest.raises(DataError, match=r"broken.parquet: cannot be read: .*; market.prices names it"):
        load_panel(settings.replace(prices=PricesTable(path=broken)))
    workbook = tables.folder / "prices.xlsx"
    workbook.write_bytes(b"PK")
    with pytest.raises(DataError, match=r"prices.xlsx: unknown kind of file; market.prices needs one that ends in .parquet"):
        load_panel(settings.replace(prices=PricesTable(path=workbook)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pl.lit("ten").alias("close"), r"column 'close', row 1 \(date \S+, stock \w+\): expected a number, found 'ten'"),
        (pl.lit(True).alias("close"), "column 'close' holds Boolean, expected numbers"),
        (pl.lit("soon").alias("date"), "column 'date', row 1: expected a date such as 2022-01-03 or 20220103, found 'soon'"),
        (pl.lit(1.5).alias("date"), "column 'date' holds Float64, expected dates"),
        (pl.lit(None, dtype=pl.Date).alias("date"), "column 'date', row 1: expected a date .* found nothing"),
        (pl.lit(1.5).alias("stock"), "column 'stock' holds Float64, expected stock identifiers"),
        (pl.lit(None, dtype=pl.String).alias("stock"), "column 'stock', row 1: expected a stock identifier, found nothing"),
    ],
)
def test_wrong_type(tables, change: pl.Expr, message: str) -> None:
    with pytest.raises(DataError, match=f"prices.parquet: {message}"):
        load_panel(tables.but(prices=tables.prices.with_columns(change)).settings())


@pytest.mark.parametrize(
    ("value", "cure"),
    [
        ("ten", ""),
        ("1.2.3", ""),
        ("1,5", "; write the decimal comma as a point, and leave the marks between thousands out"),
        ("1.234,5", "; write the decimal comma as a point, and leave the marks between thousands out"),
        ("1,234.5", "; leave the commas between thousands out (or write a decimal comma as a point)"),
        ("1,234", "; leave the commas between thousands out (or write a decimal comma as a point)"),
        ("5 %", "; write a percentage as a fraction, as 0.05 for 5 %"),
        ("$12.5", "; leave the sign of the currency out"),
        ("68.18K", "; write the number out, as 68180 for 68.18K"),
        ("(1.5)", "; write a negative number with a minus sign, as -1.5"),
        ("−1.5", "; write a negative number with a minus sign, as -1.5"),
        ("N/A", "; leave the field empty where a value is unknown"),
        ("#DIV/0!", "; leave the field empty where a value is unknown"),
        ("-", "; leave the field empty where a value is unknown"),
    ],
)
def test_a_number_that_is_none_is_told_with_its_date_and_stock(tables, value: str, cure: str) -> None:
    keys = ((pl.col("date") == FIRST["date"]) & (pl.col("stock") == FIRST["stock"]),)
    prices = tables.prices.with_columns(close=pl.when(*keys).then(pl.lit(value)).otherwise(pl.col("close").cast(pl.String)))
    path = tables.folder / "spoiled.csv"
    settings = tables.settings().replace(prices=PricesTable(path=path))
    prices.write_csv(path)
    row = prices.with_row_index("row", offset=1).filter(**FIRST)["row"].item()
    with pytest.raises(DataError) as caught:
        load_panel(settings)
    expected = f"{path}: column 'close', row {row} (date 2020-01-06, stock AAA): expected a number, found {value!r}{cure}"
    assert str(caught.value) == expected


def test_fewer_than_two_members_on_a_date(tables) -> None:
    only_one = pl.col("date") != date(2020, 1, 6)
    prices = tables.prices.filter(only_one | (pl.col("stock") == "AAA"))
    with pytest.raises(DataError, match=r"prices.parquet: ranking needs two .* 1 on 2020-01-06 \(too few on 1 of 60 dates\)"):
        load_panel(tables.but(prices=prices).settings())


def test_no_rows_and_no_members(tables) -> None:
    with pytest.raises(DataError, match=r"prices.parquet: has no row with a value, so the universe is empty"):
        load_panel(tables.but(prices=tables.prices.clear()).settings())
    later = pl.DataFrame({"date": [date(2021, 1, 4)], "stock": ["AAA"]})
    with pytest.raises(DataError, match=r"membership.parquet: the universe is empty: no stock is a member on any date"):
        load_panel(tables.but(membership=later).settings())


def test_dates_outside_the_data(tables) -> None:
    with pytest.raises(DataError, match=r"no date from 2030-01-01; the data covers 2020-01-01 to"):
        load_panel(tables.settings().replace(start=date(2030, 1, 1)))


def test_horizon_longer_than_the_data(tables) -> None:
    with pytest.raises(DataError, match=r"market.horizons: a horizon of 60 rows .* needs at least 62 dates of prices, the data has 60"):
        load_panel(tables.settings().replace(horizons=(1, 60)))


def test_horizon_that_no_ready_made_return_has(tables) -> None:
    path = tables.folder / "returns.parquet"
    tables.settings()
    tables.prices.write_parquet(path)
    settings = MarketSettings(source="tables", forward_returns=ReturnsTable(path=path, columns={5: "close"}), horizons=(5, 10))
    with pytest.raises(ConfigError, match=r"market.horizons: 10 is not among market.forward_returns.columns, which has 5"):
        load_panel(settings)


def test_identifiers_that_do_not_match(tables) -> None:
    settings = tables.settings()
    path = tables.folder / "other.parquet"
    tables.prices.with_columns(stock=pl.lit("X:") + pl.col("stock")).write_parquet(path)
    for other in (
        settings.replace(membership=MembershipTable(path=path)),
        settings.replace(features=(FeaturesTable(path=path, modality="valuation", columns={"pe": "close"}),)),
    ):
        with pytest.raises(DataError, match=r"other.parquet: has stocks such as 'X:AAA', but the market data has stocks such as 'AAA'"):
            load_panel(other)


def test_the_same_feature_twice(tables) -> None:
    settings = tables.settings()
    table = FeaturesTable(path=settings.prices.path, modality="valuation", columns={"pe": "close"})
    with pytest.raises(ConfigError, match=r"market.features\[1\]: feature 'pe' is already in another table"):
        load_panel(settings.replace(features=(table, table)))
    taken = FeaturesTable(path=settings.prices.path, modality="valuation", columns={"beta_6m": "close"})
    with pytest.raises(ConfigError, match=r"'beta_6m' is the name of a standard price feature"):
        load_panel(settings.replace(features=(taken,), price_features=True))


def test_a_setting_that_does_not_fit_the_data_names_its_file(tables) -> None:
    file = tables.folder / "run.yaml"
    tables.settings()
    file.write_text(
        "market: {source: tables, prices: {path: prices.parquet}, "
        "features: [{path: prices.parquet, modality: x, columns: {beta_6m: close}}]}\n"
        "agents: {archetypes: [{name: a, modalities: [price]}]}\n"
    )
    with pytest.raises(ConfigError, match=r"run.yaml: market.features: 'beta_6m' is the name of a standard price feature"):
        mj.load_panel(file)


def test_a_stock_described_twice(tables) -> None:
    path = tables.folder / "stocks.csv"
    settings = tables.settings()
    path.write_text("stock,name\nAAA,Alpha\nAAA,Again\n")
    with pytest.raises(DataError, match=r"stocks.csv: column 'stock', row 1: stock AAA occurs more than once"):
        load_panel(settings.replace(stocks=StocksTable(path=path, name="name")))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"source": "tabels"}, "source"),
        ({"sources": "sp500"}, r"unknown key 'sources' \(did you mean 'source'\?\)"),
        ({"source": "tables"}, "needs market.prices or market.forward_returns"),
        ({"source": "mass"}, "needs market.folder"),
        ({"source": "sp500", "prices": {"path": "prices.csv"}}, "'sp500' reads no tables"),
        ({"source": "sp500", "folder": "data"}, "market.folder is read by source 'mass' only"),
        ({"horizons": [5, 5]}, "distinct positive"),
        ({"start": "2022-02-01", "end": "2022-01-01"}, "is after market.end"),
    ],
)
def test_contradictory_settings(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validate(MarketSettings, values, "config.yaml")
