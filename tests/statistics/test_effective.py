from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import spearmanr
from statsmodels.stats.power import NormalIndPower
from statsmodels.tsa.stattools import acf

from massjax.statistics.effective import effective_archetypes, effective_opinions, independent_days, power, rank_correlation
from massjax.statistics.intervals import newey_west_lags


@given(st.integers(1, 60), st.floats(0.01, 100.0), st.integers(0, 5))
def test_equal_weights_count_whole_and_zeros_not_at_all(archetypes: int, weight: float, unused: int) -> None:
    weights = np.array([weight] * archetypes + [0.0] * unused)
    assert float(effective_archetypes(weights)) == pytest.approx(archetypes)


def test_effective_archetypes_is_what_averaging_gains() -> None:
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(6))
    noise = weights @ rng.normal(size=(6, 200_000))
    assert float(effective_archetypes(weights)) == pytest.approx(1 / noise.var(), rel=0.02)


def test_no_weight_at_all_has_no_effective_number() -> None:
    found = effective_archetypes(np.array([[0.0, 0.0], [np.nan, 1.0], [3.0, 0.0]], np.float32))
    np.testing.assert_array_equal(found, [np.nan, np.nan, 1.0])


def test_rank_correlation_of_one_date_is_spearmans() -> None:
    scores = np.random.default_rng(0).integers(0, 6, size=(4, 30, 1)) / 5
    np.testing.assert_allclose(rank_correlation(scores), spearmanr(scores[:, :, 0], axis=1).statistic, atol=1e-12)


def test_rank_correlation_with_gaps_is_the_sum_over_what_both_scored() -> None:
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 5, size=(3, 12, 7)) / 4
    scores[rng.random(scores.shape) < 0.2] = np.nan
    member = rng.random((12, 7)) < 0.9
    z = np.full(scores.shape, np.nan)
    for k in range(3):
        for t in range(7):
            given_here = [n for n in range(12) if member[n, t] and np.isfinite(scores[k, n, t])]
            values = scores[k, given_here, t]
            ranks = [(values < v).sum() + ((values == v).sum() + 1) / 2 for v in values]
            z[k, given_here, t] = (ranks - np.mean(ranks)) / np.std(ranks)
    for j in range(3):
        for k in range(3):
            both = np.isfinite(z[j]) & np.isfinite(z[k])
            expected = (z[j][both] @ z[k][both]) / np.sqrt((z[j][both] @ z[j][both]) * (z[k][both] @ z[k][both]))
            assert rank_correlation(scores, member)[j, k] == pytest.approx(expected, abs=1e-12)


def test_of_many_dates_an_even_choice_is_used() -> None:
    scores = np.random.default_rng(0).random((3, 10, 101))
    np.testing.assert_allclose(rank_correlation(scores, most_dates=11), rank_correlation(scores[:, :, ::10]))


def test_an_archetype_that_says_nothing_is_no_opinion() -> None:
    scores = np.random.default_rng(0).random((3, 20, 10))
    scores[1] = 0.5
    correlation = rank_correlation(scores)
    assert np.isnan(correlation[1]).all()
    assert np.isnan(correlation[:, 1]).all()
    assert effective_opinions(correlation) == pytest.approx(effective_opinions(rank_correlation(scores[[0, 2]])))
    assert np.isnan(effective_opinions(np.full((2, 2), np.nan)))
    assert np.isnan(rank_correlation(np.empty((2, 5, 0)))).all()


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_opinions_are_the_participation_ratio_of_the_eigenvalues(seed: int, archetypes: int) -> None:
    loadings = np.random.default_rng(seed).normal(size=(archetypes, archetypes + 2))
    loadings /= np.linalg.norm(loadings, axis=1, keepdims=True)
    eigenvalues = np.linalg.eigvalsh(loadings @ loadings.T)
    assert effective_opinions(loadings @ loadings.T) == pytest.approx(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())


def test_identical_archetypes_are_one_opinion_and_strangers_are_many() -> None:
    scores = np.random.default_rng(0).random((1, 40, 30))
    assert effective_opinions(rank_correlation(np.repeat(scores, 8, axis=0))) == pytest.approx(1.0)
    assert effective_opinions(rank_correlation(np.random.default_rng(0).random((8, 40, 200)))) == pytest.approx(8, rel=0.01)


@pytest.mark.parametrize(("phi", "overlap"), [(0.0, 1), (0.5, 1), (0.8, 1), (0.0, 5)])
def test_independent_days_of_series_with_a_known_number(phi: float, overlap: int) -> None:
    rng, dates = np.random.default_rng(0), 20_000
    daily = np.convolve(rng.normal(size=dates + overlap - 1), np.ones(overlap), "valid")
    for t in range(1, dates if phi else 0):
        daily[t] += phi * daily[t - 1]
    known_number = dates * (1 - phi) / (1 + phi) / overlap
    assert independent_days(daily, overlap) == pytest.approx(known_number, rel=0.15)


def test_independent_days_sums_statsmodels_autocorrelations() -> None:
    daily = np.convolve(np.random.default_rng(0).normal(size=304), np.ones(5), "valid")
    lags = newey_west_lags(300, 5)
    taper, share = 1 - np.arange(1, lags + 1) / (lags + 1), (lags + 1) / 300
    inflation = (1 + 2 * (taper * acf(daily, nlags=lags, fft=False)[1:]).sum()) / (1 - share + share**2 / 3)
    assert independent_days(daily, 5) == pytest.approx(300 / inflation)


def test_independent_days_never_exceed_the_days() -> None:
    alternating = np.tile([1.0, -1.0], 50)
    assert independent_days(alternating, 1) == 100
    assert np.isnan(independent_days(np.array([0.1, np.nan]), 1))
    assert np.isnan(independent_days(np.full(50, 0.1), 1))


@settings(max_examples=30)
@given(st.floats(0.002, 0.03), st.floats(0.002, 0.03), st.integers(50, 2000))
def test_power_is_that_of_statsmodels(gain: float, error: float, dates: int) -> None:
    found, theirs = power(gain, error, dates), NormalIndPower()
    effect = gain / (error * np.sqrt(dates))  # in standard deviations of one date
    assert found.power == pytest.approx(theirs.power(effect, dates, 0.05, ratio=0, alternative="larger"))
    reached = theirs.power(effect, found.dates, 0.05, ratio=0, alternative="larger")
    short = theirs.power(effect, max(found.dates - 1, 1e-9), 0.05, ratio=0, alternative="larger")
    assert short < 0.8 + 1e-9
    assert reached >= 0.8 - 1e-9
    assert found.further == max(found.dates - dates, 0)


def test_no_gain_is_never_seen_and_nothing_known_is_nan() -> None:
    lost = power(-0.01, 0.01, 250)
    assert (lost.dates, lost.further) == (np.inf, np.inf)
    assert lost.power < 0.05
    for gain, error in ((np.nan, 0.01), (0.01, np.nan), (0.01, 0.0)):
        assert np.isnan([power(gain, error, 250).power, power(gain, error, 250).dates]).all()
