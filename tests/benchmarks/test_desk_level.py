from __future__ import annotations

import polars as pl
import pytest


@pytest.mark.slow
def test_a_small_run_keeps_its_table(run_script, tmp_path) -> None:
    done = run_script("desk_level", "--trials", 3, "--sizes", 1, "--kinds", "independent", "by stock", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    rows = pl.read_parquet(tmp_path / "desk_level.parquet")
    assert rows["pairs"].n_unique() == 2 + 3
    assert rows.filter(pl.col("method").str.starts_with("test")).height == 2 * 5
    for column in ("level, %", "power, %", "holds the truth, %"):
        assert rows[column].drop_nulls().is_between(0, 100).all()
