"""What is written is what is read: against a plain numpy picture of the store, for any cut of the axes and any state of the writing."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings, strategies as st

from massjax.errors import StoreError
from massjax.store import ScoreStore, Status, Unit, UnitScores

from .store_writer import CHOICES, RUN_KEY, answer, archetypes, days, fill, key, make, stocks


class Picture:
    """The store as plain arrays [K, N, T(, C)] that grow with it."""

    def __init__(self) -> None:
        self.score = np.full((0, 0, 0), np.nan, dtype=np.float32)
        self.raw = np.full((0, 0, 0, len(CHOICES)), np.nan, dtype=np.float16)
        self.calibrated = self.raw.astype(np.float64)
        self.status = np.zeros((0, 0, 0), dtype=np.uint8)
        self.coverage = np.full((0, 0, 0), np.nan, dtype=np.float16)

    def grow(self, store: ScoreStore) -> None:
        shape = (len(store.archetypes), len(store.stocks), len(store.dates))
        for name, old in vars(self).copy().items():
            new = np.full((*shape, *old.shape[3:]), 0 if name == "status" else np.nan, dtype=old.dtype)
            new[tuple(slice(size) for size in old.shape[:3])] = old
            setattr(self, name, new)

    def write(self, unit: Unit, scores: UnitScores) -> None:
        place = (unit.archetype, unit.stocks, unit.dates)
        assert scores.probability is not None
        assert scores.coverage is not None
        assert scores.calibration is not None
        self.score[place] = scores.score.T
        self.raw[place] = np.moveaxis(scores.probability, 0, 1)
        raised = self.raw[place].astype(np.float64) / scores.calibration
        self.calibrated[place] = raised / raised.sum(axis=-1, keepdims=True)
        self.status[place] = scores.status.T
        self.coverage[place] = scores.coverage.T


def agree(store: ScoreStore, picture: Picture) -> None:
    np.testing.assert_array_equal(store.scores(), picture.score)
    np.testing.assert_array_equal(store.status(), picture.status)
    np.testing.assert_array_equal(store.coverage(), picture.coverage.astype(np.float32))
    np.testing.assert_array_equal(store.probabilities(calibrated=False), picture.raw.astype(np.float32))
    np.testing.assert_allclose(store.probabilities(), picture.calibrated, rtol=1e-5)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_history_of_writing_compacting_and_growing_reads_as_plain_arrays(module_path: Path, data: st.DataObject) -> None:
    def count(least: int, most: int) -> int:
        return data.draw(st.integers(least, most))

    with tempfile.TemporaryDirectory(dir=module_path) as folder:
        chunk = data.draw(st.none() | st.tuples(st.integers(1, 4), st.integers(1, 4)))
        store = make(Path(folder) / "s.zarr", count(1, 7), count(1, 3), count(1, 4), count(1, 4), chunk=chunk)
        picture = Picture()
        picture.grow(store)
        for step in range(count(1, 5)):
            action = data.draw(st.sampled_from(["write", "write", "compact", "partial", "extend"]))
            if action == "write":
                for unit in data.draw(st.lists(st.sampled_from(store.units()), unique=True)):
                    if store.write_unit(unit, answer(unit, step), key=key(unit, step)):
                        picture.write(unit, answer(unit, step))
            elif action == "extend":
                names = {"dates": days(count(0, 4), str(store.dates[-1] + np.timedelta64(2, "D")))}
                names |= {"stocks": stocks(count(0, 2), len(store.stocks)), "archetypes": archetypes(count(0, 2), len(store.archetypes))}
                store.extend(**names)
                picture.grow(store)
            else:
                store.compact(partial=action == "partial")
            agree(ScoreStore.open(store.path), picture)
        assert store.verify().problems == ()
        if data.draw(st.booleans()):
            fill(store, seed=99)
            for unit in store.units():
                picture.write(unit, answer(unit, 99))
            assert set(store.compact()) == set(range(store.layout.blocks))
            assert not (store.path / "ledger" / "journal").exists()
            agree(store, picture)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_selection_is_that_part_of_the_whole(half_compacted: ScoreStore, data: st.DataObject) -> None:
    store = half_compacted
    whole = store.scores()
    kinds = data.draw(st.none() | st.lists(st.sampled_from(store.archetypes), unique=True))
    names = data.draw(st.none() | st.lists(st.sampled_from(store.stocks), unique=True))
    positions = data.draw(st.lists(st.sampled_from(range(len(store.dates)))))
    places_k = list(range(len(store.archetypes))) if kinds is None else [store.archetypes.index(name) for name in kinds]
    places_n = list(range(len(store.stocks))) if names is None else [store.stocks.index(name) for name in names]
    expected = whole[np.ix_(places_k, places_n, positions)]
    np.testing.assert_array_equal(store.scores([store.dates[t] for t in positions], kinds, names), expected)


@pytest.fixture(scope="module")
def half_compacted(module_path: Path) -> ScoreStore:
    """Blocks that are whole, partly compacted, partly journaled, and empty, over several chunks in each direction."""
    store = make(module_path / "s.zarr", 23, 5, 7, 4, chunk=(2, 3))
    units = store.units()
    fill(store, [unit for unit in units if (unit.start < 12 and unit.archetype != 3) or unit.start < 4])
    store.compact(partial=True)
    fill(store, [unit for unit in units if (unit.start < 12 and unit.archetype == 3) or (unit.start == 16 and unit.archetype < 2)])
    return store


def test_dates_are_selected_by_day_range_list_and_slice(half_compacted: ScoreStore) -> None:
    store, whole = half_compacted, half_compacted.scores()
    np.testing.assert_array_equal(store.scores(("2020-01-03", "2020-01-07")), whole[:, :, 2:7])
    np.testing.assert_array_equal(store.scores(slice("2020-01-03", "2020-01-07")), whole[:, :, 2:7])
    np.testing.assert_array_equal(store.scores(slice(np.datetime64("2020-01-20"), None)), whole[:, :, 19:])
    np.testing.assert_array_equal(store.scores(slice(5, 9)), whole[:, :, 5:9])
    np.testing.assert_array_equal(store.scores(["2020-01-07", "2020-01-03"]), whole[:, :, [6, 2]])
    np.testing.assert_array_equal(store.scores(store.dates[3:5], "a1", "S2"), whole[1:2, 2:3, 3:5])
    assert store.scores(("2019-01-01", "2019-02-01")).shape == (5, 7, 0)


def test_unknown_labels_are_named(half_compacted: ScoreStore) -> None:
    with pytest.raises(StoreError, match="date 2021-05-05 is not in this store; it has 23 dates from 2020-01-01 to 2020-01-23"):
        half_compacted.scores(["2020-01-01", "2021-05-05"])
    with pytest.raises(StoreError, match=r"archetype 'a11' is not in this store.*did you mean 'a1'"):
        half_compacted.scores(archetypes=["a11"])
    with pytest.raises(StoreError, match="stock 'XYZ' is not in this store"):
        half_compacted.scores(stocks="XYZ")
    with pytest.raises(StoreError, match="expected days such as"):
        half_compacted.scores(["yesterday"])


def test_any_zarr_library_reads_the_compacted_store(tmp_path: Path) -> None:
    store = fill(make(tmp_path / "s.zarr", 23, 5, 7, 4, chunk=(2, 3)))
    store.compact()
    group = zarr.open_group(store.path, mode="r")
    assert {name for name, _ in group.arrays()} == {"probability", "score", "coverage", "status"}
    np.testing.assert_array_equal(np.moveaxis(group["score"][:], 0, 2), store.scores())
    np.testing.assert_array_equal(np.moveaxis(group["status"][:], 0, 2), store.status())
    np.testing.assert_array_equal(np.moveaxis(group["coverage"][:], 0, 2).astype(np.float32), store.coverage())
    np.testing.assert_array_equal(np.moveaxis(group["probability"][:], 0, 2).astype(np.float32), store.probabilities(calibrated=False))
    assert group["score"].metadata.dimension_names == ("date", "archetype", "stock")
    assert group.attrs["massjax"]["run_key"] == RUN_KEY


def test_what_is_read_can_be_changed_without_changing_the_store(half_compacted: ScoreStore) -> None:
    for part in (slice(0, 4), slice(4, 8), slice(16, 20)):
        before = half_compacted.scores(part).copy()
        half_compacted.scores(part)[:] = 7
        np.testing.assert_array_equal(half_compacted.scores(part), before)


def test_a_demo_sized_store_is_small(tmp_path: Path) -> None:
    store = make(tmp_path / "s.zarr", 300, 16, 20, 20)
    for unit in store.units():
        rng = np.random.default_rng([unit.start, unit.archetype])
        probability = rng.dirichlet(np.ones(5), size=unit.shape)
        score, coverage = probability @ np.arange(5) / 4, rng.random(unit.shape)
        store.write_unit(
            unit, UnitScores(np.ones(unit.shape), score, probability, coverage), key="k" * 32, stats={"prompts": 400, "seconds": 9.5}
        )
    store.compact()
    info = store.info()
    assert info.bytes < 2_500_000
    assert info.files < 100


def test_info_counts_what_is_there(half_compacted: ScoreStore) -> None:
    info, entries = half_compacted.info(), half_compacted.entries()
    assert (info.units, info.finished) == (len(half_compacted.units()), len(entries))
    assert info.journaled == sum(1 for unit in entries if unit.start < 12 and unit.archetype == 3 and unit.start >= 4) + 2
    assert info.stats == {"prompts": 10 * len(entries), "reasons": {"low coverage": len(entries)}}
    status = half_compacted.status()
    assert info.status == {code.name.lower(): int((status == code).sum()) for code in Status if code and (status == code).any()}
    for position, archetype in enumerate(info.archetypes):
        scores = half_compacted.scores(archetypes=archetype.name)
        np.testing.assert_allclose(
            archetype.scores, np.nanquantile(scores, (0.05, 0.25, 0.5, 0.75, 0.95), method="inverted_cdf"), rtol=1e-3
        )
        assert archetype.finished == sum(unit.archetype == position for unit in entries)
    assert info.bytes == sum(file.stat().st_size for file in half_compacted.path.rglob("*") if file.is_file())
