from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from massjax.errors import DataError
from massjax.market.returns import returns_from_prices
from massjax.portfolio.backtest import backtest, top_quantile
from massjax.portfolio.settings import BacktestSettings


def test_one_stock_bought_at_the_next_close_and_held_to_the_end() -> None:
    prices = np.array([[100.0, 110, 121, 121], [50.0, 40, 50, 60]])
    signal = np.array([[1.0, 0, 0, 0], [0.0, 1, 1, 1]])
    rules = BacktestSettings(quantile=0.5, every=10, tranches="single", cost=0.01)
    result = backtest(signal, returns_from_prices(prices), np.ones((2, 4), bool), rules)
    bought = 1 - 0.005
    np.testing.assert_allclose(result.equity, [np.nan, bought, bought * 1.1, bought * 1.1], rtol=1e-14)
    np.testing.assert_allclose(result.cost, [0, 0.005, 0, 0], rtol=1e-14)
    assert result.rebalances == 1
    assert result.unpriced == 0


def test_holdings_drift_and_only_the_difference_is_traded() -> None:
    prices = np.array([[1.0, 1.0, 3.0], [1.0, 1.0, 1.0]])
    result = backtest(
        np.zeros((2, 3)),
        returns_from_prices(prices),
        np.ones((2, 3), bool),
        BacktestSettings(quantile=1.0, every=2, tranches="single", cost=0.02),
        execution_lag=0,
    )
    first = 1 - 0.01
    before = first * (0.5 * 3 + 0.5)
    turnover = 0.25 + 0.25
    np.testing.assert_allclose(result.turnover, [1, 0, turnover], rtol=1e-14)
    np.testing.assert_allclose(result.equity, [first, first, before * (1 - 0.01 * turnover)], rtol=1e-14)


def test_a_full_switch_sells_everything_and_buys_everything() -> None:
    signal = np.array([[1.0, 0.0], [0.0, 1.0]])
    result = backtest(signal, np.zeros((2, 2)), np.ones((2, 2), bool), BacktestSettings(quantile=0.5, every=1, cost=0.001), execution_lag=0)
    np.testing.assert_allclose(result.turnover, [1, 2])
    np.testing.assert_allclose(result.equity, [0.9995, 0.9995 * 0.999], rtol=1e-14)


def test_quantile_counts_members_with_a_signal_and_splits_ties() -> None:
    everyone = np.ones(5, bool)
    np.testing.assert_allclose(top_quantile(np.array([1.0, 5, 3, 4, 2]), everyone, 0.4), [0, 0.5, 0, 0.5, 0])
    np.testing.assert_allclose(top_quantile(np.array([2.0, 5, 2, 2, 1]), everyone, 0.4), [1 / 6, 1 / 2, 1 / 6, 1 / 6, 0])
    np.testing.assert_allclose(top_quantile(np.array([1.0, np.nan, 3, 4, 2]), everyone, 0.01), [0, 0, 0, 1, 0])
    np.testing.assert_allclose(
        top_quantile(np.array([9.0, 5, 3, 4, 2]), np.array([False, True, True, True, True]), 0.5), [0, 0.5, 0, 0.5, 0]
    )
    assert not top_quantile(np.full(5, np.nan), everyone, 0.5).any()


@settings(max_examples=60)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.floats(0.01, 1.0), st.integers(0, 99))
def test_top_quantile_ignores_the_order_of_the_stocks(values: list[int], quantile: float, seed: int) -> None:
    signal, order = np.array(values, float), np.random.default_rng(seed).permutation(len(values))
    weights = top_quantile(signal, np.ones(len(values), bool), quantile)
    assert weights.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(top_quantile(signal[order], np.ones(len(values), bool), quantile), weights[order])
    assert (np.diff(weights[np.argsort(signal, kind="stable")]) >= -1e-15).all()


def test_held_stocks_without_a_return_are_carried_and_counted() -> None:
    returns = np.array([[np.nan, 0.1, np.nan, 0.1]])
    result = backtest(np.ones((1, 4)), returns, np.ones((1, 4), bool), BacktestSettings(quantile=1.0, every=9, cost=0.0), execution_lag=0)
    np.testing.assert_allclose(result.equity, [1, 1.1, 1.1, 1.21])
    assert result.unpriced == 1


def test_a_decision_that_is_never_filled_is_refused() -> None:
    with pytest.raises(DataError, match="date number 4 with an execution lag of 1"):
        backtest(np.ones((2, 4)), np.zeros((2, 4)), np.ones((2, 4), bool), BacktestSettings(), start=3)
    with pytest.raises(DataError, match=r"\(2, 4\).*\(2, 3\)"):
        backtest(np.ones((2, 4)), np.zeros((2, 3)), np.ones((2, 4), bool), BacktestSettings())
