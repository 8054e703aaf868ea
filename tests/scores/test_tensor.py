"""The tensor on disk: read labelled by others, whole or not there, damage found on opening, on reading, or by `verify`."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import zarr
from hypothesis import given, settings, strategies as st

from massjax.errors import StoreError
from massjax.scores import tensor
from massjax.scores.made_from import MadeFrom
from massjax.scores.scores import Scores, tensors_in
from massjax.scores.status import Status

HASHES = ("a" * 32, "b" * 32)
"""Names of tensors in a store."""
SHAPE = (45, 3, 7)
DATES = np.arange("2024-01-01", "2024-02-15", dtype="datetime64[D]")
NAMES = ("trend", "careful", "Ünïcode \U0001f600")
STOCKS = tuple(f"S{n}" for n in range(7))
FACTS = {"": np.arange(45, dtype=np.uint64) + 2**63, "price": np.arange(45, dtype=np.uint64)}
MADE = MadeFrom({"choices": ["1", "2"], "mask": True}, {"trend": {"kind": "llm"}}, DATES, FACTS, "ab", {"": {"engine": "fake"}})


def cells(seed: int = 0, shape: tuple[int, ...] = SHAPE, choices: int = 0) -> tensor.Cells:
    rng = np.random.default_rng(seed)
    score = rng.random(shape, np.float32)
    score[rng.random(shape) < 0.1] = np.nan
    status = np.where(np.isnan(score), rng.choice([Status.FAILED, Status.NOT_ASKED], shape), Status.SCORED).astype(np.uint8)
    probability = rng.random((*shape, choices)).astype(np.float16) if choices else None
    return tensor.Cells(score, rng.random(shape).astype(np.float16), status, probability)


def make(place: Path, values: tensor.Cells, together: int = 3, made: MadeFrom = MADE) -> Path:
    with tensor.new_group(place) as group:
        choices = None if values.probability is None else ("no", "yes")
        writer = tensor.TensorWriter(group, DATES, NAMES[: values.score.shape[1]], STOCKS[: values.score.shape[2]], choices)
        for start in range(0, values.score.shape[1], together):
            part = [None if value is None else value[:, start : start + together] for value in values]
            writer.write(slice(start, min(start + together, values.score.shape[1])), tensor.Cells(*part))
        writer.finish(made)
    return place


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return make(tmp_path / "t", cells())


def test_what_is_written_is_read_labelled(place: Path) -> None:
    found, expected = Scores.open(place), cells()
    assert (found.archetypes, found.stocks) == (NAMES, STOCKS)
    np.testing.assert_array_equal(found.dates, DATES)
    for name in ("score", "mass", "status"):
        np.testing.assert_array_equal(getattr(found, name)(), getattr(expected, name))
        np.testing.assert_array_equal(getattr(found, name)(slice(13, 29)), getattr(expected, name)[13:29])
    np.testing.assert_array_equal(found.to_numpy(), np.moveaxis(expected.score, 0, 2))
    made = found.made_from
    assert made is not None
    assert (made.digest, made.settings, made.archetypes, made.models) == (MADE.digest, MADE.settings, MADE.archetypes, MADE.models)
    assert {name: values.tolist() for name, values in made.facts.items()} == {name: values.tolist() for name, values in FACTS.items()}


@settings(max_examples=15)
@given(st.integers(1, 3), st.integers(1, 7), st.integers(1, 3), st.sampled_from([0, 2]))
def test_any_shape_written_in_any_parts(
    tmp_path_factory: pytest.TempPathFactory, kinds: int, stocks: int, together: int, choices: int
) -> None:
    values = cells(kinds, (45, kinds, stocks), choices)
    cell_limit, tensor.CHUNK_CELLS = tensor.CHUNK_CELLS, together * stocks * tensor.DATES_IN_CHUNK
    try:
        place = make(tmp_path_factory.mktemp("t") / "t", values, min(together, kinds))
        group = tensor.open_group(place)
        for name, whole in values._asdict().items():
            if whole is not None:
                np.testing.assert_array_equal(tensor.read(group, name), whole)
        assert tensor.verify(group) == []
    finally:
        tensor.CHUNK_CELLS = cell_limit


def test_chunks_in_which_nothing_is_known_are_written_too(tmp_path: Path) -> None:
    values = tensor.Cells(np.full(SHAPE, np.nan, np.float32), np.full(SHAPE, np.nan, np.float16), np.zeros(SHAPE, np.uint8))
    make(tmp_path / "s", values)
    found = Scores.open(tmp_path / "s")
    assert np.isnan(found.score()).all()
    assert not found.status().any()
    assert tensor.verify(tensor.open_group(tmp_path / "s")) == []


def test_any_zarr_library_reads_it_labelled(place: Path) -> None:
    group = zarr.open_group(str(place), mode="r")
    score = group["score"]
    assert isinstance(score, zarr.Array)
    assert score.metadata.dimension_names == ("date", "archetype", "stock")  # type: ignore[union-attr]
    for axis, labels in zip(("archetype", "stock"), (NAMES, STOCKS), strict=True):
        assert tuple(np.asarray(group[axis][:]).tolist()) == labels  # type: ignore[index]
    assert group["date"].attrs["units"] == "days since 1970-01-01"
    np.testing.assert_array_equal(np.asarray(group["date"][:]).astype("datetime64[D]"), DATES)  # type: ignore[index]
    document = json.loads((place / "score" / "zarr.json").read_text())
    assert [codec["name"] for codec in document["codecs"]] == ["bytes", "zstd", "crc32c"]


def test_xarray_reads_it_labelled(place: Path) -> None:
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    found = xarray.open_zarr(place, consolidated=False)
    assert found["score"].dims == ("date", "archetype", "stock")
    one = found["score"].sel(archetype="careful", stock="S3", date="2024-01-20")
    assert float(one) == cells().score[19, 1, 3]
    made = Scores.open(place).to_xarray()
    assert found["score"].equals(made["score"])
    assert made["status"].dtype == np.uint8


def test_a_table_has_a_row_a_cell_and_comes_back(place: Path) -> None:
    values, frame = cells(), Scores.open(place).to_polars()
    asked = values.status != Status.NOT_ASKED
    assert len(frame) == asked.sum()
    row = frame.filter(date=DATES[19].item(), stock="S3", archetype="careful")
    assert row["score"].item() == (None if np.isnan(values.score[19, 1, 3]) else values.score[19, 1, 3])
    assert set(frame["status"]) == {"failed", "scored"}
    assert frame["score"].is_null().sum() == (values.status == Status.FAILED).sum()
    again = Scores.from_frame(frame.select("date", "stock", "archetype", "score"))
    rows = [again.archetypes.index(name) for name in NAMES]
    np.testing.assert_array_equal(again.score()[:, rows], values.score)


@pytest.mark.parametrize("name", ["score/c/1/0/0", "mass/c/2/0/0", "status/c/0/0/0", "date/c/0", "stock/c/0", "facts/c/0/0"])
def test_a_missing_chunk_is_refused_on_opening(place: Path, name: str) -> None:
    (place / name).unlink()
    with pytest.raises(StoreError, match=rf"1 of \d+ chunks of '{name.split('/')[0]}' are missing; run python -m massjax.precompute"):
        Scores.open(place)


@pytest.mark.parametrize("name", ["score/c/1/0/0", "mass/c/2/0/0", "status/c/0/0/0", "date/c/0", "archetype/c/0"])
@pytest.mark.parametrize("how", ["flip", "cut", "empty", "swap"])
def test_a_damaged_chunk_is_found_on_reading(place: Path, name: str, how: str) -> None:
    chunk = place / name
    data = bytearray(chunk.read_bytes())
    if how == "flip":
        data[len(data) // 2] ^= 4
    elif how == "swap":
        data = bytearray((place / "facts/c/0/0").read_bytes())
    chunk.write_bytes(data[: {"cut": len(data) - 3, "empty": 0}.get(how, len(data))])
    array = name.split("/")[0]

    def read() -> None:
        found = Scores.open(place)
        assert found.made_from is not None
        getattr(found, array)(slice(None))

    with pytest.raises(StoreError, match=rf"'{array}' is damaged|no score tensor"):
        read()


def test_bits_flipped_anywhere_are_found_by_reading_or_verifying(place: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    files = sorted(path.relative_to(place) for path in place.rglob("*") if path.is_file())
    harmless = 0
    for number in range(120):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(place, copy)
        file = copy / files[rng.integers(len(files))]
        data = bytearray(file.read_bytes())
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        file.write_bytes(data)
        try:
            found = Scores.open(copy)
            same = all(
                np.array_equal(getattr(found, name)(), getattr(cells(), name), equal_nan=True) for name in ("score", "mass", "status")
            )
            made = found.made_from
            assert made is not None
            known = (found.archetypes, found.stocks, found.dates.tolist(), made.digest) == (NAMES, STOCKS, DATES.tolist(), MADE.digest)
            faults = tensor.verify(tensor.open_group(copy))
        except StoreError:
            continue
        assert faults or (same and known), (file, "neither found nor harmless")
        harmless += not faults
        shutil.rmtree(copy)
    assert harmless < 120


def test_verify_finds_a_change_that_has_its_checksum(place: Path) -> None:
    assert tensor.verify(tensor.open_group(place)) == []
    group = zarr.open_group(str(place), mode="r+")
    group["score"][7, 1, 2] = 0.5  # type: ignore[index]
    assert tensor.verify(tensor.open_group(place)) == ["score.0: its content is not what was written"]
    group["facts"][3, 0] = 9  # type: ignore[index]
    assert "zarr.json: what it says of the content" in tensor.verify(tensor.open_group(place))[-1]


@pytest.mark.parametrize("axis", ["date", "archetype", "stock"])
def test_verify_finds_changed_labels(place: Path, axis: str) -> None:
    group = zarr.open_group(str(place), mode="r+")
    labels = np.asarray(group[axis][:])  # type: ignore[index]
    group[axis][:] = labels[::-1]  # type: ignore[index]
    assert tensor.verify(tensor.open_group(place))


def test_what_is_no_tensor_is_told(tmp_path: Path, place: Path) -> None:
    for folder in ("none", "empty", "foreign", "torn"):
        (tmp_path / folder).mkdir(exist_ok=folder != "none")
    (tmp_path / "none").rmdir()
    zarr.create_group(str(tmp_path / "foreign"), zarr_format=3)
    (tmp_path / "torn" / "zarr.json").write_text("{")
    for folder in ("none", "empty", "foreign", "torn"):
        with pytest.raises(StoreError, match="is no score tensor"):
            Scores.open(tmp_path / folder)


def test_killed_or_failed_while_it_is_written_it_leaves_no_half_tensor(tmp_path: Path, place: Path) -> None:
    class Boom(Exception):
        pass

    def failing() -> None:
        with tensor.new_group(tmp_path / "s" / "scores" / HASHES[1]) as group:
            tensor.TensorWriter(group, DATES, NAMES, STOCKS).write(slice(0, 3), cells())
            raise Boom

    with pytest.raises(Boom):
        failing()
    assert list((tmp_path / "s" / "scores").iterdir()) == []
    child = os.fork()
    if not child:
        with tensor.new_group(tmp_path / "s" / "scores" / HASHES[1]) as group:
            tensor.TensorWriter(group, DATES, NAMES, STOCKS).write(slice(0, 3), cells())
            os._exit(9)
    os.waitpid(child, 0)
    (left,) = (tmp_path / "s" / "scores").iterdir()
    assert left.name.startswith(".")
    assert tensors_in(tmp_path / "s") == []
    make(tmp_path / "s" / "scores" / HASHES[1], cells())
    assert tensors_in(tmp_path / "s") == [tmp_path / "s" / "scores" / HASHES[1]]
    assert [path.name for path in (tmp_path / "s" / "scores").iterdir()] == [HASHES[1]], "what a killed writer left is swept"


def test_of_several_tensors_of_a_store_the_last_is_taken(tmp_path: Path) -> None:
    for number, name in enumerate(reversed(HASHES)):
        make(tmp_path / "scores" / name, cells(number))
        document = json.loads((tmp_path / "scores" / name / "zarr.json").read_text())
        document["attributes"]["massjax"]["written"] = f"2026-01-0{number + 1}T00:00:00+00:00"
        (tmp_path / "scores" / name / "zarr.json").write_text(json.dumps(document))
    np.testing.assert_array_equal(Scores.open(tmp_path).score(), cells(1).score)


@pytest.mark.parametrize("shape", [(1, 1, 1), (302, 16, 20), (1250, 512, 500), (2500, 8, 3000), (5, 100_000, 50), (3, 2, 10**7)])
def test_chunks_hold_a_bounded_number_of_cells(shape: tuple[int, int, int]) -> None:
    dates, kinds, stocks = tensor.chunk_shape(shape)
    assert stocks == shape[2]
    assert dates <= tensor.DATES_IN_CHUNK
    assert kinds == 1 or dates * kinds * stocks <= tensor.CHUNK_CELLS
    assert isinstance(pl.Series([dates]).dtype, pl.Int64)


def sizes(values: Any) -> int:
    return sum(path.stat().st_size for path in values.rglob("*") if path.is_file())


def test_it_is_small(tmp_path: Path) -> None:
    ladder = cells(0)._replace(score=np.full(SHAPE, 0.5, np.float32), mass=np.full(SHAPE, 0.9, np.float16))
    assert sizes(make(tmp_path / "t", ladder)) < 24_000
