"""Panels with informed groups: the Gaussian control has the moments of the simulated one, and a small run keeps its tables."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from massjax.simulations.panel import Days
from massjax.statistics.tails import excess_kurtosis


def made_days(dates: int, markets: int) -> Days:
    random = np.random.default_rng(5)
    log_close = np.cumsum(0.01 * random.standard_t(3, size=(dates, markets)), axis=0)
    mispricing = 0.5 * np.diff(log_close, axis=0, prepend=0.0) + 0.01 * random.standard_t(3, size=(dates, markets))
    counts = np.zeros((dates, markets), int)
    empty = np.zeros((dates, markets))
    return Days(np.exp(log_close), counts, counts, empty, empty, np.exp(log_close + mispricing))


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize("dates", [300, 301])
def test_a_gaussian_panel_has_the_auto_and_cross_covariances_and_thin_tails(dates: int) -> None:
    from informed import gaussian_days

    def moments(days: Days) -> tuple[np.ndarray, np.ndarray]:
        series = np.concatenate([np.diff(np.log(days.close), axis=0), days.mispricing[1:]], axis=1)
        centred = series - series.mean(axis=0)
        circular = [centred.T @ np.roll(centred, -lag, axis=0) / len(series) for lag in range(6)]
        return series.mean(axis=0), np.stack(circular)

    days = made_days(dates, 6)
    control = gaussian_days(days, np.random.default_rng(0))
    for expected, found in zip(moments(days), moments(control), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)
    assert not np.allclose(control.close, days.close)
    fat, thin = (excess_kurtosis(one.mispricing.T).mean() for one in (days, control))
    assert fat > 2
    assert abs(thin) < 0.7


@pytest.mark.slow
def test_a_small_run_keeps_its_tables(run_script, tmp_path) -> None:
    done = run_script(
        "informed",
        "--seeds",
        1,
        "--dates",
        60,
        "--windows",
        1,
        "--window-dates",
        90,
        "--draws",
        19,
        "--methods",
        "default",
        "--out",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    found, valid = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("informed", "informed_validity"))
    assert found["panel"].to_list() == ["simulated", "Gaussian"]
    assert found["oracle, points"].min() > 0
    assert valid.height == 2 * 4
