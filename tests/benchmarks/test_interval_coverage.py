from __future__ import annotations

import polars as pl
import pytest


@pytest.mark.slow
def test_a_small_run_keeps_its_table(run_script, tmp_path) -> None:
    done = run_script("interval_coverage", "--series", 20, "--dates", 60, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    rows = pl.read_parquet(tmp_path / "interval_coverage.parquet")
    assert rows.height == 4 * 6
    assert rows["holds the mean, %"].is_between(0, 100).all()
    assert (rows["width"] > 0).all()
