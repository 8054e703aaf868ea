"""A date is a day in the market's zone, whatever kind of file and column it stands in."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings as hypothesis_settings, strategies as st

from massjax.errors import ConfigError, DataError
from massjax.market import load_panel
from massjax.market.dates import WRITTEN, market_days
from massjax.market.settings import FeaturesTable, MarketSettings, MembershipTable, PricesTable, ReturnsTable, TextsTable
from massjax.settings import validate

PATH = Path("prices.csv")
# Winter and summer time of New York, and the Monday after its clocks moved.
DAYS = [date(2021, 1, 4), date(2021, 3, 12), date(2021, 3, 15), date(2021, 7, 6)]


def days(values: object, zone: str | None = None, dtype: pl.DataType | None = None) -> list[date]:
    return market_days(pl.Series("date", values, dtype=dtype), PATH, zone).to_list()


def midnights(zone: str) -> pl.Series:
    return pl.Series("date", [datetime(d.year, d.month, d.day) for d in DAYS]).dt.replace_time_zone(zone)


@pytest.mark.parametrize(
    "form", ["%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%Y.%m.%d", "%Y-%m-%d 00:00", "%Y-%m-%dT00:00:00", "%Y%m%dT000000.000000000"]
)
@pytest.mark.parametrize("kind", [pl.String(), pl.Categorical(), None])
def test_plain_dates_in_every_spelling(form: str, kind: pl.DataType | None) -> None:
    given = pl.Series("date", [f"{d:{form}}" for d in DAYS])
    assert market_days(given if kind is None else given.cast(kind), PATH, None).to_list() == DAYS


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Shanghai", "Europe/London", "Asia/Kolkata", "UTC"])
def test_midnight_of_the_market_told_in_another_zone_is_its_day(unit: str, zone: str) -> None:
    utc = midnights(zone).dt.convert_time_zone("UTC").dt.cast_time_unit(unit)
    assert market_days(utc, PATH, zone).to_list() == DAYS
    assert market_days(utc.dt.convert_time_zone("Asia/Tokyo"), PATH, zone).to_list() == DAYS
    assert market_days(midnights(zone).dt.replace_time_zone(None).dt.cast_time_unit(unit), PATH, zone).to_list() == DAYS


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S%z", "%Y-%m-%dT%H:%M:%S%:z", "%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%d %H:%M:%S %z"])
@pytest.mark.parametrize("shown_in", ["America/New_York", "UTC", "Asia/Shanghai"])
def test_offsets_in_strings_change_with_daylight_saving(form: str, shown_in: str) -> None:
    texts = midnights("America/New_York").dt.convert_time_zone(shown_in).dt.to_string(form)
    assert market_days(texts.rename("date"), PATH, "America/New_York").to_list() == DAYS


def test_rows_with_and_without_an_offset_may_be_mixed() -> None:
    mixed = ["2021-01-04", "2021-03-12 00:00:00-05:00", "2021-03-15T04:00:00Z", "20210706"]
    assert days(mixed, "America/New_York") == DAYS


@pytest.mark.parametrize("kind", ["parquet", "csv", "pandas", "mixed"])
def test_a_zone_needs_the_zone_of_the_market(kind: str) -> None:
    utc = midnights("Asia/Shanghai").dt.convert_time_zone("UTC")
    given = {
        "parquet": utc,
        "csv": utc.dt.to_string("%Y-%m-%dT%H:%M:%SZ"),
        "pandas": midnights("Asia/Shanghai").dt.to_string("%Y-%m-%d %H:%M:%S%:z"),
        "mixed": pl.Series(["2021-01-04", "2021-03-12", "2021-03-15", "2021-07-05T16:00:00Z"]),
    }[kind]
    with pytest.raises(DataError, match=r"prices.csv: column 'date', row [14]: .* names a zone") as caught:
        market_days(given.rename("date"), PATH, None)
    assert "set market.timezone to its zone" in str(caught.value)
    assert "midnight in Asia/Shanghai" in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        [datetime(2021, 1, 4, 16)],
        [datetime(2021, 1, 4, 0, 0, 0, 1)],
        ["2021-01-04 16:00:00"],
        ["2021-01-04 09:30"],
        ["20210104T000001"],
    ],
)
def test_a_time_of_day_is_refused_in_every_format(values: list[object]) -> None:
    for zone in (None, "America/New_York"):
        with pytest.raises(DataError, match=r"prices.csv: column 'date', row 1: .* has a time of day, and a row belongs to a whole day"):
            days(values, zone)


def test_midnight_elsewhere_is_refused_with_the_zone_that_would_fit() -> None:
    for column in (midnights("UTC"), midnights("UTC").dt.to_string("%Y-%m-%dT%H:%M:%SZ")):
        with pytest.raises(DataError) as caught:
            market_days(column.rename("date"), PATH, "America/New_York")
        assert "is 2021-01-03 19:00:00 in America/New_York (market.timezone)" in str(caught.value)
        assert "all its times are midnight in UTC" in str(caught.value)
    with pytest.raises(DataError, match="keep one row a day"):
        days([datetime(2021, 1, 4, 14, 30, tzinfo=ZoneInfo("UTC"))], "America/New_York")


def test_a_day_whose_midnight_the_clocks_skip_begins_at_one() -> None:
    skipped = pl.Series("date", [datetime(2018, 11, 3, 3), datetime(2018, 11, 4, 3), datetime(2018, 11, 5, 2)]).dt.replace_time_zone("UTC")
    assert market_days(skipped, PATH, "America/Sao_Paulo").to_list() == [date(2018, 11, 3), date(2018, 11, 4), date(2018, 11, 5)]


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        (1609718400, r"seconds since 1970 \(2021-01-04 00:00 UTC\)\? .*unit='s'"),
        (1609718400000, r"milliseconds since 1970 \(2021-01-04 00:00 UTC\)\? .*unit='ms'"),
        (1609718400000000, "microseconds since 1970"),
        (1609718400000000000, "nanoseconds since 1970"),
        (44200, r"a spreadsheet's count of days \(2021-01-04\)\? .*origin='1899-12-30'"),
        (18631, r"days since 1970 \(2021-01-04\)"),
        (202101, "a month alone"),
        (20211301, "such as"),
    ],
)
@pytest.mark.parametrize("kind", [pl.Int64(), pl.String(), pl.Float64()])
def test_counts_are_refused_with_their_cause(value: int, cause: str, kind: pl.DataType) -> None:
    column = pl.Series("date", [str(value)] if kind == pl.String() else [value], dtype=kind)
    with pytest.raises(DataError, match=r"expected (a date|dates) such as 2022-01-03 or 20220103") as caught:
        market_days(column, PATH, "America/New_York")
    assert re.search(cause, str(caught.value))


@pytest.mark.parametrize("text", ["01/04/2021", "4.1.2021", "04-01-2021", "1/4/21 12:00"])
def test_day_or_month_first_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="whether the day or the month comes first cannot be told"):
        days([text])


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("2021-01-04 00:00:00 EST", ": write the zone as an offset, such as -05:00$"),
        ("1609718400.5", "seconds since 1970"),
        ("44200.0", "a spreadsheet's count of days"),
        ("2021-02-30", "found '2021-02-30'$"),
        ("2021-01-04T24:00:00", "found '2021-01-04T24:00:00'$"),
        ("2021-01-04T00:00:00+25:00", r"found '2021-01-04T00:00:00\+25:00'$"),
        ("Jan 4, 2021", "found 'Jan 4, 2021'$"),
    ],
)
def test_what_is_no_date_is_refused(text: str, cause: str) -> None:
    with pytest.raises(DataError, match="prices.csv: column 'date', row 2: expected a date such as 2022-01-03 or 20220103, .*" + cause):
        days(["2021-01-04", text], "America/New_York")


@pytest.mark.parametrize("values", [[datetime(1970, 1, 1, 0, 0, 1, 609718)], [datetime(1970, 1, 1, 0, 0, 0, 20210)]])
def test_a_count_read_in_the_wrong_unit_is_told(values: list[datetime]) -> None:
    with pytest.raises(DataError, match="count of seconds that was read in another unit"):
        days(values)


@pytest.mark.parametrize("values", [[date(9999, 12, 31)], ["0021-01-04"], [date(1, 1, 1)]])
def test_a_year_of_no_market_is_refused(values: list[object]) -> None:
    with pytest.raises(DataError, match="which is no date of a market"):
        days(values)


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)), st.sampled_from(["America/New_York", "Asia/Shanghai", "Europe/Berlin", "UTC"])
)
@hypothesis_settings(max_examples=60)
def test_a_string_and_a_timestamp_mean_the_same_day_or_are_refused_alike(moment: datetime, zone: str) -> None:
    moment = moment.replace(microsecond=0)
    midnight = moment.replace(hour=0, minute=0, second=0)
    for local in (moment, midnight):
        utc = local.replace(tzinfo=ZoneInfo(zone)).astimezone(ZoneInfo("UTC"))
        stamp = pl.Series("date", [utc.replace(tzinfo=None)]).dt.replace_time_zone("UTC")
        found = []
        written = [utc.isoformat(), local.replace(tzinfo=ZoneInfo(zone)).isoformat(" ")]
        for column in (stamp, *(pl.Series("date", [text]) for text in written)):
            try:
                found.append(market_days(column, PATH, zone).to_list())
            except DataError:
                found.append("refused")
        expected = [local.date()] if local == midnight else "refused"
        assert found == [expected] * 3


def test_a_date_of_a_wide_file_is_recognised() -> None:
    assert pl.Series(["2021-01-04 00:00:00+08:00", "2021/1/4", "x"]).str.contains(WRITTEN).to_list() == [True, True, False]


def shifted(frame: pl.DataFrame, zone: str) -> pl.DataFrame:
    return frame.with_columns(pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone(zone).dt.convert_time_zone("UTC"))


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_every_table_takes_dates_alike(tables, suffix: str) -> None:
    plain = tables.settings()
    frame = tables.prices.with_columns(sig=pl.col("close") / 100, r1=pl.lit(0.01))
    path = tables.folder / f"utc.{suffix}"
    utc = shifted(frame, "Asia/Shanghai")
    utc.write_parquet(path) if suffix == "parquet" else utc.write_csv(path)
    rest = {"features": (FeaturesTable(path=path, modality="m", columns={"sig": "sig"}),), "membership": MembershipTable(path=path)}
    rest["forward_returns"] = ReturnsTable(path=path, columns={1: "r1"})
    settings = plain.replace(timezone="Asia/Shanghai", **rest)
    panel, expected = load_panel(settings), load_panel(plain)
    np.testing.assert_array_equal(panel.dates, expected.dates)
    np.testing.assert_array_equal(panel.member, expected.member)
    np.testing.assert_array_equal(panel.features["sig"].values * 100, expected.prices)
    assert (panel.forward_returns[1][panel.member] == 0.01).all()
    np.testing.assert_array_equal(load_panel(settings.replace(prices=PricesTable(path=path))).prices, expected.prices)
    for name, table in rest.items():
        with pytest.raises(DataError, match=rf"utc.{suffix}: column 'date', row 1: .*market.timezone"):
            load_panel(plain.replace(**{name: table}))


@pytest.mark.parametrize(
    "stamp",
    [
        "2021-03-05",
        "2021-03-05 00:00:00",
        "2021-03-05T00:00:00-05:00",
        "2021-03-05T05:00:00Z",
        "2021-03-05 13:00:00+08:00",
        "2021-03-05T00:00:00Z",
    ],
)
@pytest.mark.parametrize("kind", ["csv", "parquet", "zoned"])
def test_a_text_stamped_midnight_counts_like_its_date(tables, stamp: str, kind: str) -> None:
    path = tables.folder / f"news.{'csv' if kind == 'csv' else 'parquet'}"
    tables = tables.but(prices=tables.prices.with_columns(pl.col("date") + timedelta(days=364)))
    plain = tables.settings()
    news = pl.DataFrame({"date": [stamp], "stock": "AAA", "text": "dividend raised"})
    if kind == "zoned":
        if len(stamp) < 20:
            pytest.skip("names no zone")
        news = news.with_columns(date=pl.lit(datetime.fromisoformat(stamp)).dt.convert_time_zone("UTC"))
    news.write_csv(path) if kind == "csv" else news.write_parquet(path)
    for options in ({"timezone": "America/New_York"}, {}):
        panel = load_panel(plain.replace(texts=(TextsTable(path=path),), **options))
        assert panel.texts["date"].to_list() == [date(2021, 3, 8)]


def test_texts_take_the_zone_of_the_market_unless_they_have_their_own(tables) -> None:
    path = tables.folder / "news.csv"
    plain = tables.settings()
    path.write_text("date,stock,text\n2020-02-04T15:30:00Z,AAA,x\n")  # 10:30 in New York, 23:30 in Shanghai

    def known(market: str | None, own: str | None) -> list[date]:
        return load_panel(plain.replace(timezone=market, texts=(TextsTable(path=path, timezone=own),))).texts["date"].to_list()

    assert known(None, None) == known("Asia/Shanghai", "America/New_York") == [date(2020, 2, 4)]
    assert known("Asia/Shanghai", None) == known(None, "Asia/Shanghai") == [date(2020, 2, 5)]


@pytest.mark.parametrize("zone", ["Mars/X", "", "localtime", "Asia/shanghai "])
def test_an_unknown_zone_of_the_market_is_named(zone: str) -> None:
    with pytest.raises(ConfigError, match=r"timezone: .* is no time zone; expected a name such as America/New_York or UTC"):
        validate(MarketSettings, {"timezone": zone}, "config.yaml")


@pytest.mark.parametrize(("days", "words"), [(-1, "a day later"), (1, "a day earlier")])
def test_members_dated_a_day_off_are_told_as_such(tables: Tables, days: int, words: str) -> None:
    members = tables.prices.select(pl.col("date").dt.offset_by(f"{days}d"), "stock")
    with pytest.raises(DataError, match=rf"ranking needs two members.*left out; {words} nearly all would be on dates with it"):
        load_panel(tables.but(membership=members).settings())
