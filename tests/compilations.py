"""Counting what XLA compiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import jax


@contextmanager
def count_compilations() -> Iterator[Callable[[], int]]:
    """`with count_compilations() as compiled: ...; compiled()` is the number of compilations meanwhile."""
    seen: list[str] = []

    def listen(event: str, duration: float, **_: object) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield lambda: len(seen)
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
