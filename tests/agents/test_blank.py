"""The blank question shows a name and a date and nothing else; settings of hindsight are a word or a mapping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from massjax.agents.facts import facts_of, identity_facts
from massjax.agents.hindsight import HindsightSettings
from massjax.agents.protocols.blank import BLANK, blank_ask
from massjax.agents.roster import resolve_archetypes
from massjax.agents.settings import AgentsSettings, Grid
from massjax.errors import ConfigError
from massjax.market import Feature, Panel
from massjax.models.forms import Rate

FORM = Rate(("1", "2", "3"), "Rating: ")
SEES = {"name": "a", "modalities": ("price",)}


@pytest.fixture
def panel() -> Panel:
    dates = np.array(["2020-01-01", "2020-01-02", "2020-01-03"], dtype="datetime64[D]")
    features = {"return_1m": Feature("return over the last month", "price", np.arange(6.0).reshape(2, 3), "return over the last month")}
    member = np.array([[True, True, True], [True, False, True]])
    return Panel(dates, ("AAA", "BBB"), member, features, names={"AAA": "Alpha"}, sectors={"AAA": "Energy", "BBB": "Health"})


def test_one_question_for_each_member_and_date_with_name_and_date_alone(panel: Panel) -> None:
    everything = facts_of(panel, AgentsSettings(archetypes=(SEES,), mask=False))  # type: ignore[arg-type]
    ask = blank_ask(identity_facts(panel), panel.member, HindsightSettings(instruction="Remember."), FORM, "other")
    assert (ask.role, ask.form, ask.model, ask.prior) == (BLANK, FORM, "other", None)
    assert ask.index is not None
    np.testing.assert_array_equal(ask.index >= 0, panel.member)
    assert len(ask.prompts) == len(set(ask.prompts)) == 5
    for n, t in np.argwhere(panel.member):
        system, user = ask.prompts[ask.index[n, t]]
        assert user.splitlines()[:3] == ["The stock:", f"- date: {panel.dates[t]}", f"- stock: {('Alpha (AAA)', 'BBB')[n]}"]
        assert "Remember." in system
        assert "from 1 (avoid it) to 3 (buy it)" in system
        assert not any(word in user for word in ("Energy", "Health", "return over"))
    same = blank_ask(everything, panel.member, HindsightSettings(instruction="Remember.", how="contrast", scale=1.0), FORM, None)
    assert same.prompts == ask.prompts, "neither other facts nor the way of reading is a part of it"


def test_nobody_is_asked_where_nobody_is_a_member(panel: Panel) -> None:
    ask = blank_ask(identity_facts(panel), np.zeros((2, 3), bool), HindsightSettings(), FORM, None)
    assert (len(ask.prompts), ask.index is not None and int(ask.index.max())) == (0, -1)


@pytest.mark.parametrize(("given", "how"), [("mask", "mask"), ({"how": "contrast", "scale": 2}, "contrast"), ({}, "residual")])
def test_a_word_stands_for_the_whole(given: Any, how: str) -> None:
    settings = AgentsSettings(archetypes=(SEES,), hindsight=given)  # type: ignore[arg-type]
    assert settings.hindsight is not None
    assert settings.hindsight.how == how
    assert settings.masked == (how == "mask")
    assert AgentsSettings(**settings.model_dump()) == settings, "as it is written out, it is read again"


@pytest.mark.parametrize(("mask", "hindsight", "own", "expected"), [
    (True, None, None, "mask"),
    (False, None, None, "none"),
    (True, "none", None, "none"),
    (False, "residual", "mask", "mask"),
    (True, None, "contrast", "contrast"),
])  # fmt: skip
def test_an_archetypes_word_comes_before_that_of_all_and_that_before_mask(mask: bool, hindsight: Any, own: Any, expected: str) -> None:
    settings = AgentsSettings(archetypes=({**SEES, "hindsight": own},), mask=mask, hindsight=hindsight)  # type: ignore[arg-type]
    (archetype,) = settings.archetypes
    assert settings.hindsight_of(archetype) == expected
    assert settings.said_hindsight(archetype) == (expected if own or hindsight else "")
    assert settings.masked_as(True).masked
    assert not settings.masked_as(False).masked
    assert "hindsight" not in archetype.shown()["archetype"]  # type: ignore[operator]


def test_a_grid_varies_it(panel: Panel) -> None:
    grid = Grid(modalities=(("price",),), vary={"hindsight": ("mask", "residual")})
    made = resolve_archetypes(AgentsSettings(grid=grid), panel)
    assert [one.hindsight for one in made] == ["mask", "residual"]
    with pytest.raises(ConfigError, match=r"agents\.grid: hindsight: Input should be 'none', 'mask', 'contrast' or 'residual'"):
        resolve_archetypes(AgentsSettings(grid=Grid(modalities=(("price",),), vary={"hindsight": ("forget",)})), panel)
