"""A trade needs a price: the portfolio against a ledger of shares, and one case after the other by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st

from massjax.market import Panel
from massjax.market.fills import ends_of_prices, fillable, judged_returns, last_prices, priced, with_fills
from massjax.market.returns import forward_returns, returns_from_forward, returns_from_prices
from massjax.portfolio.backtest import Backtest, backtest, top_quantile
from massjax.portfolio.settings import BacktestSettings
from massjax.portfolio.untraded import untraded_warnings
from massjax.statistics.correlation import daily_rank_ic
from tests.portfolio.ledger import Ledger

NAN = np.nan


def untraded(panel, backtests, settings):
    """What is told of a panel's trades at an execution lag of 0."""
    known = priced(panel, 0)
    ready_made = returns_from_forward(panel.forward_returns[1], 0) if panel.prices is None else None
    return untraded_warnings(
        backtests, settings, stocks=panel.stocks, dates=panel.dates, last_price=last_prices(known), ready_made=ready_made
    )


def panel_of(prices: np.ndarray, **more: Any) -> Panel:
    prices = np.asarray(prices, float)
    days = np.datetime64("2021-01-04") + np.arange(prices.shape[1])
    names = tuple(chr(ord("A") + row) for row in range(len(prices)))
    return Panel(dates=days, stocks=names, member=np.ones(prices.shape, bool), prices=prices, **more)


def hold(panel: Panel, signal: Any, *, start: int = 0, lag: int = 0, **changes: Any) -> Backtest:
    assert panel.prices is not None
    rules = BacktestSettings(**{"cost": 0.0, "tranches": "single", **changes})
    return backtest(
        np.asarray(signal, float), returns_from_prices(panel.prices), panel.member, rules,
        start=start, execution_lag=lag, fillable=fillable(panel, lag), ends=ends_of_prices(panel, lag),
    )  # fmt: skip


def constant(values: Sequence[float], dates: int) -> np.ndarray:
    return np.tile(np.array(values, float)[:, None], (1, dates))


def test_a_suspended_stock_is_bought_when_it_trades_again_and_its_jump_is_not_earned() -> None:
    panel = panel_of([[10, NAN, NAN, 15, 18], [10, 10, 10, 10, 10]])
    waits = hold(panel, constant([2, 1], 5), lag=1, every=99, quantile=0.5)
    np.testing.assert_allclose(waits.equity, [NAN, 1, 1, 1, 1.2])
    np.testing.assert_allclose(waits.turnover, [0, 0, 0, 1, 0])
    np.testing.assert_allclose(waits.holdings[0], [0, 0, 0, 1, 1.2])
    lapses = hold(panel, constant([2, 1], 5), lag=1, every=99, quantile=0.5, unfilled="lapse")
    np.testing.assert_allclose(lapses.equity, [NAN, 1, 1, 1, 1])
    assert waits.unfilled == lapses.unfilled == 1


@pytest.mark.parametrize("unfilled", ["wait", "lapse"])
def test_a_suspended_holding_is_not_sold_and_its_fall_is_borne(unfilled: str) -> None:
    panel = panel_of([[10, 10, NAN, NAN, 4, 2], [10, 10, 10, 10, 10, 20]])
    signal = np.array([[2.0, 2, 0, 0, 0, 0], [1.0] * 6])
    result = hold(panel, signal, every=2, quantile=0.5, unfilled=unfilled)
    np.testing.assert_allclose(result.equity, [1, 1, 1, 1, 0.4, 0.8])
    np.testing.assert_allclose(result.turnover, [1, 0, 0, 0, 2, 0])
    assert result.unfilled == 1, "the sale of A; the purchase of B lacks money, not a price"


def test_what_a_sale_was_to_pay_for_waits_for_the_sale() -> None:
    panel = panel_of([[10, 10, NAN, 5, 5], [10, 10, 10, 10, 20]])
    signal = np.array([[2.0, 2, 0, 0, 0], [1.0] * 5])
    waits, lapses = (hold(panel, signal, start=0, every=2, quantile=0.5, unfilled=u) for u in ("wait", "lapse"))
    np.testing.assert_allclose(waits.equity, [1, 1, 1, 0.5, 1.0])
    np.testing.assert_allclose(waits.holdings[1], [0, 0, 0, 0.5, 1.0])
    np.testing.assert_allclose(lapses.equity, [1, 1, 1, 0.5, 0.5])


def test_purchases_share_the_money_there_is() -> None:
    """A is locked; B and C are to have a half each, and there is the money of D alone."""
    panel = panel_of([[10, NAN, 10], [10, 10, 10], [10, 10, 10], [10, 10, 10]])
    signal = np.array([[2.0, 0, 0], [1.0, 2, 2], [1.0, 2, 2], [2.0, 0, 0]])
    result = hold(panel, signal, every=1, quantile=0.5)
    np.testing.assert_allclose(result.holdings[:, 1], [0.5, 0.25, 0.25, 0])
    np.testing.assert_allclose(result.equity, 1.0)


def test_a_sale_waits_as_a_number_of_shares() -> None:
    """A is to fall from three quarters to a half, a third of its shares, and does so at the price of its return."""
    panel = panel_of([[10, 30, NAN, 60], [10, 10, 10, 10]])
    signal = np.zeros((2, 4))
    result = hold(panel, signal, start=0, every=2, quantile=1.0)
    np.testing.assert_allclose(result.holdings[:, 1], [1.5, 0.5])
    np.testing.assert_allclose(result.holdings[:, 2], [1.5, 0.5], err_msg="B waits for the money")
    np.testing.assert_allclose(result.holdings[:, 3], [2.0, 1.0], err_msg="half a unit of money was ordered, and the rest stays cash")
    np.testing.assert_allclose(result.equity[3], 3.5)


def test_the_next_rebalance_takes_the_place_of_what_waits() -> None:
    panel = panel_of([[10, NAN, NAN, NAN, 15], [10, 10, 10, 10, 20]])
    signal = np.array([[2.0, 2, 0, 0, 0], [1.0] * 5])
    result = hold(panel, signal, start=1, every=2, quantile=0.5)
    np.testing.assert_allclose(result.holdings[0], 0.0)
    np.testing.assert_allclose(result.equity, [NAN, 1, 1, 1, 2.0])


def test_a_date_on_which_a_stock_may_not_be_traded_moves_its_value_and_fills_nothing() -> None:
    """Limit up: the price is there, and nobody sells."""
    tradable = np.array([[True, False, True, True], [True] * 4])
    panel = panel_of([[10, 11, 12, 12], [10, 10, 10, 10]], tradable=tradable)
    bought = hold(panel, constant([2, 1], 4), start=1, every=99, quantile=0.5)
    np.testing.assert_allclose(bought.holdings[0], [0, 0, 1, 1])
    held = hold(panel, constant([2, 1], 4), start=0, every=99, quantile=0.5)
    np.testing.assert_allclose(held.equity, [1, 1.1, 1.2, 1.2])


def test_a_holding_whose_prices_end_is_paid_out_and_named() -> None:
    panel = panel_of([[10, 8, *[NAN] * 7], [10, 10, 10, 10, 30, 30, 30, 30, 30]])
    signal = np.array([[2.0, 2, *[NAN] * 7], [1.0] * 9])
    for loss, left in ((0.0, 0.8), (-0.5, 0.4), (-1.0, 0.0)):
        result = hold(panel, signal, every=3, quantile=0.5, delisting_return=loss)
        np.testing.assert_allclose(result.equity, [1, 0.8, left, left, *[3 * left] * 5])
        assert [(ended.stock, ended.last, ended.share) for ended in result.ended] == [(0, 1, 1.0)]
        assert result.turnover[2] == 0.0
    (told,) = untraded(panel, [result, result], BacktestSettings(delisting_return=-0.5))
    assert told == (
        "1 stock was held when its prices ended, delisted or suspended until after the data ends: A (last price 2021-01-05); such a "
        "holding is paid out at its last price and a return of -50% (evaluate.backtest.delisting_return) on the date after"
    )


def test_a_stock_that_is_priced_after_the_panel_is_suspended_and_the_last_date_ends_nothing() -> None:
    gone = [10, 10, 10, *[NAN] * 8]
    whole = with_fills(panel_of([[10, 10, *[NAN] * 8, 12], [10] * 11, gone]), 0)
    cut = whole.between(None, date(2021, 1, 13))
    np.testing.assert_array_equal(ends_of_prices(cut, 0), [10, 10, 2])
    np.testing.assert_array_equal(ends_of_prices(cut.only(["C", "B", "A"]), 0), [2, 10, 10])
    result = hold(cut, constant([2, 1, 0], 10), every=99, quantile=0.3, delisting_return=-1.0)
    np.testing.assert_allclose(result.equity, 1.0)
    (told,) = untraded(cut, [result], BacktestSettings())
    assert told.startswith("1 stock is held without a price on the last date, 2021-01-13")
    assert told.endswith(": A (last price 2021-01-05)")


def test_a_few_last_dates_without_a_price_end_no_stock() -> None:
    """Nor do they where next to no stock is delivered on the last date; a stock that is silent for five dates has ended."""
    prices = np.full((30, 12), 10.0)
    prices[1:, 11] = prices[3, 7:] = prices[4, 6:] = prices[5, 2:] = NAN
    np.testing.assert_array_equal(ends_of_prices(panel_of(prices), 0), [12, 12, 12, 12, 5, 1, *[12] * 24])


def test_a_price_filled_forward_while_it_may_not_be_traded_is_none() -> None:
    tradable = np.array([[True, True, *[False] * 6], [True] * 8])
    panel = panel_of([[10, *[9] * 7], [10] * 8], tradable=tradable)
    np.testing.assert_array_equal(ends_of_prices(panel, 0), [1, 8])
    limit_down = panel_of([[10, 9, 8, 7, 6, 5, 4, 3], [10] * 8], tradable=tradable)
    np.testing.assert_array_equal(ends_of_prices(limit_down, 0), [8, 8])


def test_forward_returns_of_a_source_leave_out_fills_that_are_forbidden() -> None:
    tradable = np.array([[True, False, True, True], [True] * 4])
    prices = np.array([[10.0, 11, 12, 13], [10.0, 10, 10, 10]])
    panel = with_fills(panel_of(prices, tradable=tradable, forward_returns={1: forward_returns(prices, 1, 1)}), 1)
    np.testing.assert_allclose(panel.forward_returns[1], [[NAN, 1 / 12, NAN, NAN], [0, 0, NAN, NAN]])


@pytest.mark.parametrize("lag", [0, 1, 2])
def test_a_known_forward_return_tells_of_a_price_at_both_its_ends(lag: int) -> None:
    rng = np.random.default_rng(lag)
    prices = np.where(rng.random((5, 30)) < 0.2, NAN, 10.0 + rng.random((5, 30)))
    full = panel_of(prices)
    ready = Panel(full.dates, full.stocks, full.member, forward_returns={1: forward_returns(prices, 1, lag)})
    known = np.isfinite(prices)
    neighbour = np.zeros_like(known)
    neighbour[:, 1:] |= known[:, :-1]
    neighbour[:, :-1] |= known[:, 1:]
    expected = known & neighbour
    np.testing.assert_array_equal(priced(ready, lag)[:, lag + 1 :], expected[:, lag + 1 :])  # type: ignore[index]
    assert not (priced(ready, lag) & ~known).any()


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), lag=st.integers(0, 2), horizon=st.integers(1, 3))
def test_rank_correlation_and_portfolio_agree_on_what_can_be_filled(seed: int, lag: int, horizon: int) -> None:
    rng = np.random.default_rng(seed)
    prices = np.where(rng.random((6, 20)) < 0.2, NAN, np.exp(0.1 * rng.standard_normal((6, 20))))
    panel = panel_of(prices, tradable=rng.random((6, 20)) < 0.8, forward_returns={horizon: rng.standard_normal((6, 20))})
    can, judged = fillable(panel, lag), judged_returns(panel, lag)[horizon]
    for t in range(20 - lag):
        for n in range(6):
            only = np.full((6, 20), NAN)
            only[n, t] = 1.0
            bought = hold(panel, only, start=t, lag=lag, every=99, quantile=0.1, unfilled="lapse").turnover[t + lag] > 0
            assert bought == bool(can[n, t + lag]) == bool(np.isfinite(judged[n, t]))  # type: ignore[index]
    assert np.isnan(daily_rank_ic(np.tile(np.arange(6.0)[:, None], 20), np.where(np.isnan(judged), NAN, 0.0))).all()


@settings(max_examples=120)
@given(
    seed=st.integers(0, 10_000), every=st.sampled_from([1, 2, 3, 4, 5, 6, 40]), lag=st.integers(0, 2), start=st.integers(0, 4),
    tranches=st.sampled_from(["overlapping", "single"]),
    gaps=st.sampled_from([0.0, 0.05, 0.4]), closed=st.sampled_from([0.0, 0.2]), quantile=st.sampled_from([0.2, 0.34, 0.5, 1.0]),
    cost=st.sampled_from([0.0, 0.001, 0.05, 0.49]), unfilled=st.sampled_from(["wait", "lapse"]), loss=st.sampled_from([0.0, -0.3, -1.0]),
)  # fmt: skip
@example(
    seed=765, every=2, lag=0, start=2, tranches="overlapping", gaps=0.4, closed=0.0, quantile=0.2, cost=0.05, unfilled="wait", loss=0.0
)
def test_equals_a_ledger_of_shares_for_each_tranche(
    seed: int, every: int, lag: int, start: int, tranches: str,
    gaps: float, closed: float, quantile: float, cost: float, unfilled: str, loss: float,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    signal, member = rng.integers(0, 6, (6, 25)).astype(float), rng.random((6, 25)) < 0.85
    signal[rng.random((6, 25)) < 0.1] = NAN
    prices = np.exp(np.cumsum(0.05 * rng.standard_normal((6, 25)), axis=1))
    prices[rng.random((6, 25)) < gaps] = NAN
    if gaps:
        prices[rng.integers(6), rng.integers(5, 25) :] = NAN
    panel = panel_of(prices, tradable=rng.random((6, 25)) >= closed)
    rules = BacktestSettings(quantile=quantile, every=every, tranches=tranches, cost=cost, unfilled=unfilled, delisting_return=loss)
    can, ends = fillable(panel, lag), ends_of_prices(panel, lag)
    assert can is not None
    assert ends is not None
    found = backtest(signal, returns_from_prices(prices), member, rules, start=start, execution_lag=lag, fillable=can, ends=ends)
    overlapping, decisions = tranches == "overlapping", 25 - lag - start
    ledgers = [Ledger(prices, can, ends, rules) for _ in range(every)]
    whole = ledgers if overlapping else ledgers[:1]
    for t in range(start + lag, 25):
        target = top_quantile(signal[:, t - lag], member[:, t - lag], quantile)
        for tranche, ledger in enumerate(ledgers):
            decides = (t - lag - start - tranche) % every == 0 or (overlapping and not ledger.began)
            ledger.day(t, target if decides else np.zeros(6))
        equity = [ledger.worth() if ledger.began else NAN for ledger in ledgers]
        np.testing.assert_allclose(found.equity[t], np.mean(equity[: len(whole)]), rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(found.starts[:, t], equity[0 if overlapping else 1 : min(every, decisions)], rtol=1e-9, atol=1e-14)
        held = np.mean([[ledger.value(n) for n in range(6)] for ledger in whole], axis=0)
        np.testing.assert_allclose(found.holdings[:, t], held, rtol=1e-9, atol=1e-12)
        before = sum(ledger.before for ledger in whole)
        turnover = sum(ledger.traded for ledger in whole) / before if before else 0.0
        np.testing.assert_allclose(found.turnover[t], turnover, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.cost[t], cost / 2 * turnover * before / len(whole), rtol=1e-9, atol=1e-12)
    cash = found.equity - found.holdings.sum(axis=0)
    assert (cash[np.isfinite(cash)] >= -1e-12).all(), "nothing is borrowed"
    assert (found.holdings >= 0).all()
    for ledger in whole:
        if cost == 0 and not ledger.lost:
            assert ledger.flows == pytest.approx(0.0, abs=1e-12), "what is paid is what is received"


def test_a_gap_in_ready_made_returns_is_told_with_stock_and_dates() -> None:
    prices = np.array([[10, 10, NAN, NAN, 15, 15, 15], [10, 10, 10, 10, 10, 10, 10]], float)
    one_day = forward_returns(prices, 1, 0)
    days = np.datetime64("2021-01-04") + np.arange(7)
    panel = Panel(dates=days, stocks=("A", "B"), member=np.ones(prices.shape, bool), forward_returns={1: one_day})
    settings = BacktestSettings(cost=0.0, quantile=0.5, every=99)
    result = backtest(
        constant([2, 1], 7), returns_from_forward(one_day, 0), panel.member, settings,
        execution_lag=0, fillable=fillable(panel, 0), ends=ends_of_prices(panel, 0),
    )  # fmt: skip
    (sentence,) = untraded(panel, [result], settings)
    assert "1 stock was held over dates without a return" in sentence
    assert "A (2021-01-06 to 2021-01-08)" in sentence
    priced_too = panel_of(prices)
    assert untraded(priced_too, [hold(priced_too, constant([2, 1], 7), quantile=0.5, every=99)], settings) == ()
