from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import yaml

from massjax.config import load_config
from massjax.pipeline import precompute

RUN = {
    "market": {"source": "sp500", "start": "2021-06-01", "end": "2021-12-30"},
    "agents": {
        "features": ["return_1m", "momentum_6m"],
        "archetypes": [
            {"name": "single", "modalities": ["price"]},
            {"name": "junior", "modalities": ["price"], "protocol": "desk", "roles": {"head": {"seniority": "junior"}}},
            {"name": "senior", "modalities": ["price"], "protocol": "desk"},
        ],
    },
    "scoring": {"engine": "fake"},
}


@pytest.mark.slow
def test_every_table_of_a_small_run(run_script, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump({**RUN, "store": str(tmp_path / "store")}))
    config = load_config(file)
    precompute(config)
    net = pl.DataFrame({"date": ["2021-10-01", "2021-10-01", "2021-10-04"], "stock": ["AAPL", "MSFT", "AAPL"], "net": [10.0, -5.0, 0.0]})
    net.write_csv(tmp_path / "net.csv")
    words = ("--config", file, "--cross", "junior,senior", "--institutions", tmp_path / "net.csv", "--out", tmp_path / "out")
    done = run_script("desk_tables", *words)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out" / "desk_tables.md").read_text()
    titles = ("Shares of decisions", "Consistency with institutions", "junior against those of senior", "Approval rates", "RankIC by year")
    for title in titles:
        assert title in text
    approvals = pl.read_parquet(tmp_path / "out" / "desk_table_4.parquet")
    assert approvals["head trader"].to_list() == ["junior: head", "senior: head"]
    assert approvals["approval, %"].is_between(0, 100).all()
    wrong = run_script("desk_tables", "--config", file, "--cross", "junior,seniour")
    assert "did you mean 'senior'" in wrong.stderr
