from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.special import gamma

from massjax.errors import DataError
from massjax.statistics.autocorrelation import autocorrelation, autocorrelation_decay, power_law
from massjax.statistics.order_flow import response_by_lag, response_by_volume, sign_autocorrelation, volume_volatility
from tests.statistics.processes import fractional_noise


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 6), st.floats(0, 0.1))
def test_volume_volatility_is_numpys_correlation_of_whole_bars(seed: int, bar: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    returns, volumes = rng.normal(size=(2, 50)), rng.integers(0, 20, size=(2, 50)).astype(float)
    returns[rng.random(returns.shape) < missing] = np.nan
    volumes[rng.random(volumes.shape) < missing] = np.nan
    found = volume_volatility(returns, volumes, bar)
    realised = volume_volatility(returns, volumes, bar, "realised")
    for market in range(2):
        bars = [range(b * bar, (b + 1) * bar) for b in range(50 // bar)]
        volume = [sum(volumes[market, t] for t in each) for each in bars]
        moves = [abs(sum(returns[market, t] for t in each)) for each in bars]
        roots = [np.sqrt(sum(returns[market, t] ** 2 for t in each)) for each in bars]
        whole = np.isfinite(volume) & np.isfinite(moves)
        for spread, each in ((moves, found), (roots, realised)):
            expected = np.corrcoef(np.array(volume)[whole], np.array(spread)[whole])[0, 1] if whole.sum() >= 3 else np.nan
            assert each[market] == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_volume_that_drives_variance_goes_with_volatility_as_planted() -> None:
    """r | V ~ N(0, V): corr(V, |r|) = m cov(V, √V) / (sd V · √(E V − m² (E √V)²)) with m = √(2/π)."""
    rng, shape = np.random.default_rng(0), 2.0
    volume = rng.gamma(shape, size=(200, 1000))
    returns = np.sqrt(volume) * rng.normal(size=volume.shape)
    root, third = (gamma(shape + power) / gamma(shape) for power in (0.5, 1.5))  # E √V and E V^1.5
    m = np.sqrt(2 / np.pi)
    known = m * (third - shape * root) / np.sqrt(shape * (shape - m**2 * root**2))
    found = volume_volatility(returns, volume, bar=1)
    assert found.mean() == pytest.approx(known, abs=4 * found.std() / np.sqrt(200))
    strangers = volume_volatility(returns, volume[::-1], bar=1)
    assert strangers.mean() == pytest.approx(0, abs=4 * strangers.std() / np.sqrt(200))


def test_a_market_that_does_not_trade_or_move_has_no_volume_volatility() -> None:
    returns, volumes = np.random.default_rng(0).normal(size=(2, 40)), np.ones((2, 40), int)
    assert np.isnan(volume_volatility(returns, volumes, 2)).all()
    assert np.isnan(volume_volatility(returns * 0, np.arange(80).reshape(2, 40), 2)).all()
    assert np.isnan(volume_volatility(returns, np.arange(80).reshape(2, 40), 15)).all()
    assert np.isfinite(volume_volatility(returns[0], np.arange(40), 2))
    with pytest.raises(DataError, match=r"returns \(2, 40\), volumes \(1, 40\)"):
        volume_volatility(returns, volumes[:1], 2)


def test_signs_are_remembered_in_trades_or_in_ticks() -> None:
    rng = np.random.default_rng(0)
    signs = rng.choice([-1, 1], size=(3, 200)) * (rng.random((3, 200)) < 0.3)
    by_trade, by_tick = sign_autocorrelation(signs, (1, 2, 5)), sign_autocorrelation(signs, (1, 2, 5), clock="ticks")
    for market in range(3):
        trades = signs[market][signs[market] != 0].astype(float)
        np.testing.assert_allclose(by_trade[market], autocorrelation(trades, (1, 2, 5)), atol=1e-12)
        apart = np.where(signs[market] == 0, np.nan, signs[market].astype(float))
        np.testing.assert_allclose(by_tick[market], autocorrelation(apart, (1, 2, 5)), atol=1e-12)


def test_signs_of_a_long_memory_series_have_the_exponent_of_the_arcsine_law() -> None:
    """Signs of a Gaussian series have autocorrelation (2/π) arcsin ρ, of exponent 1 − 2d as ρ itself."""
    d, lags = 0.25, np.arange(1, 51)
    series, rho = fractional_noise(np.random.default_rng(0), 60, 8192, d)
    found = sign_autocorrelation(np.sign(series), lags.tolist())
    known = 2 / np.pi * np.arcsin(rho[1:51])
    error = found.std(axis=0) / np.sqrt(60)
    assert (np.abs(found.mean(axis=0) - known) < 5 * error + 0.01).all()
    decay = autocorrelation_decay(found, lags.tolist(), ticks=8192)
    assert decay.exponent == pytest.approx(power_law(lags, known).exponent, abs=0.04)
    assert decay.exponent == pytest.approx(2 * d - 1, abs=0.04)


def test_one_sided_trading_has_no_autocorrelation_of_signs() -> None:
    assert np.isnan(sign_autocorrelation(np.ones((2, 30), int), (1,))).all()
    assert np.isnan(sign_autocorrelation(np.zeros((2, 30), int), (1,))).all()


def slow_response(signs: np.ndarray, mid: np.ndarray, lag: int, clock: str, volumes: np.ndarray | None = None) -> dict[float, list[float]]:
    """Moves in the direction of each trade, by volume."""
    at = [t for t in range(signs.size) if signs[t] != 0] if clock == "trades" else list(range(signs.size))
    moves: dict[float, list[float]] = {}
    for n, t in enumerate(at):
        if signs[t] != 0 and n + lag < len(at) and np.isfinite(mid[t]) and np.isfinite(mid[at[n + lag]]):
            moves.setdefault(0.0 if volumes is None else float(volumes[t]), []).append(signs[t] * (mid[at[n + lag]] - mid[t]))
    return moves


@pytest.mark.parametrize("clock", ["trades", "ticks"])
def test_responses_are_those_written_with_loops(clock: str) -> None:
    rng = np.random.default_rng(0)
    signs = rng.integers(-1, 2, size=(2, 80))
    volumes = rng.integers(1, 5, size=(2, 80))
    mid = rng.normal(size=(2, 80)).cumsum(axis=1)
    mid[rng.random(mid.shape) < 0.1] = np.nan
    mid[:, 40:42] = -np.inf
    found = response_by_lag(signs, mid, (1, 3, 10), clock=clock)
    edges = np.array([1.0, 3.0, 4.0, 5.0])
    by_volume = response_by_volume(signs, volumes, mid, edges, lag=2, clock=clock)
    for market in range(2):
        for i, lag in enumerate((1, 3, 10)):
            assert found[market, i] == pytest.approx(np.mean(slow_response(signs[market], mid[market], lag, clock)[0.0]))
        moves = slow_response(signs[market], mid[market], 2, clock, volumes[market])
        for i, inside in enumerate(((1, 2), (3,), (4,))):
            chosen = [(v, move) for v in inside for move in moves[v]]
            assert by_volume.trades[market, i] == len(chosen)
            assert by_volume.volume[market, i] == pytest.approx(np.mean([v for v, _ in chosen]))
            assert by_volume.response[market, i] == pytest.approx(np.mean([move for _, move in chosen]))


def test_planted_impact_is_found_by_lag_and_by_volume() -> None:
    """m moves by λ ε √v a trade and ε repeats with probability (1 + c)/2: R(l) = λ E√v · Σ_{j<l} c^j, and R(1) given v is λ √v."""
    rng, impact, memory = np.random.default_rng(0), 0.01, 0.6
    stays = rng.random((100, 3000)) < (1 + memory) / 2
    signs = np.cumprod(np.where(stays, 1, -1), axis=1)
    volumes = rng.integers(1, 21, size=signs.shape)
    moves = impact * signs * np.sqrt(volumes) + 0.005 * rng.normal(size=signs.shape)
    log_mid = np.concatenate([np.zeros((100, 1)), np.cumsum(moves, axis=1)[:, :-1]], axis=1)
    mean_root = np.sqrt(np.arange(1, 21)).mean()
    lags = (1, 2, 5, 20)
    found = response_by_lag(signs, log_mid, lags)
    for i, lag in enumerate(lags):
        known = impact * mean_root * sum(memory**j for j in range(lag))
        assert found[:, i].mean() == pytest.approx(known, abs=4 * found[:, i].std() / 10)
    by_volume = response_by_volume(signs, volumes, log_mid, np.arange(1.0, 22.0))
    fitted = power_law(by_volume.volume.mean(axis=0), by_volume.response.mean(axis=0))
    assert fitted.exponent == pytest.approx(0.5, abs=0.02)
    assert fitted.amplitude == pytest.approx(impact, rel=0.05)


def test_without_trades_or_later_mids_there_is_no_response() -> None:
    mid = np.random.default_rng(0).normal(size=(2, 10))
    assert np.isnan(response_by_lag(np.zeros((2, 10)), mid, (1, 2))).all()
    assert np.isnan(response_by_lag(np.ones((2, 10)), mid, (10, 40))).all()
    empty = response_by_volume(np.ones((2, 10)), np.ones((2, 10)), mid, np.array([5.0, 6.0]))
    assert np.isnan([empty.volume, empty.response]).all()
    assert empty.trades.tolist() == [[0], [0]]
    assert response_by_lag(np.ones(10), mid[0], (1,)).shape == (1,)


def test_what_does_not_fit_is_refused() -> None:
    mid, signs = np.zeros((2, 10)), np.ones((2, 10))
    with pytest.raises(DataError, match=r"signs \(1, 10\), log_mid \(2, 10\)"):
        response_by_lag(signs[:1], mid, (1,))
    with pytest.raises(DataError, match="lags are whole numbers"):
        response_by_lag(signs, mid, (0,))
    with pytest.raises(DataError, match="the lag is at least 1"):
        response_by_volume(signs, signs, mid, np.array([1.0, 2.0]), lag=0)
    for edges in ([1.0], [2.0, 1.0]):
        with pytest.raises(DataError, match="two edges"):
            response_by_volume(signs, signs, mid, np.array(edges))
