"""p-values of the default without skill: reversal scores see no future, and a small run keeps its table."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest


@pytest.mark.usefixtures("scripts")
def test_reversal_scores_are_minus_past_returns_and_meet_those_of_later_dates() -> None:
    from default_validity import HORIZON, PAST, reversal_scores

    scores, returns = reversal_scores(3, 40)
    assert scores.shape[0] == len(PAST)
    assert PAST[0] == HORIZON
    np.testing.assert_allclose(scores[0, :, HORIZON:], -returns[:, :-HORIZON], atol=1e-9)
    np.testing.assert_allclose(scores[1, :, HORIZON:], scores[0, :, HORIZON:] + scores[0, :, :-HORIZON], atol=1e-9)


@pytest.mark.slow
def test_a_small_run_keeps_its_table(run_script, tmp_path) -> None:
    done = run_script("default_validity", "--windows", 2, "--draws", 19, "--dates", 90, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    rows = pl.read_parquet(tmp_path / "default_validity.parquet")
    assert rows.height == 2 * 4
    assert rows["P(p ≤ 0.5)"].is_between(0, 1).all()
