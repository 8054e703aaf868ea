"""Reading: only what is asked is read and checked, another library reads the same, and stores of the first format stay as they are."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from massjax.errors import StoreError
from massjax.store import ScoreStore, manifest, verify

from .store_writer import answer, content, days, fill, key, make, stocks


@pytest.fixture
def store(tmp_path: Path) -> ScoreStore:
    store = fill(make(tmp_path / "s.zarr", 20, 3, 4, 10))
    store.compact()
    return store


def test_a_window_reads_the_bytes_of_its_dates_alone_and_checks_each(store: ScoreStore) -> None:
    """One flipped bit in one date: windows without the date are read, windows with it are refused with its place."""
    whole = store.scores()
    file = Path(store.path) / "score" / "c.1.0.0"
    stride = 3 * 4 * 4 + 4
    for date in range(10):
        for offset in (0, stride // 2, stride - 1):
            data = bytearray(sound := file.read_bytes())
            data[date * stride + offset] ^= 4
            file.write_bytes(data)
            np.testing.assert_array_equal(store.scores(slice(0, 10 + date)), whole[:, :, : 10 + date])
            np.testing.assert_array_equal(store.scores(slice(11 + date, 20)), whole[:, :, 11 + date :])
            with pytest.raises(
                StoreError, match=rf"c\.1\.0\.0: chunk of block 1 .* is damaged: the bytes of its date number {date + 1} do"
            ):
                store.scores(slice(10 + date, 11 + date))
            assert [problem.file for problem in verify(store.path).problems] == ["score/c.1.0.0"]
            file.write_bytes(sound)


@pytest.mark.parametrize("chunk", [None, (2, 3), (5, 7)])
def test_zarr_reads_the_same_arrays(tmp_path: Path, chunk: tuple[int, int] | None) -> None:
    store = fill(make(tmp_path / "s.zarr", 23, 4, 5, 10, chunk=chunk))
    store.compact()
    group = zarr.open_group(str(store.path), mode="r")
    pairs = {"score": store.scores(), "coverage": store.coverage(), "status": store.status()}
    for name, expected in {**pairs, "probability": store.probabilities(calibrated=False)}.items():
        np.testing.assert_array_equal(np.asarray(group[name][:]).astype(expected.dtype), np.moveaxis(expected, 2, 0))
    np.testing.assert_array_equal(group["score"][7:17, 1:3, 2], store.scores()[1:3, 2, 7:17].T)


def test_scores_are_aligned_for_devices_and_read_into_place(store: ScoreStore) -> None:
    scores = store.scores(slice(3, 17))
    assert scores.__array_interface__["data"][0] % 64 == 0
    assert np.moveaxis(scores, 2, 0).flags.c_contiguous


def test_a_manifest_is_remembered_until_it_is_replaced(store: ScoreStore) -> None:
    reader = ScoreStore.open(store.path)
    for file in Path(store.path).glob("ledger/block-*.json"):
        os.utime(file, (1e9, 1e9))
    reader.scores()
    file = Path(store.path) / "ledger" / "block-0.json"
    old = manifest.read_manifest(reader.root, 0, reader.layout)
    assert manifest.read_manifest(reader.root, 0, reader.layout) is old or (file.stat().st_ctime > 1e9)
    unit = store.units()[0]
    store.write_unit(unit, answer(unit, 7), key=key(unit, 7))
    store.compact()
    assert reader.entries()[unit].key == key(unit, 7)
    np.testing.assert_array_equal(reader.scores(), store.scores())
    file.unlink()
    assert np.isnan(reader.scores(slice(0, 10))).all()


@pytest.fixture
def first_format(root: Path, tmp_path: Path) -> Path:
    path = root / "cache" / "demo.zarr"
    if not path.exists():
        pytest.skip("cache/demo.zarr is not in this checkout")
    assert b'"format": 1' in (path / "zarr.json").read_bytes()
    return Path(shutil.copytree(path, tmp_path / "demo.zarr"))


def test_a_store_of_the_first_format_is_read_written_and_grown_as_it_is(first_format: Path) -> None:
    store = ScoreStore.open(first_format, mode="r+")
    before = store.scores()
    store.extend(dates=days(2, "2023-01-01"), stocks=stocks(2))
    assert store.layout.format == 1
    missing = store.missing_units()
    fill(store, missing)
    store.compact()
    assert verify(store.path).ok
    np.testing.assert_array_equal(store.scores()[:, :20, :302], before)
    after = store.scores()
    for unit in missing:
        np.testing.assert_array_equal(after[unit.archetype, unit.stocks, unit.dates], answer(unit).score.T.astype(np.float32))
    group = zarr.open_group(str(first_format), mode="r")
    np.testing.assert_array_equal(np.asarray(group["score"][:]), np.moveaxis(store.scores(), 2, 0))
    assert [window.scores.shape for window in store.windows(300, step=10)] == [(16, 22, 300)]


def test_every_flipped_bit_of_a_store_of_the_first_format_is_detected(first_format: Path) -> None:
    rng = random.Random(2)
    expected = content(ScoreStore.open(first_format))
    paths = sorted(file for file in first_format.rglob("*") if file.is_file())
    for file in rng.sample(paths, 20):
        data = bytearray(sound := file.read_bytes())
        bit = rng.randrange(8 * len(data))
        data[bit // 8] ^= 1 << bit % 8
        file.write_bytes(data)
        assert file.relative_to(first_format).as_posix() in [problem.file for problem in verify(first_format).problems]
        with contextlib.suppress(StoreError):
            assert content(ScoreStore.open(first_format)) == expected
        file.write_bytes(sound)
