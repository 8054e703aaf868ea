"""A search too large for the memory of the machine is refused before it begins, not killed when it is half done."""

from __future__ import annotations

from pathlib import Path

import jax

from massjax.errors import ConfigError
from massjax.search import Search

COPIES = 15
"""Numbers a chain holds for each archetype while a search runs, as measured on the gradient search; annealing holds about 7."""
FLOAT = 4
"""Bytes of a float32."""


def check_memory(search: Search, archetypes: int, dates: int) -> None:
    """Refuse a population that does not fit into memory.

    Args:
        search: the settings of the search.
        archetypes: K.
        dates: T; the fitness of every chain is kept for each.

    Raises:
        ConfigError: naming the number of chains that fits.
    """
    chain = FLOAT * COPIES * archetypes
    kept = 2 * FLOAT * dates
    on_device, on_host = _device_bytes(), _host_bytes()
    limits = [(chain + kept, on_host)] if on_device is None else [(chain, on_device), (kept, on_host)]
    for each, free in limits:
        needed = search.population * each
        if free is not None and needed > free:
            raise ConfigError(
                f"{search.population:,} chains over {archetypes:,} archetypes and {dates:,} dates need about {_gigabytes(needed)} "
                f"of memory, and {_gigabytes(free)} are free; take {max(free // each, 1):,} chains or fewer"
            )


def _device_bytes() -> int | None:
    """Free memory of the accelerator; None where JAX computes on the CPU, or the device does not tell."""
    stats = jax.local_devices()[0].memory_stats() if jax.default_backend() != "cpu" else None
    return None if not stats or "bytes_limit" not in stats else int(stats["bytes_limit"] - stats.get("bytes_in_use", 0))


def _host_bytes() -> int | None:
    """Memory that is free, or that a container may have at most, on Linux; None elsewhere."""
    free = [_first_number(line) * 1024 for line in _lines(Path("/proc/meminfo")) if line.startswith("MemAvailable:")]
    for limit in ("memory.max", "memory/memory.limit_in_bytes"):
        free += [number for line in _lines(Path("/sys/fs/cgroup") / limit) if (number := _first_number(line))]
    return min(free, default=None)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _first_number(line: str) -> int:
    """0 where there is none, as in `max`, by which a container says that it has no limit."""
    return next((int(word) for word in line.split() if word.isdecimal()), 0)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
