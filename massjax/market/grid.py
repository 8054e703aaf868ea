"""From long tables to [stock, date] arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int, Shaped


def rows_of(keys: pl.DataFrame, stocks: Sequence[str]) -> Int[np.ndarray, " M"]:
    """The row of the array for each row of the table, -1 for a stock that is not among `stocks`."""
    position = keys["stock"].cast(pl.Enum(stocks), strict=False).to_physical()
    return position.cast(pl.Int64).fill_null(-1).to_numpy()


def until_last(known: Bool[np.ndarray, "N T"]) -> Bool[np.ndarray, "N T"]:
    """True on every date up to the last on which the row is known."""
    return np.flip(np.maximum.accumulate(np.flip(known, axis=1), axis=1), axis=1)


def days(dates: pl.Series) -> Shaped[np.ndarray, " M"]:
    """A column of dates as datetime64[D]."""
    return dates.to_numpy().astype("datetime64[D]")


def place(
    table: pl.DataFrame, column: str, dates: Shaped[np.ndarray, " T"], stocks: Sequence[str], carry: int = 0
) -> Float[np.ndarray, "N T"]:
    """The values of a column at their stock and date; NaN elsewhere.

    Args:
        table: columns date, stock and `column`, at most one row per stock and date, in any order.
        column: the column of values.
        dates: trading days, ascending.
        stocks: identifiers, in the order of the rows of the result.
        carry: a value stands until the next one, for at most so many calendar days; 0 = only on its own date.
    """
    known = table.filter(pl.col(column).is_not_null() & pl.col(column).is_not_nan())
    shape = (len(stocks), len(dates))
    values = np.full(shape, np.nan)
    if not carry:
        cells, there = _cells(known, dates, stocks)
        values[cells] = known[column].to_numpy()[there]
        return values
    known = known.sort("date")
    when = days(known["date"])
    rows, columns = rows_of(known, stocks), np.searchsorted(dates, when)
    usable = (rows >= 0) & (columns < len(dates))
    rows, columns, when = rows[usable], columns[usable], when[usable]
    origin = np.full(shape, np.datetime64("NaT", "D"))
    values[rows, columns] = known[column].to_numpy()[usable]
    origin[rows, columns] = when
    latest = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(dates))), axis=1)
    age = dates - np.take_along_axis(origin, latest, axis=1)
    return np.where(age <= np.timedelta64(carry, "D"), np.take_along_axis(values, latest, axis=1), np.nan)


def occurs(table: pl.DataFrame, dates: Shaped[np.ndarray, " T"], stocks: Sequence[str]) -> Bool[np.ndarray, "N T"]:
    """True where the table has a row for the stock and date."""
    found = np.zeros((len(stocks), len(dates)), bool)
    found[_cells(table, dates, stocks)[0]] = True
    return found


def _cells(
    table: pl.DataFrame, dates: Shaped[np.ndarray, " T"], stocks: Sequence[str]
) -> tuple[tuple[Int[np.ndarray, " M"], Int[np.ndarray, " M"]], Bool[np.ndarray, " R"]]:
    """Row and column of each row of a table that is of one of the stocks on one of the dates, and which rows are."""
    when, rows = days(table["date"]), rows_of(table, stocks)
    columns = np.searchsorted(dates, when)
    there = (rows >= 0) & (columns < len(dates))
    there[there] = dates[columns[there]] == when[there]
    return (rows[there], columns[there]), there
