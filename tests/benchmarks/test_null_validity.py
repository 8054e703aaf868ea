"""p-values by circular shifts are right where there is no skill, and what is wrong with the other nulls is seen."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

WINDOWS, DRAWS = 150, 39


@pytest.mark.usefixtures("scripts")
def test_shifts_give_uniform_p_values_under_overlap_slow_scores_and_sectors() -> None:
    from null_validity import WORLDS, p_values, shifts

    found = p_values(WORLDS["overlap, slow scores, sectors"], shifts, WINDOWS, DRAWS)
    assert len(found) == 4
    for statistic, p in found.items():
        assert p.size == WINDOWS
        assert stats.kstest(p, "uniform").pvalue > 0.01, statistic
        assert stats.binomtest(int((p <= 0.05).sum()), WINDOWS, 0.05).pvalue > 0.01, statistic


@pytest.mark.usefixtures("scripts")
def test_permuting_stocks_rejects_too_often_where_sectors_move_together() -> None:
    from null_validity import WORLDS, deals, p_values

    p = p_values(WORLDS["overlap, slow scores, sectors"], deals, WINDOWS, DRAWS)
    assert (p["fitness of the best archetype"] <= 0.05).mean() > 0.12


@pytest.mark.usefixtures("scripts")
def test_statistics_are_those_of_a_walk_written_with_loops() -> None:
    from null_validity import LOOKBACK, World, scores_and_returns, statistics, unit_ranks

    world = World(dates=80, stocks=10, archetypes=3, sectors=0.0)
    scores, returns = scores_and_returns(world, seed=5)
    found = statistics(scores, unit_ranks(returns)[..., None], world.gap, seed=5)
    daily = np.array([[stats.spearmanr(scores[k, :, t], returns[:, t]).statistic for t in range(80)] for k in range(3)])
    uniform = np.array([stats.spearmanr(scores[:, :, t].mean(axis=0), returns[:, t]).statistic for t in range(80)])
    assert found["fitness of the best archetype"] == pytest.approx(daily[:, -LOOKBACK:].mean(axis=1).max(), abs=1e-6)
    difference = found["RankIC out of sample"] - found["gain over uniform out of sample"]
    assert difference == pytest.approx(uniform[LOOKBACK + world.gap :].mean(), abs=1e-6)


@pytest.mark.slow
def test_a_small_run_keeps_its_table(run_script, tmp_path) -> None:
    done = run_script("null_validity", "--windows", 4, "--draws", 20, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    rows = pl.read_parquet(tmp_path / "null_validity.parquet")
    assert rows.height == 3 * 3 * 4
    assert rows["P(p ≤ 0.5)"].is_between(0, 1).all()
