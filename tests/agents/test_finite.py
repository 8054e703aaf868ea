"""Settings of finite agents, their presets, and the chances of a draw by industry and by size of the date."""

from __future__ import annotations

import numpy as np
import pytest

from massjax.agents.finite import PRESETS, FiniteSettings
from massjax.agents.watchlists import draw_weights, watch_warnings
from massjax.errors import ConfigError, DataError
from massjax.market.panel import Feature, Panel

DATES = np.array(["2024-01-02", "2024-01-03", "2024-01-04"], dtype="datetime64[D]")
SECTORS = {"A": "bank", "B": "bank", "C": "oil", "D": "steel", "E": "steel", "F": "steel"}


def made_panel(**changes: object) -> Panel:
    member = np.ones((6, 3), bool)
    member[1, 1] = False
    sizes = np.array([[6.0], [5.0], [4.0], [3.0], [2.0], [1.0]]) * np.array([1.0, 1.0, 1.0])
    sizes[:, 2] = sizes[::-1, 2]
    features = {"market_value": Feature("market_value", "base_data", sizes, "size")}
    given: dict[str, object] = {"features": features, "sectors": SECTORS, **changes}
    return Panel(DATES, tuple("ABCDEF"), member, **given)


def test_presets_fill_what_is_not_given_and_say_what_was_changed() -> None:
    code, paper = FiniteSettings(preset="mass-code"), FiniteSettings(preset="mass-paper", daily=True)
    assert (code.replicas, code.watchlist, code.picks, code.replacement, code.daily, code.changed()) == (32, 20, 5, True, True, ())
    assert (paper.replacement, paper.daily, paper.changed()) == (False, True, ("daily",))
    assert FiniteSettings(**code.model_dump()) == code
    assert all(set(values) <= set(FiniteSettings.model_fields) for values in PRESETS.values())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"picks": 6, "watchlist": 5}, "picks: 6 of a watch list of 5"),
        ({"draw": "industry_basis"}, "names no industries"),
        ({"industries": ("bank",)}, "which only draw: industry_basis needs"),
        ({"draw": "industry_basis", "industries": ("bank", "bank")}, "named twice"),
        ({"size": "market_value"}, "is for draw: size_equal"),
        ({"temperature": 1e-9}, "expected 0, or at least"),
        ({"preset": "mass"}, "mass-code"),
        ({"replicas": 0}, "replicas"),
    ],
)
def test_settings_that_contradict_each_other_are_named(given: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        FiniteSettings(**given)


def test_every_industry_has_the_same_chance_and_preferred_ones_five_times_that() -> None:
    panel = made_panel()
    assert draw_weights(panel, FiniteSettings()) is None
    weights = draw_weights(panel, FiniteSettings(draw="industry_equal"))
    assert weights is not None
    np.testing.assert_allclose(weights[:, 0], [1 / 2, 1 / 2, 1, 1 / 3, 1 / 3, 1 / 3])
    np.testing.assert_allclose(weights[:, 1], [1, 0, 1, 1 / 3, 1 / 3, 1 / 3])
    weights = draw_weights(panel, FiniteSettings(draw="industry_basis", industries=("oil",)))
    assert weights is not None
    np.testing.assert_allclose(weights[:, 0], [0.1, 0.1, 1, 0.2 / 3, 0.2 / 3, 0.2 / 3])


def test_size_classes_are_of_the_date_and_never_of_a_later_one() -> None:
    panel, settings = made_panel(), FiniteSettings(draw="size_equal")
    weights = draw_weights(panel, settings)
    assert weights is not None
    np.testing.assert_allclose(weights[:, 0], [1 / 2, 1 / 2, 1, 1, 1, 1])
    np.testing.assert_allclose(weights[:, 2], weights[::-1, 0])
    values = panel.features["market_value"].values.copy()
    values[:, 2] = np.arange(1.0, 7.0) ** 2
    later = draw_weights(made_panel(features={"market_value": Feature("market_value", "base_data", values, "size")}), settings)
    assert later is not None
    np.testing.assert_array_equal(later[:, :2], weights[:, :2])


def test_what_the_market_data_lack_is_named() -> None:
    equal, size = FiniteSettings(draw="industry_equal"), FiniteSettings(draw="size_equal")
    with pytest.raises(ConfigError, match=r"agents.finite.draw: the market data tells of no industries; .* market.stocks"):
        draw_weights(made_panel(sectors={}), equal)
    with pytest.raises(DataError, match=r"the industry of 1 of 6 stocks is unknown \(C; C is a member from 2024-01-02 on\)"):
        draw_weights(made_panel(sectors=_without("C")), equal)
    with pytest.raises(ConfigError, match=r"no member is of the industry 'banks' \(did you mean 'bank'\?\)"):
        draw_weights(made_panel(), FiniteSettings(draw="industry_basis", industries=("banks",)))
    with pytest.raises(ConfigError, match="no feature 'free_market_value'"):
        draw_weights(made_panel(features={}), size)
    values = made_panel().features["market_value"].values.copy()
    values[3, 1] = np.nan
    with pytest.raises(DataError, match="the size of D is unknown on 2024-01-03"):
        draw_weights(made_panel(features={"market_value": Feature("market_value", "base_data", values, "size")}), size)


def _without(stock: str) -> dict[str, str]:
    return {name: sector for name, sector in SECTORS.items() if name != stock}


def test_lists_of_everybody_are_warned_of() -> None:
    panel = made_panel()
    assert watch_warnings(panel, FiniteSettings(watchlist=5)) == ()
    assert watch_warnings(panel, FiniteSettings(watchlist=6, replacement=True)) == ()
    assert "every replica watches all of them and the replicas of an archetype pick the same" in watch_warnings(panel, FiniteSettings())[0]
