from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.optimize import curve_fit
from statsmodels.tsa.stattools import acf

from massjax.errors import DataError
from massjax.statistics.autocorrelation import autocorrelation, autocorrelation_decay, mean_autocorrelation, power_law
from massjax.statistics.over_markets import mean_over_markets, over_markets
from tests.statistics.processes import (
    absolute_garch_autocorrelation,
    autoregression,
    fractional_noise,
    garch,
    garch_square_autocorrelation,
)


def near(found: np.ndarray, known: np.ndarray | float, errors: float = 4.5) -> None:
    """The mean over markets is the known one but for so many of its own standard errors."""
    markets = found.shape[0]
    assert np.isfinite(found).all()
    z = (found.mean(axis=0) - known) / (found.std(axis=0, ddof=1) / np.sqrt(markets))
    assert np.abs(z).max() < errors, z


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(30, 90), st.floats(0, 0.3))
def test_it_is_that_of_statsmodels_with_gaps(seed: int, ticks: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    series = rng.normal(size=(2, ticks)).cumsum(axis=1)
    series[rng.random(series.shape) < missing] = np.nan
    found = autocorrelation(series, range(1, 11))
    for row, each in zip(series, found, strict=True):
        theirs = acf(row, nlags=10, adjusted=True, fft=False, missing="conservative")[1:]
        np.testing.assert_allclose(each, theirs, atol=1e-10)


def slow_corrected(series: list[float], longest: int) -> list[float]:
    known = [t for t, value in enumerate(series) if np.isfinite(value)]
    mean = sum(series[t] for t in known) / len(known)

    def pairs(lag: int) -> list[tuple[int, int]]:
        return [(t, t + lag) for t in known if t + lag in set(known)]

    gamma = {lag: sum((series[s] - mean) * (series[t] - mean) for s, t in pairs(lag)) / len(pairs(lag)) for lag in range(longest + 1)}
    lost = 0.0
    for _ in range(2000):  # the equation for V, by iteration
        lost = sum(len(pairs(abs(lag))) * (gamma[abs(lag)] + lost) for lag in range(-longest, longest + 1)) / len(known) ** 2
    return [(gamma[lag] + lost) / (gamma[0] + lost) for lag in range(1, longest + 1)]


def test_corrected_it_solves_the_equation_for_what_the_mean_takes() -> None:
    rng = np.random.default_rng(0)
    series = np.abs(rng.normal(size=60)) + np.linspace(0, 1, 60)
    series[[3, 17, 18, 40]] = np.nan
    np.testing.assert_allclose(autocorrelation(series, range(1, 6), corrected=True), slow_corrected(series.tolist(), 5), atol=1e-9)


def test_corrected_it_has_no_bias_where_uncorrected_it_has() -> None:
    noise = np.random.default_rng(0).normal(size=(20_000, 100))
    near(mean_autocorrelation(noise, 1, 10), 0.0)
    plain = mean_autocorrelation(noise, 1, 10, corrected=False)
    assert plain.mean() == pytest.approx(-1 / 100, rel=0.1)
    smooth = np.stack([np.convolve(series, np.ones(4), "valid") for series in noise])  # autocorrelation 0.75, 0.5, 0.25, 0
    corrected, uncorrected = autocorrelation(smooth, range(1, 9), corrected=True), autocorrelation(smooth, range(1, 9))
    truth = np.array([0.75, 0.5, 0.25, 0, 0, 0, 0, 0])
    assert np.abs(corrected.mean(axis=0) - truth).max() < 0.02
    assert np.abs(uncorrected.mean(axis=0) - truth)[3:].min() > 0.03


def test_a_random_walks_returns_have_none() -> None:
    returns = np.random.default_rng(0).normal(size=(400, 500))
    for series in (returns, np.abs(returns), np.square(returns)):
        near(autocorrelation(series, range(1, 51), corrected=True), 0.0)


@pytest.mark.parametrize("phi", [-0.3, 0.6])
def test_an_autoregression_has_powers_of_its_coefficient(phi: float) -> None:
    series, lags = autoregression(np.random.default_rng(0), 200, 2000, phi), np.arange(1, 21)
    near(autocorrelation(series, lags.tolist(), corrected=True), phi**lags, errors=5)


def test_squares_of_garch_and_magnitudes_of_absolute_garch_have_the_known_ones() -> None:
    alpha, beta, lags = 0.1, 0.8, np.arange(1, 51)
    returns = garch(np.random.default_rng(0), 400, 4000, alpha, beta)
    found = autocorrelation(np.square(returns), lags.tolist(), corrected=True)
    np.testing.assert_allclose(found.mean(axis=0), garch_square_autocorrelation(alpha, beta, lags), atol=0.006)
    returns = garch(np.random.default_rng(1), 400, 4000, alpha, beta, power=1.0)
    found = autocorrelation(np.abs(returns), lags.tolist(), corrected=True)
    known = absolute_garch_autocorrelation(alpha, beta, lags)
    np.testing.assert_allclose(found.mean(axis=0), known, atol=0.004)
    near(autocorrelation(returns, lags.tolist(), corrected=True), 0.0)
    interval = mean_over_markets(mean_autocorrelation(np.abs(returns), 2, 30))
    assert interval.low < known[1:30].mean() < interval.high


def test_the_mean_over_lags_is_the_mean_over_lags() -> None:
    series = np.random.default_rng(0).normal(size=(3, 400))
    np.testing.assert_allclose(mean_autocorrelation(series, 12, 50), autocorrelation(series, range(12, 51), corrected=True).mean(axis=-1))


def test_where_nothing_can_be_said_it_is_nan_and_wrong_lags_are_named() -> None:
    assert np.isnan(autocorrelation(np.full((2, 50), 0.1), (1, 2))).all()
    assert np.isnan(autocorrelation(np.full(50, np.nan), (1,))).all()
    assert np.isnan(autocorrelation(np.empty((2, 0)), (1,))).all()
    short = autocorrelation(np.array([1.0, 2.0, 4.0, 1.0, 2.0]), (1, 2, 3, 7))
    assert np.isfinite(short).tolist() == [True, True, False, False]
    alternate = np.where(np.arange(60) % 2, np.nan, np.random.default_rng(0).normal(size=60))
    assert np.isfinite(autocorrelation(alternate, (1, 2))).tolist() == [False, True]
    assert np.isnan(autocorrelation(np.random.default_rng(0).normal(size=100), range(1, 60), corrected=True)).all()
    for lags in ((), (0,), (1, -2)):
        with pytest.raises(DataError, match="lags are whole numbers"):
            autocorrelation(np.ones(10), lags)
    for first, last in ((0, 3), (5, 4)):
        with pytest.raises(DataError, match="first lag"):
            mean_autocorrelation(np.ones(10), first, last)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.floats(-1.5, 1.5), st.floats(0.1, 3.0), st.integers(5, 60))
def test_the_power_law_is_scipys_least_squares(seed: int, exponent: float, amplitude: float, points: int) -> None:
    x = np.arange(1, points + 1)
    y = amplitude * x**exponent * (1 + 0.05 * np.random.default_rng(seed).normal(size=points))
    found = power_law(x, y)
    theirs, covariance = curve_fit(lambda at, a, b: a * at**b, x.astype(float), y, p0=(amplitude, exponent + 0.1), ftol=1e-12)
    assert found.amplitude == pytest.approx(theirs[0], rel=1e-4)
    assert found.exponent == pytest.approx(theirs[1], rel=1e-4, abs=1e-5)
    assert found.standard_error == pytest.approx(np.sqrt(covariance[1, 1]), rel=1e-3)


def test_the_power_laws_error_is_that_of_independent_points() -> None:
    rng, x = np.random.default_rng(0), np.arange(1, 51)
    found = [power_law(x, 0.3 * x**-0.5 + rng.normal(scale=0.01, size=50)) for _ in range(300)]
    exponents, errors = np.array([each.exponent for each in found]), np.array([each.standard_error for each in found])
    assert exponents.mean() == pytest.approx(-0.5, abs=0.01)
    assert errors.mean() == pytest.approx(exponents.std(), rel=0.15)


def test_no_power_law_is_nan() -> None:
    x = np.arange(1, 20)
    for y in (np.zeros(19), np.full(19, np.nan), -(x**-0.5), np.where(x == 1, 1.0, 0.0), np.where(x < 3, 1.0 * x, np.nan)):
        found = power_law(x, y)
        assert np.isnan([found.amplitude, found.exponent, found.standard_error]).all()
        assert found.points == np.isfinite(y).sum()
    assert np.isnan(power_law(np.full(5, 2.0), np.ones(5)).exponent)
    with pytest.raises(DataError, match="positive x"):
        power_law(np.arange(5), np.ones(5))


def test_long_memory_decays_with_its_known_exponent() -> None:
    d, lags, ticks = 0.3, range(1, 51), 1000
    series, exact = fractional_noise(np.random.default_rng(0), 100, ticks, d)
    rho = autocorrelation(series, lags)
    found = over_markets(lambda drawn: autocorrelation_decay(drawn, lags, ticks).exponent, rho, draws=200)
    assert found.low < 2 * d - 1 < found.high
    assert found.high - found.low < 0.15
    as_they_are = power_law(np.asarray(lags), rho.mean(axis=0)).exponent
    assert as_they_are < found.low - 0.05
    assert power_law(np.asarray(lags), exact[1:51]).exponent == pytest.approx(2 * d - 1, abs=0.01)


@pytest.mark.parametrize(("amplitude", "beta"), [(0.3, 0.2), (0.5, 0.6), (0.2, 1.4)])
def test_the_decay_is_fitted_as_the_sample_mean_leaves_it(amplitude: float, beta: float) -> None:
    """Autocorrelations of the law less what the mean of T values takes of them give the law back; errors are scipy's."""
    lags, ticks = np.arange(1, 31), 200

    def left(at: np.ndarray, a: float, b: float) -> np.ndarray:
        lost = (1 + 2 * sum((1 - lag / ticks) * a * lag**-b for lag in range(1, ticks))) / ticks
        return (a * at**-b - lost) / (1 - lost)

    exact = autocorrelation_decay(left(lags, amplitude, beta)[None], lags.tolist(), ticks)
    assert (exact.amplitude, exact.exponent) == pytest.approx((amplitude, -beta), abs=1e-5)
    noisy = left(lags, amplitude, beta) + np.random.default_rng(0).normal(scale=1e-3, size=30)
    found = autocorrelation_decay(noisy, lags.tolist(), ticks)
    theirs, covariance = curve_fit(left, lags.astype(float), noisy, p0=(amplitude, beta))
    assert (found.amplitude, -found.exponent) == pytest.approx(tuple(theirs), abs=2e-3)
    assert found.standard_error == pytest.approx(np.sqrt(covariance[1, 1]), rel=0.05)


def test_an_exponential_decay_looks_the_steeper_the_further_one_looks() -> None:
    known = absolute_garch_autocorrelation(0.1, 0.85, np.arange(1, 201))
    near_by, far = (power_law(np.arange(1, last + 1), known[:last]).exponent for last in (10, 200))
    assert far < near_by < 0


def test_a_market_without_autocorrelation_is_left_out_of_the_decay() -> None:
    rho = 0.3 * np.arange(1, 11) ** -0.4
    lags = range(1, 11)
    assert autocorrelation_decay(np.stack([rho, np.full(10, np.nan)]), lags, 500) == autocorrelation_decay(rho, lags, 500)
    for nothing in (np.full((2, 10), np.nan), np.zeros(10), -rho, np.full(10, 0.2)):
        assert np.isnan(autocorrelation_decay(nothing, lags, 500).exponent) or nothing[..., 0] > 0
    assert np.isnan(autocorrelation_decay(rho[:2], range(1, 3), 500).exponent)
    for wrong, ticks in ((range(0, 10), 500), (lags, 10), ((), 500)):
        with pytest.raises(DataError, match="lags lie between 1"):
            autocorrelation_decay(rho, wrong, ticks)
