from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from massjax.errors import DataError
from massjax.statistics.gain_loss import first_passage_times, gain_loss_asymmetry, skewness
from massjax.statistics.over_markets import mean_over_markets


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(3, 60), st.floats(0, 0.4))
def test_skewness_is_scipys_with_gaps_left_out(seed: int, ticks: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    returns = np.where(rng.random((3, ticks)) < missing, np.nan, rng.gamma(2.0, size=(3, ticks)))
    for series, found in zip(returns, skewness(returns), strict=True):
        known = series[np.isfinite(series)]
        expected = stats.skew(known, bias=False) if known.size > 2 else np.nan
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)


def test_skewness_of_exponential_losses_and_of_what_does_not_vary() -> None:
    found = mean_over_markets(skewness(-np.random.default_rng(0).exponential(size=(100, 3000))), draws=200)
    assert found.low < -2.0 < found.high
    assert np.isnan(skewness(np.full((2, 30), 0.3))).all()
    assert np.isnan(skewness(np.array([1.0, 2.0])))


def slow_times(returns: list[float], level: float, horizon: int) -> list[float]:
    times = []
    for start in range(len(returns) - horizon + 1):
        moved, found = 0.0, np.inf
        for wait in range(1, horizon + 1):
            moved += returns[start + wait - 1]
            if np.isnan(moved):
                found = np.nan
                break
            if (moved >= level) if level > 0 else (moved <= level):
                found = wait
                break
        times.append(found)
    return times


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 12), st.sampled_from([-3.0, -1.0, 1.0, 2.0, 5.0]), st.floats(0, 0.2))
def test_times_are_those_found_by_walking_on(seed: int, ticks: int, horizon: int, level: float, missing: float) -> None:
    rng = np.random.default_rng(seed)
    steps = np.where(rng.random((2, ticks)) < missing, np.nan, rng.integers(-2, 3, size=(2, ticks)).astype(float))
    horizon = min(horizon, ticks)
    found = first_passage_times(steps, level, horizon)
    np.testing.assert_array_equal(found, [slow_times(row.tolist(), level, horizon) for row in steps])


@pytest.mark.parametrize("level", [3, -5])
def test_times_of_a_walk_of_unit_steps_are_distributed_as_the_reflection_principle_says(level: int) -> None:
    """P(τ ≤ t) = P(S_t ≥ n) + P(S_t > n)."""
    markets, horizon = 20_000, 60
    steps = np.random.default_rng(0).choice([-1.0, 1.0], size=(markets, horizon))
    found = first_passage_times(steps, level, horizon)[:, 0]
    for t in (5, 20, 60):
        needed = (abs(level) + t) / 2  # steps upwards, of t, that end at the level
        known = stats.binom.sf(np.ceil(needed) - 1, t, 0.5) + stats.binom.sf(np.floor(needed), t, 0.5)
        assert (found <= t).mean() == pytest.approx(known, abs=4 * np.sqrt(known * (1 - known) / markets) + 1e-12)


def test_a_symmetric_walk_has_no_asymmetry_and_steady_gains_with_sudden_losses_have() -> None:
    """The steady side gets there first: a crash is waited for."""
    rng = np.random.default_rng(0)
    walk = mean_over_markets(gain_loss_asymmetry(rng.normal(size=(200, 600)), level=3.0, horizon=100), draws=200)
    assert walk.low < 0 < walk.high
    falls = -np.where(rng.random((200, 600)) < 0.02, rng.exponential(6.0, size=(200, 600)), 0.0) + rng.normal(scale=0.3, size=(200, 600))
    crashes, melt_ups = (gain_loss_asymmetry(sign * falls, level=2.0, horizon=150) for sign in (1.0, -1.0))
    assert np.isfinite(crashes).sum() > 100
    assert mean_over_markets(crashes, draws=200).high < -0.2
    assert mean_over_markets(melt_ups, draws=200).low > 0.2
    assert skewness(falls).mean() < -1


def test_gains_and_losses_change_places_with_the_sign_of_returns() -> None:
    returns = np.random.default_rng(1).gamma(1.0, size=(10, 400))
    found = gain_loss_asymmetry(returns, level=2.0, horizon=80)
    np.testing.assert_allclose(found, -gain_loss_asymmetry(-returns, level=2.0, horizon=80))
    np.testing.assert_allclose(found, gain_loss_asymmetry(returns * 1e-3 + 0.2, level=2.0, horizon=80), atol=1e-6)


def test_the_asymmetry_is_of_medians_over_starts() -> None:
    returns = np.random.default_rng(2).normal(size=300)
    z = (returns - returns.mean()) / returns.std()
    gain, loss = (np.sort(slow_times(z.tolist(), level, 90)) for level in (2.0, -2.0))
    middle = (gain.size - 1) // 2
    assert gain_loss_asymmetry(returns, level=2.0, horizon=90) == pytest.approx(np.log(gain[middle] / loss[middle]))


def test_what_is_never_reached_is_nan_and_what_cannot_be_asked_is_refused() -> None:
    returns = np.random.default_rng(0).normal(size=(2, 50))
    assert np.isnan(gain_loss_asymmetry(returns, level=30.0, horizon=20)).all()
    assert np.isnan(gain_loss_asymmetry(returns, level=1.0, horizon=60)).all()
    assert np.isnan(gain_loss_asymmetry(np.zeros((2, 50)), level=1.0, horizon=20)).all()
    assert np.isnan(gain_loss_asymmetry(np.full(50, np.nan), level=1.0, horizon=20))
    for level, horizon in ((0.0, 5), (1.0, 0), (1.0, 51)):
        with pytest.raises(DataError, match="first passage"):
            first_passage_times(returns, level, horizon)
    for level, horizon in ((-1.0, 5), (np.nan, 5), (1.0, 0)):
        with pytest.raises(DataError, match="level is positive"):
            gain_loss_asymmetry(returns, level, horizon)
