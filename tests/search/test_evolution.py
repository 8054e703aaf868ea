"""Differential evolution moves inside the simplex, crosses plateaus, and begins again where it has converged."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from massjax.engine import fitness, prepare_window
from massjax.errors import ConfigError
from massjax.search import DifferentialEvolution, MeanRankIC, search_window, settings_from_mapping
from massjax.search.evolution import ABSENT_WEIGHT, spread_starts


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(0)
    return rng.random((6, 15, 2)).astype(np.float32), np.ones((15, 2), bool), rng.normal(size=(15, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def objective(panel):
    return MeanRankIC(prepare_window(*map(jnp.asarray, panel), "renormalize"), jnp.float32(0.5), "combined")


@pytest.fixture(scope="module")
def settings():
    return DifferentialEvolution(chains=32, restart_after=20)


@pytest.fixture(scope="module")
def step(settings):
    return jax.jit(settings.step)


def test_no_chain_ever_falls(objective, settings, step):
    state = step(objective, settings.init(objective, jnp.full((32, 6), 1 / 6), jax.random.key(0)), jax.random.key(1))
    for turn in range(15):
        after = step(objective, state, jax.random.key(2 + turn))
        assert (after.fitness >= state.fitness).all()
        np.testing.assert_allclose(after.weights.sum(axis=1), 1, atol=1e-6)
        assert after.weights.min() > 0.1 * ABSENT_WEIGHT
        state = after
    np.testing.assert_array_equal(state.best.fitness, state.fitness)


def test_a_converged_population_begins_again_and_its_best_is_kept(objective, settings, step):
    start = jnp.full((32, 6), 1 / 6)
    state = step(objective, settings.init(objective, start, jax.random.key(0)), jax.random.key(1))
    one = jnp.broadcast_to(state.weights[:1], state.weights.shape)
    state = state._replace(weights=one, fitness=jnp.broadcast_to(state.fitness[:1], (32,)), stalled=jnp.int32(17))
    best = np.asarray(state.best.fitness)
    for turn in range(3):
        assert not np.isnan(state.fitness).any()
        state = step(objective, state, jax.random.key(5 + turn))
    assert np.isnan(state.fitness).all()
    assert np.ptp(np.asarray(state.weights), axis=0).min() > 0.05
    assert (np.asarray(state.best.fitness) >= best).all()
    assert not np.isnan(step(objective, state, jax.random.key(9)).fitness).any()


def test_starts_that_differ_are_kept_and_repeated_ones_spread():
    rows = np.full((200, 5), 0.2, np.float32)
    rows[0] = (0.1, 0.2, 0.3, 0.3, 0.1)
    found = np.asarray(spread_starts(jnp.asarray(rows), jax.random.key(0)))
    np.testing.assert_allclose(found[:2], rows[:2], rtol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found[2:].mean(axis=0), 0.2, atol=0.05)
    assert (found[2:].max(axis=1) > 0.8).mean() > 0.1
    assert (found[2:] > 0).all()


def test_a_mix_without_some_archetypes_is_found(objective, panel):
    """Whoever leaves an archetype out is as good as one with a weight of 0 for it."""
    result = search_window(*panel, DifferentialEvolution(chains=128, steps=60), key=jax.random.key(1))
    weights = np.asarray(result.weights)
    assert (weights > 0).all()
    without = np.where(weights < 1e-6, 0.0, weights)
    np.testing.assert_allclose(fitness(*panel, without[None])[0], result.fitness, atol=1e-5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"smallest_scale": 2.0}, "smallest_scale 2.0 is above largest_scale 1.0"),
        ({"crossover": []}, "crossover"),
        ({"crossover": [0.5, 1.5]}, "up to 1"),
        ({"chains": 3}, "chains"),
        ({"best_share": 0}, "best_share"),
        ({"patience": 0}, "patience"),
        ({"restart_after": 0}, "restart_after"),
    ],
)
def test_bad_settings_are_named(fields, message):
    with pytest.raises(ConfigError, match=message):
        settings_from_mapping({"method": "differential_evolution", **fields})
