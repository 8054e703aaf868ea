"""A text that becomes known on a date on which its stock is no member waits for the stock's next date."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Bool, Shaped

from massjax.market.grid import days, rows_of


def carried(
    texts: pl.DataFrame, member: Bool[np.ndarray, "N T"], dates: Shaped[np.ndarray, " T"], stocks: Sequence[str], carry: int
) -> tuple[pl.DataFrame, int]:
    """Each text on the first date from its own on on which its stock is a member, and how many have none.

    Args:
        texts: columns date, one of `dates`, and stock, one of `stocks`; others are left as they are.
        member: True where the stock is in the universe at the close of the date.
        dates: trading days, ascending.
        stocks: by row of `member`.
        carry: calendar days that a text may wait for.
    """
    if texts.is_empty():
        return texts, 0
    columns = np.arange(dates.size)
    later = np.flip(np.minimum.accumulate(np.flip(np.where(member, columns, dates.size), axis=1), axis=1), axis=1)
    known = days(texts["date"])
    column = later[rows_of(texts, stocks), np.searchsorted(dates, known)]
    there = column < dates.size
    when = dates[np.minimum(column, dates.size - 1)]
    kept = there & (when - known <= np.timedelta64(carry, "D"))
    moved = texts.with_columns(pl.Series("date", when).cast(pl.Date)).filter(pl.Series(kept))
    return moved, int((~kept).sum())
