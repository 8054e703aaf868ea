"""Average ranks of numbers in float64: the one definition behind rank correlations, rules and quantiles."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float, Int

from massjax.machine import usable_cores

THREADS_FROM = 1 << 20
"""Numbers above which they are ranked on all cores."""
NUMBERS_AT_ONCE = 1 << 16
"""Numbers that are ranked, or combined, at once: so many lie in a core's nearest caches."""


def average_ranks(values: Float[np.ndarray, "N ..."]) -> Float[np.ndarray, "N ..."]:
    """Rank of each value within its column, 1 for the lowest; equal values share the mean of the ranks they take up.

    Args:
        values: NaN and infinities are left out of the ranking.

    Returns:
        float64; NaN where a value was left out.

    Example:
        >>> import numpy as np
        >>> average_ranks(np.array([0.3, 0.1, np.nan, 0.3])).tolist()
        [2.5, 1.0, nan, 2.5]
    """
    columns = values.reshape(len(values), math.prod(values.shape[1:]))
    ranks = np.empty(columns.shape)

    def rank(some: slice) -> None:
        ranks[:, some] = row_ranks(columns[:, some].T).T

    if columns.size <= THREADS_FROM:
        for some in column_blocks(*columns.shape):
            rank(some)
    else:
        with ThreadPoolExecutor(usable_cores()) as pool:
            deque(pool.map(rank, column_blocks(*columns.shape)), maxlen=0)
    return ranks.reshape(values.shape)


def unit_ranks(values: Float[np.ndarray, "N ..."]) -> Float[np.ndarray, "N ..."]:
    """Average ranks less their mean, over the number of ranked values of the column: between -1/2 and 1/2; NaN where there is none.

    Example:
        >>> unit_ranks(np.array([0.3, 0.1, np.nan, 0.4])).round(3).tolist()
        [0.0, -0.333, nan, 0.333]
    """
    ranks = average_ranks(values)
    count = np.isfinite(ranks).sum(axis=0)
    return (ranks - (count + 1) / 2) / np.maximum(count, 1)


def row_ranks(values: Float[np.ndarray, "M N"]) -> Float[np.ndarray, "M N"]:
    """Average rank of each value within its row, by one sort a row; what is not finite is left out of the ranking, and is NaN."""
    known = np.isfinite(values)
    order, tied, shared = row_order(np.where(known, values, np.inf))
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(1.0, values.shape[1] + 1), values.shape), axis=1)
    ranks[tied[:, None], order[tied]] = shared
    ranks[~known] = np.nan
    return ranks


def row_order(keys: Float[np.ndarray, "M N"]) -> tuple[Int[np.ndarray, "M N"], Int[np.ndarray, " S"], Float[np.ndarray, "S N"]]:
    """Sort each row.

    Args:
        keys: not NaN; infinity stands for what has no rank.

    Returns:
        The place in the row of its lowest key, the second lowest and so on; which rows hold finite keys that are equal; and of these the
        average rank of the lowest, the second lowest and so on. It is 1, 2, 3, ... in all others.
    """
    order = np.argsort(keys, axis=1)
    ordered = np.take_along_axis(keys, order, axis=1)
    equal = ordered[:, 1:] == ordered[:, :-1]
    tied = np.flatnonzero((equal & (ordered[:, 1:] < np.inf)).any(axis=1))
    return order, tied, _shared(equal[tied])


def column_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Successive columns, of which `NUMBERS_AT_ONCE` numbers are taken at once."""
    step = max(1, NUMBERS_AT_ONCE // max(rows, 1))
    return (slice(start, min(start + step, columns)) for start in range(0, columns, step))


def _shared(equal: np.ndarray) -> Float[np.ndarray, "M N"]:
    """Average ranks by place in sorted rows; `equal` [M, N - 1] says which values equal the one before."""
    first = np.ones((len(equal), equal.shape[1] + 1), bool)
    first[:, 1:] = ~equal
    begin = np.flatnonzero(first)
    length = np.diff(np.append(begin, first.size))
    return np.repeat(begin % first.shape[1] + (length + 1) / 2, length).reshape(first.shape)
