"""The precompute command as a user runs it: plan, run, kill, resume, bad input."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from massjax.answers.log import AnswerLog
from massjax.commands import tell_error
from massjax.config import load_config
from massjax.errors import StoreError
from massjax.models.loading import Models
from massjax.precompute import main
from massjax.scores.gathering import gather_scores
from massjax.scores.inputs import prepare
from massjax.scores.scores import Scores
from tests.small_store import SMALL

SLOW_FAKE = """
import sys
from massjax.answers import ask
from massjax.models.fake import Fake
answer = Fake.answer
def slowly(self, questions):
    self.seconds_per_question = 0.004
    return answer(self, questions)
Fake.answer = slowly
ask.OLDEST_UNFLUSHED = 0.1
from massjax.precompute import main
sys.exit(main(sys.argv[1:]))
"""
"""Four milliseconds a question, and a flush every tenth of a second."""


def config_file(folder: Path, **changes: Any) -> Path:
    file = folder / "run.yaml"
    file.write_text(yaml.safe_dump({**SMALL, "store": "store", **changes}))
    return file


def answers(folder: Path) -> int:
    """How many questions the log has an answer to by now."""
    return len(AnswerLog(folder / "store" / "answers"))


def test_plan_then_run_then_nothing_left(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    config = str(config_file(tmp_path))
    assert main(["--config", config, "--plan"]) == 0
    assert "distinct prompts" in capsys.readouterr().out
    assert not (tmp_path / "store").exists()
    assert main(["--config", config]) == 0
    assert "questions asked" in capsys.readouterr().out
    scores = Scores.open(tmp_path / "store")
    assert np.isfinite(scores.score()).all()
    assert scores.made_from is not None
    assert scores.made_from.models[""]["engine"] == "fake"
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "store").rglob("*"))
    monkeypatch.setattr(Models, "take", None)
    for extra in ([], ["--shard", "1/2"]):
        assert main(["--config", config, *extra]) == 0
        assert "Nothing is left to ask: all 720 scores are in" in " ".join(capsys.readouterr().out.split())
    assert main(["--config", config, "--plan"]) == 0
    assert "Nothing is left to ask: all 480 scores" in " ".join(capsys.readouterr().out.split())
    assert before == sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "store").rglob("*"))


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    main(["--config", str(config_file(whole))])
    needed = answers(whole)
    config = config_file(tmp_path)
    command = [sys.executable, "-c", SLOW_FAKE.replace("0.004", "0.02"), "--config", str(config)]
    held: set[str] = set()
    for least in (1, needed // 3, needed // 2):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while process.poll() is None and answers(tmp_path) < least:
            time.sleep(0.01)
        assert process.poll() is None, "it ended before it could be killed"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        there = {path.name for path in (tmp_path / "store" / "answers").glob("[0-9a-f]*.parquet")}
        assert held <= there
        held = there
    assert answers(tmp_path) < needed
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    log = AnswerLog(tmp_path / "store" / "answers")
    assert (len(log), log.damaged) == (needed, ())
    resumed, uninterrupted = Scores.open(tmp_path / "store"), Scores.open(whole / "store")
    for read in ("score", "mass", "status"):
        np.testing.assert_array_equal(getattr(resumed, read)(), getattr(uninterrupted, read)())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "absent.yaml"], ["absent.yaml", "cannot be read"]),
        (["--set", "scoring.engin=fake"], ["scoring.engin", "did you mean 'engine'"]),
        (["--set", "scoring.engine=vllm", "--set", "scoring.model=./absent"], ["absent", "no such folder"]),
        (["--set", "agents.archetypes.0.modalities=[prise]"], ["'trend'", "prise", "did you mean 'price'"]),
        (["--set", "agents.features=[return_1n]"], ["return_1n", "did you mean 'return_1"]),
        (["--set", "market.start=2030-01-01"], ["2030"]),
        (["--set", "agents.features=[volatility_60d]"], ["'trend'", "'price'", "agents.features"]),
        (["--set", "market.start=2022-02-30"], ["--set", "day"]),
        (["--set", "store=[/a]: x"], ["error"]),
        (["--set", "store="], ["names no store"]),
        (["--store", "/proc/none/scores"], ["/proc/none"]),
        (["--store", "run.yaml"], ["run.yaml"]),
    ],
)
def test_bad_input_is_told_without_a_traceback(tmp_path: Path, root: Path, arguments: list[str], words: list[str]) -> None:
    config_file(tmp_path)
    command = [sys.executable, "-m", "massjax.precompute", *(["--config", "run.yaml"] if "--config" not in arguments else []), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert found.returncode == 2, found.stderr
    assert "Traceback" not in found.stderr
    message = " ".join(found.stderr.split())
    for word in ["error:", *words]:
        assert word in message


def test_rules_alone_leave_nothing_to_ask(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(root / "configs" / "rules.yaml")]) == 2
    assert "all its archetypes are rules, so there is nothing to ask" in capsys.readouterr().err


def test_scores_that_cannot_be_had_are_told_and_exit_with_1_each_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = str(config_file(tmp_path, scoring={"engine": "fake", "minimum_coverage": 0.95}))
    for _ in range(2):
        assert main(["--config", config]) == 1
        assert "no score: coverage below" in " ".join(capsys.readouterr().out.split())


def test_a_full_and_a_read_only_disk_are_told_and_lose_nothing(small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, store = str(config_file(small_disk)), small_disk / "store"
    ballast = small_disk / "ballast"
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert main(["--config", config]) == 2
    assert "cannot write: the file system is read-only" in " ".join(capsys.readouterr().err.split())
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - 4_096))
    assert main(["--config", config]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert str(store) in said
    assert "cannot write: the disk is full: free some space" in said
    ballast.write_bytes(bytes(ballast.stat().st_size - 32_768))
    assert main(["--config", config]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "cannot write the score tensor: the disk is full" in said, "the answers had room, the tensor had none"
    kept = answers(small_disk)
    assert kept > 0
    assert not list((store / "scores").iterdir())
    ballast.unlink()
    capsys.readouterr()
    assert main(["--config", config]) == 0
    assert "Nothing is left to ask: all 720 scores" in " ".join(capsys.readouterr().out.split())
    assert answers(small_disk) == kept
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert main(["--config", config]) == 0, "what is whole is only read"
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)


def test_a_knowledge_cutoff_after_the_first_date_draws_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for cutoff, warned in [("2022-06-10", True), ("2021-01-01", False)]:
        assert main(["--config", str(config_file(tmp_path, scoring={"engine": "fake", "knowledge_cutoff": cutoff})), "--plan"]) == 0
        assert ("may remember what happened on 8 of 12 dates" in " ".join(capsys.readouterr().err.split())) == warned


def test_archetypes_that_ask_the_same_draw_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    agents = {**SMALL["agents"], "archetypes": [], "grid": {"modalities": [["price"]], "replicas": 2}}
    assert main(["--config", str(config_file(tmp_path, agents=agents)), "--plan"]) == 0
    assert "ask the very same prompts" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_while_it_imports_or_works_it_ends_without_a_traceback(tmp_path: Path, number: signal.Signals, code: int) -> None:
    config = config_file(tmp_path)
    slower = SLOW_FAKE.replace("0.004", "0.1")
    command = [sys.executable, "-c", f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n{slower}"]
    bare = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); from massjax.precompute import main; print(1)\n"
    importing = [sys.executable, "-uc", bare + "sys.exit(main(sys.argv[1:]))"]
    process = subprocess.Popen([*importing, "--config", str(config)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    time.sleep(0.3)
    process.send_signal(number)
    told = process.communicate()[1]
    assert "Traceback" not in told
    assert "stopped; what is scored is stored" in told
    assert process.returncode == code

    before = answers(tmp_path)
    process = subprocess.Popen([*command, "--config", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and answers(tmp_path) == before:
        time.sleep(0.01)
    process.send_signal(number)
    told = process.communicate()[1]
    assert "Traceback" not in told
    assert process.returncode == code, told
    assert "stopped; what is scored is stored" in told
    assert answers(tmp_path) > before
    assert main(["--config", str(config)]) == 0


def test_a_damaged_tensor_is_written_again_and_damaged_answers_are_asked_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = str(config_file(tmp_path))
    main(["--config", config])
    before, needed = Scores.open(tmp_path / "store").score(), answers(tmp_path)
    for name in ("score/c/0/0/0", "mass/c/0/0/0"):
        chunk = Path(Scores.open(tmp_path / "store").place) / name
        data = bytearray(chunk.read_bytes())
        data[len(data) // 2] ^= 1
        chunk.write_bytes(data)
        capsys.readouterr()
        assert main(["--config", config]) == 0
        assert "Nothing is left to ask" in capsys.readouterr().out
        np.testing.assert_array_equal(Scores.open(tmp_path / "store").score(), before)
    (file,) = (tmp_path / "store" / "answers").glob("*.parquet")
    file.write_bytes(file.read_bytes()[:-3])
    assert main(["--config", config]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert f"{file.name} is damaged: its content does not fit its name; it is left aside, and what it answered is asked again" in told
    assert answers(tmp_path) == needed
    np.testing.assert_array_equal(Scores.open(tmp_path / "store").score(), before)


def test_labels_and_personas_cannot_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    escapes = "\x1b[2J\x1b]0;owned\x07\u202egnp\x9b31m"
    archetypes = [{"name": "trend", "modalities": ["price"], "persona": f"Bought microsoft in 2008 {escapes}"}]
    config = str(config_file(tmp_path, agents={**SMALL["agents"], "archetypes": archetypes}))
    assert main(["--config", config, "--plan"]) == 0
    told = capsys.readouterr()
    assert "still hold a name or ticker" in told.err
    assert main(["--config", config]) == 0
    archetypes[0]["persona"] = f"Other {escapes}"
    with pytest.raises(StoreError) as refused:
        gather_scores(prepare(load_config(config_file(tmp_path, agents={**SMALL["agents"], "archetypes": archetypes}))))
    tell_error(refused.value)
    told = (told.out + told.err) + "".join(capsys.readouterr())
    assert not set(told) & set("\x1b\x07\x9b\u202e\r")
