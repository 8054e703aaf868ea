"""Controls are what was known at each close: compared with loops over stocks and dates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from massjax.hindsight.controls import fame, market_controls, past_return, with_fame
from massjax.market import Feature, Panel

DATES = np.arange("2022-01-03", "2022-01-11", dtype="datetime64[D]")


@pytest.fixture
def panel() -> Panel:
    prices = np.exp(np.random.default_rng(0).normal(size=(3, 8)) * 0.1)
    return Panel(DATES, ("A", "B", "C"), np.ones((3, 8), bool), {}, prices=prices)


@pytest.mark.parametrize("apart", [1, 3, 20])
def test_fame_is_the_mean_of_answers_whose_returns_had_ended(apart: int) -> None:
    rng = np.random.default_rng(apart)
    blank, member = np.where(rng.random((4, 9)) < 0.3, np.nan, rng.random((4, 9))), rng.random((4, 9)) < 0.8
    found = fame(blank, member, apart)
    for n in range(4):
        for t in range(9):
            past = [blank[n, u] for u in range(t - apart + 1) if member[n, u] and np.isfinite(blank[n, u])]
            assert found[n, t] == pytest.approx(np.mean(past) if past else np.nan, nan_ok=True)


def test_what_is_missing_is_said(panel: Panel) -> None:
    found = market_controls(panel)
    assert found.names == ("momentum",)
    assert np.array_equal(found.values[0], past_return(panel.prices), equal_nan=True)
    assert any("size is missing" in told for told in found.told)
    none = market_controls(replace(panel, prices=None))
    assert none.names == ()
    assert none.values.shape == (0, 3, 8)
    assert any("momentum is missing" in told for told in none.told)
    few = with_fame(none, np.full((3, 8), 0.5), panel.member, apart=9)
    assert few.names == ()
    assert any("fame is missing" in told for told in few.told)


def test_size_is_market_value_before_what_is_traded(panel: Panel) -> None:
    value = Feature("market_value", "size", np.full((3, 8), 2.0), "size")
    volume = Feature("volume", "size", np.full((3, 8), np.nan), "volume")
    both = market_controls(replace(panel, features={"volume": volume, "market_value": value}))
    assert both.names == ("size", "momentum")
    assert "size is the feature market_value" in both.told
    unknown = market_controls(replace(panel, features={"volume": volume}))
    assert unknown.names == ("momentum",)
    assert "size is known of none" in unknown.told


def test_a_feature_that_is_known_of_none_gives_way_to_what_is_known(panel: Panel) -> None:
    none, volume = np.full((3, 8), np.nan), np.arange(24.0).reshape(3, 8)
    features = {
        "market_value": Feature("market_value", "size", none, "size"),
        "momentum_6m": Feature("momentum_6m", "price", none, "momentum"),
        "volume": Feature("volume", "size", volume, "volume"),
    }
    found = market_controls(replace(panel, features=features))
    assert found.names == ("size", "momentum")
    np.testing.assert_array_equal(found.values[0], volume)
    np.testing.assert_array_equal(found.values[1], past_return(panel.prices))
    assert found.told[:2] == ("size is the feature volume", "momentum is the return over the past 126 rows, or as many as there are")
    without = market_controls(replace(panel, features=features, prices=None))
    assert "momentum is known of none" in without.told
