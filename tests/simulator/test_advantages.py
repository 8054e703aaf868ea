"""Advantages against a plain loop in float64 over each agent's own turns."""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from massjax.simulator.advantages import advantages, integrated_mispricing, observations_at_end
from massjax.simulator.policy import Policy, initial_policy, value
from massjax.simulator.rollout import Rollout, simulate
from massjax.simulator.settings import TraitSettings
from massjax.simulator.traits import distribution
from tests.simulator.small_market import SMALL


@cache
def played() -> tuple[Policy, Rollout]:
    policy = initial_policy(jax.random.key(5), SMALL.learning.hidden)
    return policy, simulate(policy, distribution(TraitSettings(discount_lowest=0.5)), jax.random.key(1), SMALL.market, markets=4)


def plain(rollout: Rollout, values: np.ndarray, end_values: np.ndarray, at_once: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Advantages and targets, market by market and agent by agent, from the last turn backwards."""
    ticks, accounts = rollout.ticks, rollout.end.accounts
    advantage, target = np.zeros(at_once.shape), np.zeros(at_once.shape)
    for market in range(at_once.shape[1]):
        for agent in range(rollout.traits.risk.shape[1]):
            discount = min(float(rollout.traits.discount[market, agent]), 0.995)
            wealth = (int(accounts.rows[market, 0, agent]) + int(accounts.rows[market, 1, agent]) * int(rollout.end.price[market])) / 100
            next_gain = 200 * float(accounts.rows[market, 2].view(np.float32)[agent]) / 100 / max(wealth, 1000)
            next_value, next_advantage = float(end_values[market, agent]) / (1 - discount), 0.0
            for tick in np.flatnonzero(ticks.actor[:, market] == agent)[::-1]:
                expected = float(values[tick, market]) / (1 - discount)
                surprise = float(at_once[tick, market]) + next_gain + discount * next_value - expected
                advantage[tick, market] = next_advantage = surprise + discount * 0.9 * next_advantage
                target[tick, market] = (next_advantage + expected) * (1 - discount)
                next_value = expected
                next_gain = 200 * float(ticks.gain[tick, market]) / 100 / max(float(ticks.wealth[tick, market]) / 100, 1000)
    return advantage, target


def test_advantages_are_those_of_a_plain_loop():
    policy, rollout = played()

    @jax.jit
    def worked_out(rollout: Rollout):
        end = observations_at_end(rollout.end, rollout.traits, jax.random.key(2), SMALL.market)
        values = value(policy, rollout.ticks.observation), value(policy, end)
        return advantages(policy, rollout, jax.random.key(2), SMALL), values

    estimate, values = jax.tree.map(np.asarray, worked_out(rollout))
    given = jax.tree.map(np.asarray, rollout), *values, estimate.at_once
    advantage, target = plain(*given)
    assert (np.asarray(rollout.ticks.gain) != 0).any()
    np.testing.assert_allclose(estimate.advantage, advantage, rtol=1e-3, atol=1e-3 * np.abs(advantage).max())
    np.testing.assert_allclose(estimate.target, target, rtol=1e-3, atol=1e-3 * np.abs(target).max())


def test_agents_see_the_end_as_they_would_at_their_turn():
    _, rollout = played()
    seen = np.asarray(observations_at_end(rollout.end, rollout.traits, jax.random.key(2), SMALL.market))
    assert seen.shape == (4, SMALL.market.agents, 11)
    np.testing.assert_allclose(seen[..., 9], np.clip((rollout.traits.risk - 2) / 3.09, -1, 1), atol=1e-5)
    cash, held = (np.asarray(account, float) for account in (rollout.end.accounts.cash, rollout.end.accounts.shares))
    held *= np.asarray(rollout.end.price, float)[:, None]
    np.testing.assert_allclose(seen[..., 0], 2 * held / np.maximum(cash + held, 1) - 1, atol=1e-5)


def test_mispricing_is_added_up_until_its_sign_changes():
    mispricing = np.random.default_rng(0).normal(size=(50, 3))
    expected = np.zeros_like(mispricing)
    for market in range(3):
        total = 0.0
        for tick, now in enumerate(mispricing[:, market]):
            total = total + now if np.sign(now) == np.sign(total) else now
            expected[tick, market] = total
    np.testing.assert_allclose(integrated_mispricing(jnp.asarray(mispricing, jnp.float32)), expected, rtol=1e-5)
