"""The Ray path with real processes: the same scores as one process, and a worker that is killed loses nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'massjax[ray]'")

from massjax.config import load_config
from massjax.errors import StoreError
from massjax.precompute import main
from massjax.scoring.on_ray import run_on_ray
from massjax.store import ScoreStore
from tests.small_store import SMALL
from tests.test_precompute import config_file

GRID = {"grid": {"modalities": [["price"], ["risk"], ["price", "risk"]], "horizon": ["days", "weeks"]}, "archetypes": []}


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    changes = {"agents": {**SMALL["agents"], **GRID}, "market": {**SMALL["market"], "start": "2021-06-01"}}
    assert main(["--config", str(config_file(whole, **changes))]) == 0
    config = load_config(config_file(tmp_path, **changes))
    path = tmp_path / "scores.zarr"
    pids: list[int] = []

    def kill_one() -> None:
        while len(pids) < 2 or not path.exists() or len(ScoreStore.open(path).entries()) < 5:
            time.sleep(0.02)
        os.kill(pids[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    tally = run_on_ray(config, path, 2, started=pids.append)
    killer.join(10)
    assert not killer.is_alive()
    done, expected = ScoreStore.open(path), ScoreStore.open(whole / "scores.zarr")
    for read in ("scores", "probabilities", "coverage", "status"):
        np.testing.assert_array_equal(getattr(done, read)(), getattr(expected, read)())
    assert tally.units <= len(done.units())
    assert done.runs() == [], "the command records the run, not each worker its parts"
    assert main(["--config", str(tmp_path / "run.yaml"), "--ray", "1"]) == 0
    with pytest.raises(StoreError, match="seed: the store has 0, this run has 1"):
        run_on_ray(config.replace(scoring=config.scoring.replace(seed=1)), path, 1)


@pytest.mark.slow
def test_workers_fill_a_store_at_a_url_and_one_run_is_recorded(url: str, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    assert main(["--config", str(config_file(whole))]) == 0
    assert main(["--config", str(config_file(tmp_path)), "--store", url, "--ray", "2"]) == 0
    done, expected = ScoreStore.open(url), ScoreStore.open(whole / "scores.zarr")
    np.testing.assert_array_equal(done.scores(), expected.scores())
    ((run,), (alone,)) = done.runs(), expected.runs()
    assert run["statistics"]["ray_workers"] == 2
    assert run["statistics"]["order"] == "archetype-first"
    for name in ("units", "cells"):
        assert run["statistics"][name] == alone["statistics"][name]
    assert run["statistics"]["prompts"] + run["statistics"]["reused"] == 480
    assert not (tmp_path / "scores.zarr").exists()


def test_ray_and_shard_exclude_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = str(config_file(tmp_path))
    assert main(["--config", config, "--ray", "2", "--shard", "1/2"]) == 2
    assert "--shard and --ray" in capsys.readouterr().err
    assert main(["--config", config, "--ray", "0"]) == 2
    assert "at least 1 worker" in capsys.readouterr().err
