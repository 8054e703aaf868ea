"""Traits and endowments have the distribution that is set."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from massjax.simulator.fundamentals import fundamental_shocks
from massjax.simulator.settings import MarketSettings, TraitSettings
from massjax.simulator.traits import distribution, draw_endowments, draw_traits, of_actor


def test_moments_are_those_of_the_settings():
    traits = draw_traits(jax.random.key(0), distribution(TraitSettings(rule_share=0.3)), 200, 500)
    np.testing.assert_allclose([traits.noise.mean(), traits.noise.std()], [0.02008, 0.0098], rtol=0.02)
    np.testing.assert_allclose([traits.risk.mean(), traits.risk.std()], [2.01, 0.98], rtol=0.02)
    np.testing.assert_allclose([traits.discount.min(), traits.discount.max()], [0.75, 0.999], atol=1e-4)
    np.testing.assert_allclose([traits.by_rule.mean(), traits.fundamental.mean(), traits.margin.mean()], [0.3, 10, 0.005], rtol=0.02)
    assert traits.noise.min() == np.float32(1e-4)
    assert traits.risk.min() == 0


def test_spreads_of_0_make_all_alike():
    alike = TraitSettings(noise_spread=0, risk_spread=0, discount_lowest=0.9, discount_highest=0.9)
    traits = draw_traits(jax.random.key(0), distribution(alike), 2, 10)
    for trait, value in ((traits.noise, 0.02), (traits.risk, 2.0), (traits.discount, 0.9)):
        np.testing.assert_array_equal(trait, np.full((2, 10), value, np.float32))


def test_endowments_are_exponential_and_a_market_never_overflows():
    settings = MarketSettings(agents=200)
    cash, shares = draw_endowments(jax.random.key(1), settings, 400)
    assert cash.dtype == shares.dtype == jnp.int32
    np.testing.assert_allclose([cash.mean(), cash.std()], 1.5e6, rtol=0.02)
    np.testing.assert_allclose([shares.mean(), shares.std()], 20, rtol=0.03)
    assert int(cash.max()) == settings.most_cash, "the largest of 80,000 draws is cut off"
    assert np.asarray(cash, np.int64).sum(axis=1).max() < 2**31


def test_the_actor_has_its_own_traits():
    traits = draw_traits(jax.random.key(0), distribution(TraitSettings()), 2, 3)
    actor = jnp.array([[0, 2], [1, 1]], jnp.int32)
    np.testing.assert_array_equal(
        of_actor(traits, actor).risk, [[traits.risk[0, 0], traits.risk[1, 2]], [traits.risk[0, 1], traits.risk[1, 1]]]
    )


def test_fundamentals_are_correlated_as_set():
    shocks = np.asarray(fundamental_shocks(jax.random.key(0), 20_000, 3, 0.4))
    np.testing.assert_allclose(shocks.std(axis=0), 1, atol=0.02)
    np.testing.assert_allclose(np.corrcoef(shocks.T)[np.triu_indices(3, 1)], 0.4, atol=0.03)
    alone = np.asarray(fundamental_shocks(jax.random.key(0), 20_000, 2, 0.0))
    assert abs(np.corrcoef(alone.T)[0, 1]) < 0.03
