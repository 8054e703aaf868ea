"""A portfolio in overlapping tranches: by hand, as the mean of its parts, and without a day of the start that matters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from massjax.portfolio.backtest import Backtest, backtest
from massjax.portfolio.band import band
from massjax.portfolio.performance import performance
from massjax.portfolio.settings import BacktestSettings

NAN = np.nan


def hold(signal: np.ndarray, returns: np.ndarray, *, start: int = 0, lag: int = 0, ends: np.ndarray | None = None, **changes) -> Backtest:
    rules = BacktestSettings(**{"quantile": 0.5, "cost": 0.0, **changes})
    return backtest(signal, returns, np.ones(signal.shape, bool), rules, start=start, execution_lag=lag, ends=ends)


def switching(dates: int, at: int) -> np.ndarray:
    """The first of two stocks is preferred before a date, the second from it on."""
    first = (np.arange(dates) < at).astype(float)
    return np.stack([first, 1 - first])


def noise(seed: int, stocks: int, dates: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((stocks, dates)), 0.02 * rng.standard_normal((stocks, dates))


def test_all_tranches_are_bought_on_the_first_date_and_turn_over_one_by_one() -> None:
    """All hold A; from the second date on B is preferred, which a third of the money buys on each date. A round trip costs 2 %."""
    returns = np.array([[0.0, 0.1, 0.1, 0.1, 0.0], [0.0] * 5])
    result = hold(switching(5, at=1), returns, every=3, cost=0.02)
    bought, switched = 0.99, 0.98
    first, second, third = (bought * 1.1**days * switched for days in (3, 1, 2))
    np.testing.assert_allclose(result.starts[:, -1], [first, second, third], rtol=1e-14)
    np.testing.assert_allclose(result.equity[[0, -1]], [bought, (first + second + third) / 3], rtol=1e-14)
    held = bought / 3 * np.array([[3, 2 * 1.1, 1.1**2, 0, 0], [0, 0, 0, 0, 0]])
    held[1] = np.array([0, second, second + third, first + second + third, first + second + third]) / 3
    np.testing.assert_allclose(result.holdings, held, rtol=1e-14, atol=1e-16)
    np.testing.assert_allclose(result.cost, [0.01, *(bought / 3 * 1.1**days * 0.02 for days in (1, 2, 3)), 0], rtol=1e-14)
    worth = np.array([1, bought * 1.1, second / 3 + 2 / 3 * bought * 1.1**2, (second + third + bought * 1.1**3) / 3])
    traded = np.array([1, 2 / 3 * bought * 1.1, 2 / 3 * bought * 1.1**2, 2 / 3 * bought * 1.1**3])
    np.testing.assert_allclose(result.turnover, [*(traded / worth), 0], rtol=1e-14)
    assert result.rebalances == 5


def test_no_tranche_gives_to_another_so_their_shares_drift() -> None:
    returns = np.array([[0.0, 0.0, 1.0, 0.0, 0.0, 0.0], [0.0] * 6])
    result = hold(switching(6, at=1), returns, every=2)
    np.testing.assert_allclose(result.starts[:, -1], [2.0, 1.0], err_msg="the first tranche turns over after the gain, the second before")
    np.testing.assert_allclose(result.equity[-1], 1.5)


def test_the_whole_begins_on_the_first_date_with_a_signal_whosever_turn_it_is() -> None:
    signal = switching(6, at=3)
    signal[:, :2] = NAN
    result = hold(signal, np.tile([[0.0], [0.1]], 6), every=4)
    assert np.isfinite(result.starts).all(axis=0).tolist() == np.isfinite(result.equity).tolist() == [False, False, True, True, True, True]
    np.testing.assert_allclose(result.starts[:, -1], [1.1, 1.0, 1.0, 1.21], err_msg="the turns stay: 4, 5, the first date and 3")


def test_tranches_whose_turn_never_comes_stay_as_bought() -> None:
    """Of 100 tranches three have a date, the first of which is that of the purchase."""
    returns = np.array([[0.0, 0.1, 0.1], [0.0, 0.0, 0.0]])
    result = hold(switching(3, at=1), returns, every=100)
    np.testing.assert_allclose(result.starts[:, -1], [1.21, 1.1, 1.21])
    np.testing.assert_allclose(result.equity[-1], 0.99 * 1.21 + 0.01 * 1.1)
    assert len(hold(switching(3, at=1), returns, every=100, lag=2).starts) == 1


def test_a_suspended_stock_is_traded_by_each_tranche_when_its_turn_and_a_price_have_come() -> None:
    """A is to be sold from the second date on and has no price on the second and third; B rises from the fifth on."""
    returns = np.array([[0.0, NAN, NAN, -0.5, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]])
    result = hold(switching(6, at=1), returns, every=4)
    np.testing.assert_allclose(result.holdings[0], [1, 1, 1, 0.125, 0, 0], err_msg="the first tranche keeps A until its own turn")
    np.testing.assert_allclose(result.holdings[1], [0, 0, 0, 0.375, 0.5, 1.0])
    assert (result.unfilled, result.unpriced) == (2, 2)
    lapsed = hold(switching(6, at=1), returns, every=4, unfilled="lapse")
    np.testing.assert_allclose(lapsed.holdings[1], [0, 0, 0, 0.125, 0.25, 0.625], err_msg="two orders lapsed, one is given anew")


def test_a_holding_that_ends_is_paid_out_to_each_tranche_and_told_once() -> None:
    """B is the better from the second date on; one tranche of three has left A when its prices end."""
    returns = np.array([[0.0, 0.0, NAN, NAN], [0.0] * 4])
    signal = switching(4, at=1)
    signal[0, 2:] = NAN
    result = hold(signal, returns, every=3, ends=np.array([1, 4]), delisting_return=-0.5)
    np.testing.assert_allclose(result.starts[:, 2], [0.5, 1.0, 0.5])
    np.testing.assert_allclose(result.holdings[1], [0, 1 / 3, 0.5, 2 / 3], err_msg="the money is invested in turn")
    ((stock, last, share),) = result.ended
    assert (stock, last, share) == (0, 1, pytest.approx(2 / 3))


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), lag=st.integers(0, 2), start=st.integers(0, 3), cost=st.sampled_from([0.0, 0.01]))
def test_one_date_between_rebalances_is_one_tranche(seed: int, lag: int, start: int, cost: float) -> None:
    signal, returns = noise(seed, 6, 20)
    returns[np.random.default_rng(seed).random(returns.shape) < 0.1] = NAN
    shared, single = (hold(signal, returns, start=start, lag=lag, every=1, cost=cost, tranches=t) for t in ("overlapping", "single"))
    for name in ("equity", "holdings", "turnover", "cost"):
        np.testing.assert_array_equal(getattr(shared, name), getattr(single, name))
    np.testing.assert_array_equal(shared.starts, [shared.equity])
    assert single.starts.size == 0


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), every=st.integers(2, 7), lag=st.integers(0, 2), cost=st.sampled_from([0.0, 0.01]))
def test_the_band_encloses_the_portfolio_and_no_money_is_made_or_lost(seed: int, every: int, lag: int, cost: float) -> None:
    signal, returns = noise(seed, 6, 40)
    result = hold(signal, returns, every=every, lag=lag, cost=cost)
    known, found = np.isfinite(result.equity), band(result)
    np.testing.assert_allclose(result.starts.mean(axis=0)[known], result.equity[known], rtol=1e-12)
    assert (found.low[known] <= result.equity[known] + 1e-12).all()
    assert (result.equity[known] <= found.high[known] + 1e-12).all()
    cash = result.equity - result.holdings.sum(axis=0)
    assert (cash[known] >= -1e-12).all()
    gained = np.nansum(result.holdings[:, :-1] * returns[:, 1:])
    assert result.equity[-1] == pytest.approx(1 + gained - result.cost.sum(), rel=1e-12)
    assert found.sharpes.shape == found.cagrs.shape == (every,)


def test_a_later_start_of_a_single_portfolio_is_that_portfolio() -> None:
    signal, returns = noise(0, 8, 60)
    days = np.datetime64("2021-01-04") + np.arange(60)
    rules = {"every": 4, "lag": 1, "cost": 0.01, "tranches": "single"}
    result = hold(signal, returns, start=5, **rules)
    later = [hold(signal, returns, start=5 + delay, **rules) for delay in (1, 2, 3)]
    np.testing.assert_array_equal(result.starts, [one.equity for one in later])
    found, figures = band(result, dates=days), [performance(one, dates=days) for one in later]
    np.testing.assert_array_equal(found.sharpes, [each.sharpe for each in figures])
    np.testing.assert_array_equal(found.cagrs, [each.cagr for each in figures])
    assert found.sharpe == (min(found.sharpes), max(found.sharpes))
    assert found.cagr == (min(found.cagrs), max(found.cagrs))
    np.testing.assert_array_equal(np.isfinite(found.low), np.isfinite(later[0].equity))
    assert repr(found).startswith("Band(3 starts, Sharpe ")
    assert "\n" not in repr(found)


def test_a_band_of_no_start_or_of_one_date_knows_nothing() -> None:
    signal, returns = noise(0, 4, 10)
    for result in (hold(signal, returns, every=1, tranches="single"), hold(signal, returns, start=9, every=5)):
        found = band(result)
        assert np.isnan([*found.sharpe, *found.cagr]).all()
    assert np.isnan(band(hold(signal, returns, every=1, tranches="single")).low).all()


def test_no_figure_depends_on_the_day_of_the_start() -> None:
    """Begun on five successive days, all figures over the dates they share: the spread of a single portfolio is many times as large."""

    def spread(seed: int, tranches: str) -> dict[str, float]:
        signal, returns = noise(seed, 30, 320)
        signal = 0.7 * signal + 0.3 * np.roll(returns, -1, axis=1) / 0.02
        figures = []
        for start in range(5):
            held = hold(signal, returns, start=start, lag=1, every=5, quantile=0.2, cost=0.001, tranches=tranches)
            daily = np.diff(np.log(held.equity))[20:]
            figures.append(
                {"total": daily.sum(), "sharpe": daily.mean() / daily.std() * np.sqrt(252), "turnover": held.turnover[20:].sum()}
            )
        return {name: float(np.ptp([each[name] for each in figures])) for name in figures[0]}

    overlapping, single = ([spread(seed, tranches) for seed in range(6)] for tranches in ("overlapping", "single"))
    for name in ("total", "sharpe", "turnover"):
        assert np.mean([each[name] for each in overlapping]) < 0.1 * np.mean([each[name] for each in single]), name
