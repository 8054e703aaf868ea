"""A deterministic, fast writer for the store's tests; as a script, a writer process that can be killed.

`python store_writer.py write PATH I/N SEED LOG [--claim]` writes what is missing of its share of the units, with compactions in between,
and appends one line to LOG for every unit it asks.
`python store_writer.py kill FOLDER KILLS SEED` kills such writers at random instants; see `kill_runs`.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from massjax.store import ClaimedError, ScoreStore, Status, Unit, UnitScores, verify

CHOICES = ("1", "2", "3", "4", "5")
RUN_KEY = {"engine": "fake", "model": {"name": "none", "weights": "0" * 8}, "choices": list(CHOICES), "dtype": "bfloat16"}


def days(count: int, start: str = "2020-01-01") -> np.ndarray:
    return np.arange(np.datetime64(start), np.datetime64(start) + count)


def archetypes(count: int, start: int = 0) -> list[dict[str, object]]:
    return [{"name": f"a{k}", "modalities": ["price"], "persona": "prudent é"} for k in range(start, start + count)]


def stocks(count: int, start: int = 0) -> list[str]:
    return [f"S{n}" for n in range(start, start + count)]


def make(path: Path, dates: int = 40, kinds: int = 6, names: int = 8, per_unit: int = 5, **more: object) -> ScoreStore:
    axes = {"dates": days(dates), "stocks": stocks(names), "archetypes": archetypes(kinds)}
    return ScoreStore.create(path, **axes, choices=CHOICES, run_key=RUN_KEY, dates_per_unit=per_unit, example_prompt="Rate it.", **more)


def answer(unit: Unit, seed: int = 0) -> UnitScores:
    """Answers that depend on the unit and the seed alone, with every kind of status."""
    rng = np.random.default_rng([seed, unit.start, unit.archetype, unit.first])
    status = rng.choice([Status.SCORED, Status.INVALID, Status.NOT_APPLICABLE, Status.RULE], size=unit.shape, p=[0.8, 0.05, 0.05, 0.1])
    probability = rng.dirichlet(np.full(len(CHOICES), 2.0), size=unit.shape)
    probability[status != Status.SCORED] = np.nan
    score = np.where(status == Status.SCORED, probability @ np.arange(5) / 4, rng.random(unit.shape))
    score[(status != Status.SCORED) & (status != Status.RULE)] = np.nan
    coverage = np.where(status == Status.SCORED, rng.random(unit.shape), np.nan)
    return UnitScores(status, score, probability, coverage, rng.dirichlet(np.full(len(CHOICES), 5.0)))


def key(unit: Unit, seed: int = 0) -> str:
    return f"{seed}-{unit.name}"


def fill(store: ScoreStore, units: list[Unit] | None = None, seed: int = 0) -> ScoreStore:
    for unit in store.units() if units is None else units:
        store.write_unit(unit, answer(unit, seed), key=key(unit, seed), stats={"prompts": 10, "reasons": {"low coverage": 1}})
    return store


def content(store: ScoreStore) -> dict[str, object]:
    """All that two runs must have in common: arrays bit by bit, and the entries without the time they were written."""
    entries = {unit.name: {**entry.document(), "written": None} for unit, entry in store.entries().items()}
    arrays = {
        "score": store.scores(),
        "coverage": store.coverage(),
        "status": store.status(),
        "probability": store.probabilities(calibrated=False),
    }
    return {"entries": entries, **{name: (values.shape, np.ascontiguousarray(values).tobytes()) for name, values in arrays.items()}}


def write(path: Path, shard: tuple[int, int], seed: int, log: Path, claim: bool = False) -> None:
    """One writer: ask what is missing of a share of the units, compact now and then."""
    store = ScoreStore.open(path, expect=RUN_KEY, mode="r+")
    units = [unit for unit in store.units() if zlib.crc32(unit.name.encode()) % shard[1] == shard[0]]
    for count, unit in enumerate(store.missing_units({unit: key(unit, seed) for unit in units})):
        try:
            if claim:
                with store.claim(unit, key=key(unit, seed)):
                    _ask(store, unit, seed, log)
                    time.sleep(0.002)
            else:
                _ask(store, unit, seed, log)
        except ClaimedError:
            continue
        if count % 7 == 6:
            store.compact(partial=count % 2 == 0)
    store.compact()


def _ask(store: ScoreStore, unit: Unit, seed: int, log: Path) -> None:
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{unit.name}\n".encode())
    os.close(handle)
    fill(store, [unit], seed)


def kill_runs(folder: Path, kills: int, seed: int) -> int:
    """Kill writers at random instants until `kills` of them have died at work; after each, the store opens and verifies.

    A store that gets finished is compared with that of an uninterrupted run, its asked units are counted, and another is begun.
    This process only forks: it never touches a store, so that its children start without threads.

    Returns:
        How many stores were finished.
    """
    rng = random.Random(seed)
    began = time.monotonic()
    _child(lambda: _uninterrupted(folder / "reference.zarr"), None)
    whole = time.monotonic() - began
    killed, stores = 0, 0
    while killed < kills or stores == 0:
        path, log = folder / f"run{stores}.zarr", folder / f"run{stores}.log"
        _child(lambda path=path: make(path), None)
        deaths = 0
        while _child(lambda path=path, log=log: write(path, (0, 1), 0, log), rng.uniform(0, whole / 3) if killed < kills else None):
            killed, deaths = killed + 1, deaths + 1
            _child(lambda path=path: _sound(path), None)
        _child(lambda path=path, log=log, deaths=deaths: _same(folder / "reference.zarr", path, log, deaths), None)
        stores += 1
    print(f"{killed} killed, {stores} stores finished", flush=True)
    return stores


def _uninterrupted(path: Path) -> None:
    make(path)
    write(path, (0, 1), 0, path.with_suffix(".log"))


def _sound(path: Path) -> None:
    report = verify(path)
    assert report.ok, report.problems
    ScoreStore.open(path).scores()


def _same(reference: Path, path: Path, log: Path, deaths: int) -> None:
    store = ScoreStore.open(path)
    asked = log.read_text().split()
    assert content(store) == content(ScoreStore.open(reference))
    assert set(asked) == {unit.name for unit in store.units()}
    assert len(asked) <= len(store.units()) + deaths, f"{len(asked)} asked of {len(store.units())}, {deaths} deaths"
    assert not [file for file in path.rglob("*") if file.name.startswith(".") or file.parent.name in ("claims", "journal")]
    assert verify(path).notes == ()


def _child(work: Callable[[], object], kill_after: float | None) -> bool:
    """Run `work` in a forked process; whether it was killed before it was done."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(f"child failed: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
    ended, status = 0, 0
    deadline = time.monotonic() + (kill_after or 0.0)
    while kill_after is not None and not ended and time.monotonic() < deadline:
        time.sleep(min(0.002, max(0.0, deadline - time.monotonic())))
        ended, status = os.waitpid(pid, os.WNOHANG)
    if not ended:
        if kill_after is not None:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    status = os.waitstatus_to_exitcode(status)
    if status not in (0, -signal.SIGKILL):
        raise SystemExit(f"a child ended with {status}")
    return status != 0


if __name__ == "__main__":
    command, path, *rest = sys.argv[1:]
    if command == "kill":
        kill_runs(Path(path), int(rest[0]), int(rest[1]))
    else:
        number, _, total = rest[0].partition("/")
        write(Path(path), (int(number), int(total)), int(rest[1]), Path(rest[2]), "--claim" in rest)
