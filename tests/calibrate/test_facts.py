"""Facts of panels against the statistics they are made of, and their errors against known ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from massjax.calibrate.facts import FactPanel, error_covariance, fact_names, facts_of, panel_of_market
from massjax.calibrate.settings import ComparedFacts
from massjax.errors import DataError
from massjax.market.panel import Feature, Panel
from massjax.statistics.autocorrelation import autocorrelation
from massjax.statistics.order_flow import volume_volatility
from massjax.statistics.tails import excess_kurtosis, hill_index, standardised

SETTINGS = ComparedFacts(scales=(1, 5), lags=(1,), memory=(3, 6), draws=400)


def panel_of(seed: int, units: int = 30, series: int = 2, rows: int = 60) -> FactPanel:
    rng = np.random.default_rng(seed)
    returns = rng.standard_t(5, size=(units, series, rows))
    return FactPanel(returns, np.abs(returns) + rng.gamma(1.0, size=returns.shape))


def real_panel(days: int = 200, stocks: int = 3) -> Panel:
    rng = np.random.default_rng(0)
    dates = np.datetime64("2020-01-01") + np.arange(days)
    prices = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, (stocks, days)), axis=1))
    shares = Feature("shares", "trading", rng.gamma(1.0, size=prices.shape), label="shares traded")
    return Panel(dates, tuple("ABC"[:stocks]), np.ones(prices.shape, bool), {"shares": shares}, prices=prices)


def test_facts_are_those_of_the_statistics():
    panel = panel_of(0)
    magnitude = np.abs(panel.returns)
    by_hand = {
        "excess kurtosis, scale 1": excess_kurtosis(panel.returns).mean(),
        "excess kurtosis, scale 5": excess_kurtosis(panel.returns.reshape(30, 2, 12, 5).sum(axis=-1)).mean(),
        "|r| autocorrelation, lag 1": autocorrelation(magnitude, [1]).mean(),
        "mean |r| autocorrelation, lags 3-6": autocorrelation(magnitude, [3, 4, 5, 6]).mean(),
        "volume-volatility": volume_volatility(panel.returns, panel.volumes, bar=1).mean(),
        "Hill index of |r|": hill_index(standardised(panel.returns)).index,
    }
    assert fact_names(SETTINGS, volumes=True) == tuple(by_hand)
    np.testing.assert_allclose(facts_of(panel, SETTINGS), list(by_hand.values()), rtol=1e-12)
    without = facts_of(panel._replace(volumes=None), SETTINGS.replace(hill=False))
    np.testing.assert_allclose(without, list(by_hand.values())[:4], rtol=1e-12)


def test_series_without_returns_do_not_count_and_dead_ones_leave_no_fact():
    panel = panel_of(1, series=1)
    absent = np.concatenate([panel.returns, np.full((10, 1, 60), np.nan)])
    plain = SETTINGS.replace(hill=False)
    np.testing.assert_allclose(facts_of(FactPanel(absent, None), plain), facts_of(FactPanel(panel.returns, None), plain), rtol=1e-12)
    dead = np.concatenate([panel.returns, np.zeros((10, 1, 60))])
    assert np.isnan(facts_of(FactPanel(dead, None), plain)).all()


def test_errors_of_averages_are_those_of_a_mean_and_of_hills_index_those_of_many_panels():
    panel, settings = panel_of(2, units=60, series=1), SETTINGS.replace(draws=2000)
    found = error_covariance(panel, settings)
    by_market = np.stack([facts_of(FactPanel(r[None], v[None]), settings) for r, v in zip(panel.returns, panel.volumes, strict=True)])
    averaged = slice(0, 5)
    np.testing.assert_allclose(found[averaged, averaged], np.cov(by_market[:, averaged].T) / 60, atol=0.12 * np.diag(found)[averaged].max())
    np.testing.assert_allclose(np.diag(found)[averaged], by_market[:, averaged].var(axis=0, ddof=1) / 60, rtol=0.12)
    many = [facts_of(panel_of(seed, units=60, series=1), settings)[-1] for seed in range(100, 200)]
    assert 0.4 < found[-1, -1] / np.var(many) < 2.5


def test_stocks_of_a_span_are_drawn_together():
    """The same series twice tells no more than once; drawn apart it would seem to."""
    once = panel_of(3, series=1)
    twice = FactPanel(np.repeat(once.returns, 2, axis=1), np.repeat(once.volumes, 2, axis=1))
    plain = SETTINGS.replace(hill=False)
    np.testing.assert_allclose(error_covariance(twice, plain), error_covariance(once, plain), rtol=1e-9)


def test_a_real_panel_is_cut_into_spans_that_end_with_it():
    panel = real_panel()
    found = panel_of_market(panel, rows=39, volume="shares")
    assert found.returns.shape == (5, 3, 39)
    returns = np.diff(np.log(panel.prices), axis=1)
    np.testing.assert_allclose(np.concatenate(list(found.returns), axis=1), returns[:, -5 * 39 :], rtol=1e-12)
    np.testing.assert_array_equal(found.volumes[-1], panel.features["shares"].values[:, -39:])
    assert panel_of_market(panel, rows=39).volumes is None


def test_a_stock_that_is_mostly_unknown_in_a_span_is_left_out_of_it():
    panel = real_panel()
    member = panel.member.copy()
    member[1, -25:] = False
    found = panel_of_market(replace(panel, member=member), rows=39).returns
    assert np.isnan(found[-1, 1]).all()
    assert np.isfinite(found[-1, 0]).all()
    assert np.isfinite(found[-2]).all()


def test_prices_at_which_nobody_could_trade_are_none():
    panel = real_panel()
    tradable = np.ones_like(panel.member)
    tradable[0, 30:36] = False
    returns = np.concatenate(list(panel_of_market(replace(panel, tradable=tradable), rows=39).returns), axis=1)
    unknown = np.flatnonzero(np.isnan(returns[0])) + panel.member.shape[1] - returns.shape[1]
    assert unknown.tolist() == list(range(30, 37))
    assert np.isfinite(returns[1:]).all()


def test_ready_made_returns_serve_where_there_are_no_prices():
    panel = real_panel()
    ready = np.full(panel.member.shape, np.nan)
    ready[:, :-1] = panel.prices[:, 1:] / panel.prices[:, :-1] - 1
    without = replace(panel, prices=None, forward_returns={1: ready})
    np.testing.assert_allclose(
        panel_of_market(without, rows=39).returns[-1, :, :-1], panel_of_market(panel, rows=39).returns[-1, :, 1:], atol=1e-12
    )


def test_what_no_errors_can_be_had_of_is_refused():
    panel = real_panel()
    with pytest.raises(DataError, match="make 4 spans of 40, too few for errors"):
        panel_of_market(panel, rows=40)
    with pytest.raises(DataError, match="no feature 'volume'; it has shares"):
        panel_of_market(panel, rows=20, volume="volume")
    with pytest.raises(DataError, match="neither prices nor returns over one row"):
        panel_of_market(replace(panel, prices=None), rows=20)
    with pytest.raises(DataError, match="at least 5 markets or spans of time, and there are 4"):
        error_covariance(panel_of(0, units=4), SETTINGS)
    with pytest.raises(DataError, match="'excess kurtosis, scale 1' is undefined in 100 % of the resamples"):
        error_covariance(FactPanel(np.zeros((8, 1, 60)), None), SETTINGS)
