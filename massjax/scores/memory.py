"""A score tensor too large for the memory of the machine is refused before it is read, not killed when it is half there."""

from __future__ import annotations

from massjax.errors import ConfigError
from massjax.row_words import counted

COPIES = 2
"""Score tensors that a run holds at once: the scores, and as much again for the parts of them that are computed with."""
FLOAT = 4
"""Bytes of a float32."""


def check_memory(archetypes: int, stocks: int, dates: int, free: int | None) -> None:
    """Refuse scores that do not fit into memory.

    Args:
        archetypes: K.
        stocks: N.
        dates: T.
        free: bytes of the machine, or of what a container may have; None sets no limit.

    Raises:
        ConfigError: naming the sizes, what is needed and what is free.
    """
    tensor = FLOAT * archetypes * stocks * dates
    if free is not None and COPIES * tensor > free:
        sizes = f"{counted(archetypes, 'archetype')} on {stocks:,} stocks and {counted(dates, 'date')}"
        fit = free // (COPIES * FLOAT * stocks * dates)
        raise ConfigError(
            f"the scores of {sizes} take {_gigabytes(tensor)}, and a run needs {COPIES} times that, {_gigabytes(COPIES * tensor)} of "
            f"memory, of which {_gigabytes(free)} are free; take fewer archetypes ({fit:,} fit), fewer dates (market.start, market.end) "
            "or fewer stocks (market.only)"
        )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
