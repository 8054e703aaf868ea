"""A desk in a report: who is asked, and how often it was long, neither and short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from massjax.pipeline import precompute, run
from massjax.report.html import render_report
from massjax.report.run import RunResult
from massjax.report.tables import metrics_document
from massjax.scores.scores import Scores
from tests.small_store import written


@pytest.fixture
def desk_run(small: dict[str, Any], tmp_path: Path) -> RunResult:
    desk = {"name": "desk", "modalities": ["price"], "protocol": "desk", "roles": {"head": {"seniority": "junior"}}}
    small["agents"]["archetypes"] = [desk, *small["agents"]["archetypes"]]
    small["evaluate"] = {"horizon": 1, "lookback": 2, "backtest": {"every": 1}}
    small["market"]["horizons"] = [1]
    small["search"] = []
    config = written(small, tmp_path)
    precompute(config)
    return run(config)


def test_a_desk_is_shown_as_one(desk_run: RunResult, tmp_path: Path) -> None:
    stored = Scores.open(tmp_path / "store")
    (row,) = stored.positions("archetype", ["desk"])
    member = desk_run.panel.member.T
    decided = stored.decision()[:, row][:, stored.positions("stock", desk_run.panel.stocks)]
    counts = tuple(int(((decided == side) & member).sum()) for side in (1, 0, -1))
    facts = {one.archetype.name: one for one in desk_run.archetypes}
    assert facts["desk"].decisions == counts
    assert sum(counts) == int((np.isfinite(stored.score()[:, row]) & member).sum()) > 0
    assert facts["trend"].decisions is None
    assert facts["trend"].roles == ()
    page = render_report(desk_run)
    assert "analyst → trader → junior head trader (follows trader)" in page
    assert f"<td>{sum(counts):,}</td>" in page
    told = {one["name"]: one for one in metrics_document(desk_run)["archetypes"]}
    assert told["desk"]["decisions"] == dict(zip(("long", "neither", "short"), counts, strict=True))
    assert told["low-volatility"]["decisions"] is None
