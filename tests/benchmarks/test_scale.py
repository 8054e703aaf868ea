"""The benchmark of users' sizes: it runs at small ones, each in a process of its own, and tells time and memory of every stage."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest


@pytest.mark.usefixtures("scripts")
def test_a_quick_run_tells_time_and_memory_of_every_stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import scale

    scale.main(["--quick", "--only", "years", "--devices", "1", "--out", str(tmp_path)])
    assert scale.WHOLE in capsys.readouterr().out
    rows = pl.read_parquet(tmp_path / "scale.parquet")
    assert rows["stage"].to_list() == [
        "starting and importing",
        "reading the market data",
        "reading the scores",
        "searching walk-forward: annealing",
        "judging against the controls",
        "repeating the procedure where returns are luck",
        scale.WRITING,
        scale.WHOLE,
    ]
    stages, whole = rows[:-1], rows[-1]
    assert (rows["seconds"] > 0).all()
    assert stages["seconds"].sum() < whole["seconds"].item()
    assert whole["peak GiB"].item() == stages["peak GiB"].max() > 0.05
    assert whole["tensor GiB"].item() == pytest.approx(4 * 4 * 12 * 300 / 2**30)
    assert str(tmp_path) not in (tmp_path / "scale.md").read_text()


@pytest.mark.usefixtures("scripts")
def test_made_up_data_is_the_same_for_the_same_seed_and_has_the_size(tmp_path: Path) -> None:
    import scale

    from massjax.config import load_config

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        scale.make_up(tmp_path / name, scale.QUICK["archetypes"])
    first, second = (pl.read_parquet(tmp_path / name / "prices.parquet") for name in ("one", "two"))
    assert first.equals(second)
    assert (first["stock"].n_unique(), first["date"].n_unique(), len(first)) == (12, 300, 3600)
    config = load_config(tmp_path / "one" / "run.yaml")
    assert len(config.agents.archetypes) == 24
    assert config.search == ()
