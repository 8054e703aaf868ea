"""The whole command with the fake engine: what variants share is asked once, and the tables are those of the answers in the log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from massjax.experiment import main
from massjax.experiments.running import run_experiment
from massjax.experiments.tables import notes
from massjax.experiments.variants import parse_varied
from massjax.statistics.decisions import MISSING
from tests.small_store import written

DESK = {"name": "desk", "modalities": ["price"], "protocol": "desk"}


@pytest.fixture
def desk(small: dict[str, Any]) -> dict[str, Any]:
    small["market"]["end"] = "2022-06-08"
    small["agents"]["archetypes"] = [DESK, {"name": "plain", "modalities": ["price"]}]
    return small


def test_changing_the_head_trader_asks_the_head_traders_alone(desk: dict[str, Any], tmp_path: Path) -> None:
    config = written(desk, tmp_path)
    found = run_experiment(config, parse_varied(["head.seniority=junior,senior"]), ["desk"])
    first, second = found.asked
    traders = len({(n, t) for n, t in np.argwhere(found.answers["desk"][0].decision != MISSING)})
    assert 0 < second < first / 2
    assert second <= traders
    (comparison,) = found.comparisons
    situations = [answers.situation for answers in found.answers["desk"]]
    decided = found.answers["desk"][0].decision != MISSING
    shared = set(zip(*(one[decided].tolist() for one in situations), strict=True))
    assert comparison.sides["long"].pairs == len(shared) <= traders
    assert set(comparison.approvals) == {"head"}
    one, other = (answers.approval["head"] for answers in found.answers["desk"])
    discordant = (one == 1) & (other == 0)
    assert comparison.approvals["head"].first_only == len(set(zip(*(ids[discordant].tolist() for ids in situations), strict=True)))
    assert run_experiment(config, parse_varied(["head.seniority=junior,senior"]), ["desk"]).asked == (0, 0)


def test_the_command_writes_tables_and_pairs(desk: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(desk, tmp_path)
    arguments = ["--config", str(tmp_path / "run.yaml"), "--vary", "order=given,reversed", "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "Paired comparisons" in said
    assert "The answers are of the fake engine" in said
    text = (tmp_path / "out" / "experiment.md").read_text()
    assert "| plain | order given | order reversed | long |" in text
    rows = pl.read_parquet(tmp_path / "out" / "pairs.parquet")
    assert set(rows["variant"]) == {"order given", "order reversed"}
    assert rows.filter(pl.col("archetype") == "desk")["head follows"].null_count() == 0
    assert json.loads((tmp_path / "out" / "experiment.json").read_text())["values"] == ["given", "reversed"]
    assert main(arguments) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_value_that_changes_no_prompt_is_told(desk: dict[str, Any], tmp_path: Path) -> None:
    config = written(desk, tmp_path)
    found = run_experiment(config, parse_varied(["head.temperature=0,0.5"]), ["desk"])
    assert found.alike == (("desk", "head.temperature 0", "head.temperature 0.5"),)
    assert any("nothing can differ" in note for note in notes(found))
    other = run_experiment(config, parse_varied(["head.seniority=junior,senior"]), ["desk"])
    assert other.alike == ()


def test_a_plan_asks_nothing(desk: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(desk, tmp_path)
    assert main(["--config", str(tmp_path / "run.yaml"), "--vary", "mask=true,false", "--archetype", "plain", "--plan"]) == 0
    said = capsys.readouterr().out
    assert said.index("mask on") < said.index("mask off")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(("least", "decides"), [(0.5, True), (0.95, False)])
def test_an_answer_too_weak_for_a_score_decides_nothing(desk: dict[str, Any], tmp_path: Path, least: float, decides: bool) -> None:
    desk["scoring"] = {**desk.get("scoring", {}), "minimum_coverage": least}
    found = run_experiment(written(desk, tmp_path), parse_varied(["mask=true,false"]))
    for answers in (one for both in found.answers.values() for one in both):
        scored = np.isfinite(answers.score)
        assert scored.any() == decides
        assert np.array_equal(answers.decision != MISSING, scored)
        assert all((follows[~scored] == MISSING).all() for follows in answers.approval.values())


def test_a_plan_of_a_desk_counts_by_role(desk: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(desk, tmp_path)
    assert main(["--config", str(tmp_path / "run.yaml"), "--vary", "seniority=junior,senior", "--archetype", "desk", "--plan"]) == 0
    said = capsys.readouterr().out
    assert said.count("Questions by role") == 2
    assert "roles and lists have templates of their own" in said
    assert "0 of 0" not in said
