"""Stores at a URL through the real commands: planned, asked, killed, gone on with, shared out, and read by optimize."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from massjax.optimize import main as optimize
from massjax.precompute import main
from massjax.scoring.stage_texts import stored_texts, text_log
from massjax.store import ScoreStore, verify
from massjax.store.__main__ import main as store_command
from massjax.store.places import exists, open_folder
from tests.scoring.kill_precompute import A_CALL, STAGED
from tests.small_store import SMALL
from tests.test_precompute import config_file

LOGGING_FAKE = """
import os, sys
import massjax.models.fake as fake
log = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def logged(call, word):
    def calling(self, prompts, *more):
        self.seconds_per_prompt = 0.002
        os.write(log, "".join(f"{word} {prompt.digest()}\\n" for prompt in prompts).encode())
        return call(self, prompts, *more)
    return calling
fake.FakeModel.ask, fake.FakeModel.write = logged(fake.FakeModel.ask, "ask"), logged(fake.FakeModel.write, "write")
from massjax.precompute import main
sys.exit(main(sys.argv[1:]))
"""
"""The fake model, noting each prompt that it is given."""


def start(log: Path, config: Path, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", LOGGING_FAKE, str(log), "--config", str(config), *more], stderr=subprocess.PIPE)


def kill_when(process: subprocess.Popen[bytes], log: Path, word: str, count: int) -> None:
    while process.poll() is None and not (log.exists() and log.read_text().count(f"{word} ") >= count):
        time.sleep(0.005)
    assert process.poll() is None, process.communicate()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def finish(process: subprocess.Popen[bytes]) -> None:
    told = process.communicate()[1]
    assert process.returncode == 0, told.decode()


def same_scores(one: ScoreStore, other: ScoreStore) -> None:
    for read in ("scores", "probabilities", "coverage", "status"):
        np.testing.assert_array_equal(getattr(one, read)(), getattr(other, read)())


@pytest.mark.slow
def test_killed_while_it_writes_texts_and_while_it_asks_it_goes_on_where_it_was(url: str, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    assert main(["--config", str(config_file(whole, agents=STAGED))]) == 0
    config, log = config_file(tmp_path, agents=STAGED, store=url), tmp_path / "asked.log"
    kill_when(start(log, config), log, "write", 13)
    assert verify(url).ok
    kept = stored_texts(url)
    assert 13 - A_CALL <= len(kept) < 25
    kill_when(start(log, config), log, "ask", 60)
    assert verify(url).ok
    assert kept.items() <= stored_texts(url).items()
    finish(start(log, config))
    asked = log.read_text().splitlines()
    for word in ("write", "ask"):
        given = [line for line in asked if line.startswith(word)]
        assert len(given) - len(set(given)) <= A_CALL, f"{word}: at most one call is made again"
    store = ScoreStore.open(url)
    same_scores(store, ScoreStore.open(whole / "scores.zarr"))
    assert stored_texts(url) == stored_texts(whole / "scores.zarr")
    assert verify(url).notes == ()
    assert not [name for name in open_folder(url).sizes() if name.startswith("ledger/answers")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["asked.log", "run.yaml", "whole"], "nothing is written beside"
    (run,) = store.runs()
    assert run["statistics"]["prompts"] <= len(set(asked)) - 60 + A_CALL

    root, kept, folder = open_folder(url), stored_texts(url), text_log(url).name
    name = f"{folder}/{root.names(folder)[3]}"
    data = bytearray(root.read(name) or b"")
    data[5] ^= 1
    root.write(name, bytes(data))
    assert 0 < len(kept) - len(stored_texts(url)) <= A_CALL, "a damaged record is passed over, and what it held written again"
    assert main(["--config", str(config)]) == 0
    assert stored_texts(url) == kept


@pytest.mark.slow
def test_plan_and_shards_of_a_store_at_a_url(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    assert main(["--config", str(config_file(whole))]) == 0
    config, log = config_file(tmp_path), tmp_path / "asked.log"
    assert main(["--config", str(config), "--store", url, "--plan"]) == 0
    assert not exists(url)
    for worker in [start(log, config, "--store", url, "--shard", f"{part}/2") for part in (1, 2)]:
        finish(worker)
    store = ScoreStore.open(url)
    same_scores(store, ScoreStore.open(whole / "scores.zarr"))
    assert not (tmp_path / "scores.zarr").exists()
    assert sorted(run["statistics"]["shard"] for run in store.runs()) == ["1/2", "2/2"]
    capsys.readouterr()
    assert main(["--config", str(config), "--store", url, "--plan"]) == 0
    assert f"Nothing is left to ask: all 480 scores are in {url}." in capsys.readouterr().out
    assert store_command(["info", url]) == 0
    assert "2/2" in capsys.readouterr().out


@pytest.mark.slow
def test_optimize_reads_a_store_at_a_url(url: str, tmp_path: Path, s3: dict[str, str]) -> None:
    changes = {
        "market": {**SMALL["market"], "end": "2022-08-01"},
        "layout": {"dates_per_unit": 10},
        "evaluate": {"horizon": 1, "lookback": 10},
        "search": [{"method": "annealing", "chains": 4, "steps": 4}],
    }
    config = str(config_file(tmp_path, **changes, store="elsewhere.zarr"))
    assert main(["--config", config, "--store", url]) == 0
    assert optimize(["--config", config, "--out", str(tmp_path / "out"), "--store", url]) == 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["store"]["path"] == url
    assert f"store: {url}\n" in (tmp_path / "out" / "config.yaml").read_text()
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    objects = [open_folder(url).read(name) or b"" for name in open_folder(url).sizes()]
    for key in (s3["AWS_ACCESS_KEY_ID"], s3["AWS_SECRET_ACCESS_KEY"]):
        assert not any(key.encode() in data for data in (*written, *objects))


@pytest.mark.parametrize("command", [main, optimize])
def test_credentials_in_a_url_are_refused_and_not_repeated(
    command: Any, s3: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = s3["AWS_SECRET_ACCESS_KEY"]
    config = str(config_file(tmp_path, evaluate={"horizon": 1, "lookback": 5}))
    assert command(["--config", config, "--store", f"s3://key:{secret}@scores/s.zarr"]) == 2
    told = "".join(capsys.readouterr())
    assert "credentials belong into the environment" in " ".join(told.split())
    assert secret not in told
