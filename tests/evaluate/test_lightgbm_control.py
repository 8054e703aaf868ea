from __future__ import annotations

import sys

import numpy as np
import pytest

from massjax.errors import ConfigError
from massjax.evaluate.lightgbm_control import learned_signal
from massjax.statistics.correlation import daily_rank_ic
from massjax.timing import Timing

STOCKS, DATES = 30, 140
TIMING = Timing(lookback=60, horizon=1, execution_lag=1)


def planted(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two features, of which the first tells something of the return where the second is positive."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(2, STOCKS, DATES))
    returns = np.where(features[1] > 0, features[0], -features[0]) + rng.normal(size=(STOCKS, DATES))
    return features, rng.random((STOCKS, DATES)) < 0.9, returns


def test_it_learns_what_no_rank_sum_can() -> None:
    pytest.importorskip("lightgbm")
    features, member, returns = planted()
    signal = learned_signal(features, member, returns, TIMING)
    daily = daily_rank_ic(signal, returns, member)
    assert np.isnan(signal[:, : TIMING.first_applied]).all()
    assert np.isnan(signal[~member]).all()
    assert np.isfinite(signal[:, TIMING.first_applied :][member[:, TIMING.first_applied :]]).all()
    assert np.nanmean(daily) > 0.3
    assert abs(np.nanmean(daily_rank_ic(features[0], returns, member))) < 0.1


def test_the_future_changes_nothing() -> None:
    pytest.importorskip("lightgbm")
    features, member, returns = planted(1)
    today = 100
    before = learned_signal(features, member, returns, TIMING)[:, : today + 1]
    changed = returns.copy()
    changed[:, today - TIMING.delay - (TIMING.gap or 0) :] *= -1
    features[..., today + 1 :] *= -1
    member[:, today + 1 :] = ~member[:, today + 1 :]
    np.testing.assert_array_equal(learned_signal(features, member, changed, TIMING)[:, : today + 1], before)


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(ConfigError, match=r"uv pip install 'massjax\[lightgbm\]'"):
        learned_signal(*planted(), TIMING)
