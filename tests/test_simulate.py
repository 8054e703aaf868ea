"""`python -m massjax.simulate` from a configuration to a run directory and a panel, on markets small enough for tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
import yaml

from massjax.config import load_config
from massjax.config.market_run import load_market_config
from massjax.simulate import main
from massjax.simulations import command, learning
from massjax.simulations.running import checkpoints_of
from massjax.simulations.saved_policies import plain_arrays, read_policy

pytest.importorskip("orbax.checkpoint", reason="checkpoints need orbax: pip install 'massjax[simulate]'")
pytestmark = pytest.mark.slow  # one run compiles the market five times

SMALL: dict[str, Any] = {
    "simulation": {
        "market": {"agents": 8, "ticks": 48, "preopen": 16},
        "learning": {"markets": 8, "parts": 2, "hidden": 8, "epochs": 1, "minibatches": 2},
    },
    "updates": 3,
    "evaluation": {"markets": 12, "ticks": 120, "draws": 20},
    "panel": {"stocks": 6, "dates": 30, "ticks_per_date": 4, "correlation": 0.0, "groups": 3, "informed": 1},
}
"""The panel's markets are as many and as long as those that are judged: one program for both."""
FILES = {
    "config.yaml", "metrics.json", "report.html", "ticks.parquet", "agents.parquet", "learning.parquet", "policy.npz", "policy.json",
}  # fmt: skip
TABLES = {"config.yaml", "prices.parquet", "features.parquet", "scores.parquet", "truth.json", "truth.parquet"}


class Written(NamedTuple):
    """What the command left."""

    config: Path
    run: Path
    panel: Path
    printed: str
    told: str


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """One run with a panel, whose checkpoints are written after every update and stay."""
    folder = tmp_path_factory.mktemp("simulate")
    config = folder / "market.yaml"
    config.write_text(yaml.safe_dump(SMALL))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "CHECKPOINT_SECONDS", 0.0)
        patch.setattr("massjax.simulations.running.forget", lambda folder: None)
        with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            code = main(["--config", str(config), "--out", str(folder / "run"), "--panel", str(folder / "panel"), "--seed", "5"])
    assert code == 0, (folder / "err").read_text()
    return Written(config, folder / "run", folder / "panel", (folder / "out").read_text(), (folder / "err").read_text())


def test_one_command_writes_a_run_and_says_what_it_does(written: Written) -> None:
    assert {entry.name for entry in written.run.iterdir()} == FILES
    for words in ("Trained", "Homogeneous", "Untrained", "FCN rules", "report.html", "Long memory of volatility"):
        assert words in written.printed
    for words in ("learning", "update 3 of 3: trades in", "simulating: Shuffled", "judging: FCN rules", "writing the run directory"):
        assert words in written.told
    metrics = json.loads((written.run / "metrics.json").read_text())
    assert list(metrics["populations"]) == ["trained", "homogeneous", "shuffled", "untrained", "rules"]
    assert metrics["populations"]["trained"]["relations"][0]["trait"] == "noise"
    assert pl.read_parquet(written.run / "learning.parquet")["update"].to_list() == [1, 2, 3]


def test_the_run_can_be_repeated_and_its_policy_played_again(written: Written) -> None:
    config = load_market_config(written.run / "config.yaml")
    assert (config.seed, config.updates, config.out) == (5, 3, written.run)
    assert config.simulation == load_market_config(written.config).simulation
    saved = read_policy(written.run / "policy.npz")
    assert (saved.simulation, saved.updates, saved.seed) == (config.simulation, 3, 5)


def test_ticks_and_agents_agree_with_each_other(written: Written) -> None:
    ticks, agents = pl.read_parquet(written.run / "ticks.parquet"), pl.read_parquet(written.run / "agents.parquet")
    assert (ticks.height, agents.height) == (12 * 120, 12 * 8)
    taken = ticks.filter(pl.col("ordered") > 0).group_by("market", "agent").agg(taking=(pl.col("trades") > 0).mean())
    both = agents.drop_nulls("taking").join(taken, on=["market", "agent"], suffix="_by_hand", how="left")
    np.testing.assert_allclose(both["taking"], both["taking_by_hand"])
    sums = agents.group_by("market").agg(pl.col("wealth_gained").sum())
    np.testing.assert_allclose(sums["wealth_gained"], 0, atol=1e-9)


def test_the_panel_is_read_by_the_tables_of_a_run(written: Written) -> None:
    from massjax.panel_of_config import load_panel

    assert {entry.name for entry in written.panel.iterdir()} == TABLES
    root = Path(__file__).resolve().parents[1]
    values = yaml.safe_load((root / "configs" / "simulated.yaml").read_text())
    values["market"]["prices"]["path"] = str(written.panel / "prices.parquet")
    values["market"]["features"][0]["path"] = str(written.panel / "features.parquet")
    values["scores"]["path"] = str(written.panel / "scores.parquet")
    file = written.config.with_name("simulated.yaml")
    file.write_text(yaml.safe_dump(values))
    panel = load_panel(file)
    assert (len(panel.stocks), panel.dates.size) == (6, 30)
    assert {"spread", "imbalance", "trades"} <= set(panel.features)
    scores = pl.read_parquet(written.panel / "scores.parquet")
    assert scores.height == 30 * 6 * 3
    assert scores["score"].is_between(0, 1).all()
    truth = json.loads((written.panel / "truth.json").read_text())
    assert sum(group["informed"] for group in truth["groups"]) == 1
    assert {group["archetype"] for group in truth["groups"]} == set(scores["archetype"])
    assert load_config(file).scores is not None


def test_learning_goes_on_from_its_checkpoint_as_if_it_had_never_stopped(written: Written, capsys: pytest.CaptureFixture[str]) -> None:
    run = written.run
    config = load_market_config(run / "config.yaml")
    assert checkpoints_of(config, run).is_dir(), "learning wrote one after its second update"
    again, panel = run.with_name("again"), run.with_name("panel_again")
    assert main(["--config", str(written.config), "--out", str(again), "--panel", str(panel), "--seed", "5"]) == 0
    told = capsys.readouterr().err
    assert "going on after 2 updates" in told
    assert "update 3 of 3" in told
    straight, resumed = (plain_arrays(read_policy(folder / "policy.npz").policy) for folder in (run, again))
    for name, array in straight.items():
        np.testing.assert_array_equal(array, resumed[name])
    assert pl.read_parquet(panel / "scores.parquet").equals(pl.read_parquet(written.panel / "scores.parquet"))
    assert not checkpoints_of(config, run).exists(), "what is written needs no checkpoint"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "simulation.market.agent=5"], "unknown key 'simulation.market.agent' (did you mean 'agents'?)"),
        (["--devices", "0"], "--devices 0: expected at least 1"),
        (["--updates", "-1"], "updates: Input should be greater than or equal to 0"),
        (["--set", "policy=none.npz", "--updates", "0"], "none.npz: the policy cannot be read"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    file = tmp_path / "market.yaml"
    file.write_text(yaml.safe_dump(SMALL))
    assert main(["--config", str(file), "--out", str(tmp_path / "run"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert {entry.name for entry in tmp_path.iterdir()} == {"market.yaml"}


def test_a_run_of_another_kind_is_left_alone(written: Written, capsys: pytest.CaptureFixture[str]) -> None:
    taken = ["--config", str(written.config), "--out", str(written.run)]
    assert main(taken) == 2
    assert "already holds a run of a simulated market; replace it with --overwrite" in capsys.readouterr().err
    assert main(["--config", str(written.config), "--panel", str(written.run), "--overwrite"]) == 2
    assert "holds something other than a simulated panel" in capsys.readouterr().err
    assert {entry.name for entry in written.run.iterdir()} == FILES


def test_its_settings_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help-settings", "panel.informed"])
    assert ended.value.code in (0, None)
    assert "Groups that are informed" in capsys.readouterr().out


def test_it_can_be_stopped_while_agents_learn(tmp_path: Path) -> None:
    file, out = tmp_path / "market.yaml", tmp_path / "out"
    file.write_text(yaml.safe_dump({**SMALL, "updates": 100_000}))
    process = subprocess.Popen(
        [sys.executable, "-m", "massjax.simulate", "--config", str(file), "--out", str(out / "run"), "--compile-cache", "off"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )
    assert process.stderr is not None
    while not next(process.stderr).startswith("learning"):
        pass
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=120)
    assert (process.returncode, rest.splitlines()[-1]) == (143, command.STOPPED)
    assert not [entry for entry in out.iterdir() if not entry.name.endswith(".learning")]
