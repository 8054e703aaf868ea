from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import spearmanr

from massjax.statistics.correlation import daily_ic, daily_rank_ic
from massjax.statistics.series import summarize

FEATURE_SIGNS = (-1, -1, -1, 1, -1, 1)
PUBLISHED_2023 = {1: (5.85, None, None, None), 5: (9.07, 41.59, 8.18, 37.36), 10: (12.90, None, None, None)}


def panels(with_ties: bool = True) -> st.SearchStrategy[np.ndarray]:
    values = st.integers(-3, 3).map(float) if with_ties else st.floats(-1, 1, width=32)
    return hnp.arrays(np.float64, (7, 4), elements=st.one_of(values, st.just(np.nan)))


@settings(max_examples=60)
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
