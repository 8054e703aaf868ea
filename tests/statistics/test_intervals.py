from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
import statsmodels.api
from arch.bootstrap import StationaryBootstrap, optimal_block_length
from arch.covariance.kernel import Bartlett
from hypothesis import given, settings, strategies as st
from scipy import stats

from massjax.statistics.intervals import (
    Interval,
    block_length,
    long_run_variance,
    newey_west,
    newey_west_lags,
    resampled_dates,
    stationary_bootstrap,
)


def overlapping(rng: np.random.Generator, dates: int, horizon: int) -> np.ndarray:
    return np.convolve(rng.normal(size=dates + horizon - 1), np.ones(horizon), "valid")


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(20, 120), st.integers(0, 15))
def test_long_run_variance_is_that_of_statsmodels_and_arch(seed: int, dates: int, lags: int) -> None:
    daily = np.random.default_rng(seed).normal(size=dates).cumsum() * 0.1 + 1
    share = (lags + 1) / dates
    uncorrected = long_run_variance(daily, lags) * (1 - share + share**2 / 3)
    fitted = statsmodels.api.OLS(daily, np.ones(dates)).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
    assert uncorrected == pytest.approx(float(fitted.bse[0]) ** 2 * dates)
    assert uncorrected == pytest.approx(Bartlett(daily, bandwidth=lags, df_adjust=0).cov.long_run.item())


def test_the_correction_makes_independent_values_come_out_right() -> None:
    rng, lags = np.random.default_rng(0), 20
    mean = np.mean([long_run_variance(rng.normal(size=60), lags) for _ in range(4000)])
    assert mean == pytest.approx(1.0, abs=0.03)


def test_a_date_without_a_value_keeps_its_place() -> None:
    daily = np.random.default_rng(0).normal(size=40)
    gaps = daily.copy()
    gaps[[3, 4, 17, 39]] = np.nan
    known = [t for t in range(40) if np.isfinite(gaps[t])]
    centre, lags = np.mean([gaps[t] for t in known]), newey_west_lags(40, 5)
    total = sum(
        max(0.0, 1 - abs(s - t) / (lags + 1)) * (gaps[s] - centre) * (gaps[t] - centre) for s in known for t in known if abs(s - t) <= lags
    )
    share = (lags + 1) / 40
    variance = total / len(known) / (1 - share + share**2 / 3)
    found = newey_west(gaps, 5)
    assert found.standard_error == pytest.approx(np.sqrt(variance / len(known)))
    assert found.dates == 36
    assert found.standard_error != pytest.approx(newey_west(gaps[np.isfinite(gaps)], 5).standard_error, rel=1e-3)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1, 0.2])
def test_critical_values_are_kiefer_and_vogelsangs(share: float) -> None:
    """Theirs: 97.5 % critical values of Bartlett's kernel as a cubic in the bandwidth's share of the sample."""
    theirs = 1.96 + 2.9694 * share + 0.416 * share**2 - 0.5324 * share**3
    ours = stats.t.ppf(0.975, 1.5 / share) / np.sqrt(1 - share + share**2 / 3)
    assert ours == pytest.approx(theirs, rel=0.02)


def test_newey_west_interval_holds_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = dict.fromkeys(((60, 5), (250, 5), (250, 1), (250, 20)), 0.0)
    trials = 800
    for dates, horizon in held:
        for _ in range(trials):
            interval = newey_west(overlapping(rng, dates, horizon), horizon)
            held[dates, horizon] += (interval.low <= 0 <= interval.high) / trials
    assert min(held.values()) > 0.88
    assert max(held.values()) < 0.97
    assert held[250, 5] > 0.91


def test_bootstrap_interval_holds_the_mean_nearly_as_often_as_it_says() -> None:
    rng, trials = np.random.default_rng(0), 250
    held = by_quantiles = 0.0
    for _ in range(trials):
        daily = overlapping(rng, 250, 5)
        interval = stationary_bootstrap(daily, 5, draws=300)
        held += (interval.low <= 0 <= interval.high) / trials
        by_quantiles += (abs(daily.mean()) <= 1.96 * interval.standard_error) / trials
    assert 0.89 < held < 0.98
    assert held > by_quantiles


def test_resampled_dates_are_those_of_arch_and_run_in_blocks() -> None:
    dates = resampled_dates(200, block=8, draws=50, seed=3)
    theirs = StationaryBootstrap(8, np.arange(200), seed=np.random.default_rng(3))
    np.testing.assert_array_equal(dates, [sample[0][0] for sample in theirs.bootstrap(50)])
    goes_on = (np.diff(dates, axis=1) % 200 == 1).mean()
    assert goes_on == pytest.approx(1 - 1 / 8, abs=0.01)


def test_the_spread_of_the_resampled_means_is_archs() -> None:
    daily = overlapping(np.random.default_rng(1), 250, 5)
    found = stationary_bootstrap(daily, 5, draws=400, seed=7)
    theirs = StationaryBootstrap(found.memory, daily, seed=np.random.default_rng(7))
    assert found.standard_error == pytest.approx(theirs.apply(np.mean, 400).std(ddof=1))


def test_bootstrap_interval_has_archs_studentised_quantiles() -> None:
    """arch scales the quantiles by the spread of the resampled means, massjax by the Newey–West error of the series."""
    daily = overlapping(np.random.default_rng(1), 120, 5) + 0.3
    lags, level = newey_west_lags(120, 5), 0.9
    found = stationary_bootstrap(daily, 5, level, draws=300, seed=7)

    def error(mean: np.ndarray, values: np.ndarray) -> np.ndarray:
        return np.array([np.sqrt(long_run_variance(values, lags) / values.size)])

    bootstrap = StationaryBootstrap(found.memory, daily, seed=np.random.default_rng(7))
    theirs = bootstrap.conf_int(lambda values: np.array([values.mean()]), 300, method="studentized", size=level, std_err_func=error)
    spread = found.standard_error * np.sqrt(299 / 300)
    ours = (np.array([found.low, found.high]) - daily.mean()) / newey_west(daily, 5).standard_error
    np.testing.assert_allclose(ours, (theirs[:, 0] - daily.mean()) / spread, rtol=1e-9)


def test_block_length_is_archs_and_no_shorter_than_the_overlap() -> None:
    slow = np.random.default_rng(0).normal(size=250)
    for t in range(1, 250):
        slow[t] += 0.8 * slow[t - 1]
    best = float(optimal_block_length(slow)["stationary"].iloc[0])
    assert best > 5
    assert block_length(slow, 5) == int(np.ceil(best))
    assert block_length(np.random.default_rng(0).normal(size=250), 20) == 20


def test_the_same_seed_gives_the_same_interval() -> None:
    daily = overlapping(np.random.default_rng(2), 100, 5)
    assert stationary_bootstrap(daily, 5, seed=1) == stationary_bootstrap(daily, 5, seed=1)
    assert stationary_bootstrap(daily, 5, seed=1).low != stationary_bootstrap(daily, 5, seed=2).low


@pytest.mark.parametrize("interval", [newey_west, stationary_bootstrap])
def test_too_little_gives_the_mean_and_no_bounds(interval: object) -> None:
    assert callable(interval)
    for daily, horizon in ((np.full(100, np.nan), 5), (np.array([]), 1), (np.linspace(0, 1, 11), 1), (np.linspace(0, 1, 40), 20)):
        found = interval(daily, horizon)
        assert isinstance(found, Interval)
        assert np.isnan([found.low, found.high, found.standard_error]).all()
        assert found.dates == np.isfinite(daily).sum()
        assert np.isnan(found.mean) == (found.dates == 0)


@pytest.mark.parametrize("interval", [newey_west, stationary_bootstrap])
def test_a_series_that_does_not_vary_has_no_width(interval: object) -> None:
    assert callable(interval)
    daily = np.full(60, 0.25)
    daily[10] = np.nan
    found = interval(daily, 5)
    assert astuple(found)[:5] == (0.25, 0.25, 0.25, 0.95, 0.0)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(12, 60), st.integers(1, 6), st.floats(0, 0.6))
def test_both_intervals_are_finite_where_there_is_enough(seed: int, dates: int, horizon: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    daily = np.where(rng.random(dates) < missing, np.nan, rng.normal(size=dates))
    enough = np.isfinite(daily).sum() >= max(12, 2 * horizon + 1)
    for found in (newey_west(daily, horizon), stationary_bootstrap(daily, horizon, draws=100)):
        assert np.isfinite([found.low, found.high]).all() == enough
        if enough:
            assert found.low < found.mean < found.high or found.method == "stationary bootstrap"
            assert found.low < found.high
