"""Where an order can be filled: a column of flags, or volumes above zero."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Bool, Shaped

from massjax.market.grid import place
from massjax.market.reading import refuse
from massjax.market.settings import PricesTable
from massjax.row_words import first_few

TRUE, FALSE = ("true", "t", "yes", "y", "1", "1.0"), ("false", "f", "no", "n", "0", "0.0")
"""How a flag may be written, in upper or lower case."""
MOST_NAMED = 3
USUAL = 0.5
"""Share of the rows with a price that can be traded at below which the flags are doubted."""


def as_flags(given: pl.Series, keys: pl.DataFrame, path: Path, column: str) -> pl.Series:
    """A column of flags as booleans: booleans, numbers 0 and 1, or words such as `true` and `no`.

    Args:
        given: the column as it is read.
        keys: columns date and stock of the same rows.
        path, column: where it is from, for messages.

    Raises:
        DataError: a field is empty or is no flag; the message names its row, date and stock.
    """
    text = given.cast(pl.String, strict=False).str.strip_chars().str.to_lowercase()
    flags = pl.select(pl.when(text.is_in(TRUE)).then(True).when(text.is_in(FALSE)).then(False)).to_series()
    wrong = flags.is_null().arg_true()
    if len(wrong):
        value = given[wrong[0]]
        hint = "; a column of volumes is named by market.prices.volume" if given.dtype.is_numeric() else ""
        found = "nothing" if value is None else repr(value)
        refuse(flags.is_null(), keys, path, f"column {column!r}", f"expected true or false, 1 or 0, yes or no, found {found}{hint}")
    return flags


def traded(volumes: pl.Series, keys: pl.DataFrame, path: Path, column: str) -> pl.Series:
    """True where a volume is above zero; an empty one or NaN counts as none.

    Raises:
        DataError: a volume is negative.
    """
    refuse(volumes < 0.0, keys, path, f"column {column!r}", "the volume is negative; leave the field empty where it is unknown")
    return (volumes > 0.0) & volumes.is_not_nan().fill_null(False)


def tradable_of(
    prices: pl.DataFrame, table: PricesTable, dates: Shaped[np.ndarray, " T"], stocks: Sequence[str]
) -> Bool[np.ndarray, "N T"] | None:
    """Where an order can be filled, by stock and date; False without a price; None where the table does not say."""
    if table.tradable is None and table.volume is None:
        return None
    return place(prices.with_columns(tradable=pl.col("tradable").cast(pl.Float64)), "tradable", dates, stocks) == 1.0


def never_tradable(
    tradable: Bool[np.ndarray, "N T"], listed: Bool[np.ndarray, "N T"], stocks: Sequence[str], path: Path
) -> tuple[str, ...]:
    """Sentences about stocks that have prices and can be traded on none of their dates, and about flags that forbid most trades."""
    allowed = int((tradable & listed).sum())
    if allowed < USUAL * listed.sum():
        return (
            f"{path}: orders can be filled on {allowed:,} of {listed.sum():,} rows with a price alone ({allowed / listed.sum():.1%}), by "
            "market.prices.tradable and volume; is the flag inverted, true where trading was suspended?",
        )
    never = [stock for stock, flags, there in zip(stocks, tradable, listed, strict=True) if there.any() and not flags.any()]
    if not never:
        return ()
    return (
        f"{path}: {len(never)} of {len(stocks)} stocks can be traded on no date ({first_few(never, MOST_NAMED)}): their flag or "
        "volume never allows it",
    )
