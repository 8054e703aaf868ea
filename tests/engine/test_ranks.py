"""Ranks against scipy: average ranks on ties, missing values left out, by every method."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import rankdata

from massjax.engine import ranks
from tests.engine import slow_reference as slow

METHODS = {"shifts": 512, "sort": 1}


@pytest.fixture(params=METHODS)
def method(request, monkeypatch):
    monkeypatch.setattr(ranks, "PAIRS_UP_TO", METHODS[request.param])
    return request.param


def correlate(signal, returns):
    scored = ~jnp.isnan(signal).all(axis=1)
    one_date = ranks.rank_returns(jnp.asarray(returns)[None], scored[None])
    return ranks.rank_correlation(jnp.asarray(signal), jax.tree.map(lambda values: values[0], one_date))


correlated = jax.jit(correlate)
"""Where no test sets by which method ranks are found."""


def cross_sections(seed, stocks, ragged):
    """Signals with many ties and missing values, and returns with a few of both."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=(stocks, 8)).astype(np.float32)
    signal[:, 1::2] = rng.integers(0, 4, (stocks, 4))
    signal[:, 3] = 1.0
    signal[rng.random(stocks) < 0.1] = np.nan
    if ragged:
        signal[rng.random(signal.shape) < 0.1] = np.nan
    returns = rng.normal(size=stocks).astype(np.float32)
    returns[rng.random(stocks) < 0.1] = np.nan
    returns[:2] = 0.0
    return signal, returns


@pytest.mark.parametrize("stocks", [1, 2, 7, 50])
def test_rank_sums_are_average_ranks(method, stocks):
    values, _ = cross_sections(0, stocks, ragged=True)
    sums = np.asarray(ranks.rank_sums(jnp.asarray(values)))
    for column, found in zip(values.T, sums.T, strict=True):
        known = ~np.isnan(column)
        expected = rankdata(column[known])
        np.testing.assert_array_equal(found[known], 2 * expected - (known.sum() + 1))
        assert (found[~known] == 0).all()


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("stocks", [2, 3, 12, 51])
def test_rank_correlation_is_spearman(method, ragged, stocks):
    for seed in range(3):
        signal, returns = cross_sections(seed, stocks, ragged)
        found = correlate(signal, returns)
        expected = [slow.rank_correlation(column.astype(float), returns) for column in signal.T]
        np.testing.assert_allclose(found, expected, atol=2e-6)


@given(seed=st.integers(0, 2**32 - 1), levels=st.integers(1, 12))
@settings(max_examples=25)
def test_any_pattern_of_ties(seed, levels):
    rng = np.random.default_rng(seed)
    signal = rng.integers(0, levels, (11, 16)).astype(np.float32)
    returns = rng.integers(0, levels, 11).astype(np.float32)
    found = correlated(signal, returns)
    np.testing.assert_allclose(found, [slow.rank_correlation(column.astype(float), returns) for column in signal.T], atol=2e-6)


def test_order_of_the_stocks_cannot_make_a_constant_signal_look_good():
    returns = np.arange(20, dtype=np.float32)
    assert np.isnan(correlate(np.ones((20, 3), np.float32), returns)).all()
