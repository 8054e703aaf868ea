"""A search too large for the memory of the machine is refused before it begins, not killed when it is half done."""

from __future__ import annotations

from massjax.errors import ConfigError
from massjax.machine import FreeMemory
from massjax.search import Estimator, Search

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


def check_estimator(method: Estimator, archetypes: int, stocks: int, dates: int, free: FreeMemory, *, mapped: bool) -> None:
    """Refuse an estimator that, with the scores, does not fit into memory.

    Args:
        method: the estimator, which says what it holds.
        archetypes: K.
        stocks: N.
        dates: T.
        free: bytes of the host before the scores were read; None sets no limit.
        mapped: whether the scores, and what is as large, lie in a file.

    Raises:
        ConfigError: saying what is needed.
    """
    held = method.held_bytes(archetypes, stocks, dates)
    if not any(held) or free.host is None:
        return
    needed = held.beside if mapped else held.beside + held.like_scores + FLOAT * archetypes * stocks * dates
    if needed > free.host:
        scores = "beside scores in a file" if mapped else "with the scores"
        raise ConfigError(
            f"{type(method).__name__} over {archetypes:,} archetypes, {stocks:,} stocks and {dates:,} dates needs about "
            f"{_gigabytes(needed)} of memory {scores}, and {_gigabytes(free.host)} are free; take fewer archetypes, stocks or dates"
        )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
