from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import spearmanr

from massjax.statistics.correlation import daily_ic, daily_rank_ic
from massjax.statistics.series import standard_error, summarize

FEATURE_SIGNS = (-1, -1, -1, 1, -1, 1)
PUBLISHED_2023 = {1: (5.85, None, None, None), 5: (9.07, 41.59, 8.18, 37.36), 10: (12.90, None, None, None)}


def panels(with_ties: bool = True) -> st.SearchStrategy[np.ndarray]:
    values = st.integers(-3, 3).map(float) if with_ties else st.floats(-1, 1, width=32)
    return hnp.arrays(np.float64, (7, 4), elements=st.one_of(values, st.just(np.nan)))


@settings(max_examples=60, deadline=None)
@given(panels(), panels(with_ties=False), hnp.arrays(bool, (7, 4)))
def test_daily_correlations_equal_pandas(signal: np.ndarray, returns: np.ndarray, member: np.ndarray) -> None:
    rank_ic, ic = daily_rank_ic(signal, returns, member), daily_ic(signal, returns, member)
    for t in range(4):
        frame = pd.DataFrame({"s": signal[:, t], "y": returns[:, t]})[member[:, t]].dropna()
        if frame.s.nunique() < 2 or frame.y.nunique() < 2:
            assert np.isnan(rank_ic[t])
            assert np.isnan(ic[t])
        else:
            assert rank_ic[t] == pytest.approx(frame.s.rank().corr(frame.y.rank()), abs=1e-12)
            if np.ptp(frame.y) > 1e-6:
                assert ic[t] == pytest.approx(frame.s.corr(frame.y), abs=1e-6)


def test_rank_ic_of_one_date_equals_scipy_with_ties() -> None:
    signal, returns = np.array([1.0, 1, 2, 3, 3, 3, 0]), np.array([0.1, -0.2, 0.1, 0.4, 0.0, 0.3, 0.1])
    assert daily_rank_ic(signal[:, None], returns[:, None])[0] == pytest.approx(spearmanr(signal, returns).statistic, abs=1e-12)


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


@settings(max_examples=40, deadline=None)
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


def test_reproduces_the_published_figures_of_the_sse50_features(shared_dir: Path) -> None:
    folder = shared_dir / "data" / "mass_sse50"
    keys = ["Stock", "Date"]
    table = pd.read_parquet(folder / "ih_label.parq").merge(pd.read_parquet(folder / "sub_fudamental_data.parq"), on=keys, how="left")
    table = table[(table.Date >= 20230101) & (table.Date < 20240101)]
    ranks = table.groupby("Date")[[f"price_value_feature_{i}" for i in range(6)]].rank()
    table["signal"] = (ranks * np.array(FEATURE_SIGNS)).sum(axis=1, skipna=False)
    wide = {
        column: table.pivot(index="Stock", columns="Date", values=column).to_numpy(float)
        for column in ("signal", "1_15_labelB", "5_15_labelB", "10_15_labelB")
    }
    for horizon, published in PUBLISHED_2023.items():
        returns = wide[f"{horizon}_15_labelB"]
        rank_ic, ic = summarize(daily_rank_ic(wide["signal"], returns), horizon), summarize(daily_ic(wide["signal"], returns), horizon)
        found = (rank_ic.mean, rank_ic.ratio, ic.mean, ic.ratio)
        assert rank_ic.dates == 242
        for value, expected in zip(found, published, strict=True):
            assert expected is None or 100 * value == pytest.approx(expected, abs=0.006)
