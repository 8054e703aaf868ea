"""Every flipped bit and every truncation is detected, named, and repaired by asking exactly what was lost again."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from massjax.errors import StoreError
from massjax.store import Report, ScoreStore, repair, verify
from massjax.store.files import temporary_name

from .store_writer import answer, content, fill, key, make

FLIPS = 300


@pytest.fixture(scope="module")
def sound(module_path: Path) -> ScoreStore:
    """Three compacted blocks, the last also with a unit asked again, and a block in the journal; two chunks each."""
    store = make(module_path / "s.zarr", 16, 4, 6, 4, chunk=(2, 6))
    units = store.units()
    fill(store, [unit for unit in units if unit.start < 12])
    store.compact()
    fill(store, [unit for unit in units if unit.start == 8 and unit.archetype == 1], seed=1)
    fill(store, [unit for unit in units if unit.start == 12 and unit.archetype < 3])
    assert verify(store.path) == Report((), (), chunks=24, units=12, records=4)
    return store


@pytest.fixture
def copy(sound: ScoreStore, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound.path, tmp_path / "copy.zarr"))


def files_of(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file())


def report_of(path: Path) -> list[str]:
    """The files that `verify` names, in the report or in an error."""
    try:
        return [problem.file for problem in verify(path).problems]
    except StoreError as error:
        return [str(error)]


def read_all(path: Path) -> dict[str, object] | None:
    """Everything a store says; None where it refuses."""
    try:
        return content(ScoreStore.open(path))
    except StoreError:
        return None


def test_every_flipped_bit_is_detected_and_never_read_as_something_else(sound: ScoreStore, copy: Path) -> None:
    rng = random.Random(0)
    expected = content(sound)
    paths = files_of(copy)
    for number in range(FLIPS):
        file = paths[number % len(paths)]
        data = bytearray(whole := file.read_bytes())
        bit = rng.randrange(8 * len(data))
        data[bit // 8] ^= 1 << bit % 8
        file.write_bytes(data)
        name = file.relative_to(copy).as_posix()
        assert name in report_of(copy), f"bit {bit} of {name}: not detected"
        assert read_all(copy) in (None, expected), f"bit {bit} of {name}: read as something else"
        file.write_bytes(whole)
    assert verify(copy).ok


def test_every_truncation_and_every_missing_file_is_detected(sound: ScoreStore, copy: Path) -> None:
    rng = random.Random(1)
    expected = content(sound)
    for file in files_of(copy):
        whole = file.read_bytes()
        name = file.relative_to(copy).as_posix()
        for length in (0, 1, rng.randrange(len(whole)), len(whole) - 1):
            file.write_bytes(whole[:length])
            assert name in report_of(copy), f"{name} cut to {length} bytes: not detected"
            assert read_all(copy) in (None, expected)
        file.unlink()
        units_only = name.endswith(".rec") or "block-" in name
        assert units_only or name in report_of(copy), f"{name} deleted: not detected"
        if units_only:
            there = ScoreStore.open(copy).entries()
            assert all(sound.entries()[unit] == entry or unit.start == 8 for unit, entry in there.items())
            assert len(there) < len(sound.entries()) or "a1" in name
        file.write_bytes(whole)


def test_chunks_that_changed_places_are_detected(copy: Path) -> None:
    one, other = copy / "score" / "c.0.0.0", copy / "score" / "c.1.0.0"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    problems = verify(copy).problems
    assert {(problem.block, problem.archetypes) for problem in problems} == {(block, (kind,)) for block in (0, 1) for kind in ("a0", "a1")}
    assert all("chunks do not hold what the manifest says" in problem.fault for problem in problems)


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("zarr.json", set()),
        ("ledger/group.json", set()),
        ("ledger/zarr.json", set()),
        ("probability/zarr.json", set()),
        ("score/c.1.0.0", {(4, 0), (4, 1)}),
        ("probability/c.2.1.0.0", {(8, 2), (8, 3)}),
        ("status/c.2.0.0", {(8, 0)}),
        ("ledger/block-0.json", {(0, 0), (0, 1), (0, 2), (0, 3)}),
        ("ledger/journal/3/d12-16_a1_s0-6.rec", {(12, 1)}),
    ],
)
@pytest.mark.parametrize("harm", ["flip", "cut", "delete"])
def test_repair_drops_what_is_lost_and_asking_that_again_restores_all(
    sound: ScoreStore, copy: Path, name: str, lost: set[tuple[int, int]], harm: str
) -> None:
    expected = content(sound)
    file = copy / name
    data = bytearray(file.read_bytes())
    if harm == "flip":
        data[len(data) // 2] ^= 8
        file.write_bytes(data)
    elif harm == "cut":
        file.write_bytes(data[:-3])
    else:
        file.unlink()
    done = repair(copy)
    if harm != "delete" or not name.endswith((".rec", "block-0.json")):
        assert name in {problem.file for problem in done.problems}
        assert {(unit.start, unit.archetype) for unit in done.dropped} == lost
    assert verify(copy).ok
    store = ScoreStore.open(copy, mode="r+")
    keys = {unit: key(unit, int(unit.start == 8 and unit.archetype == 1)) for unit in sound.entries()}
    missing = store.missing_units(keys)
    assert {(unit.start, unit.archetype) for unit in missing} == lost
    before = store.scores()
    for unit in missing:
        assert np.isnan(before[unit.archetype, unit.stocks, unit.dates]).all()
        fill(store, [unit])
    assert content(store) == expected
    store.compact(partial=True)
    assert content(store) == expected
    assert verify(copy).ok


def test_a_unit_in_a_damaged_chunk_that_is_in_the_journal_again_is_kept(sound: ScoreStore, copy: Path) -> None:
    """Block 2, archetype 1 was asked again and is journaled; its old chunk does not matter."""
    (copy / "score" / "c.2.0.0").write_bytes(b"gone")
    repair(copy)
    store = ScoreStore.open(copy)
    (unit,) = (unit for unit in store.units() if (unit.start, unit.archetype) == (8, 1))
    np.testing.assert_array_equal(store.scores(["2020-01-09", "2020-01-10"], "a1"), sound.scores(["2020-01-09", "2020-01-10"], "a1"))
    assert store.entries()[unit].key == key(unit, 1)


def test_a_damaged_chunk_is_named_when_it_is_read_and_the_rest_is_readable(sound: ScoreStore, copy: Path) -> None:
    file = copy / "score" / "c.1.1.0"
    file.write_bytes(file.read_bytes()[:-1])
    store = ScoreStore.open(copy)
    with pytest.raises(StoreError, match=r"score/c\.1\.1\.0: chunk of block 1 \(dates 2020-01-05 to 2020-01-08\) is damaged.*repair"):
        store.scores()
    with pytest.raises(StoreError, match=r"c\.1\.1\.0"):
        store.info()
    np.testing.assert_array_equal(store.scores(slice(0, 4)), sound.scores(slice(0, 4)))
    np.testing.assert_array_equal(store.scores(archetypes=["a0", "a1"]), sound.scores(archetypes=["a0", "a1"]))
    (problem,) = store.verify().problems
    assert (problem.file, problem.block, problem.dates, problem.archetypes) == (
        "score/c.1.1.0",
        1,
        ("2020-01-05", "2020-01-08"),
        ("a2", "a3"),
    )


def test_where_the_metadata_and_their_copy_are_damaged_nothing_is_guessed(copy: Path) -> None:
    for name in ("zarr.json", "ledger/group.json"):
        file = copy / name
        file.write_bytes(file.read_bytes().replace(b"bfloat16", b"bfloat32"))
    for attempt in (ScoreStore.open, verify, repair):
        with pytest.raises(StoreError, match="does not match its checksum"):
            attempt(copy)


def test_files_that_are_not_the_stores_are_noted_and_left(copy: Path) -> None:
    (copy / "README.txt").write_text("mine")
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = copy / "score" / temporary_name().replace(str(os.getpid()), str(gone.pid))
    ours = copy / "score" / temporary_name()
    for file in (left, ours):
        file.write_text("half of a chu")
    report = verify(copy)
    assert report.ok
    assert [note.partition(":")[0] for note in report.notes] == ["README.txt", f"score/{left.name}"]
    repair(copy)
    assert (copy / "README.txt").exists()
    assert not left.exists()
    assert ours.exists()


def test_a_crash_while_growing_leaves_the_old_store_or_the_new_one(sound: ScoreStore, copy: Path, tmp_path: Path) -> None:
    """Growing writes arrays' metadata, the copy, then the group: stop after each."""
    grown = Path(shutil.copytree(copy, tmp_path / "grown.zarr"))
    ScoreStore.open(grown, mode="r+").extend(stocks=["new"], dates=["2020-02-01"], archetypes=[{"name": "new"}])
    expected = content(sound)
    steps = ["probability/zarr.json", "score/zarr.json", "coverage/zarr.json", "status/zarr.json", "ledger/group.json"]
    for name in steps:
        shutil.copy(grown / name, copy / name)
        assert content(ScoreStore.open(copy)) == expected
        assert verify(copy).ok
    store = ScoreStore.open(copy, mode="r+")
    (unit,) = store.missing_units({unit: key(unit) for unit in store.units() if unit.start == 12})
    store.write_unit(unit, answer(unit), key=key(unit))
    assert store.compact() == [2, 3]
    assert verify(copy).ok
    repair(copy)
    assert verify(copy) == Report((), (), chunks=32, units=16, records=0)
    store.extend(stocks=["new"], dates=["2020-02-01"], archetypes=[{"name": "new"}])
    assert verify(copy).ok
    assert len(store.missing_units()) == len(store.units()) - 16
