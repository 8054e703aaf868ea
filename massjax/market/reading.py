"""Long tables from parquet or CSV files, with every fault reported by file, column, row, date and stock."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from massjax.errors import DataError, did_you_mean
from massjax.market.dates import WRITTEN, market_days
from massjax.market.headings import PRICE_WORDS, check_headings, missing, overlong, plain_heading, refuse_twice, undecodable
from massjax.market.identifiers import PLAIN, Conventions, spelled
from massjax.user_files import special

PARQUET = (".parquet", ".parq", ".pq")
CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
NUMBER_HINTS = (
    (r"[-+]?\d{1,3}([ \u00a0\u202f'’_]\d{3})+([.,]\d+)?", "leave the marks between thousands out"),
    (r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?", "leave the commas between thousands out (or write a decimal comma as a point)"),
    (r"[-+]?\d*,\d+|[-+]?\d{1,3}(\.\d{3})+,\d+", "write the decimal comma as a point, and leave the marks between thousands out"),
    (r"[-+]?[\d.]+\s*%", "write a percentage as a fraction, as 0.05 for 5 %"),
    (r"#?n/?a|null|none|nil|-+|\.|#[\w/]+[!?]?", "leave the field empty where a value is unknown"),
    (r"[$€£¥]\s*[\d.,]+|[\d.,]+\s*[$€£¥]", "leave the sign of the currency out"),
    (r"[-+]?[\d.,]+\s*[KMBT](n|ln)?", "write the number out, as 68180 for 68.18K"),
    (r"\([\d.,]+\)|[−–][\d.,]+", "write a negative number with a minus sign, as -1.5"),
)
"""What else may stand for a number, and how to write it."""


def read_columns(path: Path, setting: str, columns: Sequence[str], optional: Sequence[str] = ()) -> pl.DataFrame:
    """Some columns of a file, in the order of the file; those of a CSV file are strings, so that `000001` keeps its zeros.

    Args:
        path: a parquet, CSV or tab-separated file.
        setting: what names the file in the configuration, for messages.
        columns: the names of the columns.
        optional: names of further columns, which are read where they are there.

    Raises:
        DataError: the file is missing or unreadable, or lacks a column.
    """
    _refuse_no_file(path, setting)
    try:
        frame = _scan(path, setting)
        found = frame.collect_schema()
        plain = [plain_heading(heading) for heading in found.names()]
        refuse_twice(plain, path, setting)
        frame = frame.rename({old: new for old, new in zip(found.names(), plain, strict=True) if old != new and new})
        columns = [*columns, *(column for column in optional if plain_heading(column) in plain)]
        wanted = [plain_heading(column) for column in columns]
        for column in wanted:
            if column not in plain:
                alike = {name.lower() for name in wanted[1:]} & {heading.lower() for heading in plain} - PRICE_WORDS
                raise missing(column, plain, path, setting, wide=not alike and _is_wide(frame))
        return frame.select(*dict.fromkeys(wanted)).collect().rename(dict(zip(wanted, columns, strict=True)))
    except (PolarsError, OSError) as error:
        said = str(error).splitlines()[0]
        if "utf-8" in said.lower() and path.name.lower().endswith(CSV):
            raise DataError(f"{undecodable(path)}; {setting} names it") from None
        if "more fields" in said and path.name.lower().endswith(CSV):
            raise DataError(f"{overlong(path, _separator(path))} {setting} names the file") from None
        raise DataError(f"{path}: cannot be read: {said}; {setting} names it") from None


def headings_of(path: Path, setting: str) -> list[str]:
    """The headings of a file, without blanks at their ends.

    Args:
        path: a parquet, CSV or tab-separated file.
        setting: what names the file in the configuration, for messages.

    Raises:
        DataError: the file is missing or unreadable, or has a heading twice.
    """
    _refuse_no_file(path, setting)
    try:
        found = [plain_heading(heading) for heading in _scan(path, setting).collect_schema().names()]
    except (PolarsError, OSError) as error:
        raise DataError(f"{path}: cannot be read: {str(error).splitlines()[0]}; {setting} names it") from None
    refuse_twice(found, path, setting)
    return found


def _refuse_no_file(path: Path, setting: str) -> None:
    if (kind := special(path)) is not None:
        raise DataError(f"{path}: is {kind}; {setting} expects a parquet, CSV or tab-separated file")
    if not path.is_file():
        siblings = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"{path}: no such file{did_you_mean(path.name, siblings)}; {setting} names it")


def _is_wide(frame: pl.LazyFrame) -> bool:
    """Whether a table has a date in its first column and numbers in all others, of which there are two at least."""
    first = frame.head(1).collect()
    if first.width < 3 or first.is_empty():
        return False
    day = first.to_series(0)
    dated = day.dtype.is_temporal() or (day.dtype == pl.String and bool(day.str.contains(WRITTEN).all()))
    others = first.drop(day.name)
    return dated and others.cast(pl.Float64, strict=False).null_count().equals(others.null_count())


def _scan(path: Path, setting: str) -> pl.LazyFrame:
    name = path.name.lower()
    if name.endswith(PARQUET):
        return pl.scan_parquet(path, glob=False)
    if name.endswith(CSV):
        check_headings(path, setting, _separator(path))
        return pl.scan_csv(path, separator=_separator(path), infer_schema=False, null_values=[""], glob=False)
    raise DataError(f"{path}: unknown kind of file; {setting} needs one that ends in {', '.join(PARQUET + CSV)}")


def _separator(path: Path) -> str:
    return "\t" if path.name.lower().endswith((".tsv", ".tsv.gz")) else ","


def read_long(
    path: Path,
    setting: str,
    date: str,
    stock: str,
    numbers: Sequence[str] = (),
    others: Sequence[str] = (),
    *,
    conventions: Conventions = PLAIN,
) -> pl.DataFrame:
    """A table with at most one row per stock and date.

    Args:
        path: a parquet, CSV or tab-separated file.
        setting: what names the file in the configuration, for messages.
        date: name of the column of dates.
        stock: name of the column of stock identifiers.
        numbers: names of numeric columns.
        others: names of further columns, which are left as they are.
        conventions: how the table writes dates and stocks.

    Returns:
        Columns date, stock, `value_0`, `value_1`, ... in the order of `numbers` and `other_0`, `other_1`, ... in that of
        `others`; rows in the order of the file. Missing numbers are null; a NaN in the file stays NaN.

    Raises:
        DataError: as `read_columns`; or a key is missing or of the wrong type, a stock and date occur twice, or a number is
            of the wrong type or infinite.
    """
    raw = read_columns(path, setting, [date, stock, *numbers, *others])
    keys = pl.DataFrame({"date": as_dates(raw, date, path, conventions), "stock": as_stocks(raw, stock, path, conventions)})
    merged = "" if conventions.ticker_map == {} and not conventions.fold_case else " (market.ticker_map and fold_case may join two stocks)"
    twice = f"this stock and date occur more than once; keep one row{merged}"
    if _keys(keys).n_unique() < len(keys):
        refuse(keys.is_duplicated(), keys, path, f"columns {date!r} and {stock!r}", twice)
    values = {f"value_{i}": as_numbers(raw, column, path, keys) for i, column in enumerate(numbers)}
    for column, series in zip(numbers, values.values(), strict=True):
        refuse(series.is_infinite(), keys, path, f"column {column!r}", "an infinite number; leave the field empty where a value is unknown")
    return keys.with_columns(**values, **{f"other_{i}": raw[column] for i, column in enumerate(others)})


def _keys(keys: pl.DataFrame) -> pl.Series:
    """One integer for each date and stock."""
    stocks = keys["stock"].unique()
    return keys["date"].to_physical().cast(pl.Int64) * len(stocks) + keys["stock"].cast(pl.Enum(stocks)).to_physical().cast(pl.Int64)


def refuse(faulty: pl.Series, keys: pl.DataFrame, path: Path, what: str, why: str) -> None:
    """Raise a DataError that names the first faulty row by number, date and stock, if there is one.

    Args:
        faulty: one boolean per row, null counting as not faulty.
        keys: columns date and stock of the same rows.
        path: the file that the rows are from.
        what: the column or columns at fault.
        why: what is wrong and what to do.
    """
    rows = faulty.fill_null(False).arg_true()
    if len(rows):
        more = f" ({len(rows)} rows in all)" if len(rows) > 1 else ""
        raise DataError(f"{path}: {what}, {_row(keys.select('date', 'stock'), rows[0])}{more}: {why}")


def _row(keys: pl.DataFrame, row: int) -> str:
    """`row 3 (date 2022-01-03, stock AAA)`, counted from 1 without the heading."""
    return f"row {row + 1} ({', '.join(f'{name} {value}' for name, value in keys.row(row, named=True).items())})"


def as_dates(frame: pl.DataFrame, column: str, path: Path, conventions: Conventions = PLAIN) -> pl.Series:
    """A column as days of the market, named `date`, whichever way they are written (`massjax.market.dates.market_days` says which)."""
    return market_days(frame[column], path, conventions.timezone).alias("date")


def as_stocks(frame: pl.DataFrame, column: str, path: Path, conventions: Conventions = PLAIN) -> pl.Series:
    """A column of stock identifiers in the panel's spelling; whole numbers become strings."""
    series = frame[column]
    if not (series.dtype.is_integer() or series.dtype in (pl.String, pl.Categorical, pl.Enum)):
        raise DataError(
            f"{path}: column {column!r} holds {series.dtype}, expected stock identifiers (strings)"
            + ("; codes that were read as numbers lose their leading zeros: write them as text" if series.dtype.is_float() else "")
        )
    stocks = spelled(series.cast(pl.String), conventions)
    _refuse_nulls(stocks.replace("", None), series, column, path, "a stock identifier")
    return stocks.alias("stock")


def as_numbers(frame: pl.DataFrame, column: str, path: Path, keys: pl.DataFrame) -> pl.Series:
    """A column of numbers, null where the field is empty; `keys` are the columns that tell its rows apart, for messages."""
    series = frame[column]
    if not (series.dtype.is_numeric() or series.dtype in (pl.String, pl.Null)):
        raise DataError(f"{path}: column {column!r} holds {series.dtype}, expected numbers")
    if series.dtype == pl.String:
        series = series.str.strip_chars().replace("", None)
    numbers = series.cast(pl.Float64, strict=False)
    wrong = (numbers.is_null() & series.is_not_null()).arg_true()
    if len(wrong):
        found = frame[column][wrong[0]]
        raise DataError(f"{path}: column {column!r}, {_row(keys, wrong[0])}: expected a number, found {found!r}{_number_hint(found)}")
    return numbers


def _number_hint(found: str) -> str:
    """How to write what stands in place of a number."""
    text = found.strip()
    for pattern, cure in NUMBER_HINTS:
        if re.fullmatch(pattern, text, re.IGNORECASE):
            return f"; {cure}"
    return ""


def _refuse_nulls(parsed: pl.Series, given: pl.Series, column: str, path: Path, expected: str) -> None:
    wrong = parsed.is_null().arg_true()
    if len(wrong):
        found = given[wrong[0]]
        raise DataError(
            f"{path}: column {column!r}, row {wrong[0] + 1}: expected {expected}, found {'nothing' if found is None else repr(found)}"
        )
