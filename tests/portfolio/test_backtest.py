from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from massjax.errors import DataError
from massjax.market.returns import returns_from_forward, returns_from_prices
from massjax.portfolio.backtest import backtest, top_quantile
from massjax.portfolio.performance import daily_returns, performance
from massjax.portfolio.settings import BacktestSettings


def test_one_stock_bought_at_the_next_close_and_held_to_the_end() -> None:
    prices = np.array([[100.0, 110, 121, 121], [50.0, 40, 50, 60]])
    signal = np.array([[1.0, 0, 0, 0], [0.0, 1, 1, 1]])
    result = backtest(signal, returns_from_prices(prices), np.ones((2, 4), bool), BacktestSettings(quantile=0.5, every=10, cost=0.01))
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
        BacktestSettings(quantile=1.0, every=2, cost=0.02),
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


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.floats(0.01, 1.0), st.integers(0, 99))
def test_top_quantile_ignores_the_order_of_the_stocks(values: list[int], quantile: float, seed: int) -> None:
    signal, order = np.array(values, float), np.random.default_rng(seed).permutation(len(values))
    weights = top_quantile(signal, np.ones(len(values), bool), quantile)
    assert weights.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(top_quantile(signal[order], np.ones(len(values), bool), quantile), weights[order])
    assert (np.diff(weights[np.argsort(signal, kind="stable")]) >= -1e-15).all()


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


def test_performance_worked_by_hand() -> None:
    returns = np.array([[0.0, 0.1, -0.2, 0.05], [0.0, 0.0, 0.0, 0.0]])
    settings = BacktestSettings(quantile=0.5, every=2, cost=0.02)
    chosen = backtest(np.array([[1.0] * 4, [0.0] * 4]), returns, np.ones((2, 4), bool), settings, execution_lag=0)
    cash = backtest(np.array([[0.0] * 4, [1.0] * 4]), returns, np.ones((2, 4), bool), settings, execution_lag=0)
    figures, daily = performance(chosen, cash), np.array([-0.01, 0.1, -0.2, 0.05])
    end = 0.99 * 1.1 * 0.8 * 1.05
    assert figures.days == 3
    assert figures.rebalances == 2
    assert figures.total_return == pytest.approx(end - 1)
    assert figures.cagr == pytest.approx(end ** (252 / 3) - 1)
    assert figures.volatility == pytest.approx(daily.std(ddof=1) * np.sqrt(252))
    assert figures.sharpe == pytest.approx(daily.mean() / daily.std(ddof=1) * np.sqrt(252))
    assert figures.max_drawdown == pytest.approx(0.99 * 1.1 * 0.8 / (0.99 * 1.1) - 1)
    assert figures.turnover == pytest.approx(0.0)
    assert figures.cost == pytest.approx(0.01 * 252 / 3)
    assert figures.active_return == pytest.approx(end ** (252 / 3) - 0.99 ** (252 / 3))
    active = daily - np.array([-0.01, 0.0, 0.0, 0.0])
    assert figures.information_ratio == pytest.approx(active.mean() / active.std(ddof=1) * np.sqrt(252))
    np.testing.assert_allclose(daily_returns(chosen), daily, rtol=1e-12)
    assert np.prod(1 + daily_returns(chosen)) - 1 == pytest.approx(figures.total_return, rel=1e-14)


def test_a_portfolio_that_is_bought_later_is_compared_over_its_own_dates() -> None:
    returns = np.array([[0.0, 0.5, 0.1, 0.2]])
    everyone, settings = np.ones((1, 4), bool), BacktestSettings(quantile=1.0, every=1, cost=0.0)
    early = backtest(np.ones((1, 4)), returns, everyone, settings, execution_lag=0)
    late = backtest(np.array([[np.nan, np.nan, 1.0, 1.0]]), returns, everyone, settings, execution_lag=0)
    assert np.isfinite(late.equity).tolist() == [False, False, True, True]
    assert performance(late, early).active_return == pytest.approx(0.0, abs=1e-9)


def test_a_year_has_as_many_rows_as_the_panel_says_and_growth_goes_by_the_dates() -> None:
    """Sixty Fridays that rise by 0.2 % each: 10.4 % a year, at whatever number of rows."""
    fridays = np.arange("2021-01-01", "2022-02-25", 7, dtype="datetime64[D]")
    returns = np.full((2, 60), 0.002) + np.array([[0.001], [-0.001]]) * (-1.0) ** np.arange(60)
    held = backtest(np.ones((2, 60)), returns, np.ones((2, 60), bool), BacktestSettings(quantile=0.5, every=1000), execution_lag=0)
    weekly, daily = (performance(held, dates=fridays, periods_per_year=periods) for periods in (52.0, 252.0))
    years = 59 * 7 / 365.25
    assert weekly.cagr == daily.cagr == pytest.approx(held.equity[-1] ** (1 / years) - 1)
    assert weekly.cagr == pytest.approx(0.11, abs=0.01)
    for name, power in (("sharpe", 0.5), ("volatility", 0.5), ("cost", 1.0)):
        assert getattr(daily, name) / getattr(weekly, name) == pytest.approx((252 / 52) ** power), name
    assert (weekly.periods_per_year, weekly.days) == (52.0, 59)


@pytest.mark.filterwarnings("error")
def test_ruin_and_a_gain_beyond_all_numbers_are_figures_without_a_warning() -> None:
    everyone, settings = np.ones((1, 4), bool), BacktestSettings(quantile=1.0, every=99, cost=0.0)
    ruined = backtest(np.ones((1, 4)), np.array([[0.0, 0.1, -1.0, 0.5]]), everyone, settings, execution_lag=0)
    days = np.arange("2021-01-04", "2021-01-08", dtype="datetime64[D]")
    figures = performance(ruined, ruined, dates=days)
    assert (figures.total_return, figures.cagr, figures.max_drawdown) == (-1.0, -1.0, -1.0)
    np.testing.assert_allclose(daily_returns(ruined), [0.0, 0.1, -1.0, 0.0])
    boundless = backtest(np.ones((1, 4)), np.array([[0.0, 9.0, 99.0, 99.0]]), everyone, settings, execution_lag=0)
    assert performance(boundless, dates=days).cagr == np.inf
    assert np.isnan(performance(boundless, boundless, dates=days).active_return)


def test_performance_of_a_single_day_is_nan_not_an_error() -> None:
    only = backtest(np.ones((1, 1)), np.zeros((1, 1)), np.ones((1, 1), bool), BacktestSettings(cost=0.0), execution_lag=0)
    figures = performance(only, only)
    assert figures.days == 0
    assert figures.max_drawdown == 0.0
    assert np.isnan([figures.cagr, figures.volatility, figures.sharpe, figures.turnover, figures.total_return]).all()
