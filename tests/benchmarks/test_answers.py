"""The benchmark of the answer log: it runs at a small size, in a process of its own, and tells time and memory of every step."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from .conftest import RunScript


def test_a_small_run_tells_time_and_memory_of_every_step(run_script: RunScript, tmp_path: Path) -> None:
    sizes = ("--answers", 2000, "--archetypes", 4, "--stocks", 10, "--dates", 20, "--rows", 100)
    for _ in range(2):
        done = run_script("answers", *sizes, "--folder", tmp_path / "kept", "--out", tmp_path / "out")
        assert done.returncode == 0, done.stderr
    rows = pl.read_parquet(tmp_path / "out" / "answers.parquet")
    assert len(rows) == 7
    assert (rows["seconds"] > 0).all()
    assert rows["seconds"][4] == rows["seconds"][:4].sum()
    assert rows["peak GB"][4] == rows["peak GB"][:4].max() > 0.05
    text = (tmp_path / "out" / "answers.md").read_text()
    assert "A log of 2,000 answers in 20 files" in text
    assert str(tmp_path) not in text
