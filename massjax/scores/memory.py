"""A run too large for the memory of the machine is refused before its scores are read, not killed when it is half done."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from massjax.errors import ConfigError
from massjax.mapped import mapped_array
from massjax.row_words import counted, first_few

COPIES = 2
"""Score tensors that a run holds at once: the scores, and as much again for the parts of them that are computed with."""
BESIDE = 24
"""Further float64 numbers that a run holds of each stock and date: signals and holdings of each strategy, and ranked returns."""
FLOAT = 4
"""Bytes of a float32."""


def needed_memory(archetypes: int, stocks: int, dates: int) -> int:
    """Bytes that a run takes beyond the market data: `COPIES` score tensors and `BESIDE` float64 numbers of each stock and date.

    Example:
        >>> needed_memory(512, 500, 1250) / 2**30
        2.4959...
    """
    return (COPIES * FLOAT * archetypes + BESIDE * 2 * FLOAT) * stocks * dates


def check_memory(archetypes: int, stocks: int, dates: int, free: int | None, whole: Sequence[str] = ()) -> None:
    """Refuse scores that do not fit into memory.

    Args:
        archetypes: K.
        stocks: N.
        dates: T.
        free: bytes of the machine, or of what a container may have; None sets no limit.
        whole: the searches that need all scores at once, so that no file will do.

    Raises:
        ConfigError: naming the sizes, what is needed and what is free.
    """
    needed = needed_memory(archetypes, stocks, dates)
    if free is not None and needed > free:
        sizes = f"{counted(archetypes, 'archetype')} on {stocks:,} stocks and {counted(dates, 'date')}"
        fit = max(0, free - needed_memory(0, stocks, dates)) // (COPIES * FLOAT * stocks * dates)
        advice = f"take fewer archetypes ({fit:,} fit), fewer dates" if fit else "take fewer dates"
        needing = f" ({first_few(whole, 3)} {'needs' if len(whole) == 1 else 'need'} them whole)" if whole else ""
        searches = (
            "; method: posterior, and searches with a fixed look-back (such as method: annealing, lookback: 60), read them from a file and "
            f"fit, where no other is listed{needing}"
        )
        raise ConfigError(
            f"the scores of {sizes} take {_gigabytes(FLOAT * archetypes * stocks * dates)}, and a run needs {COPIES} times that and what "
            f"it holds of each stock and date, {_gigabytes(needed)} of memory, of which {_gigabytes(free)} are free; {advice} "
            f"(market.start, market.end) or fewer stocks (market.only){searches if needed_memory(0, stocks, dates) <= free else ''}"
        )


def score_array(
    dates: int, archetypes: int, stocks: int, free: int | None, *, windows: bool, whole: Sequence[str] = (), held: int = 0
) -> Float32[np.ndarray, "T K N"]:
    """Room for the scores of a run: in memory, or where that is too small, and `windows` of them are read alone, in a file mapped into it.

    The file has no name and vanishes with the array; it is in the folder for temporary files (TMPDIR).

    Args:
        dates, archetypes, stocks: how many there are.
        free: bytes of memory; None sets no limit.
        windows: whether a file will do.
        whole: the searches for which it will not.
        held: bytes that a search holds beside scores in memory, for which a file is taken too.

    Raises:
        ConfigError: the scores fit neither into memory nor, where they may, into that folder.
    """
    shape = dates, archetypes, stocks
    needed = max(needed_memory(archetypes, stocks, dates), needed_memory(0, stocks, dates) + FLOAT * archetypes * stocks * dates + held)
    if windows and free is not None and needed > free:
        check_memory(0, stocks, dates, free)
        return mapped_array(shape, np.float32)
    check_memory(archetypes, stocks, dates, free, whole)
    return np.empty(shape, np.float32)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
