"""Parts of the work: together whole, apart disjoint, in one process after the other or side by side; the last writes the tensor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from massjax import pipeline
from massjax.answers.log import AnswerLog
from massjax.answers.merge import merge
from massjax.errors import StoreError
from massjax.models.answer import unanswered
from massjax.models.failures import Reason
from massjax.models.fake import Fake
from massjax.models.question import Question
from massjax.precompute import main
from massjax.scores.outcome import Asked
from massjax.scores.scores import Scores
from massjax.scores.status import Status
from tests.small_store import SMALL, written
from tests.test_precompute import SLOW_FAKE, config_file

GRID = {"grid": {"modalities": [["price"], ["risk"], ["price", "risk"]], "horizon": ["days", "weeks"]}, "archetypes": []}


def noted(monkeypatch: pytest.MonkeyPatch) -> list[Question]:
    """The questions that models of this process are given from now on."""
    asked: list[Question] = []
    answer = Fake.answer
    monkeypatch.setattr(Fake, "answer", lambda self, questions: asked.extend(questions) or answer(self, questions))
    return asked


def same_scores(one: Any, other: Any) -> None:
    first, second = Scores.open(one), Scores.open(other)
    for read in ("score", "mass", "status"):
        np.testing.assert_array_equal(getattr(first, read)(), getattr(second, read)())


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_parts_are_complete_and_disjoint_and_the_last_writes_the_tensor(
    small: dict[str, Any], tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    small["agents"] = {**small["agents"], **GRID}
    whole = written({**small, "store": str(tmp_path / "whole")}, tmp_path)
    asked = noted(monkeypatch)
    assert isinstance(pipeline.precompute(whole), Asked)
    needed = sorted(question.key for question in asked)
    asked.clear()
    config = written(small, tmp_path)
    for number in [*range(2, count + 1), 1]:
        before = len(asked)
        found = pipeline.precompute(config, shard=(number, count))
        assert isinstance(found, Asked)
        assert found.tally.asked == len(asked) - before
        assert found.waiting == len(needed) - len(asked)
        assert (found.written is None) == (number != 1)
    assert sorted(question.key for question in asked) == needed
    assert len({question.key for question in asked}) == len(asked)
    same_scores(tmp_path / "store", tmp_path / "whole")


def test_what_failed_in_any_part_keeps_no_part_waiting(small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small["agents"]["archetypes"].append({"name": "twin", "modalities": ["price"]})
    answer = Fake.answer

    def falling(self: Fake, questions: Any) -> Any:
        return [
            unanswered(Reason.REFUSED) if "month: sharp fall" in question.prompt.user else found
            for question, found in zip(questions, answer(self, questions), strict=True)
        ]

    monkeypatch.setattr(Fake, "answer", falling)
    config = written(small, tmp_path)
    first, second = (pipeline.precompute(config, shard=(number, 2)) for number in (1, 2))
    assert isinstance(first, Asked)
    assert isinstance(second, Asked)
    assert first.written is None
    assert second.written is not None
    failed = second.written.scores.status() == Status.FAILED
    assert failed.sum() == second.written.unscored[Reason.REFUSED.value] > 0
    np.testing.assert_array_equal(failed[:, 0], failed[:, 3])


def test_workers_with_stores_of_their_own_are_merged(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    assert main(["--config", str(config_file(whole))]) == 0
    config = str(config_file(tmp_path))
    parts = [tmp_path / f"part-{i}" for i in (1, 2, 3)]
    for number, part in enumerate(parts, start=1):
        assert main(["--config", config, "--store", str(part), "--shard", f"{number}/3"]) == 0
        assert not (part / "scores").exists()
    found = merge([part / "answers" for part in parts], tmp_path / "store" / "answers")
    assert (found.there, found.copied) == (0, len(AnswerLog(whole / "store" / "answers")))
    assert main(["--config", config]) == 0
    same_scores(tmp_path / "store", whole / "store")


def run(config: Path, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SLOW_FAKE, "--config", str(config), *more], stderr=subprocess.PIPE)


def ended(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    """Exit code and what was said on stderr."""
    told = process.communicate()[1]
    return process.returncode, told


@pytest.mark.slow
def test_processes_share_a_store_and_one_that_is_killed_is_started_again(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    main(["--config", str(config_file(whole))])
    config = config_file(tmp_path)
    processes = [run(config, "--shard", f"{i}/3") for i in (1, 2, 3)]
    folder = tmp_path / "store" / "answers"
    while not list(folder.glob("[0-9a-f]*.parquet")):
        assert any(process.poll() is None for process in processes)
        time.sleep(0.02)
    os.kill(processes[1].pid, signal.SIGKILL)
    codes = [ended(process) for process in processes]
    assert [code for code, _ in codes] == [0, -signal.SIGKILL, 0] or codes[1][0] == 0, codes
    assert ended(run(config, "--shard", "2/3"))[0] == 0
    same_scores(tmp_path / "store", whole / "store")


@pytest.mark.slow
def test_two_whole_runs_on_one_store_at_once_come_to_the_same(tmp_path: Path) -> None:
    config = config_file(tmp_path, agents={**SMALL["agents"], **GRID})
    processes = [run(config) for _ in range(2)]
    told = [ended(process) for process in processes]
    assert [code for code, _ in told] == [0, 0], told
    log = AnswerLog(tmp_path / "store" / "answers")
    assert (log.damaged, log.disagreements()) == ((), 0)
    assert (Scores.open(tmp_path / "store").status() == Status.SCORED).all()


def test_a_tensor_that_another_run_replaced_is_told(small: dict[str, Any], tmp_path: Path) -> None:
    narrower = {**small, "market": {**small["market"], "end": "2022-06-15"}}
    pipeline.precompute(written(narrower, tmp_path))
    open_before = Scores.open(tmp_path / "store")
    pipeline.precompute(written(small, tmp_path))
    with pytest.raises(StoreError, match="taken away meanwhile"):
        open_before.score()
