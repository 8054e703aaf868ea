"""Kills processes that ask at random instants: `python -m tests.answers.kill_asking FOLDER KILLS SEED`.

One process asks everything, or three a shard each, and each is killed at a random instant from its start on; after that the log opens and
verifies. A run that gets through is compared with one that was never interrupted, the questions given to the model are counted, and
another is begun. Processes are forked; this one never touches a log, so that its children start without threads.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from massjax.answers import ask
from massjax.answers.ask import ask_open
from massjax.answers.log import AnswerLog
from massjax.answers.sharding import own
from massjax.answers.verify import verify
from massjax.models.answer import Answer
from massjax.models.forms import Write
from massjax.models.question import Question

from .asked import Counting, answer, keys, questions

UNFLUSHED = 24
"""Answers that wait at most, in place of thousands."""
ASKED = [q for q in [*questions(150), *questions(90, form=Write(5))] if answer(q).failure is None]


class Noted(Counting):
    """Takes a while, and notes each question that it is given before it answers."""

    questions_at_once = 4

    def __init__(self, log: Path) -> None:
        super().__init__()
        self.log = log

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        handle = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, "".join(f"{question.key.hex()}\n" for question in questions).encode())
        os.close(handle)
        time.sleep(0.002 * len(questions))
        return super().answer(questions)


def run(place: Path, number: int = 1, count: int = 1) -> None:
    """Ask one part of the questions."""
    ask.MOST_UNFLUSHED = UNFLUSHED
    place.mkdir(parents=True, exist_ok=True)
    part = [question for question, mine in zip(ASKED, own(keys(ASKED), number, count), strict=True) if mine]
    ask_open(AnswerLog(place / "answers"), Noted(place / f"asked-{number}.log"), part)


def kill_runs(folder: Path, kills: int, seed: int) -> int:
    """Kill until `kills` processes have died at work; how many runs got through."""
    rng = random.Random(seed)
    began = time.monotonic()
    wait(start(lambda: run(folder / "reference")))
    whole = time.monotonic() - began
    killed, finished = 0, 0
    while killed < kills or finished < 2:
        deaths = one_run(folder / f"run{finished}", (1, 3)[finished % 2], kills - killed, whole, rng)
        wait(start(partial(same, folder / "reference", folder / f"run{finished}", deaths)))
        killed, finished = killed + deaths, finished + 1
    print(f"{killed} killed, {finished} got through", flush=True)
    return finished


def one_run(place: Path, shards: int, kills: int, whole: float, rng: random.Random) -> int:
    """Ask everything in so many shards at once, with at most so many kills; how many there were."""
    left, deaths = set(range(1, shards + 1)), 0
    while left:
        began, running = time.monotonic(), {number: start(partial(run, place, number, shards)) for number in left}
        for number, pid in running.items():
            if deaths < kills and sleep_or_end(pid, began + rng.uniform(0, whole / shards)):
                os.kill(pid, signal.SIGKILL)
            if wait(pid):
                deaths += 1
            else:
                left.discard(number)
        wait(start(partial(sound, place)))
    return deaths


def sound(place: Path) -> None:
    """What must hold after a kill."""
    log = AnswerLog(place / "answers")
    assert log.damaged == ()
    for question, said in zip(ASKED, log.answers(keys(ASKED)), strict=True):
        assert said is None or content(said) == content(answer(question))
    if (place / "answers").exists():
        assert verify(place / "answers").ok


def same(reference: Path, place: Path, deaths: int) -> None:
    """What must hold at the end: the same content, and for every kill at most one flush of answers asked again."""
    done, expected = AnswerLog(place / "answers"), AnswerLog(reference / "answers")
    assert list(map(content, done.answers(keys(ASKED)))) == list(map(content, expected.answers(keys(ASKED))))
    assert len(done) == len(expected) == len(ASKED)
    given = [line for log in place.glob("asked-*.log") for line in log.read_text().split()]
    assert set(given) == {question.key.hex() for question in ASKED}
    assert len(given) <= len(ASKED) + deaths * UNFLUSHED, f"{len(given)} given of {len(ASKED)}, {deaths} deaths"
    assert done.disagreements() == 0


def content(said: Answer | None) -> object:
    assert said is not None
    share = None if said.probability is None else np.float32(said.probability).tolist()
    return share, said.text, said.picks, said.prompt_tokens, said.finish_reason


def start(work: Callable[[], object]) -> int:
    """A forked process that does some work; its number."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(f"child failed: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
    return pid


def sleep_or_end(pid: int, until: float) -> bool:
    """Wait until a time; whether the process is still at work then."""
    while time.monotonic() < until:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return False
        time.sleep(0.001)
    return True


def wait(pid: int) -> bool:
    """Wait for the end of a process; whether it was killed. One that failed ends everything."""
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, -signal.SIGKILL):
        raise SystemExit(f"a child ended with {code}")
    return code != 0


if __name__ == "__main__":
    kill_runs(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
