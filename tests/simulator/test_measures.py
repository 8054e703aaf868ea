"""Measures of simulated markets, on markets of which they are known."""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

from massjax.simulator.measures import Health, ailments, health, rank_relation
from massjax.simulator.rollout import Ticks


def ticks_of(price: np.ndarray, log_fundamental: np.ndarray, trades: np.ndarray) -> Ticks:
    values = dict.fromkeys(Ticks._fields, np.zeros_like(log_fundamental)) | {
        "price": price,
        "log_fundamental": log_fundamental,
        "trades": trades,
    }
    return Ticks(**values)  # type: ignore[arg-type]


def test_prices_that_follow_the_fundamental_are_healthy():
    rng = np.random.default_rng(0)
    path = np.log(30_000) + np.cumsum(rng.normal(0, 0.002, (1000, 4)), axis=0)
    errors = rng.normal(0, 0.01, path.shape)
    found = health(
        ticks_of(np.round(np.exp(path + errors)).astype(np.int32), path, (np.arange(4000).reshape(1000, 4) % 4 == 0).astype(np.int32))
    )
    assert found.trades == 0.25
    np.testing.assert_allclose(found.mispricing, 0.01, rtol=0.05)
    expected = 0.002**2 * 50 / np.sqrt(0.002**2 * 50 * (0.002**2 * 50 + 2 * 0.01**2))
    np.testing.assert_allclose(found.correlation, expected, atol=0.12)
    np.testing.assert_allclose(found.least_variance, 0.002**2 + 2 * 0.01**2, rtol=0.15)
    assert ailments(found, Health(0.4, 0.35, 0.0, 1e-5)) == ()


def test_a_dried_up_market_is_told():
    path = np.log(30_000) + np.cumsum(np.random.default_rng(0).normal(0, 0.002, (200, 2)), axis=0)
    still = ticks_of(np.full((200, 2), 30_000, np.int32), path, np.zeros((200, 2), np.int32))
    found = health(still)
    assert np.isnan(found.correlation)
    words = ailments(found, Health(0.4, 0.05, 0.0, 1e-5))
    assert len(words) == 5 + (found.mispricing > 0.015)
    assert words[0] == "trades in 0.0 % of the ticks: expected at least 10 %"
    assert words[-1] == "a market whose price does not move"


def test_rank_relations_are_those_of_scipy_and_permuted_traits_give_none():
    rng = np.random.default_rng(1)
    trait = rng.normal(size=(30, 40))
    behaviour = np.round(trait + rng.normal(size=trait.shape), 1)
    behaviour[rng.random(trait.shape) < 0.1] = np.nan
    correlation, z = rank_relation(trait, behaviour)
    by_market = [spearmanr(t[np.isfinite(b)], b[np.isfinite(b)]).statistic for t, b in zip(trait, behaviour, strict=True)]
    np.testing.assert_allclose(correlation, np.mean(by_market), rtol=1e-9)
    standard_error = 1 / np.sqrt(30 * 35)
    np.testing.assert_allclose(z, correlation / standard_error, rtol=0.2)
    nothing, small = rank_relation(rng.normal(size=trait.shape), behaviour, seed=3)
    assert abs(nothing) < 0.1
    assert abs(small) < 4
    assert rank_relation(np.ones((2, 5)), np.arange(10.0).reshape(2, 5)) == (0.0, 0.0)
