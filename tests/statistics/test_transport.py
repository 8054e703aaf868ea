from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from massjax.errors import DataError
from massjax.statistics.tails import hill_index, standardised
from massjax.statistics.transport import (
    TransportDistances,
    lagged_cloud,
    return_cloud,
    sinkhorn_divergence,
    tail_cloud,
    transport_distances,
    transport_floor,
    volatility_cloud,
    wasserstein,
)
from tests.statistics.processes import garch


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 40))
def test_it_is_scipys_wasserstein_distance_whatever_the_sizes(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(-5, 6, size=n).astype(float), rng.normal(1.0, 2.0, size=m)
    assert wasserstein(x, y) == pytest.approx(stats.wasserstein_distance(x, y), abs=1e-12)
    assert wasserstein(x, y) == pytest.approx(wasserstein(y, x))
    assert wasserstein(x, x) == 0


@pytest.mark.parametrize("order", [1, 2, 3])
def test_it_is_the_cheapest_assignment(order: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=30), rng.standard_t(3, size=45)
    costs = np.abs(np.repeat(x, 3)[:, None] - np.repeat(y, 2)[None]) ** order
    assert wasserstein(x, y, order) == pytest.approx(costs[linear_sum_assignment(costs)].mean() ** (1 / order))


def test_shifts_and_scales_are_known() -> None:
    x = np.random.default_rng(0).normal(size=(4, 50))
    for order in (1, 2):
        assert wasserstein(x, x + 3.0, order) == pytest.approx(3.0)
    assert wasserstein(x, 2 * x) == pytest.approx(np.abs(x).mean())
    assert wasserstein(x, 2 * x, 2) == pytest.approx(np.sqrt(np.square(x).mean()))


def test_gaps_are_left_out_and_an_empty_cloud_has_no_distance() -> None:
    x = np.array([1.0, np.nan, 3.0])
    assert wasserstein(x, np.array([2.0])) == 1.0
    assert np.isnan(wasserstein(np.full(3, np.nan), x))
    assert np.isnan(wasserstein(x, np.empty(0)))
    with pytest.raises(DataError, match="order"):
        wasserstein(x, x, 0)


def test_the_return_cloud_pools_standardised_markets() -> None:
    returns = np.random.default_rng(0).normal(size=(5, 40)) * np.arange(5)[:, None]
    returns[2, 7] = np.nan
    z = standardised(returns)[1:]
    np.testing.assert_array_equal(return_cloud(returns), z[np.isfinite(z)])


def test_the_mean_of_the_tail_cloud_is_the_inverse_of_hills_index() -> None:
    returns = np.random.default_rng(0).standard_t(3, size=(20, 1000))
    cloud = tail_cloud(returns, share=0.05)
    assert cloud.size == 1000
    assert (cloud > 0).all()
    z = np.sort(np.abs(return_cloud(returns)))[::-1]
    between = np.log(np.quantile(z, 0.95) / z[1000])
    assert cloud.mean() + between == pytest.approx(1 / hill_index(return_cloud(returns), extremes=1000).index)
    assert tail_cloud(np.zeros((3, 50))).size == 0
    with pytest.raises(DataError, match="share"):
        tail_cloud(returns, share=0.0)


def test_between_two_pareto_tails_lies_the_difference_of_inverse_indices() -> None:
    rng = np.random.default_rng(0)
    steep, flat = (rng.choice([-1, 1], size=(40, 2000)) * (rng.pareto(alpha, size=(40, 2000)) + 1) for alpha in (6.0, 3.0))
    assert wasserstein(tail_cloud(steep), tail_cloud(flat)) == pytest.approx(1 / 3 - 1 / 6, abs=0.02)


def test_the_volatility_cloud_is_as_wide_as_autocorrelation_makes_it() -> None:
    rng, bar = np.random.default_rng(0), 10
    quiet = rng.normal(size=(100, 1000))
    wide = volatility_cloud(quiet, bar)
    assert wide.size == 100 * 100
    assert wide.var() == pytest.approx((1 - 2 / np.pi) / bar, rel=0.05)
    assert wide.mean() == pytest.approx(np.sqrt(2 / np.pi), abs=0.01)
    clustered = garch(rng, 100, 1000, 0.2, 0.75, power=1.0)
    shuffled = rng.permuted(clustered, axis=1)
    assert volatility_cloud(clustered, bar).std() > 1.3 * volatility_cloud(shuffled, bar).std()
    np.testing.assert_allclose(np.sort(volatility_cloud(quiet, 1)), np.sort(np.abs(return_cloud(quiet))))


def test_distances_see_what_each_of_them_is_for() -> None:
    rng = np.random.default_rng(0)
    real = garch(rng, 40, 1000, 0.2, 0.75, power=1.0)
    again, shuffled, gaussian = garch(rng, 60, 700, 0.2, 0.75, power=1.0), rng.permuted(real, axis=1), rng.normal(size=(40, 1000))
    same, order, shape = (transport_distances(other * 7.0, real) for other in (again, shuffled, gaussian))
    floor = transport_floor(real, splits=10)
    assert order.returns == pytest.approx(0, abs=1e-9)
    assert order.volatility > 4 * same.volatility
    assert shape.returns > 3 * same.returns
    assert shape.tails > 3 * same.tails
    assert shape.absolute > 3 * same.absolute
    assert shape.returns > 3 * floor.returns
    assert same.returns < 3 * floor.returns
    assert order.volatility > 3 * floor.volatility


def test_a_panel_that_never_moves_has_no_distances_and_one_stock_no_floor() -> None:
    real = np.random.default_rng(0).normal(size=(4, 200))
    assert np.isnan(list(vars(transport_distances(np.zeros((3, 100)), real)).values())).all()
    assert transport_floor(real, splits=3) == transport_floor(real, splits=3)
    assert isinstance(transport_floor(real, splits=3), TransportDistances)
    for panel, splits in ((real[:1], 3), (real, 0)):
        with pytest.raises(DataError, match="at least two stocks"):
            transport_floor(panel, splits=splits)


def test_a_lagged_cloud_has_a_point_for_every_start() -> None:
    values = np.arange(12.0).reshape(2, 6)
    values[1, 3] = np.nan
    found = lagged_cloud(values, (1, 3))
    assert found.tolist() == [[0, 1, 3], [1, 2, 4], [2, 3, 5], [7, 8, 10]]
    assert lagged_cloud(values, (9,)).shape == (0, 2)
    with pytest.raises(DataError, match="lags"):
        lagged_cloud(values, (0,))


def slow_sinkhorn(x: np.ndarray, y: np.ndarray, epsilon: float) -> float:
    """Entropic cost with the relative entropy to the product, by 2,000 turns in logarithms."""
    cost = cdist(x, y, "sqeuclidean")
    f, g = np.zeros(len(x)), np.zeros(len(y))
    for _ in range(2000):
        f = -epsilon * logsumexp((g - cost) / epsilon - np.log(len(y)), axis=1)
        g = -epsilon * logsumexp((f[:, None] - cost) / epsilon - np.log(len(x)), axis=0)
    return f.mean() + g.mean()


@pytest.mark.slow  # ott takes seconds to import, and compiles anew for each pair of sizes
def test_the_sinkhorn_divergence_is_that_of_a_slow_one_and_near_the_cheapest_assignment() -> None:
    pytest.importorskip("ott", reason="Sinkhorn divergences need ott-jax: pip install 'massjax[transport]'")
    rng, epsilon = np.random.default_rng(0), 0.1
    x, y = rng.normal(size=(40, 2)), rng.normal(1.0, 0.5, size=(40, 2))
    slow = slow_sinkhorn(x, y, epsilon) - (slow_sinkhorn(x, x, epsilon) + slow_sinkhorn(y, y, epsilon)) / 2
    found = sinkhorn_divergence(x, y, epsilon)
    assert found == pytest.approx(slow, rel=2e-3)
    costs = cdist(x, y, "sqeuclidean")
    assert found == pytest.approx(costs[linear_sum_assignment(costs)].mean(), rel=0.1)
    assert sinkhorn_divergence(x, x, epsilon) == pytest.approx(0, abs=1e-3)


def test_without_the_package_or_points_the_sinkhorn_divergence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.ones((3, 2))
    for clouds, epsilon in (((x[:0], x), 0.1), ((x, x * np.nan), 0.1), ((x, x), 0.0)):
        with pytest.raises(DataError, match="finite points"):
            sinkhorn_divergence(*clouds, epsilon)
    monkeypatch.setitem(sys.modules, "ott.geometry.costs", None)
    with pytest.raises(DataError, match=r"pip install 'massjax\[transport\]'"):
        sinkhorn_divergence(x, x)
