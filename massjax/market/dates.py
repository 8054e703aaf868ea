"""Dates and times of tables: which day of the market a field means, whatever kind of file and column it stands in."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl

from massjax.errors import DataError

WRITTEN = (
    r"^(?P<year>\d{4})(?:[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})|(?P<month2>\d{2})(?P<day2>\d{2}))"
    r"(?:[T ]+(?P<hour>\d{1,2}):?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r" ?(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?$"
)
"""Dates and times with the year first: 2022-01-03, 20220103, 2022/1/3, 2022-01-03 14:30:00.5+08:00, 20220103T143000Z."""
EARLIEST, LATEST = date(1700, 1, 1), date(2199, 12, 31)
MARKET_ZONES = (
    "America/New_York", "Asia/Shanghai", "Asia/Tokyo", "Europe/London", "Europe/Berlin", "Asia/Kolkata", "America/Chicago", "UTC",
    "Australia/Sydney", "America/Sao_Paulo", "Europe/Moscow", "Europe/Athens", "Asia/Jakarta", "Africa/Johannesburg", "Asia/Riyadh",
)  # fmt: skip
"""Zones of the large exchanges, tried to say which one a column's times are midnight in."""
COUNTED = ((8, 11, 1, "seconds", "s"), (11, 14, 1_000, "milliseconds", "ms"), (14, 17, 10**6, "microseconds", "us"),
           (17, 20, 10**9, "nanoseconds", "ns"))  # fmt: skip
"""Powers of ten between which a number is a time counted from 1970, units a second, and their name."""


class Timestamps(NamedTuple):
    """Fields of a column of dates or times; null where a field is empty.

    Attributes:
        written: date and time as they stand there.
        local: the same in the market's zone; as written where the field names no zone.
        zoned: the field names a zone or an offset.
    """

    written: pl.Series
    local: pl.Series
    zoned: pl.Series


def timestamps(given: pl.Series, path: Path, zone: str | None, expected: str) -> Timestamps:
    """The dates or times of day in a column, as written and in the market's zone.

    Args:
        given: dates, date-times with or without a zone, whole numbers such as 20220103, or strings, also categorical ones.
        path: the file of the column, for messages.
        zone: the market's; None = times that name a zone are left as they stand.
        expected: what a field should look like, for messages.

    Raises:
        DataError: a field is neither a date nor a time; the message says what it may have been.
    """
    given = given.cast(pl.String) if given.dtype in (pl.Categorical, pl.Enum) else given
    if given.dtype == pl.Date:
        plain = given.cast(pl.Datetime("us"))
        return _in_range(Timestamps(plain, plain, _all(False, plain)), given, path, expected)
    if isinstance(given.dtype, pl.Datetime):
        written = given.dt.replace_time_zone(None)
        if given.dtype.time_zone is None:
            return _in_range(Timestamps(written, written, _all(False, given)), given, path, expected)
        local = written if zone is None else _convert(given, zone, path).dt.replace_time_zone(None)
        return _in_range(Timestamps(written, local, _all(True, given)), given, path, expected)
    if given.dtype.is_integer() or given.dtype in (pl.String, pl.Null):
        return _in_range(_parsed(given.cast(pl.String), path, zone, expected, given), given, path, expected)
    causes = (_cause(str(int(value))) for value in given.drop_nulls().head(1) if isinstance(value, float) and value.is_integer())
    raise DataError(f"{path}: column {given.name!r} holds {given.dtype}, expected {expected}{next(causes, '')}")


def market_days(given: pl.Series, path: Path, zone: str | None) -> pl.Series:
    """A column of days of the market, one for each row.

    A date stands for itself, and so does a time of exactly midnight without a zone. A time with a zone or an offset is
    converted to the market's zone and must be midnight there.

    Args:
        given: dates, date-times with or without a zone, whole numbers such as 20220103, or strings, also categorical ones.
        path: the file of the column, for messages.
        zone: `market.timezone`.

    Raises:
        DataError: a field is empty, no date, or has a time of day; or times name a zone and the market's is not given.
    """
    expected = f"a date such as {date(2022, 1, 3)} or 20220103"
    found = timestamps(given, path, zone, expected if given.dtype == pl.String or given.dtype.is_integer() else "dates" + expected[6:])
    empty = found.written.is_null().arg_true()
    if len(empty):
        raise DataError(f"{path}: column {given.name!r}, row {empty[0] + 1}: expected {expected}, found nothing")
    if zone is None and found.zoned.any():
        row = found.zoned.arg_true()[0]
        raise DataError(
            f"{path}: column {given.name!r}, row {row + 1}: {given[row]} names a zone, and which day that is depends on where the "
            f"market is; set market.timezone to its zone, such as America/New_York{_fitting(given, path)}"
        )
    late = (~is_midnight(found.local, zone)).arg_true()
    if len(late):
        raise DataError(f"{path}: column {given.name!r}, row {late[0] + 1}: {_not_midnight(given, found, late[0], path, zone)}")
    return found.local.dt.date()


def is_midnight(local: pl.Series, zone: str | None) -> pl.Series:
    """Whether local times are the first instant of their day: 00:00, or 01:00 on a day on which clocks skip that hour."""
    midnight = local.dt.time() == time(0)
    if zone is None or midnight.all():
        return midnight
    start = local.dt.truncate("1d").dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return midnight | (start.is_null() & (local.dt.time() == time(1)))


def _all(value: bool, like: pl.Series) -> pl.Series:
    return pl.Series([value]).new_from_index(0, len(like))


def _convert(given: pl.Series, zone: str, path: Path) -> pl.Series:
    try:
        return given.dt.convert_time_zone(zone)
    except pl.exceptions.PolarsError:
        raise DataError(f"{path}: unknown time zone {zone!r}; expected one such as America/New_York") from None


def _parsed(text: pl.Series, path: Path, zone: str | None, expected: str, given: pl.Series) -> Timestamps:
    """Strings as timestamps; each different one is parsed once."""
    different = text.unique().drop_nulls().rename("text").to_frame()
    part = pl.col("part").struct
    offset = part.field("zone").str.replace("^(Z|UTC|GMT)$", "+0000").str.replace(":", "")
    minutes = offset.str.slice(1, 2).cast(pl.Int32) * 60 + offset.str.slice(3, 2).replace("", "0").cast(pl.Int32)
    month, day = (pl.coalesce(part.field(name), part.field(f"{name}2")).str.zfill(2) for name in ("month", "day"))
    clock = [part.field(name).fill_null("0").str.zfill(2) for name in ("hour", "minute", "second")]
    fraction = pl.lit(".") + part.field("fraction").fill_null("0")
    whole = pl.concat_str(
        part.field("year"), pl.lit("-"), month, pl.lit("-"), day, pl.lit("T"), pl.concat_str(*clock, separator=":"), fraction
    )
    table = different.with_columns(part=pl.col("text").str.strip_chars().str.extract_groups(WRITTEN)).select(
        "text",
        written=whole.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False),
        minutes=pl.when(offset.str.starts_with("-")).then(-minutes).otherwise(minutes),
    )
    instant = (pl.col("written") - pl.duration(minutes="minutes")).dt.replace_time_zone("UTC")
    zoned = pl.col("minutes").is_not_null()
    table = table.with_columns(written=pl.when(pl.col("minutes").abs() > 15 * 60).then(None).otherwise("written"))
    if zone is None or not table["minutes"].count():
        table = table.with_columns(local="written")
    else:
        utc = table.select(instant.alias("utc"))["utc"]
        table = table.with_columns(there=_convert(utc, zone, path).dt.replace_time_zone(None))
        table = table.with_columns(local=pl.when(zoned).then("there").otherwise("written"))
    rows = text.rename("text").to_frame().join(table.with_columns(zoned=zoned), on="text", how="left", maintain_order="left")
    wrong = (rows["written"].is_null() & text.is_not_null()).arg_true()
    if len(wrong):
        found = given[wrong[0]]
        raise DataError(f"{path}: column {given.name!r}, row {wrong[0] + 1}: expected {expected}, found {found!r}{_cause(str(found))}")
    return Timestamps(rows["written"], rows["local"], rows["zoned"].fill_null(False))


def _in_range(found: Timestamps, given: pl.Series, path: Path, expected: str) -> Timestamps:
    """Refuses years that no market has seen: a day counted from another beginning, or a typing error."""
    wrong = (~found.written.dt.date().is_between(EARLIEST, LATEST)).fill_null(False).arg_true()
    if len(wrong):
        raise DataError(
            f"{path}: column {given.name!r}, row {wrong[0] + 1}: expected {expected}, found {given[wrong[0]]}, which is no date of a market"
        )
    return found


def _cause(text: str) -> str:
    """What a field that is no date may be instead, and how to make a date of it."""
    stripped = text.strip()
    if re.fullmatch(r"\d{1,19}(\.\d+)?", stripped):
        return _counted(int(stripped.partition(".")[0]))
    if re.match(r"\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}(\D|$)", stripped):
        return ": whether the day or the month comes first cannot be told; write the year first"
    if re.search(r"\d ?[A-Z]{3,4}$", stripped):
        return ": write the zone as an offset, such as -05:00"
    return ""


def _counted(number: int) -> str:
    for low, high, per_second, name, unit in COUNTED:
        if 10**low <= number < 10**high:
            when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=number // per_second)
            return (
                f", {name} since 1970 ({when:%Y-%m-%d %H:%M} UTC)? Make dates of them in the market's zone, in pandas with "
                f"pd.to_datetime(column, unit={unit!r}, utc=True), which keeps the zone, and set market.timezone"
            )
    if 30_000 <= number < 80_000:
        return _days_since(date(1899, 12, 30), number, "a spreadsheet's count of days", "1899-12-30")
    if 5_000 <= number < 30_000:
        return _days_since(date(1970, 1, 1), number, "days since 1970", "1970-01-01")
    return ": a month alone" if 170_001 <= number <= 219_912 and 1 <= number % 100 <= 12 else ""


def _days_since(origin: date, number: int, what: str, text: str) -> str:
    day = origin + timedelta(days=number)
    return f", {what} ({day})? Make dates of them, in pandas with pd.to_datetime(column, unit='D', origin={text!r})"


def _fitting(given: pl.Series, path: Path) -> str:
    """Which of the large exchanges' zones all times of a column are midnight in, in words."""

    def fits(zone: str) -> bool:
        local = timestamps(given, path, zone, "a time").local.drop_nulls()
        return bool(is_midnight(local, zone).all())

    zone = next(filter(fits, MARKET_ZONES), None)
    return "" if zone is None else f" (all its times are midnight in {zone}: is that the market's zone?)"


def _not_midnight(given: pl.Series, found: Timestamps, row: int, path: Path, zone: str | None) -> str:
    local: datetime = found.local[row]
    if found.zoned[row]:
        return (
            f"{given[row]} is {local:%Y-%m-%d %H:%M:%S} in {zone} (market.timezone), and a row belongs to a whole day, so midnight is "
            f"expected{_fitting(given, path)}; keep one row a day, and where each stands for its own date, write the date alone"
        )
    if local.year == 1970:
        return f"{given[row]} looks like a count of seconds that was read in another unit; in pandas, pd.to_datetime takes unit="
    return (
        f"{given[row]} has a time of day, and a row belongs to a whole day: keep one row a day and its date alone; if the time is "
        "midnight in another zone, keep the zone in the file and set market.timezone"
    )
