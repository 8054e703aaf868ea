"""The fast ways from scores to rank covariance against the plain one: pairs with ties of every kind, sorting, matrix products."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from massjax.engine import evaluation, fitness, pairs, prepare_window, ranks
from massjax.engine.opinions import prepare_opinions
from massjax.engine.signals import prepare_products, product_signal, ranking_signal
from massjax.engine.sorting import bitonic_sort, sorted_covariance
from tests.engine import slow_reference as slow

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=20)


def discrete(seed, levels, archetypes=3, stocks=14, dates=3):
    """Scores of few values, so that stocks tie because they are alike and by coincidence, and weights that make them."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, (archetypes, stocks, dates)).astype(np.float32) / 4
    scores[rng.random(scores.shape) < 0.1] = np.nan
    member = rng.random((stocks, dates)) < 0.9
    returns = rng.integers(0, 6, (stocks, dates)).astype(np.float32)
    weights = np.concatenate([np.eye(archetypes), np.ones((1, archetypes)), rng.dirichlet(np.ones(archetypes), 4)]).astype(np.float32)
    return scores, member, returns, weights


@given(seed=seeds, levels=st.integers(1, 5), signal=st.sampled_from(["combined", "mean", "disagreement"]))
@few
def test_ties_by_likeness_and_by_coincidence(seed, levels, signal):
    panel = discrete(seed, levels)
    np.testing.assert_allclose(fitness(*panel, signal=signal), slow.fitness(*panel, signal=signal), atol=1e-5)


@given(seed=seeds)
@few
def test_equal_stocks_are_those_that_are_alike(seed):
    scores, member, returns, _ = discrete(seed, 2)
    window = jax.jit(prepare_window, static_argnums=3)(jnp.asarray(scores), jnp.asarray(member), jnp.asarray(returns), "renormalize")
    common = np.asarray(window.returns.common)
    for date, size in enumerate(np.asarray(window.equal.size)):
        columns = [scores[:, n, date].tobytes() for n in np.flatnonzero(common[date])]
        assert sorted(size[size > 0]) == sorted(columns.count(column) for column in set(columns))
        assert np.asarray(window.equal.rank_sum)[date].sum() == 0


@pytest.mark.parametrize("stocks", [1, 2, 3, 4, 33, 67])
def test_covariance_of_pairs_is_that_of_ranks(stocks):
    rng = np.random.default_rng(stocks)
    signal, returns = rng.normal(size=(2, stocks, 2, 8)).astype(np.float32)
    returns = returns[:, :, 0].T
    equal = pairs.EqualStocks(jnp.ones((2, stocks)), ranks.rank_sums(jnp.asarray(returns.T)).T, jnp.zeros(2))
    found = pairs.pair_covariance(jnp.asarray(signal.reshape(2 * stocks, 8)), pairs.pair_gains(equal))
    expected = [(ranks.rank_sums(jnp.asarray(signal[:, d])) * equal.rank_sum[d][:, None]).sum(0) for d in range(2)]
    np.testing.assert_array_equal(found, expected)


def test_a_tie_between_groups_and_a_missing_signal_are_not_counted_silently():
    signal = np.array([[0.1, 0.1, 0.1], [0.2, 0.1, np.nan], [0.3, 0.3, 0.3]], np.float32)
    equal = pairs.EqualStocks(jnp.ones((1, 3)), jnp.array([[-2.0, 0.0, 2.0]]), jnp.array([8.0]))
    assert np.isnan(pairs.pair_covariance(jnp.asarray(signal), pairs.pair_gains(equal))).tolist() == [[False, True, True]]


@pytest.mark.parametrize("marked", [0, 1, 33, 70])
def test_only_what_is_marked_is_counted_again(marked):
    again = jnp.zeros(70, bool).at[:marked].set(True)[::-1]
    found = evaluation._replace_marked(jnp.zeros((2, 70)), again, lambda which: jnp.ones((2, len(which))))
    np.testing.assert_array_equal(found, np.broadcast_to(again, (2, 70)))


@given(seed=seeds, levels=st.sampled_from([2, 5, 1000]))
@few
def test_sorting_gives_the_sums_of_ranks(seed, levels):
    rng = np.random.default_rng(seed)
    signal = rng.integers(0, levels, (21, 4)).astype(np.float32)
    returns = rng.normal(size=21).astype(np.float32)
    returns[rng.random(21) < 0.2] = np.nan
    one_date, covariance, square = sorted_sums(jnp.asarray(signal), jnp.asarray(returns))
    sums = jax.jit(ranks.rank_sums)(jnp.asarray(np.where(one_date.common[:, None], signal, np.nan)))
    np.testing.assert_array_equal(covariance, (np.asarray(sums) * np.asarray(one_date.ranks)[:, None]).sum(0))
    np.testing.assert_array_equal(square, (np.asarray(sums) ** 2).sum(0))


@jax.jit
def sorted_sums(signal, returns):
    one_date = jax.tree.map(lambda values: values[0], ranks.rank_returns(returns[None], jnp.ones((1, len(returns)), bool)))
    return one_date, *sorted_covariance(signal, one_date)


@pytest.mark.parametrize("stocks", [1, 2, 5, 64, 65])
def test_the_network_sorts(stocks):
    keys = np.random.default_rng(0).integers(0, 20, (stocks, 3)).astype(np.float32)
    ordered, values = bitonic_sort(jnp.asarray(keys), jnp.asarray(keys * 2))
    np.testing.assert_array_equal(ordered[:stocks], np.sort(keys, axis=0))
    np.testing.assert_array_equal(values[:stocks], np.sort(keys, axis=0) * 2)


def test_sorting_and_pairs_agree(monkeypatch):
    panel = slow.panel(3, 4, 40, 3, candidates=10)
    by_pairs = fitness(*panel)
    monkeypatch.setattr(evaluation, "PAIRS_UP_TO", 1)
    jax.clear_caches()
    np.testing.assert_allclose(fitness(*panel), by_pairs, atol=1e-6)
    jax.clear_caches()


def test_the_product_is_the_signal_or_says_that_it_is_not():
    scores, member, _, _ = slow.panel(4, 90, 12, 1, copies=False)
    scores[:, 0] = 0.25
    scores[1:, 1] = 0.25
    opinions = prepare_opinions(jnp.asarray(scores), jnp.asarray(member), "renormalize")
    rows = jax.tree.map(lambda values: values[0], opinions)
    weights = np.random.default_rng(0).dirichlet(np.ones(90), 6).astype(np.float32).T + np.float32(1e-4)
    weights[3:, 4] = 1e-8
    weights[7, 5] = 0.0
    exact = np.asarray(ranking_signal(rows, jnp.asarray(weights), jnp.float32(0.5), "combined"))
    found = np.asarray(product_signal(prepare_products(rows), jnp.asarray(weights), jnp.float32(0.5), "combined"))
    trusted = ~np.isnan(found)
    np.testing.assert_allclose(found[trusted], exact[trusted], atol=1e-6)
    assert trusted[2:, :4].sum() >= 0.9 * (~np.isnan(exact[2:, :4])).sum()
    assert not trusted[0].any()
    assert not trusted[:, 5].any()
