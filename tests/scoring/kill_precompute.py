"""Kills precompute at random instants: `python -m tests.scoring.kill_precompute FOLDER KILLS SEED`.

The whole command runs with the fake model: panel, prompts, texts of two stages, calibration, answers, units, compaction. After each
kill the store, if there is one by then, opens and verifies. A run that gets through is compared with one that was never interrupted, the
prompts given to the model are counted, and another is begun. Processes are forked, so that a kill costs no import.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from massjax.models import fake
from massjax.precompute import main
from massjax.scoring.stage_texts import stored_texts
from massjax.store import ScoreStore, exists, verify
from tests.scoring.test_stage_texts import NOTE, STRATEGY
from tests.small_store import SMALL
from tests.store.store_writer import _child, content
from tests.test_precompute import config_file

STAGED: dict[str, Any] = {
    "features": SMALL["agents"]["features"],
    "stages": [STRATEGY, NOTE],
    "archetypes": [
        *SMALL["agents"]["archetypes"],
        {"name": "advised", "modalities": ["price"], "protocol": "staged", "stages": ["strategy", "analyst_note"]},
    ],
}
A_CALL = 4
"""Prompts of one call of the fake model: what a kill may lose."""


def kill_runs(folder: Path, kills: int, seed: int) -> int:
    """Kill until `kills` runs have died at work; how many got through."""
    importlib.import_module("massjax.pipeline")
    rng = random.Random(seed)
    reference = folder / "reference"
    began = time.monotonic()
    _child(lambda: run(reference), None)
    whole = time.monotonic() - began
    killed, finished = 0, 0
    while killed < kills or finished == 0:
        place, deaths = folder / f"run{finished}", 0
        began = time.monotonic()
        while _child(lambda place=place: run(place), rng.uniform(0, whole) if killed < kills else None):
            killed, deaths = killed + 1, deaths + 1
            _child(lambda place=place: sound(place), None)
        whole = min(whole, time.monotonic() - began) if deaths == 0 else whole
        _child(lambda place=place, deaths=deaths: same(reference, place, deaths), None)
        finished += 1
    print(f"{killed} killed, {finished} got through", flush=True)
    return finished


def run(place: Path) -> None:
    """The command, in a folder of its own, with a note of every prompt that the model is given."""
    place.mkdir(parents=True, exist_ok=True)
    config = place / "run.yaml"
    if not config.exists():
        config_file(place, agents=STAGED).rename(config)
    said = place / "said.log"
    with noted(place / "asked.log"), said.open("a") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        code = main(["--config", str(config)])
    assert code == 0, said.read_text()


@contextlib.contextmanager
def noted(log: Path) -> Iterator[None]:
    """Within the block, every call of the model is noted before it is made."""
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    ask, write = fake.FakeModel.ask, fake.FakeModel.write

    def note(model: fake.FakeModel, word: str, prompts: Any) -> None:
        model.seconds_per_prompt = 0.004
        os.write(handle, "".join(f"{word} {prompt.digest()}\n" for prompt in prompts).encode())

    def asking(model: fake.FakeModel, prompts: Any) -> Any:
        note(model, "ask", prompts)
        return ask(model, prompts)

    def writing(model: fake.FakeModel, prompts: Any, sampling: Any) -> Any:
        note(model, "write", prompts)
        return write(model, prompts, sampling)

    fake.FakeModel.ask, fake.FakeModel.write = asking, writing  # type: ignore[method-assign]
    try:
        yield
    finally:
        fake.FakeModel.ask, fake.FakeModel.write = ask, write  # type: ignore[method-assign]
        os.close(handle)


def sound(place: Path) -> None:
    """What must hold after a kill."""
    if exists(place / "scores.zarr"):
        report = verify(place / "scores.zarr")
        assert report.ok, report.problems
        ScoreStore.open(place / "scores.zarr").scores()


def same(reference: Path, place: Path, deaths: int) -> None:
    """What must hold at the end: the same content, and for every kill at most one call of the model made again."""
    done, expected = ScoreStore.open(place / "scores.zarr"), ScoreStore.open(reference / "scores.zarr")
    assert arrays_and_keys(done) == arrays_and_keys(expected)
    assert stored_texts(done.path) == stored_texts(expected.path)
    asked, needed = ((folder / "asked.log").read_text().split("\n") for folder in (place, reference))
    assert set(asked) == set(needed)
    assert len(asked) <= len(needed) + deaths * A_CALL, f"{len(asked)} given of {len(needed)}, {deaths} deaths"
    report = verify(done.path)
    assert report.ok
    assert report.notes == ()


def arrays_and_keys(store: ScoreStore) -> dict[str, Any]:
    """The content without what a unit took: seconds, and which prompts were asked for it rather than known."""
    found = content(store)
    keys = {unit.name: (entry.key, entry.content, entry.calibration) for unit, entry in store.entries().items()}
    return {**found, "entries": keys}


if __name__ == "__main__":
    kill_runs(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
