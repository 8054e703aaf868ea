"""Logs of answers and texts: every flipped bit is seen, named, and costs its own record alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from massjax.store import exists, repair, verify
from massjax.store.__main__ import main
from massjax.store.log import ANSWERS, TEXTS, Log

from .store_writer import content, fill, make

BODIES = [b"", b"one", bytes(range(256)), b"the last"]


def test_records_come_back_in_order_and_those_of_others_too(tmp_path: Path) -> None:
    first, second = Log(tmp_path, TEXTS), Log(tmp_path, TEXTS)
    for body in BODIES:
        first.append(body)
    assert list(second.records()) == BODIES
    second.append(b"another")
    assert sorted(first.records()) == sorted([*BODIES, b"another"])
    (tmp_path / TEXTS / "note.txt").write_text("not a record")
    first.clear()
    assert list(second.records()) == []
    assert [path.name for path in (tmp_path / TEXTS).iterdir()] == ["note.txt"]
    assert not exists(tmp_path / "nothing")
    assert list(Log(tmp_path / "nothing", TEXTS).records()) == []


def test_every_flipped_bit_and_every_truncation_is_seen(tmp_path: Path) -> None:
    log = Log(tmp_path, TEXTS)
    for body in BODIES:
        log.append(body)
    file = sorted((tmp_path / TEXTS).iterdir())[1]
    data = file.read_bytes()
    flipped = [data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :] for place in range(len(data)) for bit in range(8)]
    for damaged in (*flipped, *(data[:length] for length in range(len(data)))):
        file.write_bytes(damaged)
        assert list(log.records()) == [BODIES[0], *BODIES[2:]]


@pytest.mark.parametrize("folder", [ANSWERS, TEXTS])
def test_verify_names_a_damaged_record_and_repair_deletes_it_alone(tmp_path: Path, folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    store = fill(make(tmp_path / "s.zarr", dates=4, kinds=2))
    before, log = content(store), Log(store.root, folder)
    for body in BODIES:
        log.append(body)
    assert verify(store.path).ok
    assert verify(store.path).notes == ()
    file = sorted((tmp_path / "s.zarr" / folder).iterdir())[2]
    file.write_bytes(file.read_bytes()[:-1])
    (problem,) = verify(store.path).problems
    assert problem.file == f"{folder}/{file.name}"
    assert "does not match its checksum" in problem.fault
    assert main(["verify", str(store.path)]) == 1
    done = repair(store.path)
    assert done.forgotten == (problem.file,)
    assert (done.restored, done.dropped) == ((), ())
    assert list(log.records()) == [*BODIES[:2], BODIES[3]]
    assert main(["verify", str(store.path)]) == 0
    assert content(store) == before
