"""What a user's tables in the layout of MASS can hold that looks right: told, or refused by the name that the user gave it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from massjax.errors import DataError
from tests.market.test_mass_layout import DAYS, base_table, folder, loaded, long, macro

__all__ = ["folder"]


def told(folder: Path, words: str, **mass: object) -> bool:
    return any(words in warning for warning in loaded(folder, **mass).warnings)


def test_percentages_where_fractions_belong_are_told(folder: Path) -> None:
    table = long(3, ["E/P", "B/P", "Dividend yield"]).with_columns(pl.col("E/P", "Dividend yield") / 10)
    table.write_csv(folder / "own.csv")
    assert not told(folder, "are they in percent", tables=[folder / "own.csv"])
    table.with_columns(pl.col("Dividend yield") * 100).write_csv(folder / "own.csv")
    assert told(folder, "half of the values of 'Dividend yield' exceed", tables=[folder / "own.csv"])
    assert not told(folder, "'E/P' exceed", tables=[folder / "own.csv"])


def test_a_column_in_two_tables_is_refused_by_the_files(folder: Path) -> None:
    long(3, ["E/P"]).write_csv(folder / "one.csv")
    long(4, ["e/p"]).write_csv(folder / "other.csv")
    with pytest.raises(DataError, match=r"other.csv: column 'e/p' is in .*one.csv too"):
        loaded(folder, tables=[folder / "one.csv", folder / "other.csv"])


def test_a_heading_that_no_table_has_is_refused(folder: Path) -> None:
    """Close would silently be taken for the adjusted close that was meant."""
    base_table().write_parquet(folder / "base_data.parq")
    with pytest.raises(DataError, match=r"market.mass.columns: Close: no table has a column 'AdjClose'"):
        loaded(folder, columns={"Close": "AdjClose"})
    assert loaded(folder, columns={"P/E": "PE"}).features["price_to_earnings"].values[0, 0] == 20.0


def test_keys_of_base_data_and_headings_of_news_are_asked_for_by_name(folder: Path) -> None:
    base_table().rename({"Stock": "stock"}).write_parquet(folder / "base_data.parq")
    with pytest.raises(DataError, match=r"no column 'Stock' \(did you mean 'stock'\?\).*; rename the column$"):
        loaded(folder)
    (folder / "base_data.parq").unlink()
    pl.DataFrame({"Stock": ["600002"], "Date": [20200106], "Title": ["a dividend"]}).write_csv(folder / "news.csv")
    with pytest.raises(DataError, match=r"news.csv: no column 'NewsTitle' .*market.mass.news needs Stock, Date and NewsTitle"):
        loaded(folder, news=folder / "news.csv")


def test_base_data_that_does_not_fit_its_closes_is_told(folder: Path) -> None:
    base = base_table()
    base.write_parquet(folder / "base_data.parq")
    assert not told(folder, "outside the range of the day")
    assert not told(folder, "times shares traded by the close")
    base.with_columns(pl.col("Close") / 2, pl.col("Volume") / 100).write_parquet(folder / "base_data.parq")
    assert told(folder, f"{4 * len(DAYS)} closes lie outside the range of the day (first 600000 on 2020-01-01)")
    assert told(folder, "'Value' is 200 times shares traded by the close")
    base.drop("Value").with_columns(turnover=pl.lit(0.02)).write_parquet(folder / "base_data.parq")
    assert "value" not in loaded(folder).features, "a rate of turnover is no value traded"


def test_macro_values_of_another_size_infinite_ones_and_facts_that_are_never_known(folder: Path) -> None:
    days = [f"{DAYS[0] - timedelta(days=40 - i):%Y%m%d}" for i in range(40)]
    macro(folder, "yield_on_China_10_year_government_bonds.csv", [(day, 0.028) for day in days])
    macro(folder, "csi_300_pe_ttm.csv", [(day, 12.0) for day in days])
    assert told(folder, "half of its values exceed 0.028; are they in percent?")
    assert told(folder, "the macro fact 'yield_10y_change_180' is not known on any date")
    assert told(folder, "the macro fact 'csi300_pe_percentile' is not known on any date")
    panel = loaded(folder, pe_years=0.001)
    assert (panel.market_facts["csi300_pe_percentile"].values == 0.5).all()
    macro(folder, "yield_on_China_10_year_government_bonds.csv", [(days[0], 2.8), (days[1], float("inf"))])
    with pytest.raises(DataError, match="column 'Value': infinite on 2019-11-23"):
        loaded(folder)


def test_a_folder_may_have_brackets_in_its_name(folder: Path) -> None:
    inside = folder / "copy [1]"
    inside.mkdir()
    for file in folder.glob("*.parq"):
        file.rename(inside / file.name)
    long(3, ["E/P"]).write_csv(inside / "own*.csv")
    assert "earnings_to_price" in loaded(inside, tables=[inside / "own*.csv"]).features


def test_consumer_prices_dated_at_the_beginning_of_their_months_are_refused_unless_their_lag_is_given(folder: Path) -> None:
    macro(folder, "China_CPI_YoY_Current_Month.csv", [("20191201", 2.0), ("20200101", 2.5)])
    with pytest.raises(DataError, match=r"of 2019-12-01 would be known on 2019-12-18, before its month has ended.*macro_lags: {cpi: 47}"):
        loaded(folder)
    assert loaded(folder, macro_lags={"cpi": 47}).market_facts["cpi"].values[-1] == pytest.approx(0.025)
    macro(folder, "China_CPI_YoY_Current_Month.csv", [("20191231", 2.0), ("20200131", 2.5)])
    assert loaded(folder).market_facts["cpi"].values[-1] == pytest.approx(0.025)
