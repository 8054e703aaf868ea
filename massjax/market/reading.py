"""Long tables from parquet or CSV files, with every fault reported by file, column, row, date and stock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from massjax.errors import DataError, did_you_mean

PARQUET = (".parquet", ".parq", ".pq")
CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
DATE_FORMATS = ("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d")


def read_columns(path: Path, setting: str, columns: Sequence[str]) -> pl.DataFrame:
    """Some columns of a file, in the order of the file; those of a CSV file are strings, so that `000001` keeps its zeros.

    Args:
        path: a parquet, CSV or tab-separated file.
        setting: what names the file in the configuration, for messages.
        columns: the names of the columns.

    Raises:
        DataError: the file is missing or unreadable, or lacks a column.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder; {setting} expects a parquet, CSV or tab-separated file")
    if not path.is_file():
        siblings = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"{path}: no such file{did_you_mean(path.name, siblings)}; {setting} names it")
    try:
        frame = _scan(path, setting)
        known = frame.collect_schema().names()
        for column in columns:
            if column not in known:
                hint = did_you_mean(column, known)
                raise DataError(f"{path}: no column {column!r}{hint}; it has {', '.join(known)}; {setting} says which column is what")
        return frame.select(*dict.fromkeys(columns)).collect()
    except (PolarsError, OSError) as error:
        raise DataError(f"{path}: cannot be read: {str(error).splitlines()[0]}; {setting} names it") from None


def _scan(path: Path, setting: str) -> pl.LazyFrame:
    name = path.name.lower()
    if name.endswith(PARQUET):
        return pl.scan_parquet(path)
    if name.endswith(CSV):
        return pl.scan_csv(path, separator="\t" if ".tsv" in name else ",", infer_schema=False, null_values=[""])
    raise DataError(f"{path}: unknown kind of file; {setting} needs one that ends in {', '.join(PARQUET + CSV)}")


def read_long(path: Path, setting: str, date: str, stock: str, numbers: Sequence[str] = (), others: Sequence[str] = ()) -> pl.DataFrame:
    """A table with at most one row per stock and date.

    Args:
        path: a parquet, CSV or tab-separated file.
        setting: what names the file in the configuration, for messages.
        date: name of the column of dates.
        stock: name of the column of stock identifiers.
        numbers: names of numeric columns.
        others: names of further columns, which are left as they are.

    Returns:
        Columns date, stock, `value_0`, `value_1`, ... in the order of `numbers` and `other_0`, `other_1`, ... in that of
        `others`; rows in the order of the file. Missing numbers are null; a NaN in the file stays NaN.

    Raises:
        DataError: as `read_columns`; or a key is missing or of the wrong type, a stock and date occur twice, or a number is
            of the wrong type or infinite.
    """
    raw = read_columns(path, setting, [date, stock, *numbers, *others])
    keys = pl.DataFrame({"date": as_dates(raw, date, path), "stock": as_stocks(raw, stock, path)})
    refuse(keys.is_duplicated(), keys, path, f"columns {date!r} and {stock!r}", "this stock and date occur more than once; keep one row")
    values = {f"value_{i}": as_numbers(raw, column, path, keys) for i, column in enumerate(numbers)}
    for column, series in zip(numbers, values.values(), strict=True):
        refuse(series.is_infinite(), keys, path, f"column {column!r}", "an infinite number; leave the field empty where a value is unknown")
    return keys.with_columns(**values, **{f"other_{i}": raw[column] for i, column in enumerate(others)})


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


def as_dates(frame: pl.DataFrame, column: str, path: Path) -> pl.Series:
    """A column of dates; date-times lose their time, strings and numbers may read 2022-01-03 or 20220103."""
    series = frame[column]
    if series.dtype == pl.Date or isinstance(series.dtype, pl.Datetime):
        dates = series.dt.date()
    elif series.dtype.is_integer() or series.dtype == pl.String:
        text = series.cast(pl.String).str.replace(r"[ T]00:00:00(\.0+)?$", "")
        dates = pl.select(pl.coalesce(*(pl.lit(text).str.to_date(fmt, strict=False) for fmt in DATE_FORMATS))).to_series()
    else:
        raise DataError(f"{path}: column {column!r} holds {series.dtype}, expected dates such as {date(2022, 1, 3)} or 20220103")
    _refuse_nulls(dates, series, column, path, f"a date such as {date(2022, 1, 3)} or 20220103")
    return dates.alias("date")


def as_stocks(frame: pl.DataFrame, column: str, path: Path) -> pl.Series:
    """A column of stock identifiers; whole numbers become strings."""
    series = frame[column]
    if not (series.dtype.is_integer() or series.dtype in (pl.String, pl.Categorical, pl.Enum)):
        raise DataError(f"{path}: column {column!r} holds {series.dtype}, expected stock identifiers (strings)")
    stocks = series.cast(pl.String)
    _refuse_nulls(stocks, series, column, path, "a stock identifier")
    return stocks.alias("stock")


def as_numbers(frame: pl.DataFrame, column: str, path: Path, keys: pl.DataFrame) -> pl.Series:
    """A column of numbers, null where the field is empty; `keys` are the columns that tell its rows apart, for messages."""
    series = frame[column]
    if not (series.dtype.is_numeric() or series.dtype in (pl.String, pl.Null)):
        raise DataError(f"{path}: column {column!r} holds {series.dtype}, expected numbers")
    numbers = series.cast(pl.Float64, strict=False)
    wrong = (numbers.is_null() & series.is_not_null()).arg_true()
    if len(wrong):
        raise DataError(f"{path}: column {column!r}, {_row(keys, wrong[0])}: expected a number, found {series[wrong[0]]!r}")
    return numbers


def _refuse_nulls(parsed: pl.Series, given: pl.Series, column: str, path: Path, expected: str) -> None:
    wrong = parsed.is_null().arg_true()
    if len(wrong):
        found = given[wrong[0]]
        raise DataError(
            f"{path}: column {column!r}, row {wrong[0] + 1}: expected {expected}, found {'nothing' if found is None else repr(found)}"
        )
