"""Nothing in a store is code, and nothing in it leads out of its folder: not a name, not a link, not metadata made up by somebody else."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from massjax.errors import StoreError
from massjax.store import ScoreStore, UnitScores, export, files, merge, repair, verify
from massjax.store.journal import MAGIC

from .store_writer import CHOICES, RUN_KEY, answer, fill, key, make

HOSTILE = ["../../escape", "/etc/passwd", "a/b", "..", ".", "c.0.0.0", "a\nb", "a\x00b", "~", "$HOME", "%2e%2e%2f", "é\u202e", "CON", " "]
LOADERS = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}


def modules(root: Path) -> list[Path]:
    return sorted((root / "massjax").rglob("*.py"))


def test_no_module_can_unpickle_or_evaluate_what_it_reads(root: Path) -> None:
    for path in modules(root):
        for node in ast.walk(ast.parse(path.read_text())):
            where = f"{path.name}:{getattr(node, 'lineno', '')}"
            if isinstance(node, ast.Import | ast.ImportFrom):
                named = [alias.name for alias in node.names] + ([node.module or ""] if isinstance(node, ast.ImportFrom) else [])
                assert not LOADERS & {part for name in named for part in name.split(".")}, where
            elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant), where
                assert node.value.value is False, where
            elif isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                builtin = isinstance(node.func, ast.Name) and name in {"eval", "exec", "compile", "__import__"}
                assert not builtin, where
                assert name not in {"read_pickle", "to_pickle", "unsafe_load", "full_load", "loads_pickle"}, where


class Trap:
    """Unpickling this leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_in_place_of_any_file_is_refused_and_never_loaded(tmp_path: Path) -> None:
    store = make(tmp_path / "s.zarr", dates=10)
    fill(store, store.units()[:6]).compact(partial=True)
    fill(store, store.units()[6:8])
    payload = pickle.dumps(Trap(tmp_path / "sprung"))
    for file in sorted(path for path in Path(store.path).rglob("*") if path.is_file()):
        sound = file.read_bytes()
        for data in (payload, MAGIC + payload):
            file.write_bytes(data)
            problems = [problem.file for problem in verify(store.path).problems]
            assert file.relative_to(store.path).as_posix() in problems
            for read in (lambda: ScoreStore.open(store.path).scores(), lambda: ScoreStore.open(store.path).info()):
                with contextlib.suppress(StoreError):
                    read()
        file.write_bytes(sound)
    assert not (tmp_path / "sprung").exists()
    assert verify(store.path).ok


def test_names_never_become_paths(tmp_path: Path) -> None:
    """Archetypes, stocks, choices and provenance with the names of paths: the files are those of any store."""
    outside = tmp_path / "outside"
    outside.mkdir()
    plain = fill(make(tmp_path / "plain.zarr", 10, len(HOSTILE), len(HOSTILE)))
    axes = {"dates": plain.dates, "stocks": HOSTILE, "archetypes": [{"name": name, "persona": name} for name in HOSTILE]}
    run_key = {**RUN_KEY, "../../escape": "../../escape"}
    store = ScoreStore.create(outside / "s.zarr", **axes, choices=CHOICES, run_key=run_key, dates_per_unit=5, example_prompt="../x")
    fill(store)

    def names(path: Path | str) -> list[str]:
        return sorted(file.relative_to(path).as_posix() for file in Path(path).rglob("*"))

    assert names(store.path) == names(plain.path)
    store.compact()
    plain.compact()
    assert names(store.path) == names(plain.path)
    store.extend(archetypes=[{"name": "../../more"}], stocks=["../../more"])
    fill(store).compact()
    export(store, outside / "s.parquet")
    merge(outside / "merged.zarr", [store.path])
    store.add_run({"../../escape": 1})
    assert sorted(path.name for path in outside.iterdir()) == ["merged.zarr", "s.parquet", "s.zarr"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "plain.zarr"]
    assert verify(store.path).ok


def forged(path: Path, change: dict[str, Any]) -> None:
    """Rewrite the metadata of a store with another layout, with checksums that fit, as somebody could who means harm."""
    for name in ("zarr.json", "ledger/group.json"):
        document = json.loads((path / name).read_text())
        body = document["attributes"]["massjax"]
        body["layout"].update(change)
        document["attributes"]["checksum"] = files.digest(files.canonical(body))
        (path / name).write_bytes(files.canonical(document, indent=1))


@pytest.mark.parametrize(
    "change",
    [
        {"dates_per_unit": "../../escape"},
        {"dates_per_unit": 0},
        {"dates_per_unit": True},
        {"date_cuts": ["../../escape", 5]},
        {"date_cuts": [0, -5, 10]},
        {"date_cuts": [0, 10]},
        {"date_cuts": []},
        {"stock_cuts": [0, 3]},
        {"stock_cuts": [0, 4, 4, 8]},
        {"chunk": [0, 8]},
        {"chunk": [6]},
        {"chunk": [6, 8.0]},
        {"stocks": [["nested"]]},
        {"stocks": []},
        {"dates": ["2020-01-02", "2020-01-01"]},
        {"archetypes": ["others"]},
        {"choices": ["1", "1"]},
        {"extra": 1},
    ],
    ids=str,
)
def test_made_up_metadata_are_refused_even_with_a_fitting_checksum(tmp_path: Path, change: dict[str, Any]) -> None:
    store = fill(make(tmp_path / "s.zarr", dates=10))
    forged(Path(store.path), change)
    for attempt in (ScoreStore.open, verify, repair):
        with pytest.raises(StoreError, match="metadata"):
            attempt(store.path)
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]


@pytest.mark.parametrize("link", ["score", "ledger", "ledger/journal", "ledger/journal/0", "ledger/claims"])
def test_a_link_out_of_the_store_is_not_written_through(tmp_path: Path, link: str) -> None:
    store = make(tmp_path / "s.zarr", dates=10)
    fill(store, store.units()[1:2])
    outside = tmp_path / "outside"
    place = Path(store.path) / link
    if place.exists():
        place.rename(outside)
    else:
        outside.mkdir()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(outside, target_is_directory=True)

    def state() -> dict[str, bytes]:
        return {path.as_posix(): path.read_bytes() for path in outside.rglob("*") if path.is_file()}

    before = state()
    unit = store.units()[0]

    def work() -> None:
        with store.claim(unit):
            store.write_unit(unit, answer(unit), key=key(unit))
        store.compact(partial=True)

    with pytest.raises(StoreError, match="a link leads out of the store"):
        work()
    assert state() == before


def test_the_lock_is_not_made_through_a_link(tmp_path: Path) -> None:
    store = make(tmp_path / "s.zarr", dates=10)
    os.symlink(tmp_path / "outside", Path(store.path) / "ledger" / ".lock")
    unit = store.units()[0]
    with pytest.raises(StoreError, match="a link is where a file should be"):
        store.write_unit(unit, answer(unit), key=key(unit))
    assert not (tmp_path / "outside").exists()


def test_object_arrays_cannot_get_into_a_store(tmp_path: Path) -> None:
    store = make(tmp_path / "s.zarr", dates=10)
    unit = store.units()[0]
    scores = answer(unit)
    hostile = UnitScores(scores.status, np.full(unit.shape, Trap(tmp_path / "sprung"), dtype=object), scores.probability, scores.coverage)
    with pytest.raises((StoreError, TypeError)):
        store.write_unit(unit, hostile, key="k")
    assert not (tmp_path / "sprung").exists()
    assert store.missing_units() == store.units()
