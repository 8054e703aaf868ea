"""Parts of a run's work: complete, disjoint, balanced, the same for every worker; and real processes that do them side by side."""

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

from massjax.models.fake import FakeModel
from massjax.precompute import main
from massjax.scoring.placing import open_or_create, shards_of
from massjax.scoring.work import prepare
from massjax.store import ScoreStore, merge
from tests.small_store import SMALL, written
from tests.test_precompute import SLOW_FAKE, config_file

GRID = {"grid": {"modalities": [["price"], ["risk"], ["price", "risk"]], "horizon": ["days", "weeks"]}, "archetypes": []}


def parts(values: dict[str, Any], folder: Path, count: int) -> tuple[list[Any], list[list[Any]], dict[str, int]]:
    config = written(values, folder)
    work = prepare(config)
    assert config.store is not None
    store = open_or_create(work, config.store, FakeModel(config.scoring).identity())
    weights = {name: len(prompts.prompts) for name, prompts in work.prompts.items()}
    return store.units(), shards_of(work, store, count), {name: weights[name] for name in store.archetypes if name in weights}


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16, 40])
def test_parts_are_complete_and_disjoint_and_the_same_each_time(small: dict[str, Any], tmp_path: Path, count: int) -> None:
    small["agents"] = {**small["agents"], **GRID}
    units, shards, _ = parts(small, tmp_path, count)
    assert sorted(unit for shard in shards for unit in shard) == sorted(units)
    assert len(shards) == count
    main(["--config", str(tmp_path / "run.yaml"), "--shard", f"1/{count}"])
    assert parts(small, tmp_path, count)[1] == shards


def test_parts_have_about_as_many_prompts(small: dict[str, Any], tmp_path: Path) -> None:
    small["agents"] = {**small["agents"], **GRID}
    _, shards, weights = parts(small, tmp_path, 3)
    per_archetype = list(weights.values())
    loads = [sum(per_archetype[k] for k in {unit.archetype for unit in shard}) for shard in shards]
    assert max(loads) <= sum(per_archetype) / 3 + max(per_archetype)
    assert sum(loads) == sum(per_archetype)


def run(config: Path, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SLOW_FAKE, "--config", str(config), *more], stderr=subprocess.PIPE)


def ended(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    """Exit code and what was said on stderr."""
    told = process.communicate()[1]
    return process.returncode, told


def same_scores(one: Path, other: Path) -> None:
    first, second = ScoreStore.open(one), ScoreStore.open(other)
    for read in ("scores", "probabilities", "coverage", "status"):
        np.testing.assert_array_equal(getattr(first, read)(), getattr(second, read)())


@pytest.mark.slow
def test_processes_share_a_store_and_one_that_is_killed_is_started_again(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    main(["--config", str(config_file(whole))])
    config = config_file(tmp_path)
    processes = [run(config, "--shard", f"{i}/3") for i in (1, 2, 3)]
    store = tmp_path / "scores.zarr"
    while not store.exists() or not ScoreStore.open(store).entries():
        assert any(process.poll() is None for process in processes)
        time.sleep(0.02)
    os.kill(processes[1].pid, signal.SIGKILL)
    codes = [ended(process) for process in processes]
    assert [code for code, _ in codes] == [0, -signal.SIGKILL, 0] or codes[1][0] == 0, codes
    assert ended(run(config, "--shard", "2/3"))[0] == 0
    same_scores(store, whole / "scores.zarr")
    assert main(["--config", str(config), "--plan"]) == 0


@pytest.mark.slow
def test_two_whole_runs_on_one_store_ask_no_unit_twice(tmp_path: Path) -> None:
    config = config_file(tmp_path, agents={**SMALL["agents"], **GRID})
    processes = [run(config) for _ in range(2)]
    assert [ended(process)[0] for process in processes] == [0, 0]
    assert ended(run(config))[0] == 0
    store = ScoreStore.open(tmp_path / "scores.zarr")
    assert len(store.entries()) == len(store.units())
    assert np.isfinite(store.scores()).all()
    assert store.verify().ok


def test_workers_with_stores_of_their_own_are_merged(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    assert main(["--config", str(config_file(whole))]) == 0
    config = str(config_file(tmp_path))
    parts = [tmp_path / f"part-{i}.zarr" for i in (1, 2, 3)]
    for number, part in enumerate(parts, start=1):
        assert main(["--config", config, "--store", str(part), "--shard", f"{number}/3"]) == 0
    done = [set(ScoreStore.open(part).entries()) for part in parts]
    assert not done[0] & done[1] | done[0] & done[2] | done[1] & done[2]
    merge(tmp_path / "scores.zarr", parts)
    same_scores(tmp_path / "scores.zarr", whole / "scores.zarr")
    assert main(["--config", config]) == 0
