"""Which searches are refused for want of memory."""

from __future__ import annotations

import pytest

from massjax.errors import ConfigError
from massjax.evaluate.memory import check_memory
from massjax.machine import FreeMemory
from massjax.search import Annealing

HOST = FreeMemory(device=None, host=8 * 10**9)


def test_more_chains_than_the_memory_holds_are_refused() -> None:
    told = r"10,000,000 chains over 100,000 archetypes and 5,000 dates need about 60,400\.0 GB of memory, and 8\.0 GB are free; take 1,324 "
    with pytest.raises(ConfigError, match=told):
        check_memory(Annealing(chains=10_000_000), archetypes=100_000, dates=5_000, free=HOST)
    check_memory(Annealing(chains=1024), archetypes=16, dates=302, free=HOST)


def test_what_is_not_told_is_no_limit() -> None:
    check_memory(Annealing(chains=10_000_000), archetypes=100_000, dates=5_000, free=FreeMemory(None, None))


@pytest.mark.parametrize(("free", "fits"), [(FreeMemory(59_999, None), 999), (FreeMemory(60_000, 799_999), 999), (FreeMemory(0, 0), 1)])
def test_chains_are_held_by_the_device_and_their_fitness_by_the_host(free: FreeMemory, fits: int) -> None:
    """One archetype takes 60 bytes of a chain on the device, 100 dates 800 on the host."""
    with pytest.raises(ConfigError, match=f"take {fits:,} chains or fewer"):
        check_memory(Annealing(chains=1000), archetypes=1, dates=100, free=free)
    check_memory(Annealing(chains=1000), archetypes=1, dates=100, free=FreeMemory(60_000, 800_000))
