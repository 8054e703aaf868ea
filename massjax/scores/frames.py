"""Scores from a long table: a row a cell, as any other tool can write it."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float32, Shaped

from massjax.errors import DataError, did_you_mean
from massjax.row_words import counted

ONE = "scores"
"""The archetype of a table that names none."""


def labelled_cells(
    frame: Any,
) -> tuple[tuple[str, ...], tuple[str, ...], Shaped[np.ndarray, " T"], Float32[np.ndarray, "T K N"]]:
    """Archetypes, stocks, dates and scores of a table with the columns `date`, `stock`, `archetype` and `score`.

    Archetypes are in the order in which the table first has them, stocks and dates in increasing order. A row whose score is missing
    counts as if it were not there.

    Raises:
        DataError: a column is missing or of the wrong type, a score is out of [0, 1], or two rows are about the same cell.
    """
    table = _table(frame)
    for name in ("date", "stock", "score"):
        if name not in table.columns:
            raise DataError(
                f"the table of scores has no column {name!r}{did_you_mean(name, table.columns)}; it has: {', '.join(table.columns)}; "
                "it needs a row for each score, with the columns date, stock and score, and archetype where there are several"
            )
    table = table.with_columns(pl.lit(ONE).alias("archetype")) if "archetype" not in table.columns else table
    table = table.select(_days(table["date"]), *(_names(table[name]) for name in ("stock", "archetype")), _numbers(table["score"]))
    table = table.filter(pl.col("score").is_not_null() & pl.col("score").is_not_nan())
    wrong = table.filter(~pl.col("score").is_between(0.0, 1.0))
    if len(wrong):
        raise DataError(
            f"{counted(len(wrong), 'score')} outside [0, 1], the first {wrong['score'][0]!r} of {_cell(wrong.row(0, named=True))}; "
            "scale them, for example to (rank - 1) / (count - 1) on each date"
        )
    twice = table.filter(pl.struct("date", "stock", "archetype").is_duplicated())
    if len(twice):
        raise DataError(
            f"{counted(len(twice), 'row')} share their date, stock and archetype with another, the first {_cell(twice.row(0, named=True))}"
        )
    archetypes = tuple(table["archetype"].unique(maintain_order=True).to_list())
    stocks, dates = tuple(table["stock"].unique().sort().to_list()), table["date"].unique().sort().to_numpy().astype("datetime64[D]")
    score = np.full((len(dates), len(archetypes), len(stocks)), np.nan, np.float32)
    rows, columns = ({name: place for place, name in enumerate(names)} for names in (archetypes, stocks))
    places = (
        np.searchsorted(dates, table["date"].to_numpy().astype("datetime64[D]")),
        np.array([rows[name] for name in table["archetype"].to_list()], dtype=np.intp),
        np.array([columns[name] for name in table["stock"].to_list()], dtype=np.intp),
    )
    score[places] = table["score"].to_numpy()
    return archetypes, stocks, dates, score


def _table(frame: Any) -> pl.DataFrame:
    try:
        if isinstance(frame, pl.DataFrame):
            return frame
        if isinstance(frame, pl.LazyFrame):
            return frame.collect()
        return _of_pandas(_without_index(frame)) if hasattr(frame, "iloc") else pl.DataFrame(frame)
    except Exception as error:
        raise DataError(f"the scores are no table that polars can read: {error}") from None


def _of_pandas(table: Any) -> pl.DataFrame:
    """A frame of pandas; value by value where pyarrow, by which polars reads one, is not installed."""
    try:
        return pl.from_pandas(table)
    except ModuleNotFoundError:
        columns = {str(name): zip(column.tolist(), column.isna().tolist(), strict=True) for name, column in table.items()}
        return pl.DataFrame({name: [None if missing else value for value, missing in values] for name, values in columns.items()})


def _without_index(frame: Any) -> Any:
    """A frame or series of pandas with the named levels of its index, such as date and stock, as columns."""
    table = frame.to_frame() if frame.ndim == 1 else frame
    names = [name for name in table.index.names if name is not None and name not in table.columns]
    return table.reset_index(level=names) if names else table


def _days(column: pl.Series) -> pl.Series:
    """Days; a time of day other than midnight, or a zone, is refused: whose day it is cannot be known."""
    column = column.cast(pl.String) if isinstance(column.dtype, pl.Categorical | pl.Enum) else column
    if column.dtype == pl.String:
        found = column.str.strip_chars().str.to_date("%Y-%m-%d", strict=False)
        if found.null_count() > column.null_count():
            wrong = column.filter(found.is_null() & column.is_not_null())[0]
            raise DataError(f"the table of scores: column 'date': {wrong!r} is no day such as 2024-01-31")
        return _present(found, "date")
    if isinstance(column.dtype, pl.Datetime):
        if column.dtype.time_zone is not None:
            raise DataError(
                f"the table of scores: column 'date' is in the zone {column.dtype.time_zone}; give days of the market, without a zone"
            )
        if not (column.drop_nulls().dt.truncate("1d") == column.drop_nulls()).all():
            raise DataError("the table of scores: column 'date' has times of day; give the day at whose close a score was known")
        return _present(column.cast(pl.Date), "date")
    if column.dtype != pl.Date:
        raise DataError(f"the table of scores: column 'date' holds {column.dtype}; expected days, or text such as 2024-01-31")
    return _present(column, "date")


def _names(column: pl.Series) -> pl.Series:
    if isinstance(column.dtype, pl.Categorical | pl.Enum) or (column.name == "archetype" and column.dtype.is_integer()):
        column = column.cast(pl.String)
    if column.dtype != pl.String:
        raise DataError(f"the table of scores: column {column.name!r} holds {column.dtype}; expected text (numbers lose leading zeros)")
    return _present(column, column.name)


def _present(column: pl.Series, name: str) -> pl.Series:
    if column.null_count():
        raise DataError(f"the table of scores: column {name!r} is empty in {counted(column.null_count(), 'row')}")
    return column.alias(name)


def _numbers(column: pl.Series) -> pl.Series:
    if not column.dtype.is_numeric():
        raise DataError(f"the table of scores: column 'score' holds {column.dtype}; expected numbers in [0, 1]")
    return column.cast(pl.Float64).alias("score")


def _cell(row: dict[str, Any]) -> str:
    return f"archetype {row['archetype']!r}, stock {row['stock']!r}, {row['date']}"
