"""Dated texts: on which trading day each one is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time

import numpy as np
import polars as pl
from jaxtyping import Shaped
from polars.exceptions import PolarsError

from massjax.config import TextsTable
from massjax.errors import DataError
from massjax.market.grid import days
from massjax.market.panel import TEXT_SCHEMA
from massjax.market.reading import as_stocks, read_columns

DATE_ONLY = r"^\d{4}-?\d{2}-?\d{2}$"
ZONED = r"(Z|[+-]\d{2}:?\d{2})$"


def read_texts(
    settings: TextsTable, setting: str, dates: Shaped[np.ndarray, " T"], stocks: Sequence[str]
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The texts of one table, each on the first date at whose close it is known, and warnings about what was left out.

    A text with a time counts on its own day if it was published by `settings.cutoff` in `settings.timezone`, else on the next
    trading day. A date alone, or a time of exactly midnight, says nothing about the hour, so it counts from the next trading
    day on. Texts that were known before the first of `dates` are left out.

    Returns:
        A table of the schema `TEXT_SCHEMA` plus `published`, the local time of publication, and sentences.

    Raises:
        DataError: a column is missing or of the wrong type, or the time zone is unknown.
    """
    raw = read_columns(settings.path, setting, [settings.timestamp, settings.stock, settings.text])
    if raw[settings.text].dtype not in (pl.String, pl.Null):
        raise DataError(f"{settings.path}: column {settings.text!r} holds {raw[settings.text].dtype}, expected texts")
    table = pl.DataFrame({"stock": as_stocks(raw, settings.stock, settings.path), "text": raw[settings.text].cast(pl.String)}).with_columns(
        _published(raw[settings.timestamp], settings)
    )
    complete = table.filter(pl.col("published").is_not_null() & (pl.col("text").str.strip_chars() != ""))
    known_day = known_days(complete["published"], complete["date_only"], settings.cutoff)
    column = np.searchsorted(dates, known_day)
    early, late = known_day < dates[0], column == len(dates)
    strange = ~complete["stock"].is_in(list(stocks)).to_numpy()
    kept = ~(early | late | strange)
    result = complete.filter(pl.Series(kept)).select(
        pl.Series("date", dates[column[kept]]).cast(pl.Date), "stock", pl.lit(settings.modality).alias("modality"), "text", "published"
    )
    counts = {
        "rows without a time or a text": len(raw) - len(complete),
        "texts from before the first date": int(early.sum()),
        "texts from after the last date": int(late.sum()),
        "texts on stocks without market data": int((strange & ~early & ~late).sum()),
    }
    return result, tuple(f"{settings.path}: left out {count:,} {what}" for what, count in counts.items() if count)


def known_days(published: pl.Series, date_only: pl.Series, cutoff: time) -> Shaped[np.ndarray, " M"]:
    """The calendar day at the cut-off of which each text is known; it need not be a trading day."""
    late = date_only | (published.dt.time() > cutoff)
    return days(published.dt.date()) + late.to_numpy().astype("timedelta64[D]")


def merge(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The texts of several tables, sorted by date and stock, and within those by the time of publication."""
    return pl.concat(tables).sort("date", "stock", "published", maintain_order=True).select(TEXT_SCHEMA.names())


def _published(given: pl.Series, settings: TextsTable) -> list[pl.Series]:
    """Local time of publication, and whether it is no more than a date."""
    if given.dtype == pl.String:
        given = _parsed(given, settings)
    if given.dtype == pl.Date:
        return [given.cast(pl.Datetime("us")).alias("published"), pl.Series("date_only", [True]).new_from_index(0, len(given))]
    if not isinstance(given.dtype, pl.Datetime):
        raise DataError(f"{settings.path}: column {settings.timestamp!r} holds {given.dtype}, expected times or dates")
    date_only = given.dt.time() == time(0)
    if given.dtype.time_zone is not None:
        try:
            local = given.dt.convert_time_zone(settings.timezone)
        except PolarsError:
            raise DataError(f"{settings.path}: unknown time zone {settings.timezone!r}; expected one such as America/New_York") from None
        # A bare date in another zone keeps its own day: local time would move midnight UTC to the evening before in New York.
        given = pl.select(pl.when(date_only).then(given.dt.replace_time_zone(None)).otherwise(local.dt.replace_time_zone(None))).to_series()
    return [given.cast(pl.Datetime("us")).alias("published"), date_only.alias("date_only")]


def _parsed(given: pl.Series, settings: TextsTable) -> pl.Series:
    """Strings as dates, as times in UTC where they name their offset, or else as local times."""
    text = given.str.strip_chars().str.replace(r"^(\d{4}-\d{2}-\d{2}) ", "${1}T")
    filled = text.drop_nulls()
    if filled.str.contains(DATE_ONLY).all():
        parsed = text.str.replace_all("-", "").str.to_date("%Y%m%d", strict=False)
    elif filled.str.contains(ZONED).all():
        parsed = text.str.replace("Z$", "+00:00").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_zone="UTC", strict=False)
    else:
        parsed = text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False)
    wrong = (parsed.is_null() & given.is_not_null()).arg_true()
    if len(wrong):
        raise DataError(
            f"{settings.path}: column {settings.timestamp!r}, row {wrong[0] + 1}: expected a time such as 2022-01-03 14:30:00, "
            f"with or without an offset in all rows alike, or a date, found {given[wrong[0]]!r}"
        )
    return parsed
