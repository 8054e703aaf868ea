from __future__ import annotations

import numpy as np
import pytest

from massjax.errors import DataError
from massjax.market.returns import forward_returns, returns_from_forward, returns_from_prices

PRICES = np.array([[1.0, 2.0, 3.0, 6.0, np.nan, 12.0]])


@pytest.mark.parametrize(
    ("horizon", "lag", "expected"),
    [
        (1, 0, [1.0, 0.5, 1.0, np.nan, np.nan, np.nan]),
        (1, 1, [0.5, 1.0, np.nan, np.nan, np.nan, np.nan]),
        (2, 1, [2.0, np.nan, 1.0, np.nan, np.nan, np.nan]),
        (3, 2, [3.0, np.nan, np.nan, np.nan, np.nan, np.nan]),
    ],
)
def test_bought_after_the_lag_and_held_for_the_horizon(horizon: int, lag: int, expected: list[float]) -> None:
    np.testing.assert_allclose(forward_returns(PRICES, horizon, lag)[0], expected)


def test_the_longest_possible_horizon_leaves_one_return() -> None:
    assert np.isfinite(forward_returns(PRICES, 4, 1)).sum() == 1


def test_a_horizon_longer_than_the_data_is_refused() -> None:
    with pytest.raises(DataError, match=r"horizon of 5 rows with an execution lag of 1 needs at least 7 dates .* the data has 6"):
        forward_returns(PRICES, 5, 1)


def test_returns_from_prices_put_the_return_of_a_gap_where_it_ends() -> None:
    prices = np.array([[np.nan, 10.0, np.nan, 12.0, 6.0, np.nan]])
    np.testing.assert_allclose(returns_from_prices(prices), [[np.nan, np.nan, np.nan, 0.2, -0.5, np.nan]])


@pytest.mark.parametrize("lag", [0, 1, 2])
def test_one_day_forward_returns_hold_the_same_returns_as_prices(lag: int) -> None:
    prices = np.exp(np.cumsum(0.02 * np.random.default_rng(3).standard_normal((4, 12)), axis=1))
    forward = np.full(prices.shape, np.nan)
    forward[:, : 12 - lag - 1] = prices[:, lag + 1 :] / prices[:, lag : 12 - 1] - 1
    from_forward, from_prices = returns_from_forward(forward, lag), returns_from_prices(prices)
    np.testing.assert_allclose(from_forward[:, lag + 1 :], from_prices[:, lag + 1 :], rtol=1e-12)
    assert np.isnan(from_forward[:, : lag + 1]).all()
