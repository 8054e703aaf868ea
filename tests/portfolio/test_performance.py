from __future__ import annotations

import numpy as np
import pytest

from massjax.portfolio.backtest import backtest
from massjax.portfolio.performance import daily_returns, performance
from massjax.portfolio.settings import BacktestSettings


def test_performance_worked_by_hand() -> None:
    returns = np.array([[0.0, 0.1, -0.2, 0.05], [0.0, 0.0, 0.0, 0.0]])
    settings = BacktestSettings(quantile=0.5, every=2, tranches="single", cost=0.02)
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
