"""Which stocks and dates are asked about: whole dates, evenly spaced, and stocks drawn by a seed that no other date changes."""

from __future__ import annotations

from math import floor

import numpy as np
from jaxtyping import Bool, Int


def spaced_dates(usable: Bool[np.ndarray, " T"], count: int) -> Int[np.ndarray, " D"]:
    """Some of the usable dates, evenly spaced: the places in their list of (2 i + 1) / (2 D), rounded down.

    Args:
        usable: dates with something to ask.
        count: how many, at least 1; all where there are fewer.

    Example:
        >>> import numpy as np
        >>> from massjax.hindsight.sampling import spaced_dates
        >>> spaced_dates(np.ones(10, bool), 2).tolist(), spaced_dates(np.arange(10) > 7, 4).tolist()
        ([2, 7], [8, 9])
    """
    found = np.flatnonzero(usable)
    chosen = min(max(count, 1), found.size)
    return found[(2 * np.arange(chosen) + 1) * found.size // max(2 * chosen, 1)]


def share_of_dates(usable: Bool[np.ndarray, " T"], share: float) -> Bool[np.ndarray, " T"]:
    """True on a share of the usable dates, evenly spaced: ⌊share · D⌋ of D, at least one.

    Example:
        >>> import numpy as np
        >>> from massjax.hindsight.sampling import share_of_dates
        >>> np.flatnonzero(share_of_dates(np.ones(10, bool), 0.2)).tolist()
        [2, 7]
    """
    kept = np.zeros(usable.size, bool)
    kept[spaced_dates(usable, floor(share * int(usable.sum()) + 1e-9))] = True
    return kept


def drawn_blocks(
    askable: Bool[np.ndarray, "N T"], cells: int, most: int, seed: int, days: Int[np.ndarray, " T"]
) -> Bool[np.ndarray, "N T"]:
    """Stocks of evenly spaced dates, at most `most` a date and about `cells` in all; of a date with a single stock none.

    Args:
        askable: where there is something to ask.
        cells: stocks and dates wanted.
        most: stocks of one date at most, at least 2.
        seed: of the draw.
        days: a number of each date, the same for a date in every panel; the draw of a date depends on it and the seed alone.
    """
    on_date = np.minimum(askable.sum(axis=0), most)
    usable, found = on_date > 1, np.zeros(askable.shape, bool)
    if usable.any():
        for t in spaced_dates(usable, max(cells // int(on_date[usable].max()), 1)):
            there = np.flatnonzero(askable[:, t])
            found[np.sort(generator_of(seed, days[t], 0).permutation(there)[:most]), t] = True
    return found


def donors(askable: Bool[np.ndarray, "N T"], seed: int, days: Int[np.ndarray, " T"]) -> Int[np.ndarray, "N T"]:
    """Another stock of the same date for each stock that has facts: they stand in a circle in a drawn order, and each takes its next.

    Args:
        askable: where a stock has facts.
        seed, days: of the draw, as `drawn_blocks` has them.

    Returns:
        Rows; −1 where a stock has no facts, or is the only one of the date.

    Example:
        >>> import numpy as np
        >>> from massjax.hindsight.sampling import donors
        >>> sorted(donors(np.array([[True], [True], [False], [True]]), 0, np.array([7])).ravel().tolist())
        [-1, 0, 1, 3]
    """
    found = np.full(askable.shape, -1, np.int64)
    for t in np.flatnonzero(askable.sum(axis=0) > 1):
        circle = generator_of(seed, days[t], 1).permutation(np.flatnonzero(askable[:, t]))
        found[circle, t] = np.roll(circle, -1)
    return found


def generator_of(seed: int, *numbers: int) -> np.random.Generator:
    """A generator of a seed and what is drawn for."""
    return np.random.default_rng([seed, *(int(number) for number in numbers)])
