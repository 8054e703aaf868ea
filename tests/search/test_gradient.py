"""Smooth objectives: right gradients, and an optimum that ranks like the exact one."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import spearmanr

from massjax.engine import fitness, prepare_window
from massjax.search import GradientSearch, MeanRankIC, search_window
from massjax.search.soft import soft_value


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(0)
    returns = rng.normal(size=(20, 4)).astype(np.float32)
    skill = np.array([0.5, 0.2, 0.0, -0.2, -0.5])[:, None, None]
    scores = (0.5 + 0.1 * (skill * returns + rng.normal(size=(5, 20, 4)))).astype(np.float32)
    scores[rng.random(scores.shape) < 0.1] = np.nan
    return scores, rng.random((20, 4)) < 0.9, returns


@pytest.fixture(scope="module", params=["combined", "mean", "disagreement"])
def objective(request, panel):
    return MeanRankIC(prepare_window(*map(jnp.asarray, panel), "renormalize"), jnp.float32(0.5), request.param)


@pytest.mark.parametrize("kind", ["ic", "soft_rank_ic"])
def test_gradients_equal_finite_differences(objective, kind):
    def value(logits):
        return soft_value(objective, jax.nn.softmax(logits), kind, 0.5)

    logits = jnp.asarray(np.random.default_rng(1).normal(size=(3, 5)), jnp.float32)
    slopes = jax.jit(jax.grad(lambda logits: value(logits).sum()))(logits)
    step = 1e-2
    for k in range(5):
        nudge = step * jnp.eye(5)[k][None]
        numeric = (jax.jit(value)(logits + nudge) - jax.jit(value)(logits - nudge)) / (2 * step)
        np.testing.assert_allclose(slopes[:, k], numeric, atol=2e-3)


def test_a_narrow_sigmoid_is_the_exact_rank_correlation(panel, objective):
    weights = np.random.default_rng(2).dirichlet(np.ones(5), 30).astype(np.float32)
    exact = fitness(*panel, weights, signal=objective.signal)
    np.testing.assert_allclose(soft_value(objective, jnp.asarray(weights), "soft_rank_ic", 1e-4), exact, atol=5e-3)


@pytest.mark.parametrize("kind", ["ic", "soft_rank_ic"])
def test_soft_value_ranks_candidates_like_the_exact_one(panel, objective, kind):
    weights = np.random.default_rng(3).dirichlet(np.ones(5), 300).astype(np.float32)
    soft = soft_value(objective, jnp.asarray(weights), kind, 0.25)
    assert spearmanr(soft, fitness(*panel, weights, signal=objective.signal))[0] > 0.9


def test_gradient_search_finds_the_skill(panel):
    result = search_window(*panel, GradientSearch(restarts=8, steps=60), key=jax.random.key(0), signal="mean")
    assert result.weights[0] > 0.5
    assert result.fitness > fitness(*panel, np.ones((1, 5)), signal="mean")[0] + 0.1


def test_penalties_hold_the_weights_near_the_prior(panel):
    prior = (0.1, 0.1, 0.1, 0.1, 0.6)
    settings = GradientSearch(restarts=1, steps=80, spread=0.0)
    kept = settings.replace(kl_strength=50.0, prior=prior)
    key = jax.random.key(0)
    objective = MeanRankIC(prepare_window(*map(jnp.asarray, panel), "renormalize"), jnp.float32(0.5), "mean")

    def walk(settings):
        state = settings.init(objective, jnp.full((1, 5), 0.2), key)
        return jax.nn.softmax(jax.lax.fori_loop(0, settings.steps, lambda _, state: settings.step(objective, state, key), state).logits[0])

    np.testing.assert_allclose(walk(kept), prior, atol=0.05)
    spread_out = walk(settings.replace(entropy_strength=50.0))
    np.testing.assert_allclose(spread_out, np.full(5, 0.2), atol=0.05)
    assert walk(settings)[0] > 0.5


def test_a_gradient_that_is_no_number_does_not_poison_its_restart(panel):
    objective = MeanRankIC(prepare_window(*map(jnp.asarray, panel), "renormalize"), jnp.float32(0.5), "mean")
    settings = GradientSearch(restarts=3, steps=5, objective="ic")
    state = settings.init(objective, jnp.full((3, 5), 0.2), jax.random.key(0))
    state = settings.step(objective, state, jax.random.key(1))
    poisoned = state._replace(logits=state.logits.at[1].set(jnp.nan))
    after, other = (settings.step(objective, before, jax.random.key(2)) for before in (poisoned, state))
    assert np.isfinite(after.logits).all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after.optimizer))
    np.testing.assert_array_equal(after.logits[::2], other.logits[::2])
    again = settings.step(objective, after, jax.random.key(3))
    assert (np.asarray(again.logits[1]) != np.asarray(after.logits[1])).any()
    assert (again.best.fitness >= state.best.fitness).all()
