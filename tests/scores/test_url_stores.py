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

from massjax.answers.__main__ import main as log_command
from massjax.answers.log import AnswerLog
from massjax.answers.places import open_place
from massjax.config import load_config
from massjax.optimize import main as optimize
from massjax.precompute import main
from massjax.scores.gathering import gather_scores
from massjax.scores.inputs import prepare
from massjax.scores.scores import Scores
from tests.scores.kill_precompute import STAGED, said
from tests.small_store import SMALL
from tests.test_precompute import config_file

LOGGING_FAKE = """
import os, sys
from massjax.answers import ask
from massjax.models.fake import Fake
log, answer = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_APPEND | os.O_CREAT), Fake.answer
def answering(self, questions):
    self.seconds_per_question = 0.004
    os.write(log, "".join(f"{q.form.kind} {q.key.hex()}\\n" for q in questions).encode())
    return answer(self, questions)
Fake.answer, ask.MOST_UNFLUSHED = answering, 8
from massjax.precompute import main
sys.exit(main(sys.argv[1:]))
"""
"""The fake model, noting each question that it is given; eight answers wait at most to be written."""


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


def same_scores(one: Any, other: Any) -> None:
    first, second = Scores.open(one), Scores.open(other)
    for read in ("score", "mass", "status"):
        np.testing.assert_array_equal(getattr(first, read)(), getattr(second, read)())


@pytest.mark.slow
def test_killed_while_it_writes_texts_and_while_it_asks_it_goes_on_where_it_was(url: str, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    assert main(["--config", str(config_file(whole, agents=STAGED))]) == 0
    config, log = config_file(tmp_path, agents=STAGED, store=url), tmp_path / "asked.log"
    kill_when(start(log, config), log, "write", 13)
    kept = said(f"{url}/answers")
    assert len(kept) >= 5
    kill_when(start(log, config), log, "rate", 60)
    assert kept.items() <= said(f"{url}/answers").items()
    finish(start(log, config))
    asked = log.read_text().splitlines()
    assert len(asked) - len(set(asked)) <= 2 * 8, "what waited to be written is asked again, and no more"
    same_scores(url, whole / "store")
    assert said(f"{url}/answers") == said(whole / "store" / "answers")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["asked.log", "run.yaml", "whole"], "nothing is written beside"
    place = open_place(f"{url}/answers")
    name = AnswerLog(place).files[1]
    data = bytearray(place.read(name) or b"")
    data[len(data) // 2] ^= 1
    place.put(name, bytes(data))
    assert main(["--config", str(config)]) == 0
    assert said(f"{url}/answers") == said(whole / "store" / "answers")


@pytest.mark.slow
def test_plan_and_shards_of_a_store_at_a_url(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    assert main(["--config", str(config_file(whole))]) == 0
    config, log = config_file(tmp_path), tmp_path / "asked.log"
    assert main(["--config", str(config), "--store", url, "--plan"]) == 0
    assert not open_place(url).exists()
    for worker in [start(log, config, "--store", url, "--shard", f"{part}/2") for part in (1, 2)]:
        finish(worker)
    same_scores(url, whole / "store")
    assert not (tmp_path / "store").exists()
    asked = log.read_text().splitlines()
    assert len(asked) == len(set(asked))
    capsys.readouterr()
    assert main(["--config", str(config), "--store", url, "--plan"]) == 0
    assert f"Nothing is left to ask: all 480 scores are in {url}." in capsys.readouterr().out
    assert log_command(["info", url]) == 0
    assert "answers are noise" in capsys.readouterr().out


def test_a_store_at_a_url_is_read_and_grows_and_holds_no_credentials(url: str, tmp_path: Path, s3: dict[str, str]) -> None:
    config = config_file(tmp_path, store=url)
    for end in ("2022-06-08", "2022-06-16"):
        assert main(["--config", str(config), "--set", f"market.end={end}"]) == 0
    found = gather_scores(prepare(load_config(config)))
    assert str(found.source["path"]).startswith(url)
    assert np.isfinite(found.scores).all()
    assert found.warnings == ()
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    objects = [json.dumps([str(row) for row in frame.rows()]).encode() for frame in AnswerLog(f"{url}/answers").frames()]
    for key in (s3["AWS_ACCESS_KEY_ID"], s3["AWS_SECRET_ACCESS_KEY"]):
        assert not any(key.encode() in data for data in (*written, *objects))


@pytest.mark.parametrize("command", [main, optimize])
def test_credentials_in_a_url_are_refused_and_not_repeated(
    command: Any, s3: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = s3["AWS_SECRET_ACCESS_KEY"]
    config = str(config_file(tmp_path, evaluate={"horizon": 1, "lookback": 5}))
    assert command(["--config", config, "--store", f"s3://key:{secret}@scores/s"]) == 2
    told = "".join(capsys.readouterr())
    assert "credentials belong into the environment" in " ".join(told.split())
    assert secret not in told


def test_a_bucket_that_is_not_there_is_told(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = str(config_file(tmp_path, evaluate={"horizon": 1, "lookback": 5}))
    for command in (main, optimize):
        assert (
            command(["--config", config, "--store", "s3://no-such-bucket/s", *([] if command is main else ["--out", str(tmp_path / "o")])])
            == 2
        )
        told = capsys.readouterr().err
        assert "no-such-bucket" in told
        assert "Traceback" not in told
    assert SMALL["scoring"] == {"engine": "fake"}
