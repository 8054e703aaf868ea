"""The compiled kernels against exact ranks: ties, gaps, signals that keys cannot tell apart, and the whole evaluation by each method."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import rankdata

from massjax.engine import evaluation, fitness, ranks
from massjax.engine.cpu import compiled
from tests.engine import slow_reference as slow

pytest.importorskip("numba", reason="numba is not installed: pip install 'massjax[numba]'")


def returns_of(values: np.ndarray) -> ranks.Returns:
    return jax.jit(ranks.rank_returns)(jnp.asarray(values, jnp.float32), jnp.ones(values.shape, bool))


def expected(signal: np.ndarray, returns: ranks.Returns) -> tuple[np.ndarray, np.ndarray]:
    """Of one date, by scipy's average ranks in float64."""
    common = np.asarray(returns.common[0])
    known = signal[common].astype(float)
    sums = 2 * rankdata(known, axis=0) - (common.sum() + 1)
    return (sums * np.asarray(returns.ranks[0], float)[common, None]).sum(0), (sums**2).sum(0)


SHAPES = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "ties": lambda rng, shape: rng.integers(0, 7, shape),
    "constant": lambda rng, shape: np.full(shape, 0.3),
    "an outlier": lambda rng, shape: np.where(np.arange(shape[0])[:, None] == 3, 1e9, rng.normal(size=shape)),
    "clusters": lambda rng, shape: rng.choice([0.0, 1.0], shape) + 1e-5 * rng.normal(size=shape),
    "a range beyond float32": lambda rng, shape: rng.choice([-3e38, 3e38], shape) * rng.random(shape),
    "barely above zero": lambda rng, shape: rng.integers(1, 50, shape) * 1.5e-38,
    "zeros of both signs": lambda rng, shape: rng.choice([-0.0, 0.0, 1.0], shape),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("stocks", [1, 2, 9, 200, 1000])
def test_sums_are_those_of_average_ranks(shape, stocks):
    rng = np.random.default_rng(stocks)
    signal = SHAPES[shape](rng, (stocks, 11)).astype(np.float32)
    returns = returns_of(np.where(rng.random(stocks) < 0.2, np.nan, rng.normal(size=stocks))[None])
    covariance, square = jax.jit(compiled.ranked_covariance)(jnp.asarray(signal), returns)
    exact = expected(signal, returns)
    np.testing.assert_allclose(covariance[0], exact[0], rtol=1e-6, atol=0.5)
    np.testing.assert_allclose(square[0], exact[1], rtol=1e-6)


def test_a_missing_signal_is_told_and_the_others_are_not_touched():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(40, 5)).astype(np.float32)
    values = rng.normal(size=40)
    values[7] = np.nan
    whole, _ = compiled.ranked_covariance(jnp.asarray(signal), returns_of(values[None]))
    signal[7, 1] = np.nan  # has no return
    signal[8, 2] = np.nan
    covariance, _ = compiled.ranked_covariance(jnp.asarray(signal), returns_of(values[None]))
    assert np.isnan(covariance[0]).tolist() == [False, False, True, False, False]
    np.testing.assert_array_equal(np.delete(covariance[0], 2), np.delete(whole[0], 2))


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.sampled_from([2, 3, 17, 60]), st.integers(1, 3))
def test_dates_lie_below_each_other(seed, stocks, dates):
    rng = np.random.default_rng(seed)
    signal = rng.integers(0, 30, (stocks, dates, 3)).astype(np.float32)
    returns = returns_of(rng.integers(0, 9, (dates, stocks)).astype(float))
    covariance, square = compiled.ranked_covariance(jnp.asarray(signal.reshape(stocks * dates, 3)), returns)
    for date in range(dates):
        one = jax.tree.map(lambda leaf, date=date: leaf[date : date + 1], returns)
        exact = expected(signal[:, date], one)
        np.testing.assert_array_equal(covariance[date], exact[0])
        np.testing.assert_array_equal(square[date], exact[1])


@pytest.mark.parametrize("method", ["compiled", "network"])
def test_every_method_of_ranking_gives_the_same_fitness(monkeypatch, method):
    panel = slow.panel(3, 4, 150, 3, candidates=10)
    monkeypatch.setattr(evaluation, "ranking_method", lambda stocks: "pairs")
    jax.clear_caches()
    by_pairs = fitness(*panel)
    monkeypatch.setattr(evaluation, "ranking_method", lambda stocks: method)
    jax.clear_caches()
    np.testing.assert_allclose(fitness(*panel), by_pairs, atol=1e-6)
    jax.clear_caches()


@pytest.mark.parametrize("signal", ["mean", "disagreement", "combined"])
@pytest.mark.parametrize("missing", ["renormalize", "zero"])
def test_fitness_is_that_of_a_slow_loop(signal, missing):
    """Gaps, ties between returns, a stock that nobody scored, a candidate with weights of 0, more candidates than columns."""
    scores, member, returns, weights = slow.panel(7, 6, 23, 4, candidates=compiled.COLUMNS + 3)
    returns[3] = returns[11]
    scores[:, 5] = np.nan
    weights[2, 1:] = 0.0
    found = fitness(scores, member, returns, weights, alpha=0.3, signal=signal, missing=missing)
    expected = slow.fitness(scores, member, returns, weights, alpha=0.3, signal=signal, missing=missing)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_equal_means_tie_whoever_is_missing():
    rng = np.random.default_rng(0)
    weights = np.concatenate([rng.integers(1, 64, (40, 2)) / 64, np.zeros((40, 1))], axis=1)
    scores = np.repeat(rng.integers(0, 5, 30) / 4, 3).reshape(30, 3).T[:, :, None].copy()
    scores[2, ::2], scores[2, 1::2] = np.nan, 0.9
    member, returns = np.ones((30, 1), bool), rng.normal(size=(30, 1))
    found = fitness(scores, member, returns, weights, signal="mean")
    np.testing.assert_allclose(found, slow.fitness(scores, member, returns, weights, signal="mean"), atol=1e-5)


@pytest.mark.parametrize("stocks", [3, 60, 400])
def test_a_candidate_that_lacks_signals_is_ranked_over_the_others(stocks):
    """Half of the scores missing, and candidates with one archetype, two, or all: most lack a signal somewhere. Stocks and returns tie."""
    rng = np.random.default_rng(stocks)
    scores = np.where(rng.random((5, stocks, 3)) < 0.5, np.nan, rng.random((5, stocks, 3)))
    scores[:, ::3] = scores[:, 1:2]
    returns = rng.integers(0, stocks // 2, (stocks, 3)) / 100
    weights = np.concatenate([np.eye(5), np.eye(5) + np.roll(np.eye(5), 1, axis=1), rng.random((30, 5))])
    panel = (scores, np.ones((stocks, 3), bool), returns, weights)
    np.testing.assert_allclose(fitness(*panel), slow.fitness(*panel), atol=1e-5)


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_the_unit_of_the_scores_does_not_matter(unit):
    scores, member, returns, weights = slow.panel(2, 5, 31, 2, candidates=9)
    expected = slow.fitness(scores, member, returns, weights)
    np.testing.assert_allclose(fitness(scores.astype(float) * unit, member, returns, weights), expected, atol=1e-5)


def test_a_candidate_does_not_see_the_others():
    scores, member, returns, weights = slow.panel(9, 4, 40, 3, candidates=2 * compiled.COLUMNS)
    together = np.asarray(fitness(scores, member, returns, weights))
    for some in (slice(0, 1), slice(5, 40), slice(None, None, -1)):
        np.testing.assert_array_equal(fitness(scores, member, returns, weights[some]), together[some])


@pytest.mark.parametrize("stocks", [*range(1, 70), 127, 128, 129, 300, 1025])
def test_the_network_sorts_any_number_of_rows(stocks):
    from massjax.engine.cpu.column_sort import sort

    keys = np.random.default_rng(stocks).integers(0, 2 * stocks, (stocks, compiled.COLUMNS)).astype(np.int32)
    expected = np.sort(keys, axis=0)
    sort(keys, stocks)
    np.testing.assert_array_equal(keys, expected)


def test_fitness_of_many_stocks_is_that_of_a_slow_loop():
    scores, member, returns, weights = slow.panel(5, 3, 600, 2, candidates=6)
    assert evaluation.ranking_method(scores.shape[1]) == "compiled"
    np.testing.assert_allclose(fitness(scores, member, returns, weights), slow.fitness(scores, member, returns, weights), atol=1e-5)


def test_without_numba_the_other_methods_take_over(monkeypatch):
    monkeypatch.setattr(evaluation, "available", lambda: False)
    assert [evaluation.ranking_method(stocks) for stocks in (50, 512, 513)] == ["pairs", "pairs", "network"]


def test_more_stocks_than_fit_into_a_key_are_left_to_the_network():
    assert [evaluation.ranking_method(compiled.COMPILED_UP_TO + more) for more in (0, 1)] == ["compiled", "network"]


def test_it_can_be_batched():
    rng = np.random.default_rng(0)
    signal, returns = rng.normal(size=(3, 20, 4)).astype(np.float32), returns_of(rng.normal(size=(1, 20)))
    batched = jax.vmap(lambda one: compiled.ranked_covariance(one, returns))(jnp.asarray(signal))
    for one, covariance in zip(signal, batched[0], strict=True):
        np.testing.assert_array_equal(covariance, compiled.ranked_covariance(jnp.asarray(one), returns)[0])
