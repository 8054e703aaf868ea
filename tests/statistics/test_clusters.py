from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from massjax.errors import DataError
from massjax.statistics.clusters import cells_of, clustered_share, spread_of, variance_of_sum
from tests.statistics.slow_decisions import two_way_variance


@pytest.mark.parametrize("seed", range(6))
def test_variance_is_the_sum_over_pairs_with_a_stock_or_date_in_common(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stocks, dates = rng.integers(0, 5, 60), rng.integers(0, 7, 60)
    values = rng.normal(size=60) + rng.normal(size=5)[stocks] * (seed % 2)
    cells = cells_of((60,), stocks, dates)
    assert variance_of_sum(cells.sums(values)) == pytest.approx(two_way_variance(values, stocks, dates))


def test_two_way_errors_are_those_of_statsmodels() -> None:
    rng = np.random.default_rng(3)
    hits = rng.random((9, 14)) + 0.3 * rng.normal(size=(9, 1)) + 0.3 * rng.normal(size=(1, 14)) > 0.4
    groups = np.column_stack([np.repeat(np.arange(9), 14), np.tile(np.arange(14), 9)])
    fitted = statsmodels.api.OLS(hits.ravel().astype(float), np.ones(hits.size)).fit()
    theirs = fitted.get_robustcov_results("cluster", groups=groups, use_correction=False)
    found = clustered_share(hits.ravel(), np.ones(hits.size, bool), cells_of(hits.shape))
    assert found.standard_error == pytest.approx(float(theirs.bse[0]) * np.sqrt(9 / 8))


@pytest.mark.parametrize("by", ["stock", "date"])
def test_one_way_errors_are_those_of_statsmodels(by: str) -> None:
    rng = np.random.default_rng(4)
    hits = (rng.random((6, 10)) < 0.4).ravel()
    groups = np.repeat(np.arange(6), 10) if by == "stock" else np.tile(np.arange(10), 6)
    fitted = statsmodels.api.OLS(hits.astype(float), np.ones(60)).fit()
    theirs = fitted.get_robustcov_results("cluster", groups=groups, use_correction=False)
    found = clustered_share(hits, np.ones(60, bool), cells_of((6, 10)), by=by)
    clusters = len(set(groups.tolist()))
    assert found.standard_error == pytest.approx(float(theirs.bse[0]) * np.sqrt(clusters / (clusters - 1)))


def test_lags_add_what_dates_share_with_their_neighbours() -> None:
    sums = np.random.default_rng(0).normal(size=(4, 30)).cumsum(axis=1)
    lags, total = 3, 0.0
    for s in range(4):
        for r in range(4):
            for t in range(30):
                for u in range(30):
                    weight = max(0.0, 1 - abs(t - u) / (lags + 1))
                    total += sums[s, t] * sums[r, u] * (1.0 if s == r else weight)
    dates_alone = variance_of_sum(sums, "date", lags)
    assert variance_of_sum(sums, lags=lags) == pytest.approx(max(total, dates_alone, variance_of_sum(sums, "stock")))
    assert dates_alone > variance_of_sum(sums, "date")


def test_of_independent_values_with_a_stock_each_it_is_wilsons_interval() -> None:
    """Clusters of one value each: n_e is the number of values, but for the correction for few clusters and Student's t."""
    hits = np.arange(4000) < 1200
    found = clustered_share(hits, np.ones(4000, bool), cells_of((4000,), np.arange(4000), np.arange(4000)))
    assert (found.low, found.high) == pytest.approx(proportion_confint(1200, 4000, method="wilson"), abs=2e-5)


def test_a_share_of_nothing_or_everything_has_an_interval_inside_0_and_1() -> None:
    cells, among = cells_of((5, 8)), np.ones(40, bool)
    none, every = (clustered_share(np.full(40, value), among, cells) for value in (False, True))
    assert (none.value, none.low, every.value, every.high) == (0.0, 0.0, 1.0, 1.0)
    square = stats.t.ppf(0.975, 4) ** 2 / 5
    assert none.high == pytest.approx(square / (1 + square))
    assert every.low == pytest.approx(1 - none.high)


def test_values_of_one_stock_say_nothing_of_others() -> None:
    hits, among = np.array([True, False, True, True]), np.ones(4, bool)
    found = clustered_share(hits, among, cells_of((1, 4)))
    assert found.value == 0.75
    assert np.isnan([found.standard_error, found.low, found.high]).all()
    assert "all of one stock" in found.reason
    assert 'by="date"' in found.reason
    alone = clustered_share(hits, among, cells_of((1, 4)), by="date")
    assert 0 < alone.low < 0.75 < alone.high < 1
    assert "all of one date" in clustered_share(hits, among, cells_of((4, 1))).reason


def test_labels_join_rows_and_columns() -> None:
    weekly = cells_of((2, 4), dates=["w1", "w1", "w2", "w2"])
    assert weekly.sums(np.arange(8)).tolist() == [[1.0, 5.0], [9.0, 13.0]]


def test_dates_are_in_their_order_whatever_that_of_the_rows() -> None:
    days = np.array(["2024-01-03", "2024-01-02"], dtype="datetime64[D]")
    assert cells_of((2,), ["A", "A"], days).date.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("shape", "labels", "said"),
    [
        ((3,), {}, "lack their stocks and dates"),
        ((3,), {"stocks": ["A", "B", "C"]}, "lack their dates"),
        ((2, 3), {"stocks": ["A"]}, "1 labels in stocks, but the decisions have 2"),
        ((2, 3, 4), {}, "3 axes"),
        ((), {}, "0 axes"),
    ],
)
def test_labels_that_do_not_fit_are_named(shape, labels, said) -> None:
    with pytest.raises(DataError, match=said):
        cells_of(shape, **labels)


def test_an_unknown_way_of_clustering_is_named() -> None:
    with pytest.raises(DataError, match="by is 'week'"):
        spread_of(np.zeros(4), np.ones(4, bool), cells_of((2, 2)), "week")  # type: ignore[arg-type]
