from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import massjax as mj
from massjax.agents import resolve_archetypes
from massjax.agents.settings import AgentsSettings
from massjax.config import RunConfig
from massjax.errors import ConfigError
from massjax.market import load_panel
from massjax.market.settings import FeatureColumn, FeaturesTable, MarketSettings, PricesTable, ReturnsTable, StocksTable


def test_arrays_hold_the_rows_of_the_tables(tables) -> None:
    panel = load_panel(tables.settings())
    by_key = {(row["stock"], np.datetime64(row["date"])): row["close"] for row in tables.prices.iter_rows(named=True)}
    assert panel.prices.shape == (4, len({day for _, day in by_key}))
    for (n, t), price in np.ndenumerate(panel.prices):
        assert price == by_key[panel.stocks[n], panel.dates[t]] if panel.member[n, t] else np.isnan(price)
    assert panel.member.sum() == len(by_key)


def test_unsorted_rows_are_sorted(tables) -> None:
    shuffled = tables.but(prices=tables.prices.sample(fraction=1.0, shuffle=True, seed=1), folder=tables.folder / "shuffled")
    ordered, panel = load_panel(tables.settings()), load_panel(shuffled.settings())
    np.testing.assert_array_equal(panel.dates, ordered.dates)
    np.testing.assert_array_equal(panel.prices, ordered.prices)


@pytest.mark.parametrize("name", ["prices.csv", "prices.csv.gz", "prices.tsv", "prices.parq"])
def test_every_kind_of_file_loads_alike(tables, name: str) -> None:
    expected = load_panel(tables.settings())
    path = tables.folder / name
    if name.endswith(".parq"):
        tables.prices.write_parquet(path)
    else:
        separator = "\t" if ".tsv" in name else ","
        tables.prices.write_csv(path, separator=separator, compression="gzip" if name.endswith(".gz") else "uncompressed")
    panel = load_panel(tables.settings().replace(prices=PricesTable(path=path)))
    np.testing.assert_array_equal(panel.prices, expected.prices)
    np.testing.assert_array_equal(panel.dates, expected.dates)


@pytest.mark.parametrize(
    "dates",
    [
        pl.col("date").cast(pl.Datetime("ns")),
        pl.col("date").dt.strftime("%Y%m%d").cast(pl.Int32),
        pl.col("date").dt.strftime("%Y/%m/%d"),
        pl.col("date").cast(pl.Datetime("us")).dt.strftime("%Y-%m-%d %H:%M:%S"),
    ],
)
def test_dates_may_be_written_in_several_ways(tables, dates: pl.Expr) -> None:
    expected = load_panel(tables.settings()).dates
    np.testing.assert_array_equal(load_panel(tables.but(prices=tables.prices.with_columns(date=dates)).settings()).dates, expected)


def test_columns_are_mapped_and_stock_codes_keep_their_zeros(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("Day,Code,Last\n2022-01-03,000001,10\n2022-01-03,000002,20\n2022-01-04,000001,11\n2022-01-04,000002,19\n")
    prices = PricesTable(path=path, date="Day", stock="Code", close="Last")
    panel = load_panel(MarketSettings(source="tables", prices=prices, horizons=(1,), execution_lag=0, price_features=False))
    assert panel.stocks == ("000001", "000002")
    np.testing.assert_allclose(panel.forward_returns[1][:, 0], [0.1, -0.05])


def test_membership_narrows_the_universe_but_not_the_history(tables) -> None:
    everyone = load_panel(tables.but(options={}).settings())
    members = tables.prices.filter(pl.col("stock") != "AAA").select("date", "stock")
    panel = load_panel(tables.but(membership=members, options={"start": date(2020, 2, 20)}).settings())
    assert panel.stocks == ("BBB", "CCC", "DDD")
    assert panel.member.sum() == len(members.filter(pl.col("date") >= date(2020, 2, 20)))
    same = everyone.only(panel.stocks).between(panel.dates[0], panel.dates[-1])
    np.testing.assert_array_equal(panel.features["relative_3m"].values, same.features["relative_3m"].values)


def test_membership_without_a_price_is_counted(tables) -> None:
    members = pl.concat([tables.prices.select("date", "stock"), pl.DataFrame({"date": [date(2020, 1, 4)], "stock": ["AAA"]})])
    panel = load_panel(tables.but(membership=members).settings())
    assert any("1 of" in warning and "without market data on that date" in warning for warning in panel.warnings)


def test_features_stand_until_the_next_value_for_as_long_as_they_may(tables) -> None:
    days = [date(2020, 1, 4), date(2020, 1, 20)]  # a Saturday and a Monday
    features = pl.DataFrame({"date": days, "stock": "AAA", "pe": [10.0, 20.0]})
    path = tables.folder / "pe.parquet"
    settings = tables.settings()
    features.write_parquet(path)

    def pe(carry: int) -> dict[date, float]:
        column = FeatureColumn(column="pe", label="price-earnings ratio", style="ratio", words=("cheap", "dear"))
        table = FeaturesTable(path=path, modality="valuation", columns={"pe": column}, carry=carry)
        panel = load_panel(settings.replace(features=(table,)))
        assert (panel.features["pe"].words, panel.features["pe"].label) == (("cheap", "dear"), "price-earnings ratio")
        values = panel.features["pe"].values
        assert np.isnan(values[1:]).all()
        return {day: value for day, value in zip(panel.dates.tolist(), values[0], strict=True) if np.isfinite(value)}

    assert pe(0) == {date(2020, 1, 20): 20.0}
    carried = pe(5)
    assert {day: value for day, value in carried.items() if value == 10.0}.keys() == {date(2020, 1, d) for d in (6, 7, 8, 9)}
    assert {day for day, value in carried.items() if value == 20.0} == {date(2020, 1, d) for d in (20, 21, 22, 23, 24)}


def test_ready_made_returns_alone_make_a_panel(tables) -> None:
    path = tables.folder / "returns.parquet"
    tables.settings()
    tables.prices.rename({"close": "label"}).with_columns(pl.col("label") / 1000).write_parquet(path)
    panel = load_panel(MarketSettings(source="tables", forward_returns=ReturnsTable(path=path, columns={5: "label"}), horizons=(5,)))
    assert panel.prices is None
    assert not panel.features
    np.testing.assert_array_equal(np.isfinite(panel.forward_returns[5]), panel.member)


def test_ready_made_returns_take_precedence_over_computed_ones(tables) -> None:
    settings = tables.settings()
    path = tables.folder / "returns.parquet"
    tables.prices.select("date", "stock", label=pl.lit(0.5)).write_parquet(path)
    panel = load_panel(settings.replace(forward_returns=ReturnsTable(path=path, columns={5: "label"}), horizons=(5, 1)))
    computed = load_panel(settings)
    assert tuple(panel.forward_returns) == (5, 1)
    assert (panel.forward_returns[5][panel.member] == 0.5).all()
    np.testing.assert_array_equal(panel.forward_returns[1], computed.forward_returns[1])


def test_a_null_price_is_left_out_and_counted(tables) -> None:
    prices = tables.prices.with_columns(close=pl.when(pl.int_range(pl.len()) == 5).then(None).otherwise("close"))
    panel = load_panel(tables.but(prices=prices).settings())
    assert panel.member.sum() == len(prices) - 1
    assert any("left out 1 row without a price in column 'close'" in warning for warning in panel.warnings)


def test_an_empty_field_of_a_csv_is_a_missing_price(tables) -> None:
    path = tables.folder / "prices.csv"
    settings = tables.settings().replace(prices=PricesTable(path=path), horizons=(1,), execution_lag=0)
    path.write_text(
        'date,stock,close\n2022-01-03,A,10\n2022-01-03,B,20\n2022-01-04,A,11\n2022-01-04,B,21\n2022-01-04,C,\n2022-01-03,C,""\n'
    )
    panel = load_panel(settings)
    assert panel.stocks == ("A", "B")
    assert any("left out 2 rows without a price" in warning for warning in panel.warnings)


def test_a_gap_of_months_is_a_warning(tables) -> None:
    prices = tables.prices.filter(~pl.col("date").is_between(date(2020, 1, 20), date(2020, 2, 25)))
    panel = load_panel(tables.but(prices=prices).settings())
    assert any("no dates between 2020-01-17 and 2020-02-26 (40 days)" in warning for warning in panel.warnings)


def test_a_split_that_prices_are_not_adjusted_for_is_a_warning(tables) -> None:
    split = (pl.col("stock") == "CCC") & (pl.col("date") >= date(2020, 2, 3))
    prices = tables.prices.with_columns(close=pl.when(split).then(pl.col("close") / 3).otherwise("close"))
    panel = load_panel(tables.but(prices=prices).settings())
    assert any("CCC on 2020-02-03" in warning and "adjusted for splits" in warning for warning in panel.warnings)


def test_names_and_sectors(tables) -> None:
    settings = tables.settings()
    path = tables.folder / "stocks.csv"
    path.write_text("ticker,company,industry\nAAA,Alpha,Energy\nBBB,Beta,-\nZZZ,Zeta,Energy\n")
    panel = load_panel(settings.replace(stocks=StocksTable(path=path, stock="ticker", name="company", sector="industry")))
    assert panel.names == {"AAA": "Alpha", "BBB": "Beta"}
    assert panel.sectors == {"AAA": "Energy"}


def test_a_run_configuration_and_its_file_load_alike(tables) -> None:
    settings = tables.settings()
    config = RunConfig(market=settings, agents={"archetypes": ({"name": "a", "modalities": ("price",)},)})
    path = tables.folder / "run.yaml"
    path.write_text(
        "market: {source: tables, prices: {path: prices.parquet}, horizons: [1, 5], price_features: false}\n"
        "agents: {archetypes: [{name: a, modalities: [price]}]}\n"
    )
    for given in (config, path, str(path)):
        np.testing.assert_array_equal(mj.load_panel(given).prices, load_panel(settings).prices)


def test_stocknet_loads_by_configuration_alone(shared_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "stocknet.yaml"
    folder = shared_dir.resolve() / "data" / "stocknet"
    path.write_text(
        f"""
market:
  source: tables
  prices: {{path: {folder}/prices.parquet, close: adj_close}}
  texts: [{{path: {folder}/posts.parquet, modality: posts, timestamp: created_at}}]
  stocks: {{path: {folder}/stocks.parquet, name: company, sector: sector}}
agents: {{archetypes: [{{name: a, modalities: [posts]}}]}}
"""
    )
    panel = mj.load_panel(path)
    assert (len(panel.stocks), str(panel.dates[0]), str(panel.dates[-1])) == (88, "2012-09-04", "2017-09-01")
    assert panel.modalities() == ("price", "price_feature", "risk", "cross_industry", "posts")
    assert len(panel.names) == len(panel.sectors) == 88
    assert any("left out 3 rows without a price in column 'adj_close'" in warning for warning in panel.warnings)
    assert panel.member.sum() == 108_592 - 3
    assert len(panel.texts) == 105_740 - 32
    assert any("left out 32 texts on stocks that are no members within 30 days" in warning for warning in panel.warnings)
    first = panel.texts.row(0, named=True)
    assert (first["date"], first["stock"]) == (date(2014, 1, 2), "AAPL")  # posted at 18:10 in New York on 31 December
    assert set(panel.texts["date"]) <= set(panel.dates.tolist())


def monthly(tables) -> MarketSettings:
    days = pl.date_range(date(2018, 1, 31), date(2022, 12, 31), "1mo", eager=True)
    rng = np.random.default_rng(0)
    walks = {stock: 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.05, len(days)))) for stock in ("AAA", "BBB", "CCC")}
    prices = pl.DataFrame({"date": days, **walks}).unpivot(index="date", variable_name="stock", value_name="close")
    return tables.but(prices=prices, options={}).settings()


def test_monthly_prices_have_no_return_of_a_week_and_say_why(tables) -> None:
    panel = load_panel(monthly(tables))
    assert panel.periods_per_year == 12
    assert "return_1w" not in panel.features
    assert "return_1m" in panel.features
    assert any(warning.startswith("rows are monthly: 12 periods a year") for warning in panel.warnings)
    asked = {"archetypes": ({"name": "a", "rule": {"return_1w": 1.0}},)}
    with pytest.raises(ConfigError, match=r"no feature 'return_1w' .*12 rows a year are too few for their windows: 'return_1w'"):
        resolve_archetypes(AgentsSettings(**asked), panel)


def test_periods_per_year_may_be_set(tables) -> None:
    settings = monthly(tables).replace(periods_per_year=52)
    panel = load_panel(settings)
    assert panel.periods_per_year == panel.between("2020-01-01").periods_per_year == 52
    known = panel.features["return_1w"].values[:, 1:]
    np.testing.assert_allclose(known, panel.prices[:, 1:] / panel.prices[:, :-1] - 1.0)
