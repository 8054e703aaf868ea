"""The Ray path with real processes: the same scores as one process, and a worker that is killed loses nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'massjax[ray]'")

from massjax.answers.log import AnswerLog
from massjax.config import load_config
from massjax.precompute import main
from massjax.scores.on_ray import run_on_ray
from massjax.scores.scores import Scores
from tests.small_store import SMALL
from tests.test_precompute import config_file

GRID = {"grid": {"modalities": [["price"], ["risk"], ["price", "risk"]], "horizon": ["days", "weeks"]}, "archetypes": []}


def same_scores(one: Any, other: Any) -> None:
    first, second = Scores.open(one), Scores.open(other)
    for read in ("score", "mass", "status"):
        np.testing.assert_array_equal(getattr(first, read)(), getattr(second, read)())


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    changes = {"agents": {**SMALL["agents"], **GRID}, "market": {**SMALL["market"], "start": "2021-06-01"}}
    assert main(["--config", str(config_file(whole, **changes))]) == 0
    config = load_config(config_file(tmp_path, **changes))
    pids: list[int] = []

    def kill_one() -> None:
        while len(pids) < 2 or len(AnswerLog(tmp_path / "store" / "answers")) < 5:
            time.sleep(0.02)
        os.kill(pids[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    tally = run_on_ray(config, tmp_path / "store", 2, started=pids.append)
    killer.join(10)
    assert not killer.is_alive()
    needed = AnswerLog(whole / "store" / "answers")
    done = AnswerLog(tmp_path / "store" / "answers")
    assert (len(done), done.damaged, done.disagreements()) == (len(needed), (), 0)
    assert tally.asked <= len(needed)
    assert main(["--config", str(tmp_path / "run.yaml"), "--ray", "1"]) == 0
    same_scores(tmp_path / "store", whole / "store")


@pytest.mark.slow
def test_workers_fill_a_store_at_a_url(url: str, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    assert main(["--config", str(config_file(whole))]) == 0
    assert main(["--config", str(config_file(tmp_path)), "--store", url, "--ray", "2"]) == 0
    same_scores(url, whole / "store")
    log, alone = AnswerLog(f"{url}/answers"), AnswerLog(whole / "store" / "answers")
    assert len(log) == len(alone)
    assert not (tmp_path / "store").exists()


def test_ray_and_shard_exclude_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = str(config_file(tmp_path))
    assert main(["--config", config, "--ray", "2", "--shard", "1/2"]) == 2
    assert "--shard and --ray" in capsys.readouterr().err
    assert main(["--config", config, "--ray", "0"]) == 2
    assert "at least 1 worker" in capsys.readouterr().err
