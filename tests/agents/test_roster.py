"""Archetypes: listed, generated, drawn; unknown modalities and features are named."""

from __future__ import annotations

import numpy as np
import pytest

from massjax.agents import resolve_archetypes
from massjax.agents.archetype import Archetype
from massjax.agents.settings import AgentsSettings, Draw, Grid
from massjax.errors import ConfigError
from massjax.market import Feature, Panel

MODALITIES = ("price", "risk", "news")


@pytest.fixture
def panel() -> Panel:
    dates = np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]")
    features = {m: Feature(m, m, np.zeros((2, 2)), m) for m in MODALITIES}
    return Panel(dates, ("A", "B"), np.ones((2, 2), dtype=bool), features)


def test_a_grid_is_the_product_of_its_values(panel: Panel) -> None:
    grid = Grid(modalities=(("price",), ("price", "risk")), risk_aversion=("low", "high"), horizon=("days", "months"), replicas=3)
    archetypes = resolve_archetypes(AgentsSettings(grid=grid), panel)
    assert len(archetypes) == 2 * 2 * 2 * 3
    assert len({a.name for a in archetypes}) == len(archetypes)
    assert {a.replica for a in archetypes} == {0, 1, 2}


def test_a_draw_is_seeded_distinct_and_sees_one_to_three_modalities(panel: Panel) -> None:
    settings = AgentsSettings(draw=Draw(count=20, modalities=MODALITIES, seed=3))
    archetypes = resolve_archetypes(settings, panel)
    assert archetypes == resolve_archetypes(settings, panel)
    assert archetypes != resolve_archetypes(AgentsSettings(draw=Draw(count=20, modalities=MODALITIES, seed=4)), panel)
    assert len({(a.modalities, a.risk_aversion, a.horizon) for a in archetypes}) == 20
    assert {len(a.modalities) for a in archetypes} == {1, 2, 3}


def test_a_draw_without_preferences_differs_by_modalities_alone(panel: Panel) -> None:
    archetypes = resolve_archetypes(AgentsSettings(draw=Draw(count=7, modalities=MODALITIES, preferences=False)), panel)
    assert len({a.modalities for a in archetypes}) == 7
    assert {(a.risk_aversion, a.horizon) for a in archetypes} == {("moderate", "weeks")}
    with pytest.raises(ConfigError, match="only 7 distinct archetypes can be drawn"):
        resolve_archetypes(AgentsSettings(draw=Draw(count=8, modalities=MODALITIES, preferences=False)), panel)


def test_a_draw_of_more_than_there_are_is_refused(panel: Panel) -> None:
    with pytest.raises(ConfigError, match="only 9 distinct"):
        resolve_archetypes(AgentsSettings(draw=Draw(count=10, modalities=("price",))), panel)


def test_listed_generated_and_drawn_come_in_that_order(panel: Panel) -> None:
    own = Archetype(name="own", modalities=("price",))
    settings = AgentsSettings(archetypes=(own,), grid=Grid(modalities=(("risk",),)), draw=Draw(count=1, modalities=("news",)))
    archetypes = resolve_archetypes(settings, panel)
    assert [a.modalities for a in archetypes] == [("price",), ("risk",), ("news",)]


def test_names_must_be_unique(panel: Panel) -> None:
    twice = (Archetype(name="a", modalities=("price",)), Archetype(name="a", modalities=("risk",)))
    with pytest.raises(ConfigError, match="two archetypes are named 'a'"):
        resolve_archetypes(AgentsSettings(archetypes=twice), panel)


def test_an_unknown_modality_or_feature_is_named_with_the_nearest(panel: Panel) -> None:
    with pytest.raises(ConfigError, match=r"'a'.*no modality 'prise' \(did you mean 'price'\?\)"):
        resolve_archetypes(AgentsSettings(archetypes=(Archetype(name="a", modalities=("prise",)),)), panel)
    with pytest.raises(ConfigError, match=r"'b'.*no feature 'rsik' \(did you mean 'risk'\?\)"):
        resolve_archetypes(AgentsSettings(archetypes=(Archetype(name="b", rule={"rsik": 1.0}),)), panel)


def test_generated_names_are_plain_and_faults_are_told() -> None:
    from massjax.agents.roster import grid

    assert grid(Grid(modalities=(("balance sheet",),)))[0].name == "balance_sheet.moderate-risk-aversion.weeks"
    with pytest.raises(ConfigError, match=r"agents\.grid.*sees nothing"):
        grid(Grid(modalities=((),)))
    with pytest.raises(ConfigError, match="distinct"):
        Draw(modalities=("price", "price"))
