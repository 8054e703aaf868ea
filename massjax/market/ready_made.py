"""Ready-made returns without prices beside them: what they tell of suspensions filled with zeros, of splits, and of losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped

from massjax.market.grid import until_last
from massjax.market.jumps import NAMED, STILL, jumped, moves, standing
from massjax.row_words import first_few, times

ALL_LOST = 1e-6
"""Share of a stake below which nothing is left."""


def odd_returns(
    returns: Mapping[int, Float[np.ndarray, "N T"]], dates: Shaped[np.ndarray, " T"], stocks: Sequence[str], path: Path
) -> tuple[str, ...]:
    """Sentences about ready-made returns that are 0 for long while others are not, jump as at a split, or follow the loss of everything.

    Args:
        returns: by horizon in rows, NaN where unknown.
        dates: by column, those of the decisions.
        stocks: by row.
        path: the file of the returns.
    """
    if len(stocks) < 2 or len(dates) < 2 or 1 not in returns:
        return ()
    found = (_zeros, _splits, _losses)
    return tuple(sentence for look in found for sentence in look(returns[1], dates, stocks, path))


def _zeros(one_row: Float[np.ndarray, "N T"], dates: Shaped[np.ndarray, " T"], stocks: Sequence[str], path: Path) -> list[str]:
    known = np.isfinite(one_row)
    zero = known & (one_row == 0.0)
    quiet = (known.sum(axis=0) > 1) & (zero.sum(axis=0) == known.sum(axis=0))
    return [
        f"{path}: {have} a return over 1 row of exactly 0 on {STILL} or more dates in a row while others "
        f"moved: {named}; were they suspended? Leave those fields empty, so that nothing is bought or sold there"
        for have, named in standing(zero, known, quiet, dates, stocks)
    ]


def _splits(one_row: Float[np.ndarray, "N T"], dates: Shaped[np.ndarray, " T"], stocks: Sequence[str], path: Path) -> list[str]:
    levels = np.ones((len(stocks), len(dates) + 1))
    levels[:, 1:] = np.cumprod(1.0 + np.nan_to_num(np.where(one_row > -1.0, one_row, np.nan)), axis=1)
    found = np.argwhere(jumped(moves(levels), dates)[:, 1:].T)
    if not len(found):
        return []
    examples = first_few([f"{stocks[row]} on {dates[column]} ({one_row[row, column]:+.1%})" for column, row in found], NAMED, "; ")
    return [
        f"{path}: returns over 1 row double, halve or jump as at a split {times(len(found))}: {examples}; are they adjusted for splits?"
    ]


def _losses(one_row: Float[np.ndarray, "N T"], dates: Shaped[np.ndarray, " T"], stocks: Sequence[str], path: Path) -> list[str]:
    """A stock that has lost everything has no return afterwards."""
    lost = one_row <= -1.0 + ALL_LOST
    found = np.argwhere((lost[:, :-1] & until_last(np.isfinite(one_row))[:, 1:]).T)
    if not len(found):
        return []
    examples = first_few([f"{stocks[row]} on {dates[column]}" for column, row in found], NAMED, "; ")
    return [
        f"{path}: a return over 1 row of -100 %, which loses everything, is followed by others of its stock {times(len(found))}: "
        f"{examples}; leave the field empty where a return is unknown"
    ]
