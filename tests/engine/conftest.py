"""The engine is tested under JAX's strictest rules: nothing is promoted silently."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import jax
import pytest


@pytest.fixture(autouse=True)
def strict_promotion() -> Iterator[None]:
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture
def count_compilations() -> Callable[[], AbstractContextManager[Callable[[], int]]]:
    """`with count_compilations() as compiled: ...; compiled()` is the number of XLA compilations meanwhile."""

    @contextmanager
    def counting() -> Iterator[Callable[[], int]]:
        seen: list[str] = []

        def listen(event: str, duration: float, **_: object) -> None:
            if event == "/jax/core/compile/backend_compile_duration":
                seen.append(event)

        jax.monitoring.register_event_duration_secs_listener(listen)
        try:
            yield lambda: len(seen)
        finally:
            jax.monitoring.unregister_event_duration_listener(listen)

    return counting
