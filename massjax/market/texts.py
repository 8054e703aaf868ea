"""Dated texts: on which trading day each one is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Shaped

from massjax.errors import DataError
from massjax.market.alignment import misaligned
from massjax.market.dates import is_midnight, timestamps
from massjax.market.grid import days
from massjax.market.identifiers import PLAIN, Conventions
from massjax.market.panel import TEXT_SCHEMA
from massjax.market.reading import as_stocks, read_columns
from massjax.market.settings import TextsTable

NEW_YORK = "America/New_York"
CLOSES = {
    "America/New_York": time(16, 0), "America/Chicago": time(15, 0), "Europe/London": time(16, 30), "Asia/Shanghai": time(15, 0),
    "Asia/Hong_Kong": time(16, 0), "Asia/Tokyo": time(15, 30), "Asia/Seoul": time(15, 30), "Asia/Taipei": time(13, 30),
    "Asia/Kolkata": time(15, 30), "Asia/Calcutta": time(15, 30), "Asia/Riyadh": time(15, 0),
}  # fmt: skip
"""When the exchanges of a zone close, in its own time."""
EXPECTED = "a time such as 2022-01-03 14:30:00, with or without an offset, or a date"


def read_texts(
    settings: TextsTable,
    setting: str,
    dates: Shaped[np.ndarray, " T"],
    stocks: Sequence[str],
    conventions: Conventions = PLAIN,
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The texts of one table, each on the first date at whose close it is known, and warnings about what was left out.

    A text with a time counts on its own day if it was published by `settings.cutoff` in `settings.timezone`, else on the next
    trading day. A date alone, or a time of exactly midnight, says nothing about the hour, so it counts from the next trading
    day on. Texts that were known before the first of `dates` are left out.

    Returns:
        A table of the schema `TEXT_SCHEMA` plus `published`, the time of publication in UTC, and sentences.

    Raises:
        DataError: a column is missing or of the wrong type, or the time zone is unknown.
    """
    raw = read_columns(settings.path, setting, [settings.timestamp, settings.stock, settings.text])
    if raw[settings.text].dtype not in (pl.String, pl.Null):
        raise DataError(f"{settings.path}: column {settings.text!r} holds {raw[settings.text].dtype}, expected texts")
    zone = settings.timezone or conventions.timezone or NEW_YORK
    table = pl.DataFrame(
        {"stock": as_stocks(raw, settings.stock, settings.path, conventions), "text": raw[settings.text].cast(pl.String)}
    ).with_columns(_published(raw[settings.timestamp], settings.path, zone))
    complete = table.filter(pl.col("published").is_not_null() & (pl.col("text").str.strip_chars() != ""))
    known_day = known_days(complete["published"], complete["date_only"], settings.cutoff)
    column = np.searchsorted(dates, known_day)
    early, late = known_day < dates[0], column == len(dates)
    strange = ~complete["stock"].is_in(list(stocks)).to_numpy()
    kept = ~(early | late | strange)
    result = complete.filter(pl.Series(kept)).select(
        pl.Series("date", dates[column[kept]]).cast(pl.Date),
        "stock",
        pl.lit(settings.modality).alias("modality"),
        "text",
        _instant("published", zone),
    )
    counts = {
        "rows without a time or a text": len(raw) - len(complete),
        "texts from before the first date": int(early.sum()),
        "texts from after the last date": int(late.sum()),
        "texts on stocks without market data": int((strange & ~early & ~late).sum()),
    }
    spelling = misaligned(table["stock"], stocks, stocks, settings.path, expects_all=False)
    left_out = (f"{settings.path}: left out {count:,} {what}" for what, count in counts.items() if count)
    return result, (*left_out, *spelling, *_after_the_close(complete.filter(pl.Series(kept)), settings, setting, zone))


def _after_the_close(texts: pl.DataFrame, settings: TextsTable, setting: str, zone: str) -> tuple[str, ...]:
    """A sentence about texts from after the close of the zone's exchanges that the cut-off takes for known at it."""
    close = CLOSES.get(zone, settings.cutoff)
    hour = texts["published"].dt.time()
    count = int((~texts["date_only"] & (hour > close) & (hour <= settings.cutoff)).sum())
    if not count:
        return ()
    are = "1 text is" if count == 1 else f"{count:,} texts are"
    return (
        f"{settings.path}: {are} from after {close:%H:%M}, when exchanges in {zone} close, and count as known at that close, because "
        f"{setting}.cutoff is {settings.cutoff:%H:%M}; set it to '{close:%H:%M}', and they count from the next trading day on",
    )


def known_days(published: pl.Series, date_only: pl.Series, cutoff: time) -> Shaped[np.ndarray, " M"]:
    """The calendar day at the cut-off of which each text is known; it need not be a trading day."""
    late = date_only | (published.dt.time() > cutoff)
    return days(published.dt.date()) + late.to_numpy().astype("timedelta64[D]")


def _instant(column: str, zone: str) -> pl.Expr:
    """Local times in UTC; of an hour that clocks repeat the first, of one that they skip an hour later."""
    local = pl.col(column)
    plain, later = (at.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null") for at in (local, local.dt.offset_by("1h")))
    return pl.coalesce(plain, later).dt.convert_time_zone("UTC").alias(column)


def merged_texts(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The texts of several tables, sorted by date and stock, and within those by the time of publication."""
    return pl.concat(tables).sort("date", "stock", "published", maintain_order=True).select(TEXT_SCHEMA.names())


def _published(given: pl.Series, path: Path, zone: str) -> list[pl.Series]:
    """Local time of publication, and whether it is no more than a date."""
    times = timestamps(given, path, zone, EXPECTED)
    day = is_midnight(times.local, zone)
    # A bare date in another zone keeps its own day: local time would move midnight UTC to the evening before in New York.
    own_day = (times.written.dt.time() == time(0)) & ~day
    published = pl.select(pl.when(own_day).then(times.written).otherwise(times.local)).to_series()
    return [published.cast(pl.Datetime("us")).alias("published"), (day | own_day).alias("date_only")]
