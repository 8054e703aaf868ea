"""The whole command with the fake engine: it plans, asks, prints, and writes beside the answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest

from massjax.hindsight.__main__ import main
from massjax.scores.measured import states_in
from tests.small_store import written

SVG = "{http://www.w3.org/2000/svg}"


def test_the_command_writes_what_it_measured_beside_the_answers(
    small: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small["scoring"]["knowledge_cutoff"] = "2022-06-15"
    written(small, tmp_path)
    arguments, folder = ["--config", str(tmp_path / "run.yaml")], tmp_path / "store" / "hindsight"
    assert main([*arguments, "--plan", "--cells", "20"]) == 0
    said = capsys.readouterr().out
    assert "│ probe          │ 240       │ 240    │" in said
    assert not folder.exists()
    assert main([*arguments, "--cells", "20", "--sample", "100%"]) == 0
    said = capsys.readouterr().out
    assert "Questions asked: 240 for probe, 80 for audit" in said
    assert "size is missing" in said
    document = json.loads((folder / "hindsight.json").read_text())
    assert set(document["parts"]) == {"probe", "audit", "familiarity", "counterfactual", "cutoff"}
    assert document["parts"]["probe"]["asked"] == 240
    (state,) = states_in(tmp_path / "store")
    assert state.words in said
    assert state.words in (folder / "hindsight.md").read_text()
    assert pl.read_parquet(folder / "blank.parquet").shape == (240, 4)
    years = pl.read_parquet(folder / "years.parquet")
    assert years["scores"].to_list() == ["blank answers", "trend", "careful"]
    drawn = ElementTree.parse(folder / "years.svg").getroot()
    assert any("cut-off" in (text.text or "") for text in drawn.iter(f"{SVG}text"))
    assert main([*arguments, "--parts", "audit", "--cells", "20"]) == 0
    again = json.loads((folder / "hindsight.json").read_text())
    assert again["models"] == document["models"]
    assert again["parts"]["audit"]["asked"] == 0
    assert again["parts"]["probe"] == document["parts"]["probe"]
    small["market"]["end"] = "2022-06-15"
    written(small, tmp_path)
    assert main([*arguments, "--parts", "audit", "--cells", "20"]) == 0
    other = json.loads((folder / "hindsight.json").read_text())
    assert (set(other["parts"]), other["models"]) == ({"audit"}, []), "parts of other dates do not stand beside it"
    assert sorted(one.name for one in folder.iterdir()) == ["hindsight.json", "hindsight.md"]


def test_a_damaged_document_is_named_before_anything_is_asked(
    small: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(small, tmp_path)
    folder = tmp_path / "store" / "hindsight"
    folder.mkdir(parents=True)
    (folder / "hindsight.json").write_text('{"models": {}}')
    assert main(["--config", str(tmp_path / "run.yaml")]) == 2
    assert "hindsight.json cannot be read (models is no list)" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "store" / "answers").exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--sample", "some"], "--sample some: expected a share such as 20% or 0.2"),
        (["--sample", "0"], "--sample 0: expected a share above 0"),
        (["--cells", "few"], "--cells few: expected a whole number"),
        (["--cells", "1"], "cells"),
        (["--parts", "probe,masks"], "there is no part 'masks'"),
    ],
)
def test_what_cannot_be_read_is_refused(
    small: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str], message: str
) -> None:
    written(small, tmp_path)
    assert main(["--config", str(tmp_path / "run.yaml"), *option]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
