from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from massjax.optimize import main
from tests.evaluate.conftest import SMALL


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
    assert printed.err == "", "no progress bar where there is no terminal"
    metrics = json.loads((out / "metrics.json").read_text())
    assert list(metrics["strategies"]) == ["annealing", "gradient", "uniform", "best_single"]
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


def test_the_command_exits_with_2_and_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "massjax.optimize", "--config", str(tmp_path / "none.yaml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "none.yaml" in done.stderr
    assert "Traceback" not in done.stderr
