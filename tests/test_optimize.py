from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from massjax.commands import optimize_parser, run_place, tell_error
from massjax.config import load_config
from massjax.errors import MassjaxError
from massjax.optimize import main
from tests.small_run import SMALL


@pytest.fixture
def config(tmp_path: Path) -> Path:
    values: dict[str, Any] = {**SMALL, "search": [*SMALL["search"], {"method": "gradient", "restarts": 2, "steps": 2}]}
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def test_one_command_from_a_config_to_a_run_directory(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out" / "run"
    assert main(["--config", str(config), "--out", str(out), "--seed", "7", "--set", "search.0.steps=2"]) == 0
    printed = capsys.readouterr()
    for words in ("Annealing", "Gradient", "Uniform weights", "Best single archetype", "report.html"):
        assert words in printed.out
    assert [line for line in printed.err.splitlines() if " of " not in line and not line.endswith(" so far")] == [
        "reading the market data",
        "reading the scores",
        "searching walk-forward: annealing",
        "searching walk-forward: gradient",
        "judging against the controls",
        "repeating the procedure where returns are luck",
        "writing the run directory",
    ]
    assert "\033" not in printed.err
    metrics = json.loads((out / "metrics.json").read_text())
    assert list(metrics["strategies"]) == ["annealing", "gradient", "uniform", "best_single", "equal_risk", "raw_features"]
    resolved = yaml.safe_load((out / "config.yaml").read_text())
    assert (resolved["seed"], resolved["search"][0]["steps"], resolved["out"]) == (7, 2, str(out))

    assert main(["--config", str(config), "--out", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["--config", str(out / "config.yaml"), "--overwrite"]) == 0, "a run directory's config repeats the run"
    assert (
        json.loads((out / "metrics.json").read_text())["strategies"]["annealing"]["horizons"]
        == metrics["strategies"]["annealing"]["horizons"]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "evaluate.lookbak=5"], "unknown key 'evaluate.lookbak' (did you mean 'lookback'?)"),
        (["--set", "evaluate.lookback=4000"], "evaluate.lookback: 4000 dates do not fit"),
        (["--set", "evaluate.gap=1"], "gap=1 sees the future"),
        (["--set", "evaluate.horizon=7"], "no forward returns over 7 trading days"),
        (["--seed", "-1"], "greater than or equal to 0"),
        (["--set", "search.0.method=grdient"], "did you mean 'gradient'"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_left(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["--config", str(config), "--out", str(tmp_path / "run"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert {entry.name for entry in tmp_path.iterdir()} == {"run.yaml"}


def test_errors_of_a_run_name_the_file(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for assignment in ("search.1.restarts=0", "search.1.learning_rat=1", "search.1.method=grad", "search.1.restarts=true"):
        assert main(["--config", str(config), "--out", str(tmp_path / "run"), "--set", assignment]) == 2
        assert f"error: {config}: search.1: search method" in capsys.readouterr().err
    assert main(["--config", str(config), "--out", str(tmp_path / "run"), "--set", "evaluate.gap=1"]) == 2
    assert f"error: {config}: gap=1 sees the future: the search on 2022-" in capsys.readouterr().err


def test_a_name_that_is_no_folder_name(config: Path) -> None:
    out = run_place(None, load_config(config, ["name=a/../<b>"]))
    assert out.parent == Path.cwd() / "runs"
    assert out.name.startswith("a-..-b-")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_can_be_stopped_while_it_searches(config: Path, tmp_path: Path, number: signal.Signals, code: int) -> None:
    out = tmp_path / "out"
    process = _start(config, out)
    assert process.stderr is not None
    told = [next(process.stderr)]
    while not told[-1].startswith("searching"):
        told.append(next(process.stderr))
    ended, rest = _stop(process, number)
    assert (ended, rest.splitlines()[-1]) == (code, "stopped; nothing half-written is left")
    assert told[0] == "reading the market data\n", "each stage is told as it begins"
    assert list(out.iterdir()) == []


def test_a_run_can_be_stopped_while_it_imports(config: Path, tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    (watched / "pydantic.py").write_text("import pathlib, time\npathlib.Path(__file__).with_name('begun').touch()\ntime.sleep(300)\n")
    process = _start(config, tmp_path / "out", PYTHONPATH=os.pathsep.join([str(watched), os.getcwd()]))
    _wait_for((watched / "begun").is_file, process)
    assert _stop(process, signal.SIGINT) == (130, "stopped; nothing half-written is left\n")


def _start(config: Path, out: Path, **environment: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "massjax.optimize",
        "--config",
        str(config),
        "--out",
        str(out / "run"),
        "--set",
        "search.0.steps=9000000",
    ]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # shells let what they start in the background ignore it
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}, preexec_fn=heard)


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


def _stop(process: subprocess.Popen[str], number: int) -> tuple[int, str]:
    process.send_signal(number)
    return process.wait(timeout=600), process.communicate()[1]


def test_the_command_exits_with_2_and_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "massjax.optimize", "--config", str(tmp_path / "none.yaml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "none.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_says_how_to_read_what_is_printed() -> None:
    said = " ".join(optimize_parser().format_help().split())
    for words in ("no spread over the stocks", "the larger of Hansen-Hodrick's and Newey-West's", "252 for trading days", "float32"):
        assert words in said, words


def test_an_error_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    tell_error(MassjaxError("/tmp/\x1b]0;x\x07[bold]s.zarr: holds something else:\n  model: \u202eneuq"))
    assert capsys.readouterr().err == "error: /tmp/\\x1b]0;x\\x07[bold]s.zarr: holds something else:\n  model: \\u202eneuq\n"
