"""The annealer draws from the same distribution as MASS's, and its moves from the right truncated normal."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import ks_2samp, kstest, truncnorm

from massjax.search import Annealing, search_window
from massjax.search.annealing import move_weight


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_best_fitness_is_distributed_as_that_of_mass(shared_dir, seed):
    golden = np.load(shared_dir / "golden" / "mass_default.npz")
    reference = np.load(shared_dir / "golden" / "mass_annealing_default.npz")["best_fitness"]
    panel = golden["scores"], golden["member"], golden["forward_return_5d"]
    settings = Annealing(chains=500, steps=20, step_size=0.25, temperature=0.5, cooling=0.95, loss_scale=10.0)
    result = search_window(*panel, settings, key=jax.random.key(seed), signal="disagreement", missing="zero")
    found = np.asarray(result.chain_fitness, float).round(5)
    assert ks_2samp(found, reference.round(5)).pvalue > 0.01


@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.05, 3.0)])
def test_moves_are_truncated_normal(weights):
    moved = np.asarray(move_weight(jnp.tile(jnp.asarray(weights, jnp.float32), (4000, 1)), 0.25, jax.random.key(0)))
    assert (moved > 0).all()
    np.testing.assert_allclose(moved.sum(axis=1), sum(weights), rtol=1e-5)
    taken = moved[:, 0] - weights[0]
    low, high = -weights[0], weights[1]
    law = truncnorm(low / 0.25, high / 0.25, scale=0.25)
    assert kstest(taken, law.cdf).pvalue > 0.01


def test_a_move_changes_two_archetypes_each_pair_alike():
    before = jnp.ones((6000, 4))
    changed = np.asarray(move_weight(before, 0.25, jax.random.key(1)) != before)
    assert (changed.sum(axis=1) == 2).all()
    _, counts = np.unique(changed @ [1, 2, 4, 8], return_counts=True)
    assert len(counts) == 6
    assert counts.min() > 850


def test_weights_stay_positive_when_there_is_nearly_nothing_left():
    weights = jnp.asarray([[1e-30, 1.0, 1e-38]] * 500, jnp.float32)
    moved = np.asarray(move_weight(weights, 0.25, jax.random.key(2)))
    assert np.isfinite(moved).all()
    assert (moved > 0).all()


def test_cold_chains_only_climb():
    rng = np.random.default_rng(0)
    panel = rng.random((4, 15, 2)), np.ones((15, 2), bool), rng.normal(size=(15, 2))
    few, many = (search_window(*panel, Annealing(chains=8, steps=steps, temperature=1e-6), key=jax.random.key(0)) for steps in (5, 40))
    assert (np.asarray(many.chain_fitness) >= np.asarray(few.chain_fitness)).all()
    assert many.fitness > few.fitness
