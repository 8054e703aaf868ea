"""`python -m massjax.calibrate`: from a configuration to a folder of results, and what it says where it cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from massjax.calibrate.__main__ import main
from massjax.calibrate.policies import write_policy
from massjax.calibrate.settings import load_calibration
from massjax.policy_files import policy_of_file
from tests.calibrate.small_calibration import POLICY, SMALL


@pytest.fixture
def config(tmp_path: Path) -> Path:
    write_policy(POLICY, tmp_path / "policy.npz")
    values: dict[str, Any] = SMALL.replace(policy=Path("policy.npz")).model_dump(mode="json")
    file = tmp_path / "calibrate.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def test_one_command_from_a_config_to_a_posterior(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results" / "a"
    assert main(["--config", str(config), "--out", str(out), "--seed", "5"]) == 0
    printed = capsys.readouterr().out
    for words in ("Posterior of the trait distribution", "rule_share", "volume-volatility", "common policy approximation", "90 % region"):
        assert words in printed
    assert {file.name for file in out.iterdir()} == {"config.yaml", "metrics.json", "policy.npz", "posterior.parquet"}
    posterior = pl.read_parquet(out / "posterior.parquet")
    assert posterior.height == 16
    assert posterior.columns[:6] == ["round", "weight", "distance", "trades", *SMALL.traits]
    metrics = json.loads((out / "metrics.json").read_text())
    assert list(metrics["traits"]) == list(SMALL.traits)
    assert metrics["traits"]["rule_share"]["truth"] == 0.5
    assert metrics["candidates"] == 16
    assert set(metrics["fitted"]["facts"]) == set(posterior.columns[6:])
    assert metrics["held_out"] is None
    assert load_calibration(out / "config.yaml", []).seed == 5, "the folder's config repeats the calibration"
    assert policy_of_file(out / "policy.npz").actor[0].weight.shape == POLICY.actor[0].weight.shape

    assert main(["--config", str(config), "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert [entry.name for entry in out.parent.iterdir()] == ["a"]


def test_a_real_panel_with_years_held_out(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "real"
    real = ["truth=null", "split=2012-01-01", "market.start=2005-01-01", "bounds={noise_mean: [0.01, 0.05]}", "rounds=1"]
    assert main(["--config", str(config), "--out", str(out), *(f"--set={one}" for one in real)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "Facts of the rows that were held out" in printed
    assert "companies chosen because they survived to 2022" in printed
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["truth"] is None
    assert set(metrics["held_out"]["distance"]) == {"default", "best"}
    assert "volume-volatility" not in metrics["fitted"]["facts"], "the sample has no volume"
    assert metrics["fitted"]["facts"]["Hill index of |r|"]["panel"] > 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "candidates=9"], "expected a power of two, such as 16, not 9"),
        (["--set", "bounds.noise=[0, 1]"], "there is no trait 'noise'"),
        (["--set", "policy=absent.npz"], "absent.npz: the policy cannot be read (there is no such file)"),
        (["--devices", "0"], "--devices 0: expected at least 1"),
        (["--set", "least_trades=1"], "all 8 candidates of the first round were refused"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_left(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["--config", str(config), "--out", str(tmp_path / "out"), *arguments]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert {entry.name for entry in tmp_path.iterdir()} == {"calibrate.yaml", "policy.npz"}
