"""Learning: the loss against its formula in float64, one program for every mix, and a policy that gets better."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from massjax.simulator import learn
from massjax.simulator.learn import Lessons, ppo_loss
from massjax.simulator.policy import initial_policy, mean_action, value
from massjax.simulator.settings import LearningSettings, TraitSettings
from massjax.simulator.traits import distribution
from tests.simulator.small_market import SMALL

SETTINGS = LearningSettings(action_prior=0.01)


def lessons() -> Lessons:
    rng = np.random.default_rng(0)
    shape = (3, 20)
    drawn = (rng.uniform(-1, 1, (*shape, 11)), rng.normal(0, 0.4, (*shape, 2)), *rng.normal(size=(3, *shape)), rng.random(shape) < 0.7)
    return Lessons(*(jnp.asarray(values, jnp.float32) for values in drawn))._replace(
        density=jnp.asarray(-rng.exponential(1, shape), jnp.float32)
    )


def test_the_loss_is_that_of_the_formula():
    policy, given = initial_policy(jax.random.key(0), 16), lessons()
    loss, (value_error, clipped) = ppo_loss(policy, given, SETTINGS)
    mean, said = (np.asarray(values, np.float64) for values in (mean_action(policy, given.observation), value(policy, given.observation)))
    latent, density, advantage, target, weight = (np.asarray(values, np.float64) for values in given[1:])
    ratio = np.exp(-0.5 * (((latent - mean) / SETTINGS.spread) ** 2).sum(-1) - density)
    gained = np.minimum(ratio * advantage, np.clip(ratio, 0.8, 1.2) * advantage)
    error = np.average((said - target) ** 2, weights=weight)
    centre, deviation = mean.mean((0, 1)), mean.std((0, 1)) + 1e-4
    divergence = 0.5 * (np.log(deviation.sum()) - 2 + (1 / deviation).sum() + (centre**2 / deviation).sum())
    np.testing.assert_allclose(value_error, error, rtol=1e-5)
    np.testing.assert_allclose(clipped, np.average(np.abs(ratio - 1) > 0.2, weights=weight), rtol=1e-5)
    np.testing.assert_allclose(loss, -np.average(gained, weights=weight) + 0.5 * error + 0.01 * divergence, rtol=1e-4)


def test_learning_is_one_program_whatever_the_mix_and_a_seed_gives_one_policy():
    learn.step.clear_cache()
    policies = []
    for traits in (TraitSettings(), TraitSettings(), TraitSettings(risk_mean=0.5, rule_share=0.5)):
        state = learn.init(jax.random.key(0), SMALL.learning)
        before = jax.tree.map(np.asarray, state.policy)
        for _ in range(2):
            state, progress = learn.step(state, distribution(traits), SMALL)
        policies.append(jax.tree.map(np.asarray, state.policy))
        assert int(state.updates) == 2
        assert all(np.isfinite(fact) for fact in progress)
        assert 0 < progress.trades < 1
        assert all((one != other).any() for one, other in zip(jax.tree.leaves(before), jax.tree.leaves(policies[-1]), strict=True))
    assert learn.step._cache_size() == 1
    first, second, other = (jax.tree.leaves(policy) for policy in policies)
    for one, same, different in zip(first, second, other, strict=True):
        np.testing.assert_array_equal(one, same)
        assert (one != different).any()
