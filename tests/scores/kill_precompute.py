"""Kills precompute at random instants: `python -m tests.scores.kill_precompute FOLDER KILLS SEED [SHARDS]`.

The whole command runs with the fake model: panel, prompts, texts of two stages, calibration, answers, tensor; in several shards side by
side where told. After each kill the log, if there is one by then, opens and verifies, and has what it had. What gets through is compared
with a run that was never interrupted, the questions given to the model are counted, and another run is begun. Processes are forked, so
that a kill costs no import.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from massjax.answers import ask
from massjax.answers.log import AnswerLog
from massjax.answers.verify import verify
from massjax.models.answer import Answer
from massjax.models.fake import Fake
from massjax.models.question import Question
from massjax.precompute import main
from massjax.scores import tensor
from massjax.scores.scores import Scores, tensors_in
from tests.scores.test_stage_texts import ADVISED, NOTE, STRATEGY
from tests.small_store import SMALL
from tests.test_precompute import config_file

STAGED: dict[str, Any] = {
    "features": SMALL["agents"]["features"],
    "stages": [STRATEGY, NOTE],
    "archetypes": [*SMALL["agents"]["archetypes"], ADVISED],
}
MOST_UNFLUSHED = 8
"""Answers that wait at most to be written, in place of the 4,096 of a run: what a kill may lose."""


def kill_runs(folder: Path, kills: int, seed: int, shards: int = 1) -> int:
    """Kill until `kills` runs have died at work; how many got through."""
    importlib.import_module("massjax.pipeline")
    rng = random.Random(seed)
    reference = folder / "reference"
    prepared(reference)
    began = time.monotonic()
    together([lambda: run(reference)], None)
    whole = time.monotonic() - began
    killed, finished = 0, 0
    while killed < kills or finished == 0:
        place, deaths = folder / f"run{finished}", 0
        prepared(place)
        parts = [lambda place=place, part=part: run(place, None if shards == 1 else f"{part}/{shards}") for part in range(1, shards + 1)]
        while died := together(parts, rng.uniform(0, whole) if killed < kills else None):
            killed, deaths = killed + died, deaths + died
            together([lambda place=place: sound(place)], None)
        together([lambda place=place, deaths=deaths: same(reference, place, deaths)], None)
        finished += 1
    print(f"{killed} killed, {finished} got through", flush=True)
    return finished


def together(works: Sequence[Callable[[], object]], after: float | None) -> int:
    """Do each in a process of its own, side by side; how many of them were killed, after so many seconds."""
    children = [child(work) for work in works]
    if after is not None:
        time.sleep(after)
        for process in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
    codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in children]
    assert set(codes) <= {0, -signal.SIGKILL}, codes
    return codes.count(-signal.SIGKILL)


def child(work: Callable[[], object]) -> int:
    process = os.fork()
    if not process:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    return process


def prepared(place: Path) -> None:
    place.mkdir(parents=True)
    config_file(place, agents=STAGED)


def run(place: Path, shard: str | None = None) -> None:
    """The command, in a folder of its own, with a note of every question that the model is given."""
    ask.MOST_UNFLUSHED = MOST_UNFLUSHED
    told = io.StringIO()
    with noted(place / "asked.log"), contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        code = main(["--config", str(place / "run.yaml"), *([] if shard is None else ["--shard", shard])])
    assert code == 0, told.getvalue()


@contextlib.contextmanager
def noted(log: Path) -> Any:
    """Within the block, every call of the model is noted before it is made."""
    handle, answer = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT), Fake.answer

    def answering(model: Fake, questions: Sequence[Question]) -> list[Answer]:
        model.seconds_per_question = 0.004
        os.write(handle, "".join(f"{question.form.kind} {question.key.hex()}\n" for question in questions).encode())
        return answer(model, questions)

    Fake.answer = answering  # type: ignore[method-assign]
    try:
        yield
    finally:
        Fake.answer = answer  # type: ignore[method-assign]
        os.close(handle)


def sound(place: Path) -> None:
    """What must hold after a kill."""
    answers = place / "store" / "answers"
    if not answers.exists():
        return
    report, held = verify(answers), place / "held"
    assert report.ok, report.problems
    keys = {bytes(row) for row in AnswerLog(answers)._index.keys().astype("<u8").view(np.uint8).reshape(-1, 16)}
    before = {bytes.fromhex(line) for line in held.read_text().split()} if held.exists() else set()
    assert before <= keys
    held.write_text("\n".join(key.hex() for key in keys))
    for found in tensors_in(place / "store"):
        assert tensor.verify(tensor.open_group(found)) == []


def same(reference: Path, place: Path, deaths: int) -> None:
    """What must hold at the end: the same content, and for every death no more asked again than one flush holds."""
    done, expected = Scores.open(place / "store"), Scores.open(reference / "store")
    assert Path(done.place).name == Path(expected.place).name, "made from the same things"
    for read in ("score", "mass", "status"):
        np.testing.assert_array_equal(getattr(done, read)(), getattr(expected, read)())
    one, other = (said(folder / "store" / "answers") for folder in (place, reference))
    assert one == other
    asked, needed = ((folder / "asked.log").read_text().split("\n") for folder in (place, reference))
    assert set(asked) == set(needed)
    assert len(asked) <= len(needed) + deaths * MOST_UNFLUSHED, f"{len(asked)} given of {len(needed)}, {deaths} deaths"
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["--config", str(place / "run.yaml"), "--quiet"]) == 0
    assert [path.name for path in (place / "store" / "scores").iterdir()] == [Path(done.place).name]
    assert verify(place / "store" / "answers").ok


def said(answers: Path | str) -> dict[bytes, Any]:
    """By key what the log has."""
    rows = [row for frame in AnswerLog(answers).frames(("key", "probability", "text")) for row in frame.rows()]
    return {key: (probability, text) for key, probability, text in rows}


if __name__ == "__main__":
    kill_runs(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 1)
