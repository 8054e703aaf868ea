"""Tests of memory keep their level on planted worlds, and the default view takes memory out and keeps skill."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats


@pytest.mark.usefixtures("scripts")
def test_a_planted_world_is_what_it_says() -> None:
    from planted_memory import Planted, answers_of, planted_world, scores_of

    planted = Planted(memorised=0.5, left=0.6, archetypes=2, stocks=20, dates=100, cutoff=60)
    world = planted_world(planted, seed=0)
    memory = world.blank - world.blank_clean
    assert not world.remembered[60:].any()
    assert (memory[:, ~world.remembered] == 0).all()
    assert (np.sign(memory) == np.sign(world.returns))[:, world.remembered].all()
    np.testing.assert_allclose(world.full - world.clean, np.broadcast_to(0.6 * memory, world.full.shape), atol=1e-12)
    masked = world.masked[0] - (world.clean[0] - planted.fame * world.controls[2])
    np.testing.assert_allclose(masked, 0.6 * memory * world.identified[:, None], atol=1e-12)
    assert (world.identified.sum(), (world.donor == np.arange(20)[:, None]).any()) == (2, False)
    probability = answers_of(world.blank)
    assert np.log(probability[..., 4] / probability[..., 0]).mean() == pytest.approx(2 * world.blank.mean(), abs=0.01)
    assert np.corrcoef(scores_of(world.blank).ravel(), world.blank.ravel())[0, 1] > 0.98


@pytest.mark.usefixtures("scripts")
def test_p_values_are_uniform_where_nothing_is_remembered() -> None:
    from hindsight import tests_of
    from planted_memory import Planted

    planted = Planted(memorised=0.0, archetypes=1, stocks=25, dates=80, cutoff=80, horizon=3)
    found = [tests_of(planted, seed, 19) for seed in range(30)]
    for name in ("memory probe", "memory probe, every fifth date", "familiarity test, b₃", "familiarity test, b₄ (between dates)"):
        p = np.array([one[name] for one in found])
        assert stats.kstest(p, "uniform").pvalue > 0.005, name
        assert stats.binomtest(int((p <= 0.05).sum()), 30, 0.05, "greater").pvalue > 0.01, name


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize("left", [0.3, 1.0])
def test_the_residual_takes_memory_out_and_keeps_skill(left: float) -> None:
    from hindsight import VIEWS, view_rows
    from planted_memory import Planted

    planted = Planted(left=left, archetypes=1, dates=300, cutoff=250)
    contrast, residual = view_rows(planted, {name: VIEWS[name] for name in ("contrast", "residual")}, 3)
    assert residual["removed"] > 0.75
    assert residual["kept"] > 0.95
    assert residual["after the cut-off, of 1"] > 0.98
    assert contrast["removed"] < 0.65


@pytest.mark.usefixtures("scripts")
def test_taking_off_too_much_counts_as_taking_off_too_little_does() -> None:
    from hindsight import removed

    assert removed(0.3, 0.1, 0.15, 0.1) == pytest.approx(0.75)
    assert removed(0.3, 0.1, 0.05, 0.1) == pytest.approx(0.75)
    assert np.isnan(removed(0.1, 0.1, 0.1, 0.1))


@pytest.mark.slow
def test_a_small_run_keeps_its_tables(run_script, tmp_path) -> None:
    done = run_script("hindsight", "--worlds", 3, "--power-worlds", 2, "--seeds", 2, "--archetypes", 1, "--shifts", 20, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    tests, views, masks = (pl.read_parquet(tmp_path / f"hindsight_{name}.parquet") for name in ("tests", "views", "masks"))
    assert tests["P(p ≤ 0.05)"].is_between(0, 1).all()
    assert set(views["view"]) >= {"contrast", "residual"}
    assert masks["identified stocks found"].is_between(0, 1).all()
