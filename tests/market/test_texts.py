from __future__ import annotations

import re
from datetime import date, datetime, time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from massjax.errors import ConfigError, DataError
from massjax.market import load_panel
from massjax.market.carried import carried
from massjax.market.panel import TEXT_SCHEMA
from massjax.market.settings import MarketSettings, PricesTable, TextsTable
from massjax.market.texts import merged_texts, read_texts

# Friday, Monday, Tuesday after a weekend on which New York moved its clocks forward (13 March 2022), then a holiday's gap.
DATES = np.array(["2022-03-11", "2022-03-14", "2022-03-15", "2022-03-18"], dtype="datetime64[D]")


def known(tmp_path: Path, times: object, file: str = "texts.parquet", **options: object) -> list[str | None]:
    """The date on which a text published at each time is known, None where it is left out."""
    table = pl.DataFrame({"time": times, "stock": "A"}).with_row_index("text").cast({"text": pl.String})
    path = tmp_path / file
    (table.write_parquet if path.suffix == ".parquet" else table.write_csv)(path)
    texts, _ = read_texts(TextsTable(path=path, timestamp="time", **options), "market.texts[0]", DATES, ["A"])
    days = dict(texts.select("text", "date").iter_rows())
    return [str(days[text]) if text in days else None for text in table["text"]]


def test_by_the_cutoff_counts_on_its_day_and_later_on_the_next(tmp_path: Path) -> None:
    times = [datetime(2022, 3, 14, 16, 0), datetime(2022, 3, 14, 16, 0, 1), datetime(2022, 3, 12, 9, 0), datetime(2022, 3, 15, 20, 0)]
    assert known(tmp_path, times) == ["2022-03-14", "2022-03-15", "2022-03-14", "2022-03-18"]


def test_other_zones_are_converted_with_their_daylight_saving(tmp_path: Path) -> None:
    times = pl.Series(
        [datetime(2022, 3, 11, 21, 0), datetime(2022, 3, 11, 21, 1), datetime(2022, 3, 14, 20, 0), datetime(2022, 3, 14, 20, 1)]
    )
    expected = ["2022-03-11", "2022-03-14", "2022-03-14", "2022-03-15"]
    assert known(tmp_path, times.dt.replace_time_zone("UTC")) == expected


@pytest.mark.parametrize("file", ["texts.parquet", "texts.csv"])
def test_a_date_alone_counts_from_the_next_trading_day(tmp_path: Path, file: str) -> None:
    times = [date(2022, 3, 11), date(2022, 3, 13), date(2022, 3, 14), date(2022, 3, 17)]
    assert known(tmp_path, times, file) == ["2022-03-14", "2022-03-14", "2022-03-15", "2022-03-18"]


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Shanghai"])
def test_midnight_is_a_date_alone(tmp_path: Path, zone: str | None) -> None:
    times = pl.Series([datetime(2022, 3, 14)]).dt.replace_time_zone(zone)
    assert known(tmp_path, times) == ["2022-03-15"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2022-03-14 15:59:59", "2022-03-14"),
        ("2022-03-14T16:00:00.5", "2022-03-15"),
        ("2022-03-14T20:00:00Z", "2022-03-14"),
        ("2022-03-14T20:00:01+00:00", "2022-03-15"),
        ("2022-03-15 04:30:00+0800", "2022-03-15"),
        ("20220314", "2022-03-15"),
    ],
)
def test_times_written_as_strings(tmp_path: Path, text: str, expected: str) -> None:
    assert known(tmp_path, [text], "texts.csv") == [expected]


def test_zone_and_cutoff_are_settings(tmp_path: Path) -> None:
    times = pl.Series([datetime(2022, 3, 14, 7, 0), datetime(2022, 3, 14, 7, 1)]).dt.replace_time_zone("UTC")
    assert known(tmp_path, times, timezone="Asia/Shanghai", cutoff="15:00") == ["2022-03-14", "2022-03-15"]


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    rows = [
        (datetime(2022, 3, 10, 9), "A", "too early"),
        (datetime(2022, 3, 18, 17), "A", "too late"),
        (datetime(2022, 3, 14, 9), "Z", "no such stock"),
        (datetime(2022, 3, 14, 9), "A", " "),
        (None, "A", "no time"),
        (datetime(2022, 3, 14, 9), "A", "kept"),
    ]
    path = tmp_path / "texts.parquet"
    pl.DataFrame(rows, schema=["time", "stock", "text"], orient="row").write_parquet(path)
    texts, warnings = read_texts(TextsTable(path=path, timestamp="time"), "market.texts[0]", DATES, ["A"])
    assert texts["text"].to_list() == ["kept"]
    assert warnings == (
        f"{path}: left out 2 rows without a time or a text",
        f"{path}: left out 1 texts from before the first date",
        f"{path}: left out 1 texts from after the last date",
        f"{path}: left out 1 texts on stocks without market data",
    )


def test_a_table_without_rows_has_no_texts(tmp_path: Path) -> None:
    path = tmp_path / "texts.csv"
    path.write_text("time,stock,text\n")
    texts, warnings = read_texts(TextsTable(path=path, timestamp="time"), "market.texts[0]", DATES, ["A"])
    assert merged_texts([texts]).schema == TEXT_SCHEMA
    assert (len(texts), warnings) == (0, ())


def test_tables_are_merged_by_date_stock_and_time(tmp_path: Path) -> None:
    tables = []
    for modality, hours in (("news", (11, 9)), ("posts", (10, 8))):
        path = tmp_path / f"{modality}.parquet"
        rows = {"time": [datetime(2022, 3, 14, h) for h in hours], "stock": ["B", "A"], "text": [f"{modality} at {h}" for h in hours]}
        pl.DataFrame(rows).write_parquet(path)
        tables.append(read_texts(TextsTable(path=path, timestamp="time", modality=modality), "market.texts", DATES, ["A", "B"])[0])
    merged = merged_texts(tables)
    assert merged.schema == TEXT_SCHEMA
    assert merged["text"].to_list() == ["posts at 8", "news at 9", "posts at 10", "news at 11"]


def test_texts_of_tables_in_different_zones_are_in_the_order_of_publication(tmp_path: Path) -> None:
    tables = []
    for zone, hour, text in (("Europe/London", 14, "first, at 10:00 in New York"), ("America/New_York", 11, "second")):
        path = tmp_path / f"{hour}.parquet"
        pl.DataFrame({"time": [datetime(2022, 3, 14, hour)], "stock": ["A"], "text": [text]}).write_parquet(path)
        tables.append(read_texts(TextsTable(path=path, timestamp="time", timezone=zone), "market.texts[0]", DATES, ["A"])[0])
    assert merged_texts(tables)["text"].to_list() == ["first, at 10:00 in New York", "second"]


def test_unknown_zone_is_named(tmp_path: Path) -> None:
    times = pl.Series([datetime(2022, 3, 14, 7)]).dt.replace_time_zone("UTC")
    with pytest.raises(ConfigError, match=r"timezone: .*'America/NewYork' is no time zone; expected a name such as America/New_York"):
        known(tmp_path, times, timezone="America/NewYork")


def test_malformed_time_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"texts.csv: column 'time', row 2: expected a time .* found 'yesterday'"):
        known(tmp_path, ["2022-03-14 10:00:00", "yesterday"], "texts.csv")


@pytest.mark.parametrize(
    ("known", "carry", "expected"),
    [
        ("2022-03-11", 30, "2022-03-11"),
        ("2022-03-14", 30, "2022-03-18"),  # suspended on the 14th and 15th
        ("2022-03-15", 3, "2022-03-18"),
        ("2022-03-14", 3, None),
        ("2022-03-15", 0, None),
    ],
)
def test_a_text_waits_for_its_stocks_next_date(known: str, carry: int, expected: str | None) -> None:
    member = np.array([[True, False, False, True], [True, True, True, False]])
    texts = pl.DataFrame({"date": [date.fromisoformat(known)], "stock": ["A"], "text": ["news"]})
    moved, lost = carried(texts, member, DATES, ["A", "B"], carry)
    assert [str(day) for day in moved["date"]] == ([expected] if expected else [])
    assert lost == (expected is None)


def test_a_text_on_a_stock_that_never_comes_back_is_lost() -> None:
    member = np.array([[True, False, False, True], [True, True, True, False]])
    texts = pl.DataFrame({"date": [DATES[3].item(), DATES[2].item()], "stock": ["B", "B"], "text": ["late", "in time"]})
    moved, lost = carried(texts, member, DATES, ["A", "B"], 30)
    assert (moved["text"].to_list(), lost) == (["in time"], 1)


def test_loading_carries_texts_counts_the_lost_and_keeps_their_order(tables) -> None:
    days = [date(2020, 1, d) for d in (1, 2, 3, 6, 7, 8, 9, 10)]
    rows = [(day, stock, 10.0 + n) for n, day in enumerate(days) for stock in "ABC" if stock != "A" or not 2 <= n <= 5]
    prices = pl.DataFrame(rows, schema=["date", "stock", "close"], orient="row")
    news = [(datetime(2020, 1, 9, 9), "third"), (datetime(2020, 1, 3, 9), "first"), (datetime(2020, 1, 7, 9), "second")]
    texts = pl.DataFrame([(at, "A", text) for at, text in news], schema=["time", "stock", "text"], orient="row")
    settings = tables.but(prices=prices, texts=texts, options={"price_features": False, "horizons": (1,)}).settings()
    panel = load_panel(settings)
    assert panel.texts["text"].to_list() == ["first", "second", "third"]
    assert set(panel.texts["date"]) == {date(2020, 1, 9)}
    short = settings.replace(texts=(settings.texts[0].replace(carry=2, window=7),))
    panel = load_panel(short)
    assert panel.texts["text"].to_list() == ["second", "third"]
    assert panel.text_windows == {"news": 7}
    assert any("left out 1 texts on stocks that are no members within 2 days (market.texts[0].carry)" in w for w in panel.warnings)


def test_tables_of_one_modality_have_one_window(tmp_path: Path) -> None:
    table = TextsTable(path=tmp_path / "a.csv", window=3)
    with pytest.raises(ConfigError, match="two tables of the modality 'news' have windows of different length"):
        MarketSettings(source="tables", prices=PricesTable(path=tmp_path / "p.csv"), texts=(table, table.replace(window=0)))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"timezone": "Asia/Shanghai"}, "2 texts are from after 15:00, when exchanges in Asia/Shanghai close, .*cutoff is 16:00"),
        ({"timezone": "Asia/Shanghai", "cutoff": time(15, 0)}, None),
        ({"timezone": "Europe/Berlin"}, None),
        ({}, None),
        ({"cutoff": time(16, 30)}, "1 text is from after 16:00, when exchanges in America/New_York close"),
    ],
)
def test_texts_between_an_earlier_close_and_the_cutoff_are_told(tmp_path: Path, options: dict[str, object], said: str | None) -> None:
    hours = [(10, 0), (15, 0), (15, 0, 1), (16, 0), (16, 1), (0, 0)]
    table = pl.DataFrame({"date": [datetime(2022, 3, 14, *hour) for hour in hours], "stock": "A", "text": "t"})
    table.write_parquet(tmp_path / "t.parquet")
    _, sentences = read_texts(TextsTable(path=tmp_path / "t.parquet", **options), "market.texts[0]", DATES, ["A"])
    assert len(sentences) == (said is not None)
    assert said is None or re.search(said, sentences[0])
