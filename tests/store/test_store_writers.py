"""Writers that are killed, that write at the same time, and that run out of disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from massjax.errors import StoreError
from massjax.store import ClaimedError, ScoreStore, claims, verify
from massjax.store.folder import LOCK as LOCK_FILE

from .store_writer import answer, content, fill, key, make

SCRIPT = Path(__file__).with_name("store_writer.py")
KILLS = 12


def start(root: Path, *arguments: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.Popen([sys.executable, str(SCRIPT), *map(str, arguments)], env=environment, text=True, stdout=subprocess.PIPE)


def test_killed_at_any_instant_nothing_is_lost_and_at_most_one_unit_is_asked_again(root: Path, tmp_path: Path) -> None:
    process = start(root, "kill", tmp_path, KILLS, 0)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert output.startswith(f"{KILLS} killed")


@pytest.mark.parametrize("claim", [False, True], ids=["own units", "the same units"])
def test_four_writers_at_once_lose_nothing(root: Path, tmp_path: Path, claim: bool) -> None:
    """Each its share without claims, or all of them after the same units with claims: every unit is asked exactly once."""
    reference = fill(make(tmp_path / "reference.zarr", 20))
    store, log = make(tmp_path / "s.zarr", 20), tmp_path / "asked.log"
    shards = ["0/1"] * 4 if claim else [f"{i}/4" for i in range(4)]
    writers = [start(root, "write", store.path, shard, 0, log, *(["--claim"] if claim else [])) for shard in shards]
    told = [writer.communicate(timeout=600)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0, 0], told
    assert sorted(log.read_text().split()) == sorted(unit.name for unit in store.units())
    assert content(store) == content(reference)
    store.compact()
    assert content(store) == content(reference)
    assert verify(store.path).ok
    assert verify(store.path).notes == ()


HOLD = """
import sys, time
from massjax.store import ScoreStore
store = ScoreStore.open(sys.argv[1], mode="r+")
with store.claim(store.units()[2]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_of_two_that_claim_a_unit_one_is_told_and_a_dead_ones_claim_is_taken_over(root: Path, tmp_path: Path) -> None:
    store = make(tmp_path / "s.zarr")
    unit = store.units()[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(store.path)], env=environment, text=True, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(
            ClaimedError, match=rf"archetype 'a0', dates 2020-01-11 to 2020-01-15 is being worked on by process {holder.pid}"
        ):
            store.claim(unit).__enter__()
        with pytest.raises(StoreError, match=rf"process {holder.pid} .* is working on"):
            store.repair()
        with store.claim(store.units()[3]):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with store.claim(unit):
        store.write_unit(unit, answer(unit), key=key(unit))
    with pytest.raises(ClaimedError, match="was finished by another process in the meantime"), store.claim(unit, key=key(unit)):
        pass
    assert not (store.path / "ledger" / "claims").exists()


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        ({}, False),
        ({"started": "1"}, True),
        ({"boot": "another"}, True),
        ({"processes": "another"}, False),
        ({"host": "another"}, False),
        ({"host": "another", "time": time.time() - 7 * 3600}, True),
    ],
    ids=["alive", "pid used again", "before a reboot", "another container", "another machine", "another machine, long ago"],
)
def test_whether_a_claim_is_stale(tmp_path: Path, change: dict[str, object], stale: bool) -> None:
    store = make(tmp_path / "s.zarr")
    unit = store.units()[0]
    claims.acquire(store.root, unit.name, "it")
    file = store.path / "ledger" / "claims" / f"{unit.name}.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    if stale:
        with store.claim(unit):
            pass
    else:
        with pytest.raises(ClaimedError), store.claim(unit):
            pass


def test_a_claim_that_cannot_be_read_holds_nobody_up(tmp_path: Path) -> None:
    store = make(tmp_path / "s.zarr")
    unit = store.units()[0]
    (store.path / "ledger" / "claims").mkdir()
    (store.path / "ledger" / "claims" / f"{unit.name}.json").write_text("{")
    with store.claim(unit):
        pass


def test_a_block_that_another_process_compacts_is_left_to_it(tmp_path: Path) -> None:
    store = fill(make(tmp_path / "s.zarr"))
    before = content(store)
    with claims.claimed(store.root, "block-3", "block 3"):
        assert store.compact() == [0, 1, 2, 4, 5, 6, 7]
        with pytest.raises(StoreError, match="block-3 is being compacted"):
            store.extend(stocks=["new"])
    assert content(store) == before
    assert store.compact() == [3]
    assert content(store) == before


LIMITED = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from massjax.errors import StoreError
from massjax.store import ScoreStore
from store_writer import fill
store = ScoreStore.open(sys.argv[1], mode="r+")
resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
for action in (lambda: fill(store), store.compact, lambda: store.extend(stocks=[f"stock number {i}" for i in range(500)])):
    try:
        action()
    except StoreError as error:
        print(error)
"""


def test_a_write_that_fails_half_way_leaves_the_store_intact(root: Path, tmp_path: Path) -> None:
    """The limit on file sizes makes write() fail in the middle of a file, as a full disk does."""
    store = make(tmp_path / "s.zarr")
    fill(store, [unit for unit in store.units() if unit.start == 0])
    before = content(store)
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", LIMITED, str(store.path), str(SCRIPT.parent)]
    lines = subprocess.run(command, env=environment, text=True, capture_output=True, check=True).stdout.splitlines()
    assert [line.partition(": ")[2].partition(":")[0] for line in lines] == ["cannot write"] * 3
    assert content(ScoreStore.open(store.path)) == before
    assert verify(store.path).ok
    assert verify(store.path).notes == ()
    assert fill(store).compact() == list(range(8))


def test_a_full_disk_is_told_and_loses_nothing(small_disk: Path) -> None:
    store = make(small_disk / "s.zarr", dates=200)
    with pytest.raises(StoreError, match="cannot write: the disk is full: free some space"):
        fill(store)
    written = set(store.entries())
    assert 0 < len(written) < len(store.units())
    assert written == set(store.units()[: len(written)])
    before = content(store)
    with pytest.raises(StoreError, match="the disk is full"):
        store.compact(partial=True)
    assert content(ScoreStore.open(store.path)) == before
    assert verify(store.path).ok
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    fill(store).compact()
    assert store.missing_units() == []
    assert verify(store.path).ok


def test_a_read_only_disk_is_told_and_can_still_be_read(small_disk: Path) -> None:
    store = make(small_disk / "s.zarr", dates=10)
    fill(store, store.units()[:5])
    before = content(store)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    unit = store.units()[7]
    for action in (
        lambda: store.write_unit(unit, answer(unit), key=key(unit)),
        lambda: store.compact(partial=True),
        lambda: store.extend(stocks=["new"]),
        lambda: store.claim(unit).__enter__(),
        store.repair,
        lambda: make(small_disk / "other.zarr"),
    ):
        with pytest.raises(StoreError, match="the file system is read-only") as caught:
            action()
        named = str(caught.value).partition(": cannot ")[0]
        assert named in (str(store.path), str(small_disk / "other.zarr")), "an error names the store, not a file that the user never made"
    assert content(ScoreStore.open(store.path)) == before
    assert verify(store.path).ok


@pytest.fixture
def without_permission(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Call it to lose the permission to write anywhere below: root becomes nobody, another user's folders become read-only."""
    tmp_path.chmod(0o755)
    changed = []

    def lose() -> None:
        if os.geteuid() == 0:
            os.seteuid(65534)
        else:
            changed.extend(folder for folder in (tmp_path, *tmp_path.rglob("*")) if folder.is_dir())
            for folder in changed:
                folder.chmod(0o555)

    yield lose
    if os.getuid() == 0:
        os.seteuid(0)
    for folder in changed:
        folder.chmod(0o755)


def test_permission_that_is_lost_mid_way_is_told_and_the_store_can_still_be_read(
    tmp_path: Path, without_permission: Callable[[], None]
) -> None:
    store = make(tmp_path / "s.zarr", dates=10)
    units = store.units()
    fill(store, units[:5])
    before = content(store)
    without_permission()
    for action in (lambda: fill(store), lambda: store.compact(partial=True), store.repair, lambda: make(tmp_path / "other.zarr")):
        with pytest.raises(StoreError, match="permission denied: use a store in a folder you can write to") as caught:
            action()
        assert str(caught.value).partition(": cannot ")[0] in (str(store.path), str(tmp_path / "other.zarr"))
    assert content(ScoreStore.open(store.path)) == before
    assert verify(store.path).ok


LOCK = """
import sys, time
from pathlib import Path
from massjax.store import files
with files.mutex(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_is_freed_by_the_death_of_its_holder(root: Path, tmp_path: Path) -> None:
    """SIGKILL while the store's mutex is held: the next writer is not held up, and nothing is left behind."""
    store = make(tmp_path / "s.zarr", dates=10)
    environment = {**os.environ, "PYTHONPATH": str(root)}
    lock = store.path / LOCK_FILE
    command = [sys.executable, "-c", LOCK, str(lock)]
    holder = subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    fill(store).compact()
    assert verify(store.path).ok
    assert not lock.exists()
