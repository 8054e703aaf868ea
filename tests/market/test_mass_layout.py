"""Made data in the layout of MASS: all nine modalities, base data, bad files, and macro values before and after their publication."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from massjax.errors import ConfigError, DataError
from massjax.market import Panel, load_panel
from massjax.market.mass_columns import BASE_DATA, FUNDAMENTALS, MODALITIES, PRICE_FEATURE
from massjax.market.mass_settings import MassSettings
from massjax.market.settings import MarketSettings
from massjax.market.sizes import capitalisation_weights, size_classes, size_of

STOCKS = ("600000", "600001", "600002", "600003")
DAYS = [day for day in (date(2020, 1, 1) + timedelta(days=i) for i in range(84)) if day.weekday() < 5]


def long(seed: int, columns: list[str]) -> pl.DataFrame:
    """A row for each stock and day, dates as whole numbers, columns of numbers between 0 and 1."""
    rng = np.random.default_rng(seed)
    keys = {"Stock": list(STOCKS) * len(DAYS), "Date": [int(f"{day:%Y%m%d}") for day in DAYS for _ in STOCKS]}
    size = len(keys["Stock"])
    return pl.DataFrame(keys | {name: rng.random(size).astype(np.float32) for name in columns}, schema_overrides={"Date": pl.Int32})


def base_table() -> pl.DataFrame:
    rng = np.random.default_rng(9)
    closes = np.exp(np.cumsum(rng.normal(0, 0.01, (len(DAYS), 4)), axis=0)).reshape(-1) * 10
    volume = np.where(np.arange(len(closes)) == 4 * 20 + 1, 0.0, 1e6)
    table = long(8, []).with_columns(
        pl.Series("Open", closes),
        pl.Series("High", closes * 1.01),
        pl.Series("Low", closes * 0.99),
        pl.Series("Close", closes),
        pl.Series("Volume", volume),
        pl.Series("Value", volume * closes),
        pl.Series("MV", closes * np.tile([4e8, 3e8, 2e8, 1e8], len(DAYS))),
        pl.Series("PE", np.tile([20.0, -10.0, 8.0, 0.0], len(DAYS))),
        pl.Series("P/B", np.tile([2.0, 1.0, 4.0, 5.0], len(DAYS))),
        pl.Series("FreeShares", np.tile([1e8] * 4, len(DAYS))),
    )
    return table.with_columns(pl.col("MV").alias("FREE_MV") / 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    labels = long(1, []).with_columns(**{name: pl.lit(0.01) for name in ("1_15_labelB", "5_15_labelB", "10_15_labelB")})
    labels = labels.with_columns(pl.Series("1_15_labelB", np.random.default_rng(2).normal(0, 0.01, len(labels))))
    labels.write_parquet(tmp_path / "ih_label.parq")
    long(2, [column.column for column in PRICE_FEATURE]).write_parquet(tmp_path / "sub_fudamental_data.parq")
    stocks = {"Stock": STOCKS, "Name": ["a", "b", "c", "d"], "Industry": ["bank", "bank", "steel", "oil"]}
    pl.DataFrame(stocks).write_parquet(tmp_path / "stock_basic_data.parq")
    rows = [(day, industry, 0.001) for day in DAYS for industry in ("bank", "oil", "steel")]
    pl.DataFrame(rows, schema=["Date", "Industry", "Daily_Return"], orient="row").write_parquet(tmp_path / "industry_ret.parq")
    return tmp_path


def loaded(folder: Path, **mass: object) -> Panel:
    return load_panel(MarketSettings(source="mass", folder=folder, execution_lag=0, mass=MassSettings(**mass)))


def test_all_nine_modalities_are_read_by_the_names_that_mass_gives_their_columns(folder: Path) -> None:
    table = long(3, [column.column for column in FUNDAMENTALS if column not in PRICE_FEATURE])
    table.rename({"E/P": "ep_ttm", "ROE": "roe"}).write_parquet(folder / "own.parquet")
    base_table().write_parquet(folder / "base_data.parq")
    pl.DataFrame({"Stock": ["600002"], "Date": [20200106], "NewsTitle": ["a dividend"]}).write_parquet(folder / "news.parquet")
    panel = loaded(folder, tables=[folder / "own.parquet"], news=folder / "news.parquet", columns={"E/P": "ep_ttm"})
    assert set(panel.modalities()) == set(MODALITIES)
    assert panel.features["earnings_to_price"].values[2, 5] == table["E/P"][5 * 4 + 2]
    assert panel.features["return_on_equity"].values[0, 0] == table["ROE"][0]
    assert {panel.features[column.feature].label for column in BASE_DATA} == {column.label for column in BASE_DATA}
    assert panel.texts is not None
    assert panel.texts.select("date", "stock", "modality").row(0) == (date(2020, 1, 7), "600002", "news")


def test_base_data_gives_prices_suspensions_sizes_and_valuations(folder: Path) -> None:
    base = base_table()
    base.write_parquet(folder / "base_data.parq")
    panel = loaded(folder)
    assert panel.prices is not None
    assert panel.tradable is not None
    np.testing.assert_array_equal(panel.prices, base["Close"].to_numpy().reshape(-1, 4).T)
    assert np.argwhere(~panel.tradable).tolist() == [[1, 20]]
    assert "momentum_6m" not in panel.features
    assert panel.features["earnings_to_price"].values[:3, 0].tolist() == [0.05, -0.1, 0.125]
    assert np.isnan(panel.features["earnings_to_price"].values[3]).all()
    assert panel.features["book_to_price"].values[:, 0].tolist() == [0.5, 1.0, 0.25, 0.2]
    free = base["FREE_MV"].to_numpy().reshape(-1, 4).T
    np.testing.assert_array_equal(size_of(panel), free)
    np.testing.assert_allclose(capitalisation_weights(panel), free / free.sum(axis=0))
    assert any("ih_label.parq" in warning for warning in panel.warnings), "labels that contradict the prices beside them"


def test_a_day_without_trade_has_no_price_of_the_day_and_a_gap_no_member(folder: Path) -> None:
    base = base_table()
    idle = (pl.col("Volume") == 0) & (pl.col("Stock") == "600001")
    base = base.with_columns(pl.when(idle).then(0.0).otherwise("Open").alias("Open"))
    gap = (pl.col("Stock") == "600003") & (pl.col("Date") == int(f"{DAYS[30]:%Y%m%d}"))
    base.filter(~gap).write_parquet(folder / "base_data.parq")
    panel = loaded(folder)
    assert np.isnan(panel.features["open"].values[1, 20])
    assert np.argwhere(~panel.member).tolist() == [[3, 30]]
    assert any("memberships are of a stock without market data on that date" in warning for warning in panel.warnings)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop("Close"), "base_data.parq: no column 'Close'; it has Stock, Date, Open"),
        (lambda t: t.drop("Date"), "base_data.parq: no column 'Date'"),
        (lambda t: t.with_columns(pl.col("Close").alias("close_")), "'Close' and 'close_' are both MASS's 'Close'"),
        (lambda t: t.with_columns(pl.col("Close") * 0), r"column 'Close', row 1 \(date 2020-01-01, stock 600000\).*zero or negative"),
        (lambda t: t.with_columns(pl.col("Open") * -1), "column 'Open', date 2020-01-01, stock 600000: .* although the stock traded"),
        (
            lambda t: t.with_columns(pl.col("High") / 2),
            "column 'High', date 2020-01-01, stock 600000: .* below the lowest price of the day",
        ),
        (lambda t: t.with_columns(pl.col("MV") * -1), "column 'MV', date 2020-01-01, stock 600000: .* is negative"),
        (lambda t: t.with_columns(pl.col("Volume") - 1), "the volume is negative"),
        (lambda t: pl.concat([t, t.head(1)]), "this stock and date occur more than once"),
    ],
)
def test_bad_base_data_is_refused_by_name(folder: Path, change, words: str) -> None:
    change(base_table()).write_parquet(folder / "base_data.parq")
    with pytest.raises(DataError, match=words):
        loaded(folder)


def test_columns_that_lack_are_told_and_may_be_named(folder: Path) -> None:
    base = base_table().drop("P/B", "Volume").rename({"MV": "Groesse"})
    base.write_parquet(folder / "base_data.parq")
    panel = loaded(folder)
    assert any("has no column 'Volume', 'MV', 'P/B'; of its columns are not known: 'Groesse'" in warning for warning in panel.warnings)
    assert panel.tradable is not None
    assert not panel.tradable[1, 20], "values traded stand for volumes"
    assert "market_value" in loaded(folder, columns={"MV": "Groesse"}).features


def test_tables_of_ones_own_are_refused_where_a_column_is_none_of_mass(folder: Path) -> None:
    table = long(3, ["E/P", "Beta"])
    table.write_parquet(folder / "own.parquet")
    with pytest.raises(DataError, match=r"own.parquet: column 'Beta' is none of MASS's"):
        loaded(folder, tables=[folder / "own.parquet"])
    table.rename({"Stock": "stock"}).write_parquet(folder / "own.parquet")
    with pytest.raises(DataError, match=r"own.parquet: no column 'Stock' \(did you mean 'stock'\?\)"):
        loaded(folder, tables=[folder / "own.parquet"])
    long(2, [column.column for column in PRICE_FEATURE[1:]]).write_parquet(folder / "sub_fudamental_data.parq")
    with pytest.raises(DataError, match="no column 'price_value_feature_0'"):
        loaded(folder)
    with pytest.raises(ConfigError, match=r"no column 'EP' \(did you mean 'E/P'\?\)"):
        MassSettings(columns={"EP": "x"})
    with pytest.raises(ConfigError, match=r"no macro series 'cpi_yoy' \(did you mean 'cpi'\?\)"):
        MassSettings(macro_lags={"cpi_yoy": 1})
    with pytest.raises(ConfigError, match=r"market\.mass is read by source 'mass' only"):
        MarketSettings(mass=MassSettings())


def macro(folder: Path, name: str, rows: list[tuple[str, float]], column: str = "Value") -> None:
    (folder / "macro_data").mkdir(exist_ok=True)
    pl.DataFrame(rows, schema=["Date", column], orient="row").write_csv(folder / "macro_data" / name)


def test_no_macro_value_is_seen_before_it_is_published(folder: Path) -> None:
    """Whatever the lag, a fact on date t is the same with all values that are public later than t replaced."""
    observed = [(f"{day:%Y%m%d}", 1.0 + i) for i, day in enumerate(DAYS[::3])]
    for lag in (0, 1, 17):
        macro(folder, "China_CPI_YoY_Current_Month.csv", observed)
        values = loaded(folder, macro_lags={"cpi": lag}).market_facts["cpi"].values
        for t, today in enumerate(DAYS):
            public = [value for (day, value), own in zip(observed, DAYS[::3], strict=True) if own + timedelta(days=lag) <= today]
            assert values[t] == pytest.approx(public[-1] * 0.01) if public else np.isnan(values[t])
        cut = DAYS[40]
        later = [(day, value if own + timedelta(days=lag) <= cut else 99.0) for (day, value), own in zip(observed, DAYS[::3], strict=True)]
        macro(folder, "China_CPI_YoY_Current_Month.csv", later)
        changed = loaded(folder, macro_lags={"cpi": lag}).market_facts["cpi"].values
        np.testing.assert_array_equal(changed[:41], values[:41])
        assert not np.array_equal(changed, values, equal_nan=True)


def test_changes_percentiles_and_returns_of_macro_series(folder: Path) -> None:
    rng = np.random.default_rng(4)
    long_ago = [date(2018, 1, 1) + timedelta(days=i) for i in range(814)]
    dated = [f"{day:%Y%m%d}" for day in long_ago]
    yields, ratios, index = 3 + rng.random(814), 10 + rng.integers(0, 9, 814) / 2, 1000 + rng.random(814)
    macro(folder, "yield_on_China_10_year_government_bonds.csv", list(zip(dated, yields, strict=True)))
    macro(folder, "csi_300_pe_ttm.csv", list(zip(dated, ratios, strict=True)))
    macro(folder, "Market_Sentiment_Index.csv", list(zip(dated, index, strict=True)), "Close")
    panel = loaded(folder, yield_changes=(1, 30), pe_years=1.0)
    facts = panel.market_facts
    assert list(facts) == [
        "yield_10y",
        "yield_10y_change_1",
        "yield_10y_change_30",
        "csi300_pe",
        "csi300_pe_percentile",
        "sentiment_return",
    ]
    for t in (0, 17, 50):
        m = long_ago.index(DAYS[t])
        assert facts["sentiment_return"].values[t] == pytest.approx(index[m] / index[m - 1] - 1)
        assert facts["yield_10y_change_1"].values[t] == pytest.approx(100 * (yields[m - 1] - yields[m - 2]))
        assert facts["yield_10y_change_30"].values[t] == pytest.approx(100 * (yields[m - 1] - yields[m - 31]))
        past = ratios[m - 1 - 364 : m]
        below = (np.sum(past < past[-1]) + np.sum(past <= past[-1])) / (2 * len(past))
        assert facts["csi300_pe_percentile"].values[t] == pytest.approx(below)
    assert any("China_CPI_YoY_Current_Month.csv: no such file; the macro fact 'cpi' is not known" in told for told in panel.warnings)


def test_bad_macro_files_are_refused_by_name(folder: Path) -> None:
    macro(folder, "csi_300_pe_ttm.csv", [("20200101", 10.0), ("20200101", 11.0)])
    with pytest.raises(DataError, match=r"csi_300_pe_ttm.csv: column 'Date': 2020-01-01 occurs more than once"):
        loaded(folder)
    macro(folder, "csi_300_pe_ttm.csv", [("20200101", 10.0), ("20200102", 0.0)])
    with pytest.raises(DataError, match=r"csi_300_pe_ttm.csv: 0 on 2020-01-02; expected values above 0"):
        loaded(folder)
    macro(folder, "csi_300_pe_ttm.csv", [("20190101", 10.0), ("20190601", 11.0)])
    assert any("the last value known on 2020-01-01 is of 2019-06-01" in told for told in loaded(folder).warnings)


def test_the_page_lists_every_column_with_its_modality_meaning_and_unit() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "mass.md").read_text(encoding="utf-8")
    for c in (*FUNDAMENTALS, *BASE_DATA):
        assert f"| {c.modality} | `{c.column}` | `{c.feature}` | {c.label} | {c.unit} |" in page


def test_size_classes_are_fifths_by_average_rank() -> None:
    sizes = np.random.default_rng(0).random((50, 3))
    sizes[7] = np.nan
    classes = size_classes(sizes)
    for t in range(3):
        known = [n for n in range(50) if n != 7]
        for n in known:
            rank = 1 + sum(sizes[other, t] > sizes[n, t] for other in known)
            assert classes[n, t] == int((rank - 1) // (49 / 5))
    assert (classes[7] == -1).all()
