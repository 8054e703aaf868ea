"""Ready-made returns that no price can have made, or of a size that none does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float

from massjax.market.reading import refuse
from massjax.row_words import counted

ROUNDING = 1e-6
"""A loss of everything, stored in single precision, may lie this far below -1."""
MOST_VOLATILE = 3.0
"""A year's volatility, as a fraction, that the middle half of a market's returns does not imply; that of small coins stays below."""
QUARTILE = 0.6745
"""Median absolute value of a standard normal variable."""


def refuse_impossible(returns: pl.Series, keys: pl.DataFrame, path: Path, column: str) -> None:
    """Refuse returns below -1.

    Args:
        returns: simple returns as fractions, null or NaN where unknown.
        keys: columns date and stock of the same rows.
        path: the file that they are from.
        column: its column.

    Raises:
        DataError: a return is below -1, more than the whole stake lost; the message names the file, column, row, date and stock.
    """
    faulty = (returns < -1.0 - ROUNDING) & returns.is_not_nan()
    lost = faulty.fill_null(False).arg_true()
    if len(lost):
        why = (
            f"a return of {returns[lost[0]]:g} loses more than everything (a simple return is at least -1); are the returns in percent, "
            "logarithmic or standardised? They are fractions: write -0.05 for a loss of 5 %"
        )
        refuse(faulty, keys, path, f"column {column!r}", why)


def percent_sized(returns: Mapping[int, Float[np.ndarray, "N T"]], periods_per_year: float, path: Path) -> tuple[str, ...]:
    """A sentence where the typical size of ready-made returns implies a volatility that no market has, as returns in percent do.

    Args:
        returns: ready-made simple returns by horizon in rows, NaN where unknown.
        periods_per_year: rows that make a year.
        path: the file that they are from.
    """
    found = []
    for horizon, values in returns.items():
        known = np.abs(values[np.isfinite(values)])
        typical = float(np.median(known)) if known.size else 0.0
        volatility = typical / QUARTILE * np.sqrt(periods_per_year / horizon)
        if volatility > MOST_VOLATILE:
            found.append(
                f"{path}: half of the returns over {counted(horizon, 'row')} exceed {typical:.0%}, a volatility of {volatility:,.0%} "
                "a year; are they in percent? They are fractions: write 0.05 for 5 %"
            )
    return tuple(found)
