"""The policy's networks against plain numpy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from massjax.simulator.policy import Policy, initial_policy, mean_action, named_arrays, policy_of, squashed, value, zero_intelligence

POLICY = initial_policy(jax.random.key(0), 16)


def plain(layers, inputs: np.ndarray) -> np.ndarray:
    for layer, (weight, bias) in enumerate(layers):
        inputs = inputs @ np.asarray(weight, np.float64) + np.asarray(bias, np.float64)
        inputs = inputs / (1 + np.exp(-inputs)) if layer < 2 else inputs
    return inputs


def test_networks_are_dense_layers_with_silu():
    biased = jax.tree.map(lambda leaf: leaf + 0.1, POLICY)
    observation = np.random.default_rng(0).uniform(-1, 1, (5, 7, 11))
    seen = jnp.asarray(observation, jnp.float32)
    np.testing.assert_allclose(mean_action(biased, seen), plain(biased.actor, observation), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(value(biased, seen), plain(biased.critic, observation)[..., 0], rtol=1e-4, atol=1e-5)
    assert np.abs(mean_action(POLICY, seen)).max() < 0.1, "at first it hardly sees"
    assert not np.any(mean_action(zero_intelligence(POLICY), seen))


def test_weights_are_orthogonal():
    first, second, _ = POLICY.critic
    np.testing.assert_allclose(first.weight @ first.weight.T, 2 * np.eye(11), atol=1e-5)
    np.testing.assert_allclose(second.weight @ second.weight.T, 2 * np.eye(16), atol=1e-5)


def test_named_arrays_give_the_policy_back():
    arrays = {name: np.asarray(array) for name, array in named_arrays(POLICY).items()}
    assert len(arrays) == 12
    back = policy_of(arrays)
    assert isinstance(back, Policy)
    for one, other in zip(jax.tree.leaves(POLICY), jax.tree.leaves(back), strict=True):
        np.testing.assert_array_equal(one, other)


def test_actions_are_between_their_bounds():
    np.testing.assert_allclose(squashed(jnp.array([[0.0, 0.5], [9.0, -9.0]])), [[0, np.tanh(0.5)], [0.999, -0.999]], rtol=1e-6)
