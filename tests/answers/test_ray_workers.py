"""Ray workers as shards of a log: each asks its own questions, and one that is killed loses nothing."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'massjax[ray]'")

from massjax.answers.ask import Tally
from massjax.answers.log import AnswerLog
from massjax.answers.ray_workers import Job, share_out
from massjax.answers.sharding import own
from massjax.answers.verify import verify

from .asked import Counting, answer, keys, questions

PARTS = 6
ASKED = [question for question in questions(300) if answer(question).failure is None]


class Slow(Counting):
    def answer(self, questions: Any) -> Any:
        time.sleep(0.02 * len(questions))
        return super().answer(questions)


def shard_asker(told: str) -> Job:
    """What a worker does: ask what is open of a shard."""
    log, model = AnswerLog(json.loads(told)["path"]), Slow()

    def ask(part: int) -> dict[str, Any]:
        log.refresh()
        mine = own(keys(ASKED), part + 1, PARTS)
        return log.ask(model, [question for question, is_mine in zip(ASKED, mine, strict=True) if is_mine]).document()

    return ask


@pytest.mark.slow
def test_workers_ask_each_question_once_and_a_killed_one_loses_nothing(tmp_path: Path) -> None:
    pids: list[int] = []
    whole = Tally()

    def kill_one() -> None:
        while len(pids) < 2 or not (tmp_path / "answers").exists() or not list((tmp_path / "answers").glob("*.parquet")):
            time.sleep(0.02)
        os.kill(pids[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    told = json.dumps({"path": str(tmp_path / "answers")})
    share_out(shard_asker, told, PARTS, 2, finished=whole.include, started=pids.append)
    killer.join(10)
    assert not killer.is_alive()
    log = AnswerLog(tmp_path / "answers")
    assert log.known(keys(ASKED)).all()
    assert len(log) == len(ASKED)
    assert whole.answered <= len(ASKED)
    assert verify(tmp_path / "answers").ok
