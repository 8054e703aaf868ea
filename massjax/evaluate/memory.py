"""A search too large for the memory of the machine is refused before it begins, not killed when it is half done."""

from __future__ import annotations

from massjax.errors import ConfigError
from massjax.machine import FreeMemory
from massjax.search import Search

COPIES = 15
"""Numbers a chain holds for each archetype while a search runs, as measured on the gradient search; annealing holds about 7."""
FLOAT = 4
"""Bytes of a float32."""


def check_memory(search: Search, archetypes: int, dates: int, free: FreeMemory) -> None:
    """Refuse a population that does not fit into memory.

    A chain holds `COPIES` float32 numbers for each archetype on the device that computes, and two for each date on the host, where the
    fitness of every chain is kept. An objective other than the mean RankIC keeps two for each date on the device too.

    Args:
        search: the settings of the search.
        archetypes: K.
        dates: T.
        free: bytes of the device and of the host; None sets no limit, and without a device the host holds both.

    Raises:
        ConfigError: naming the number of chains that fits.
    """
    chain = FLOAT * (COPIES * archetypes + (0 if search.objective.plain else 2 * dates))
    kept = 2 * FLOAT * dates
    limits = [(chain + kept, free.host)] if free.device is None else [(chain, free.device), (kept, free.host)]
    for each, most in limits:
        needed = search.population * each
        if most is not None and needed > most:
            raise ConfigError(
                f"{search.population:,} chains over {archetypes:,} archetypes and {dates:,} dates need about {_gigabytes(needed)} "
                f"of memory, and {_gigabytes(most)} are free; take {max(most // each, 1):,} chains or fewer"
            )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
