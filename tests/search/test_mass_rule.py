"""MASS's whole rule: its redrawn moves, its annealing step by step, and its walk: fitted on -sigma, judged on `combined`."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chisquare, ks_2samp, truncnorm

import massjax as mj
from massjax.engine import prepare_window
from massjax.errors import ConfigError
from massjax.search import Annealing, MeanRankIC, search_window, settings_from_mapping
from massjax.search.annealing import move_weight
from tests.engine import slow_reference
from tests.search import mass_reference

MASS = Annealing(chains=1, steps=20, rejection="redraw")
redraw = jax.jit(lambda weights, key: move_weight(weights, 0.25, key, "redraw"))


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(4)
    scores = rng.random((5, 12, 16)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.1] = np.nan
    return scores, np.ones((12, 16), bool), rng.normal(size=(12, 16)).astype(np.float32)


def test_each_step_is_that_of_plain_python(panel):
    window = tuple(values[..., :5] for values in panel)
    key = jax.random.key(7)
    path, values, best, best_value = mass_reference.anneal(*window, [1.0] * 5, mass_reference.draws_of(key, MASS.steps))
    objective = MeanRankIC(jax.jit(prepare_window, static_argnums=3)(*window, "zero"), jnp.float32(0.5), "disagreement")
    state, step = jax.jit(MASS.init)(objective, np.full((1, 5), 0.2, np.float32), key), jax.jit(MASS.step)
    for number, (weights, value) in enumerate(zip(path, values, strict=True)):
        state = step(objective, state, jax.random.fold_in(jax.random.split(key)[1], np.int32(number)))
        np.testing.assert_allclose(state.weights[0], weights, atol=2e-5)
        assert float(state.fitness[0]) == pytest.approx(value, abs=1e-6)
    assert sum(one != other for one, other in zip(path[1:], path, strict=False)) < MASS.steps, "no move was refused"
    np.testing.assert_allclose(state.best.weights[0] * 5, best, atol=2e-5)
    assert float(state.best.fitness[0]) == pytest.approx(best_value, abs=1e-6)


@pytest.mark.slow
def test_the_walk_is_that_of_plain_python(panel):
    """Look-back 5, five-day returns, warm start, fitted on `disagreement` and judged on `combined`, as `configs` can say it."""
    key = jax.random.key(3)
    timing = mj.Timing(lookback=5, horizon=5, execution_lag=0)
    names = {"signal": "combined", "fit_signal": "disagreement", "missing": "zero"}
    found = mj.walk_forward(*panel, MASS, timing, key=key, warm_start=True, **names)
    weights = mass_reference.walk(*panel, lookback=5, gap=4, key=key, steps=MASS.steps)
    np.testing.assert_allclose(found.weights * 5, weights, atol=5e-5)
    assert found.searched.sum() == 16 - 10
    for date in range(10, 16):
        here = slice(date, date + 1)
        day = tuple(values[..., here] for values in panel)
        judged = slow_reference.fitness(*day, weights[here], signal="combined", missing="zero")[0]
        assert float(found.rank_ic[date]) == pytest.approx(judged, abs=1e-5)
        before = tuple(values[..., date - 10 : date - 5] for values in panel)
        fitted = slow_reference.fitness(*before, weights[here], signal="disagreement", missing="zero")[0]
        assert float(found.fitness[date]) == pytest.approx(fitted, abs=1e-5)


def test_pairs_and_amounts_are_those_of_drawing_anew():
    """The direct draw against MASS's loop: which pairs, and how much is moved between each."""
    weights, draws = np.array([0.02, 0.1, 0.5, 3.38]), 12_000
    moved = np.asarray(redraw(np.tile(weights.astype(np.float32), (draws, 1)), jax.random.key(0)), float)
    assert (moved > 0).all()
    np.testing.assert_allclose(moved.sum(axis=1), 4.0, rtol=1e-5)
    rng = np.random.default_rng(0)
    looped = [mass_reference.redrawn(weights, rng) for _ in range(draws)]
    loops = np.tile(weights, (draws, 1))
    for row, (giver, taker, amount) in zip(loops, looped, strict=True):
        row[giver] -= amount
        row[taker] += amount
    kinds = [np.abs(rows - weights) > 1e-6 for rows in (moved, loops)]
    pairs = [kind @ [1, 2, 4, 8] for kind in kinds]
    names = np.unique(pairs[1])
    assert len(names) == 6
    ours, theirs = (np.array([(pair == name).sum() for name in names]) for pair in pairs)
    chances = np.array([_room(weights, name) for name in names])
    assert chisquare(ours, ours.sum() * chances / chances.sum()).pvalue > 0.01
    assert chisquare(theirs, theirs.sum() * chances / chances.sum()).pvalue > 0.01
    for name in names:
        archetype = int(np.log2(name & -name))
        assert ks_2samp(moved[pairs[0] == name, archetype], loops[pairs[1] == name, archetype]).pvalue > 0.001


def _room(weights, name):
    """The chance that an amount fits a pair of archetypes, given as bits."""
    one, other = (k for k in range(4) if name >> k & 1)
    law = truncnorm(-np.inf, np.inf, scale=0.25)
    return law.cdf(weights[one]) - law.cdf(-weights[other])


def test_a_weight_of_nearly_nothing_stays_positive():
    moved = np.asarray(redraw(np.float32([[1e-30, 3.0, 1e-38]] * 500), jax.random.key(2)))
    assert np.isfinite(moved).all()
    assert (moved > 0).all()


@pytest.mark.parametrize("rejection", [pytest.param("truncate", marks=pytest.mark.slow), "redraw"])
def test_golden_runs_from_equal_weights(shared_dir, rejection):
    """300 runs of MASS's code: how good its best was, how many archetypes had moved by then, and how far.

    From equal weights pairs differ little, so 300 runs do not tell the two rules apart: both are drawn as they were.
    """
    golden = np.load(shared_dir / "golden" / "mass_default.npz")
    runs = np.load(shared_dir / "golden" / "mass_annealing_default.npz")
    panel = golden["scores"], golden["member"], golden["forward_return_5d"]
    assert (runs["start"] == 1).all()
    settings = MASS.replace(chains=1500, steps=int(runs["steps"]), rejection=rejection)
    found = search_window(*panel, settings, key=jax.random.key(11), signal="disagreement", missing="zero")
    weights = np.asarray(found.chain_weights, float) * 16
    assert ks_2samp(np.asarray(found.chain_fitness, float).round(5), runs["best_fitness"].round(5)).pvalue > 0.01
    for statistic in (lambda rows: (np.abs(rows - 1) > 1e-5).sum(axis=1), lambda rows: rows.std(axis=1).round(4)):
        assert ks_2samp(statistic(weights), statistic(runs["weights"])).pvalue > 0.01


def test_rejection_is_named_in_a_config():
    assert settings_from_mapping({"method": "annealing", "rejection": "redraw"}).rejection == "redraw"
    with pytest.raises(ConfigError, match=r"rejection: .*'truncate' or 'redraw'.*keep"):
        settings_from_mapping({"method": "annealing", "rejection": "keep"})
