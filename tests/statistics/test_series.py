from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from massjax.statistics.series import standard_error, summarize


def test_summary_of_a_series_worked_by_hand() -> None:
    summary = summarize(np.array([0.1, np.nan, -0.1, 0.3]), horizon=1)
    assert (summary.mean, summary.dates) == (pytest.approx(0.1), 3)
    assert summary.ratio == pytest.approx(0.1 / 0.2)
    assert summary.hit_rate == pytest.approx(2 / 3)
    assert summary.standard_error == pytest.approx(np.sqrt((0.04 + 0.04) / 3) / np.sqrt(3))
    assert summary.t_statistic == pytest.approx(summary.mean / summary.standard_error)


def test_summary_of_too_little_is_nan_and_says_how_little() -> None:
    nothing = summarize(np.array([np.nan, np.nan]), horizon=5)
    assert nothing.dates == 0
    assert np.isnan([nothing.mean, nothing.ratio, nothing.t_statistic, nothing.hit_rate]).all()
    few = summarize(np.array([0.1, 0.2, 0.3]), horizon=5)
    assert few.dates == 3
    assert few.mean == pytest.approx(0.2)
    assert np.isnan(few.standard_error)
    assert np.isnan(few.t_statistic)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(20, 60))
def test_standard_error_is_the_larger_of_hansen_hodrick_and_newey_west(seed: int, horizon: int, dates: int) -> None:
    daily = np.random.default_rng(seed).standard_normal(dates)
    daily[np.random.default_rng(seed + 1).random(dates) < 0.1] = np.nan
    known = [t for t in range(dates) if np.isfinite(daily[t])]
    centre = sum(daily[t] for t in known) / len(known)
    hansen_hodrick = newey_west = 0.0
    for s in known:
        for t in known:
            if abs(s - t) < horizon:
                product = (daily[s] - centre) * (daily[t] - centre)
                hansen_hodrick += product
                newey_west += product * (1 - abs(s - t) / horizon)
    assert newey_west >= -1e-9
    assert standard_error(daily, horizon) == pytest.approx(np.sqrt(max(hansen_hodrick, newey_west)) / len(known), rel=1e-9)


def test_standard_error_covers_overlap_where_the_usual_one_does_not() -> None:
    rng, horizon, dates, trials = np.random.default_rng(0), 5, 250, 600
    rejected_naive = rejected = 0
    for _ in range(trials):
        daily = np.convolve(rng.standard_normal(dates + horizon - 1), np.ones(horizon), "valid")
        rejected += abs(summarize(daily, horizon).t_statistic) > 1.96
        rejected_naive += abs(summarize(daily, 1).t_statistic) > 1.96
    assert rejected / trials < 0.09
    assert rejected_naive / trials > 0.3
