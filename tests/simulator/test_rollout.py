"""Whole simulated markets: exact conservation, a fixed seed, populations and controls, one program."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from massjax.errors import ConfigError
from massjax.simulator.policy import initial_policy, zero_intelligence
from massjax.simulator.rollout import Rollout, simulate
from massjax.simulator.settings import TraitSettings
from massjax.simulator.traits import distribution, draw_endowments
from tests.simulator.small_market import SMALL

POLICY = initial_policy(jax.random.key(0), SMALL.learning.hidden)


def simulated(seed: int = 0, traits: TraitSettings = SMALL.traits, policy=POLICY, **options) -> Rollout:
    done = simulate(policy, distribution(traits), jax.random.key(seed), SMALL.market, markets=6, parts=2, **options)
    return jax.tree.map(np.asarray, done)


@pytest.fixture(scope="module")
def usual() -> Rollout:
    return simulated()


def test_cash_and_shares_are_conserved_and_never_negative(usual):
    market = SMALL.market
    keys = jax.random.split(jax.random.split(jax.random.key(0))[1], 2)
    starts = [draw_endowments(jax.random.split(key, 3)[0], market, 3) for key in keys]
    for row, parts in enumerate(zip(*starts, strict=True)):
        first, last = np.concatenate(parts), usual.end.accounts.rows[:, row]
        assert last.min() >= 0
        np.testing.assert_array_equal(last.sum(axis=1, dtype=np.int64), first.sum(axis=1, dtype=np.int64))
        assert (last != first).any(), "something was traded"
    assert usual.ticks.traded.sum() > 0
    assert min(usual.ticks.cash.min(), usual.ticks.shares.min()) >= 0


def test_a_seed_gives_one_market(usual):
    for one, other in zip(jax.tree.leaves(usual), jax.tree.leaves(simulated()), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (simulated(seed=1).ticks.price != usual.ticks.price).any()


def test_every_population_is_the_same_program(usual):
    before = simulate._cache_size()
    rules = simulated(traits=TraitSettings(rule_share=1.0))
    assert rules.traits.by_rule.all()
    assert (np.abs(rules.ticks.action[..., 1]) == np.float32(0.05)).all()
    simulated(traits=TraitSettings(noise_spread=0, risk_spread=0))
    simulated(policy=zero_intelligence(POLICY))
    assert simulate._cache_size() == before


def test_markets_that_cannot_be_shared_out_are_refused():
    with pytest.raises(ConfigError, match="markets: 6 cannot be shared out equally over 4 parts; make it a multiple of 4"):
        simulate(POLICY, distribution(SMALL.traits), jax.random.key(0), SMALL.market, markets=6, parts=4)


def test_zero_intelligence_acts_at_random():
    acted = simulated(policy=zero_intelligence(POLICY)).ticks
    np.testing.assert_allclose(acted.action, np.clip(np.tanh(np.exp(-1) * acted.noise), -0.999, 0.999), rtol=1e-4)


def test_what_is_recorded_is_what_the_market_did(usual):
    ticks, market = usual.ticks, SMALL.market
    assert ticks.price.shape == (market.ticks, 6)
    for at in range(6):
        agent = ticks.actor[-1, at]
        assert ticks.cash[-1, at] == usual.end.accounts.rows[at, 0, agent]
        assert ticks.shares[-1, at] == usual.end.accounts.rows[at, 1, agent]
    np.testing.assert_array_equal(ticks.price[-1], usual.end.price)
    np.testing.assert_array_equal(ticks.middle[-1], usual.end.middle)
    np.testing.assert_allclose(ticks.action, np.clip(np.tanh(ticks.latent), -0.999, 0.999), rtol=1e-5)
    traded = ticks.trades > 0
    assert traded.any()
    assert (ticks.traded[traded] >= ticks.trades[traded]).all()
    assert (ticks.traded[~traded] == 0).all()
    assert (ticks.traded <= ticks.ordered).all()
    still = np.vstack([np.zeros((1, 6), bool), ~traded[1:]])
    np.testing.assert_array_equal(ticks.price[still], np.roll(ticks.price, 1, axis=0)[still])
    own = np.take_along_axis(usual.traits.risk.T, ticks.actor, axis=0)
    np.testing.assert_allclose(ticks.observation[..., 9], np.clip((own - 2) / 3.09, -1, 1), atol=1e-5)
    assert (ticks.log_fundamental[0] == np.float32(np.log(market.price))).all(), "it does not move before the opening"
    assert (np.ptp(ticks.log_fundamental, axis=0) > 0).all()


def test_shuffled_traits_are_nobodys(usual):
    shuffled = simulated(shuffled=True)
    own = np.take_along_axis(shuffled.traits.risk.T, shuffled.ticks.actor, axis=0)
    shown = shuffled.ticks.observation[..., 9]
    alike = np.abs(shown - np.clip((own - 2) / 3.09, -1, 1)) < 1e-4
    np.testing.assert_allclose(alike.mean(), 1 / SMALL.market.agents, atol=0.08)
    mixed = [np.unique(shown[:, at].round(5)).tolist() for at in range(6)]
    for at, seen in enumerate(mixed):
        assert set(seen) <= set(np.clip((shuffled.traits.risk[at] - 2) / 3.09, -1, 1).round(5).tolist())
