from __future__ import annotations

import socket
import sys

import numpy as np
import pytest
from skfolio.datasets import load_sp500_dataset

from massjax.errors import DataError
from massjax.market import load_panel
from massjax.market.settings import MarketSettings
from massjax.market.sp500 import COMPANIES, load_sp500


def test_equals_what_skfolio_loads() -> None:
    panel, table = load_sp500(), load_sp500_dataset()
    np.testing.assert_array_equal(panel.prices, table.to_numpy().T)
    np.testing.assert_array_equal(panel.dates, table.index.to_numpy().astype("datetime64[D]"))
    assert panel.stocks == tuple(table.columns) == tuple(COMPANIES)
    assert set(panel.names) == set(panel.sectors) == set(panel.stocks)


def test_loads_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("tried to reach the network")

    monkeypatch.setattr(socket, "socket", refuse)
    assert load_sp500().prices is not None


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skfolio", None)
    with pytest.raises(DataError, match="pip install skfolio"):
        load_sp500()


def test_history_before_the_start_feeds_the_features() -> None:
    panel = load_panel(MarketSettings(start="2022-01-03", end="2022-06-30"))
    assert str(panel.dates[0]) == "2022-01-03"
    assert str(panel.dates[-1]) == "2022-06-30"
    assert panel.member.all()
    for feature in panel.features.values():
        assert np.isfinite(feature.values).all(), feature.name
    for values in panel.forward_returns.values():
        assert np.isfinite(values).all()


def test_forward_returns_follow_the_execution_lag() -> None:
    next_close = load_panel(MarketSettings(start="2022-01-03", horizons=(5,)))
    same_close = load_panel(MarketSettings(start="2022-01-03", horizons=(5,), execution_lag=0))
    np.testing.assert_array_equal(next_close.forward_returns[5][:, :-1], same_close.forward_returns[5][:, 1:])
    assert next_close.prices is not None
    np.testing.assert_allclose(next_close.forward_returns[5][:, 0], next_close.prices[:, 6] / next_close.prices[:, 1] - 1.0)
    assert np.isnan(next_close.forward_returns[5][:, -6:]).all()


def test_says_that_its_stocks_survived() -> None:
    assert any("survived" in warning for warning in load_panel(MarketSettings()).warnings)
