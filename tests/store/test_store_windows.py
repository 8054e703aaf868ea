"""A walk over a store larger than its budget: every window is right, little is resident, and the next windows are read meanwhile."""

from __future__ import annotations

import threading
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from massjax.errors import StoreError
from massjax.store import ScoreStore, UnitScores
from massjax.store.folder import LocalFolder

from .store_writer import CHOICES, RUN_KEY, archetypes, days, fill, make, stocks


@pytest.fixture(scope="module")
def small(module_path: Path) -> ScoreStore:
    """Compacted, journaled and missing units, over several chunks."""
    store = make(module_path / "small.zarr", 31, 3, 5, 4, chunk=(2, 3))
    units = store.units()
    fill(store, [unit for unit in units if unit.start < 20])
    store.compact()
    fill(store, [unit for unit in units if 20 <= unit.start < 28 and unit.archetype != 1])
    return store


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lookback=st.integers(1, 33), step=st.integers(1, 9), room=st.integers(0, 40), first=st.integers(0, 12), data=st.data())
def test_windows_are_slices_of_the_whole(small: ScoreStore, lookback: int, step: int, room: int, first: int, data: st.DataObject) -> None:
    kinds = data.draw(st.none() | st.lists(st.sampled_from(small.archetypes), unique=True, min_size=1))
    names = data.draw(st.none() | st.lists(st.sampled_from(small.stocks), unique=True, min_size=1))
    whole = small.scores(slice(first, None), kinds, names)
    budget = 3 * (lookback + room) * whole.shape[0] * whole.shape[1] * 4 + 3 * 4 * (3 * 5) * 4
    walk = small.windows(lookback, step=step, dates=slice(first, None), archetypes=kinds, stocks=names, budget=budget)
    starts = range(0, whole.shape[2] - lookback + 1, step)
    for start, window in zip(starts, walk, strict=True):
        np.testing.assert_array_equal(window.scores, whole[:, :, start : start + lookback])
        np.testing.assert_array_equal(window.dates, small.dates[first + start : first + start + lookback])
        assert not window.scores.flags.writeable


@pytest.fixture(scope="module")
def large(module_path: Path) -> ScoreStore:
    """12.8 MB of scores."""
    axes = {"dates": days(400), "stocks": stocks(1000), "archetypes": archetypes(8)}
    store = ScoreStore.create(module_path / "large.zarr", **axes, choices=CHOICES, run_key=RUN_KEY, dates_per_unit=20)
    rng = np.random.default_rng(0)
    for unit in store.units():
        score = rng.random(unit.shape)
        store.write_unit(unit, UnitScores(np.full(unit.shape, 5), score), key="rule")
    store.compact()
    return store


BUDGET = 3_000_000


@pytest.mark.parametrize("every", [1, 2], ids=["all stocks", "every other stock"])
def test_never_more_than_the_budget_is_resident(large: ScoreStore, every: int) -> None:
    names = large.stocks[::every]
    size = 400 * 8 * len(names) * 4
    budget = BUDGET
    assert size > 2 * budget
    store = ScoreStore.open(large.path)
    store.scores(slice(0, 1))
    store.entries()
    total, windows = 0.0, 0
    tracemalloc.start()
    try:
        for window in store.windows(20, stocks=names, budget=budget):
            total += float(window.scores[:, :, -1].sum())
            windows += 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert windows == 381
    assert peak < budget
    np.testing.assert_allclose(total, large.scores(slice(19, None), stocks=names).astype(np.float64).sum(), rtol=1e-6)


class Watched(LocalFolder):
    """A local folder that says which blocks of scores have been read, how often, and by which thread."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.dates: list[tuple[str, int]] = []
        self.read_by: dict[str, int] = {}
        self.changed = threading.Condition()

    def fill(self, name: str, start: int, buffers: list[Any], size: int) -> None:
        super().fill(name, start, buffers, size)
        stride = 8 * 1000 * 4 + 4
        with self.changed:
            self.dates += [(name, start // stride + i) for i in range(sum(map(len, buffers)) // stride)]
            self.read_by[name] = threading.get_ident()
            self.changed.notify_all()

    def wait_for(self, name: str) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: name in self.read_by, timeout=60)


@pytest.fixture
def walk(large: ScoreStore) -> tuple[Watched, ScoreStore]:
    root = Watched(Path(str(large.path)))
    return root, ScoreStore.open(root)


def test_the_next_windows_are_read_while_one_is_searched_and_no_date_twice(walk: tuple[Watched, ScoreStore]) -> None:
    """While the first window is held, later dates arrive without anybody asking; they are read by another thread."""
    root, store = walk
    windows = store.windows(20, budget=3 * 8 * 1000 * 4 * 30)
    next(windows)
    assert root.wait_for("score/c.2.0.0")
    assert root.read_by["score/c.2.0.0"] != threading.get_ident()
    assert "score/c.3.0.0" not in root.read_by
    assert sum(1 for _ in windows) == 380
    assert sorted(root.dates) == sorted((f"score/c.{block}.0.0", date) for block in range(20) for date in range(20))


def test_a_walk_that_is_left_early_ends_its_thread(walk: tuple[Watched, ScoreStore]) -> None:
    _, store = walk
    windows = store.windows(20, budget=BUDGET)
    next(windows)
    windows.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("massjax-windows")]


def test_what_a_walk_cannot_do_is_said(large: ScoreStore) -> None:
    with pytest.raises(StoreError, match=r"8 archetypes × 1000 stocks × 20 dates need a budget of 1,920,000 bytes; given: 1,919,999"):
        large.windows(20, budget=1_919_999)
    assert next(large.windows(20, budget=1_920_000)).scores.shape == (8, 1000, 20)
    assert list(large.windows(401)) == []
    with pytest.raises(StoreError, match="both must be at least 1"):
        large.windows(0)
    with pytest.raises(StoreError, match="must increase"):
        large.windows(2, dates=["2020-01-05", "2020-01-04"])
    with pytest.raises(StoreError, match="not in this store"):
        large.windows(2, stocks=["nobody"])
