from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from massjax.errors import DataError
from massjax.statistics.tails import aggregated, excess_kurtosis, hill_index, hill_plot, kurtosis_by_scale, standardised
from tests.statistics.processes import garch, garch_kurtosis, garch_square_autocorrelation


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(4, 60), st.floats(0, 0.4))
def test_kurtosis_is_scipys_with_gaps_left_out(seed: int, ticks: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    returns = np.where(rng.random((3, ticks)) < missing, np.nan, rng.standard_t(5, size=(3, ticks)))
    for series, found in zip(returns, excess_kurtosis(returns), strict=True):
        known = series[np.isfinite(series)]
        if known.size > 3:
            assert found == pytest.approx(stats.kurtosis(known, bias=False), rel=1e-9, abs=1e-9)
        else:
            assert np.isnan(found)


def test_ten_gaussian_returns_have_no_kurtosis_on_average() -> None:
    returns = np.random.default_rng(0).normal(size=(20_000, 10))
    found = excess_kurtosis(returns)
    assert found.mean() == pytest.approx(0, abs=4 * found.std() / np.sqrt(found.size))
    assert stats.kurtosis(returns, axis=1).mean() == pytest.approx(-6 / 11, abs=0.05)


@pytest.mark.parametrize(("degrees", "known"), [(10, 1.0), (14, 0.6), (1e9, 0.0)])
def test_kurtosis_of_students_t(degrees: float, known: float) -> None:
    found = excess_kurtosis(stats.t.rvs(degrees, size=(200, 2000), random_state=0))
    assert found.mean() == pytest.approx(known, abs=4 * found.std() / np.sqrt(200))


def test_kurtosis_of_independent_returns_falls_as_one_over_the_scale() -> None:
    scales = (1, 2, 5, 10)
    found = kurtosis_by_scale(np.random.default_rng(0).laplace(size=(400, 2000)), scales)
    for scale, values in zip(scales, found.T, strict=True):
        assert values.mean() == pytest.approx(3 / scale, abs=4 * values.std() / 20)


def test_kurtosis_of_garch_is_known_and_falls_as_its_squares_decorrelate() -> None:
    alpha, beta, scales = 0.1, 0.8, (1, 5, 20)
    found = kurtosis_by_scale(garch(np.random.default_rng(0), 400, 2000, alpha, beta), scales)
    known = garch_kurtosis(alpha, beta)
    for scale, values in zip(scales, found.T, strict=True):
        lags = np.arange(1, scale)
        clustering = ((scale - lags) * garch_square_autocorrelation(alpha, beta, lags)).sum()
        expected = known / scale + 6 * (known + 2) * clustering / scale**2
        assert values.mean() == pytest.approx(expected, abs=4 * values.std() / 20)
        assert values.mean() > known / scale or scale == 1


def test_bars_are_sums_and_the_rest_is_left_out() -> None:
    returns = np.random.default_rng(0).normal(size=(2, 3, 11))
    returns[1, 2, 4] = np.nan
    returns[0, 0, :2] = np.inf, -np.inf
    found = aggregated(returns, 4)
    assert found.shape == (2, 3, 2)
    for market in np.ndindex(2, 3):
        for bar in range(2):
            ticks = [float(returns[*market, t]) for t in range(4 * bar, 4 * bar + 4)]
            known = sum(ticks) if np.isfinite(ticks).all() else np.nan
            assert found[*market, bar] == pytest.approx(known, nan_ok=True)
    assert np.isnan([found[1, 2, 1], found[0, 0, 0]]).all()
    assert aggregated(returns, 12).shape == (2, 3, 0)
    with pytest.raises(DataError, match="bar is 0"):
        aggregated(returns, 0)


def test_what_does_not_vary_or_is_too_short_has_no_value() -> None:
    constant, short = np.full((2, 50), 0.1), np.array([[1.0, 2.0, 4.0, np.nan]])
    assert np.isnan(standardised(constant)).all()
    assert np.isnan(excess_kurtosis(constant)).all()
    assert np.isnan(excess_kurtosis(short)).all()
    assert np.isnan(excess_kurtosis(np.empty((2, 0)))).all()
    assert np.isnan(kurtosis_by_scale(np.random.default_rng(0).normal(size=(2, 300)), (100,))).all()


def test_standardised_has_mean_0_and_variance_1_whatever_the_scale() -> None:
    z = standardised(np.random.default_rng(0).normal(3e-5, 1e-7, size=(4, 500)).astype(np.float32))
    assert z.dtype == np.float64
    np.testing.assert_allclose(z.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(z.std(axis=1), 1)


def slow_hill(values: list[float], k: int) -> float:
    ordered = sorted((abs(v) for v in values), reverse=True)
    return k / sum(math.log(ordered[i] / ordered[k]) for i in range(k))


def slow_stable_end(values: list[float]) -> int:
    """Guillou and Hall's k, their sums written out."""
    ordered = sorted((abs(v) for v in values if v != 0), reverse=True)
    most = len(ordered) // 4
    statistic = {}
    for k in range(1, most + 1):
        z = [i * math.log(ordered[i - 1] / ordered[i]) for i in range(1, k + 1)]
        statistic[k] = math.sqrt(3 / k**3) * sum((k - 2 * i + 1) * z[i - 1] for i in range(1, k + 1)) / (sum(z) / k)
    centres = [k for k in range(25, most + 1) if k + k // 2 <= most]
    q = {k: math.sqrt(sum(statistic[j] ** 2 for j in range(k - k // 2, k + k // 2 + 1)) / (2 * (k // 2) + 1)) for k in centres}
    return next((k for k in centres if all(q[j] >= 1.25 for j in centres if j >= k)), centres[-1])


@pytest.mark.parametrize("seed", range(4))
def test_hill_and_its_stable_range_are_those_written_with_loops(seed: int) -> None:
    values = np.random.default_rng(seed).standard_t(3, size=1200)
    found = hill_index(values)
    end = slow_stable_end(values.tolist())
    assert found.stable == (25, end)
    assert found.extremes == max(round(end / 3), 25)
    assert found.index == pytest.approx(slow_hill(values.tolist(), found.extremes))
    assert found.standard_error == pytest.approx(found.index / math.sqrt(found.extremes))
    plot = hill_plot(values)
    assert plot[[0, 24, 999]].tolist() == pytest.approx([slow_hill(values.tolist(), k) for k in (1, 25, 1000)])
    assert found.spread == (plot[24:end].min(), plot[24:end].max())
    assert (np.abs(values) > found.threshold).sum() == found.extremes
    assert hill_index(values, extremes=700).index == pytest.approx(slow_hill(values.tolist(), 700))


@pytest.mark.parametrize("alpha", [1.5, 3.0, 4.0])
def test_of_a_pareto_tail_hill_is_the_estimate_of_maximum_likelihood_and_the_range_is_wide(alpha: float) -> None:
    values = np.random.default_rng(0).pareto(alpha, size=40_000) + 1
    found = hill_index(values)
    assert found.index == pytest.approx(alpha, abs=4 * found.standard_error)
    assert found.stable[1] > 5000
    _, scale = stats.expon.fit(np.log(values[values > found.threshold] / found.threshold), floc=0)
    assert found.index == pytest.approx(1 / scale)


@pytest.mark.parametrize(("degrees", "low", "high"), [(2, 1.8, 2.2), (3, 2.6, 3.3), (4, 3.2, 4.5)])
def test_of_students_t_hill_finds_the_degrees_of_freedom(degrees: int, low: float, high: float) -> None:
    rng = np.random.default_rng(0)
    found = [hill_index(rng.standard_t(degrees, size=20_000)) for _ in range(20)]
    assert low < np.mean([each.index for each in found]) < high
    held = np.mean([abs(each.index - degrees) < 1.96 * each.standard_error for each in found])
    assert held >= 0.5


def test_a_gaussian_has_a_high_index_that_grows_and_a_short_range() -> None:
    rng = np.random.default_rng(0)
    small, large = (hill_index(rng.normal(size=size)) for size in (2000, 100_000))
    assert 6 < small.index < large.index
    assert large.stable[1] < 2000 < hill_index(rng.pareto(3, size=100_000) + 1).stable[1]


def test_sides_of_the_tail_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.pareto(2.0, size=20_000) + 1, -rng.pareto(5.0, size=20_000) - 1])
    gains, losses = hill_index(values, "gains"), hill_index(values, "losses")
    assert gains.index == pytest.approx(2, abs=0.2)
    assert losses.index == pytest.approx(5, abs=0.5)
    assert gains.values == losses.values == 20_000
    assert losses.index == hill_index(-values, "gains").index


def test_zeros_and_gaps_are_no_part_of_the_tail_and_scale_is_none_of_its_business() -> None:
    values = np.random.default_rng(0).standard_t(3, size=4000)
    sparse = np.concatenate([values, np.zeros(5000), np.full(100, np.nan)]).reshape(7, 1300)
    assert hill_index(sparse) == hill_index(values)
    assert hill_index(values * 1e-4).index == pytest.approx(hill_index(values).index)


def test_too_few_or_equal_extremes_give_nan() -> None:
    for values in (np.empty(0), np.zeros(500), np.full(500, np.nan), np.random.default_rng(0).normal(size=140), np.ones(2000)):
        found = hill_index(values)
        assert np.isnan([found.index, found.standard_error, found.threshold]).all()
    assert np.isnan(hill_index(np.arange(1.0, 11.0), extremes=10).index)
    assert hill_index(np.arange(1.0, 11.0), extremes=5).index > 0
    assert hill_plot(np.ones(3)).tolist() == [np.inf, np.inf]
    with pytest.raises(DataError, match="extremes is 0"):
        hill_index(np.ones(10), extremes=0)
