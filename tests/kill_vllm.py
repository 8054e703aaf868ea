"""Kills precompute at random instants while a real model answers: `python -m tests.kill_vllm FOLDER MODEL KILLS SEED`.

The whole command runs with vLLM, in processes of its own that are killed with all their children. After each kill the log, if there is
one by then, opens and verifies, and what it held is still held. Each run that gets through is compared with one that was never
interrupted. A model's answer may depend in the last bits on which prompts it was computed beside, so the largest difference is told.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from massjax.answers.log import AnswerLog
from massjax.answers.verify import verify
from massjax.scores.scores import Scores
from tests.test_end_to_end import config_file


def kill_runs(folder: Path, model: Path, kills: int, seed: int) -> None:
    """Kill until `kills` runs have died at work, and let the last one get through."""
    rng = random.Random(seed)
    reference = folder / "reference"
    began = time.monotonic()
    assert not killed_run(reference, model, None)
    whole = time.monotonic() - began
    print(f"uninterrupted: {whole:.0f} s", flush=True)
    killed, finished = 0, 0
    while killed < kills or finished == 0:
        place, held = folder / f"run{finished}", set[bytes]()
        while killed_run(place, model, rng.uniform(0, whole) if killed < kills else None):
            killed += 1
            held = sound(place / "store" / "answers", held)
            print(f"killed {killed}, {len(held)} answers held", flush=True)
        print(f"got through: largest difference {difference(reference, place):.2g}", flush=True)
        finished += 1
    print(f"{killed} killed, {finished} got through", flush=True)


def killed_run(place: Path, model: Path, after: float | None) -> bool:
    """Run the command; whether it was killed, after so many seconds."""
    place.mkdir(parents=True, exist_ok=True)
    config = config_file(place, model)
    with (place / "said.log").open("a") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "massjax.precompute", "--config", str(config)], stdout=said, stderr=said, start_new_session=True
        )
        try:
            assert process.wait(after) == 0, f"see {place / 'said.log'}"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True
    return False


def sound(answers: Path, held: set[bytes]) -> set[bytes]:
    """The keys that the log has an answer to; all that it had before are among them."""
    if not answers.exists():
        assert not held
        return held
    report = verify(answers)
    assert report.ok, report.problems
    found = {key for frame in AnswerLog(answers).frames(("key", "reason")) for key, reason in frame.rows() if reason is None}
    assert held <= found, len(held - found)
    return found


def difference(reference: Path, place: Path) -> float:
    """The largest difference of any number; statuses and questions are the same."""
    expected, found = (Scores.open(folder / "store") for folder in (reference, place))
    one, other = (sound(folder / "store" / "answers", set()) for folder in (reference, place))
    assert one == other
    np.testing.assert_array_equal(found.status(), expected.status())
    pairs = [(getattr(found, name)(), getattr(expected, name)()) for name in ("score", "mass")]
    return max(float(np.nanmax(np.abs(one.astype(float) - other.astype(float)))) for one, other in pairs)


if __name__ == "__main__":
    kill_runs(Path(sys.argv[1]), Path(sys.argv[2]).absolute(), int(sys.argv[3]), int(sys.argv[4]))
