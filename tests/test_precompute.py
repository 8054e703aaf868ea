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

from massjax.precompute import main
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


def test_plan_then_run_then_nothing_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = str(config_file(tmp_path))
    assert main(["--config", config, "--plan"]) == 0
    assert "distinct prompts" in capsys.readouterr().out
    assert not (tmp_path / "scores.zarr").exists()
    assert main(["--config", config]) == 0
    store = ScoreStore.open(tmp_path / "scores.zarr")
    assert np.isfinite(store.scores()).all()
    assert store.provenance.run_key["engine.engine"] == "fake"
    assert main(["--config", config]) == 0
    assert "units written" in capsys.readouterr().out
    assert main(["--config", config, "--plan"]) == 0
    assert "Nothing is left to ask: all 480 scores" in " ".join(capsys.readouterr().out.split())
    (run,) = store.runs()
    assert run["statistics"]["prompts"] + run["statistics"]["reused"] == 480
    assert {"prompt_tokens", "cached_tokens", "seconds"} <= set(run["statistics"])


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    main(["--config", str(config_file(whole))])
    config = config_file(tmp_path)
    path = tmp_path / "scores.zarr"
    command = [sys.executable, "-c", SLOW_FAKE, "--config", str(config)]
    kills = 0
    for finished in (1, 4, 9):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while process.poll() is None and len(_done(path)) < finished:
            time.sleep(0.01)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
        assert len(_done(path)) >= finished
    assert kills == 3
    done = _done(path)
    assert len(done) < 18
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    resumed, uninterrupted = ScoreStore.open(path), ScoreStore.open(whole / "scores.zarr")
    for read in ("scores", "probabilities", "coverage", "status"):
        np.testing.assert_array_equal(getattr(resumed, read)(), getattr(uninterrupted, read)())
    written = {unit: entry.written for unit, entry in resumed.entries().items()}
    assert all(written[unit] == when for unit, when in done.items())


def _done(path: Path) -> dict[Any, str]:
    """Finished units and when each was written."""
    return {unit: entry.written for unit, entry in ScoreStore.open(path).entries().items()} if path.exists() else {}


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
        (["--store", "/proc/none/scores.zarr"], ["/proc/none"]),
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
    config = str(config_file(small_disk))
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - 60_000))
    assert main(["--config", config]) == 2
    said = capsys.readouterr().err
    assert str(small_disk / "scores.zarr") in said
    assert "cannot write: the disk is full: free some space" in said
    store = ScoreStore.open(small_disk / "scores.zarr")
    kept = set(store.entries())
    assert 0 < len(kept) < len(store.units())
    assert verify(store.path).ok
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert main(["--config", config]) == 2
    assert "scores.zarr: cannot write: the file system is read-only" in capsys.readouterr().err
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert main(["--config", config]) == 0
    whole = ScoreStore.open(store.path)
    assert np.isfinite(whole.scores()).all()
    assert verify(store.path).ok
    assert whole.runs()[-1]["statistics"]["units"] == len(whole.units()) - len(kept)


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
    config, path = config_file(tmp_path), tmp_path / "scores.zarr"
    slower = SLOW_FAKE.replace("0.004", "0.02")
    command = [sys.executable, "-c", f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n{slower}"]
    bare = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); from massjax.precompute import main; print(1)\n"
    importing = [sys.executable, "-uc", bare + "sys.exit(main(sys.argv[1:]))"]
    process = subprocess.Popen([*importing, "--config", str(config)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    time.sleep(1.0)
    process.send_signal(number)
    told = process.communicate()[1]
    assert "Traceback" not in told
    assert "stopped; what is scored is stored" in told
    assert process.returncode == code

    process = subprocess.Popen([*command, "--config", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not _done(path):
        time.sleep(0.01)
    process.send_signal(number)
    told = process.communicate()[1]
    assert "Traceback" not in told
    assert process.returncode == code, told
    assert main(["--config", str(config)]) == 0


def test_a_store_of_other_prompts_or_data_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = str(config_file(tmp_path))
    assert main(["--config", config]) == 0
    own = tmp_path / "own.j2"
    own.write_text("{% block system %}Rate.{% endblock %}{% block user %}{{ sections }}{% endblock %}")
    for change, words in [
        (f"agents.template={own}", "prompt_template: the store has"),
        ("agents.facts=numbers", "facts: the store has 'words', this run has 'numbers'"),
        ("agents.archetypes.0.horizon=days", "horizon: the store has nothing, this run has 'days'"),
        ("market.start=2022-06-03", "holds 2 dates that the market data has not"),
        ("scoring.choices=[a, b, c, d, e]", "choices: the store has"),
    ]:
        assert main(["--config", config, "--set", change]) == 2
        assert words in " ".join(capsys.readouterr().err.split())


def test_a_damaged_or_foreign_store_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = str(config_file(tmp_path))
    main(["--config", config])
    assert main(["--config", config, "--set", "scoring.seed=1"]) == 2
    assert "seed: the store has 0, this run has 1" in " ".join(capsys.readouterr().err.split())
    chunk = next(path for path in (tmp_path / "scores.zarr" / "coverage").iterdir() if path.name != "zarr.json")
    chunk.write_bytes(chunk.read_bytes()[:-3])
    assert main(["--config", config, "--plan"]) == 2
    assert "coverage" in capsys.readouterr().err
