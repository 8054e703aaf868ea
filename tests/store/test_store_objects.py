"""Stores in object storage: the same promises against a real S3 server on loopback (moto's), and in obstore's memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from massjax.errors import StoreError
from massjax.store import ClaimedError, ScoreStore, exists, export, merge, repair, verify
from massjax.store.__main__ import main
from massjax.store.folder import LOCK
from massjax.store.objects import ObjectFolder
from massjax.store.places import open_folder

from .store_writer import RUN_KEY, content, days, fill, make

obstore = pytest.importorskip("obstore", reason="object storage needs obstore: pip install 'massjax[s3]'")
SCRIPT = Path(__file__).with_name("store_writer.py")


@pytest.fixture(params=["s3", "memory"])
def place(request: pytest.FixtureRequest) -> object:
    """Where a store may be made, on a server or in memory."""
    return request.getfixturevalue("url") if request.param == "s3" else obstore.store.MemoryStore()


SMALL = {"dates": 8, "kinds": 2, "names": 4, "per_unit": 4}


def test_a_store_of_objects_is_written_grown_and_read_as_a_local_one(place: object, tmp_path: Path) -> None:
    store, local = make(place, **SMALL), make(tmp_path / "s.zarr", **SMALL)  # type: ignore[arg-type]
    assert store.missing_units() == store.units()
    for each in (store, local):
        fill(each, each.units()[:3])
        each.compact(partial=True)
        each.extend(dates=days(2, "2020-01-09"), archetypes=[{"name": "new"}])
        fill(each)
        each.add_run({"prompts": 5})
    assert content(store) == content(local)
    assert store.compact() == local.compact()
    again = ScoreStore.open(place, expect=RUN_KEY)
    assert content(again) == content(local)
    np.testing.assert_array_equal(again.scores(slice(3, 7), "a1"), local.scores(slice(3, 7), "a1"))
    for ours, theirs in zip(again.windows(4), local.windows(4), strict=True):
        np.testing.assert_array_equal(ours.scores, theirs.scores)
    assert verify(place).ok
    assert verify(place).notes == ()
    assert again.info().bytes > 0
    assert set(store.root.sizes()) - {"ledger/runs"} >= {"zarr.json", "score/c.0.0.0"}
    assert not [name for name in store.root.sizes() if LOCK in name or "probe" in name or "claims" in name or "journal" in name]
    with pytest.raises(StoreError, match="is there already"):
        make(place, **SMALL)  # type: ignore[arg-type]


def test_damage_is_named_and_repaired_by_asking_again(place: object) -> None:
    store = fill(make(place, **SMALL))  # type: ignore[arg-type]
    store.compact()
    expected = content(store)
    data = bytearray(store.root.read("score/c.1.0.0") or b"")
    data[7] ^= 1
    store.root.write("score/c.1.0.0", bytes(data))
    with pytest.raises(StoreError, match=r"score/c\.1\.0\.0: chunk of block 1 .* is damaged"):
        store.scores()
    assert [problem.file for problem in verify(place).problems] == ["score/c.1.0.0"]
    store.root.write("score/c.1.0.0", bytes(data[:-9]))
    with pytest.raises(StoreError, match="is damaged: it has"):
        store.scores()
    store.root.remove("coverage/c.1.0.0")
    with pytest.raises(StoreError, match="is missing"):
        store.coverage()
    assert len(repair(place).dropped) == 2
    fill(store).compact()
    assert content(store) == expected


def test_merging_and_exporting_reach_into_object_storage(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = make(tmp_path / "one.zarr", **SMALL), make(f"{url}.other", **SMALL)  # type: ignore[arg-type]
    fill(one, one.units()[::2])
    fill(other, other.units()[1::2])
    merged = merge(url, [one.path, f"{url}.other"]).store
    assert content(merged) == content(fill(one))
    assert export(merged, tmp_path / "s.parquet") == 8 * 2 * 4
    assert main(["info", url]) == 0
    assert main(["verify", url]) == 0
    output = capsys.readouterr().out
    assert url in output
    assert "sound" in output
    assert ScoreStore.open(Path(url)).path == url


def test_of_many_writers_none_loses_anything_and_of_two_that_claim_one_is_told(
    url: str, s3: dict[str, str], root: Path, tmp_path: Path
) -> None:
    """Three processes after the same units: every unit is asked once."""
    reference = fill(make(tmp_path / "reference.zarr", **SMALL))  # type: ignore[arg-type]
    store, log = make(url, **SMALL), tmp_path / "asked.log"  # type: ignore[arg-type]
    environment = {**os.environ, **s3, "PYTHONPATH": str(root)}
    command = [sys.executable, str(SCRIPT), "write", url, "0/1", "0", str(log), "--claim"]
    writers = [subprocess.Popen(command, env=environment) for _ in range(3)]
    assert [writer.wait(timeout=300) for writer in writers] == [0, 0, 0]
    assert sorted(log.read_text().split()) == sorted(unit.name for unit in store.units())
    assert content(store) == content(reference)
    store.compact()
    assert verify(url).ok
    unit = store.units()[0]
    held = ScoreStore.open(url, mode="r+")
    with held.claim(unit), pytest.raises(ClaimedError, match="is being worked on by process"), store.claim(unit):
        pass


def test_a_writer_that_is_killed_loses_at_most_the_unit_it_was_at(url: str, s3: dict[str, str], root: Path, tmp_path: Path) -> None:
    reference = fill(make(tmp_path / "reference.zarr", dates=20, kinds=3))
    store, log = make(url, dates=20, kinds=3), tmp_path / "asked.log"
    environment = {**os.environ, **s3, "PYTHONPATH": str(root)}
    writer = subprocess.Popen([sys.executable, str(SCRIPT), "write", url, "0/1", "0", str(log)], env=environment)
    while not (log.exists() and len(log.read_text().split()) >= 4) and writer.poll() is None:
        time.sleep(0.01)
    writer.kill()
    writer.wait()
    asked = log.read_text().split()
    assert verify(url).ok
    impatient = ScoreStore.open(ObjectFolder(open_folder(url)._store, url, lease_seconds=0.5), mode="r+")  # type: ignore[attr-defined]
    missing = impatient.missing_units()
    assert len(store.units()) - len(missing) >= len(asked) - 1
    fill(impatient, missing)
    impatient.compact()
    assert content(impatient) == content(reference)
    assert verify(url).ok


def test_a_lease_excludes_and_that_of_a_dead_holder_is_taken_over(place: object) -> None:
    make(place, **SMALL)  # type: ignore[arg-type]
    first, second = ObjectFolder.open(place), ObjectFolder.open(place)
    order: list[str] = []

    def work(name: str, folder: ObjectFolder) -> None:
        for _ in range(5):
            with folder.mutex():
                order.append(name)
                time.sleep(0.01)
                order.append(name)

    threads = [threading.Thread(target=work, args=pair) for pair in (("a", first), ("b", second))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert len(order) == 20
    assert order[::2] == order[1::2]
    first.write(LOCK, b"a holder that was killed")
    impatient = ObjectFolder(open_folder(place)._store, str(place), lease_seconds=0.3)  # type: ignore[attr-defined]
    began = time.monotonic()
    with impatient.mutex():
        assert time.monotonic() - began > 0.3
        assert first.read(LOCK) != b"a holder that was killed"
    assert first.read(LOCK) is None


def test_of_several_that_make_a_store_at_once_one_does_and_the_others_find_it(place: object) -> None:
    told: list[object] = []

    def work(delay: float) -> None:
        time.sleep(delay)
        try:
            if not exists(place):
                make(place, **SMALL)  # type: ignore[arg-type]
            told.append(ScoreStore.open(place, expect=RUN_KEY).layout.shape)
        except StoreError as error:
            told.append("made by another" if "is there already" in str(error) and exists(place) else error)

    threads = [threading.Thread(target=work, args=(0.01 * number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert len(told) == 6
    assert set(told) <= {(8, 2, 4), "made by another"}
    assert content(fill(ScoreStore.open(place, mode="r+")))


def test_a_store_whose_maker_was_killed_is_made_anew(place: object) -> None:
    store = make(place, **SMALL)  # type: ignore[arg-type]
    written = sorted(set(store.root.sizes()) - {"zarr.json"})
    store.root.remove("zarr.json")
    store.root.write("ledger/.probe-0a", b"1")
    assert not exists(place)
    for name in written[::2]:
        store.root.remove(name)
    fill(make(place, **SMALL)).root.remove("zarr.json")  # type: ignore[arg-type]
    assert exists(place), "with a score in it, it is one that is damaged"
    with pytest.raises(StoreError, match="is there already"):
        make(place, **SMALL)  # type: ignore[arg-type]
    assert repair(place).restored == ("zarr.json",)
    assert ScoreStore.open(place).missing_units() == []


class Forgetful(ObjectFolder):
    """An object store that passes over the conditions of a put."""

    def _put_new(self, name: str, data: bytes, over: str | None = None) -> str | None:
        self.write(name, data)
        return "tag"


def test_a_server_without_conditional_writes_is_not_written_to() -> None:
    folder = Forgetful(obstore.store.MemoryStore(), "memory")
    with pytest.raises(StoreError, match="no conditional writes"):
        make(folder)  # type: ignore[arg-type]
    assert folder.sizes() == {}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("s3://nowhere-at-all/s.zarr", "there is no score store here"),
        ("s3:/scores/nowhere.zarr", r"s3://scores/nowhere\.zarr: there is no score store here"),
        ("s3://scores", "is a whole bucket; name a folder in it, such as s3://scores/scores.zarr"),
        ("zz://scores/s.zarr", "is no URL that obstore can open"),
        ("memory://s.zarr", r"give an obstore\.store\.MemoryStore\(\) itself"),
        (7, "expected a path, a URL such as"),
    ],
)
def test_what_is_no_store_is_said(url: str, wrong: object, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        ScoreStore.open(wrong)


def test_no_error_and_no_object_holds_a_key(url: str, s3: dict[str, str]) -> None:
    store = fill(make(url, **SMALL))  # type: ignore[arg-type]
    keys = (s3["AWS_SECRET_ACCESS_KEY"], s3["AWS_ACCESS_KEY_ID"])
    for name in store.root.sizes():
        data = store.root.read(name)
        assert data is not None
        assert not any(key.encode() in data for key in keys)
    with pytest.raises(StoreError) as caught:
        make("s3://nowhere-at-all/s.zarr")  # type: ignore[arg-type]
    assert "there is no such bucket" in str(caught.value)
    with pytest.raises(StoreError, match="credentials belong into the environment") as given:
        ScoreStore.open(f"s3://{keys[1]}:{keys[0]}@scores/s.zarr")
    for error in (caught.value, given.value):
        assert not any(key in f"{error!r} {error.__context__!r}" for key in keys)
