"""A small desk through real vLLM: its plan, its decisions, its conversation, and who is asked when one word of a prompt changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from massjax.answers.log import AnswerLog
from massjax.scores.scores import Scores
from massjax.scores.status import Status
from tests.test_end_to_end import needs_vllm

pytestmark = [pytest.mark.vllm, needs_vllm]

DESK: dict[str, Any] = {"name": "senior", "modalities": ["price"], "protocol": "desk", "roles": {"analyst": {"max_tokens": 24}}}
DESK["roles"]["trader"] = {"reasons": ""}
JUNIOR: dict[str, Any] = {**DESK, "name": "junior", "roles": {**DESK["roles"], "head": {"seniority": "junior"}}}


def config_file(folder: Path, model: Path, archetypes: list[dict[str, Any]]) -> Path:
    values: dict[str, Any] = {
        "market": {"source": "sp500", "start": "2022-09-01", "end": "2022-09-12", "only": ["AAPL", "MSFT", "XOM"]},
        "agents": {"features": ["return_1m", "momentum_6m"], "archetypes": archetypes},
        "scoring": {"model": str(model), "dtype": "float32", "max_num_seqs": 8, "max_model_len": 1024},
        "store": "store",
    }
    file = folder / "run.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def said(*arguments: str) -> str:
    """What a command prints, its lines joined."""
    command = [sys.executable, "-m", *arguments]
    return " ".join(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def asked(folder: Path) -> dict[str, int]:
    """Questions of the log, by the beginning of their system message."""
    frame = pl.concat(AnswerLog(folder / "store" / "answers").frames(["system"]))
    roles = frame["system"].str.extract(r"You are (?:a |the )?(.*?) at the desk")
    return dict(zip(*roles.value_counts().to_dict(as_series=False).values(), strict=True))


def test_a_desk_of_a_real_model(tmp_path: Path, model: Path) -> None:
    config = config_file(tmp_path, model, [DESK])
    assert "Questions by role" in said("massjax.precompute", "--config", str(config), "--plan")
    said("massjax.precompute", "--config", str(config))
    first = asked(tmp_path)
    assert set(first) == {"analyst", "trader", "senior head trader"}
    found = Scores.open(tmp_path / "store")
    score, decision = found.score(), found.decision()
    assert (found.status() == Status.SCORED).all()
    assert found.mass().min() > 0.15, "unless prefilled it is below 0.01"
    assert set(np.unique(decision).tolist()) <= {-1, 0, 1}
    assert ((score > 0) & (score < 1)).all()
    day = str(found.dates[0])
    cell = ("--config", str(config), "--archetype", "senior", "--stock", "AAPL", "--date", day)
    shown = said("massjax.answers", "show", *cell)
    for words in ("role analyst", "role trader", "role head", "The analyst wrote:", "The trader decided:", "decision:"):
        assert words in shown
    said("massjax.precompute", "--config", str(config_file(tmp_path, model, [DESK, JUNIOR])))
    second = asked(tmp_path)
    assert second == {**first, "junior head trader": first["senior head trader"]}, "one word asks the head traders, and nobody else"
