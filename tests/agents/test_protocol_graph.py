"""Protocols as settings: the order in which roles are asked, what archetypes change, and what is wrong with one, by name."""

from __future__ import annotations

import re
from typing import Any

import pytest

from massjax.agents.protocols.built_in import BUILT_IN
from massjax.agents.protocols.graph import Organisation, organisation, told_roles
from massjax.agents.roster import grid
from massjax.agents.settings import AgentsSettings, Grid
from massjax.errors import ConfigError

ANALYST: dict[str, Any] = {"name": "analyst", "form": "write", "instruction": "Write."}
TRADER: dict[str, Any] = {"name": "trader", "form": "decide", "sees": ["analyst"]}
OTHER: dict[str, Any] = {"name": "other", "like": "desk", "combine": "majority"}
X: dict[str, Any] = {"name": "x", "modalities": ("news",)}
HEAD: dict[str, Any] = {"name": "head", "form": "decide", "sees": ["analyst", "trader"], "follows": ["trader"]}


def of(*roles: dict[str, Any], changes: dict[str, Any] | None = None, **values: Any) -> Organisation:
    """The organisation of roles that an archetype has as its protocol."""
    archetype = {"name": "x", "modalities": ("news",), "protocol": "mine", "roles": changes or {}}
    settings = AgentsSettings(archetypes=(archetype,), protocols=({"name": "mine", "roles": roles, **values},))
    return organisation(settings.protocol("mine"), settings.archetypes[0].roles)


def names(whole: Organisation) -> list[list[str]]:
    return [[role.name for role in some] for some in whole.rounds]


def test_the_order_of_asking_is_what_they_see_and_not_how_they_are_listed() -> None:
    whole = of(HEAD, TRADER, ANALYST)
    assert names(whole) == [["analyst"], ["trader"], ["head"]]
    assert (whole.decides, [role.name for role in whole.votes]) == (("head",), ["trader", "head"])
    both = of(ANALYST, TRADER, {**TRADER, "name": "other"})
    assert (names(both), both.decides) == ([["analyst"], ["trader", "other"]], ("trader", "other"))


def test_reasons_are_written_after_the_decision_and_read_by_who_sees_it() -> None:
    whole = of(ANALYST, {**TRADER, "reasons": "Say why."}, {**HEAD, "reasons": "Object."})
    assert names(whole) == [["analyst"], ["trader"], ["trader_reasons"], ["head"], ["head_reasons"]]
    by_name = {role.name: role for role in whole.roles}
    assert by_name["trader_reasons"].sees == ("analyst", "trader")
    assert by_name["head"].sees == ("analyst", "trader", "trader_reasons")
    assert whole.decides == ("head",), "whoever is seen by the writer of his own reasons alone still decides"
    assert by_name["trader_reasons"].instruction == "Say why."


def test_an_archetype_changes_a_role_and_leaves_what_it_does_not_name() -> None:
    whole = of(ANALYST, TRADER, {**HEAD, "seniority": "senior", "persona": "You doubt."}, changes={"head": {"seniority": "junior"}})
    assert [(role.seniority, role.persona) for role in whole.roles if role.name == "head"] == [("junior", "You doubt.")]


def test_a_protocol_like_another_takes_its_roles_and_adds_or_replaces_some() -> None:
    settings = AgentsSettings(
        archetypes=({"name": "x", "modalities": ("news",), "protocol": "second"},),
        protocols=(
            {"name": "first", "like": "desk", "roles": ({**HEAD, "seniority": "junior"}, {**HEAD, "name": "second_head"})},
            {"name": "second", "like": "first", "combine": "majority", "unit": "text"},
        ),
    )
    whole = settings.protocol("second")
    assert [role.name for role in whole.roles] == ["analyst", "trader", "head", "second_head"]
    assert (whole.combine, whole.unit, whole.roles[2].seniority) == ("majority", "text", "junior")
    assert organisation(whole).decides == ("head", "second_head")


def test_what_is_written_out_in_full_is_the_same_when_it_is_read_again() -> None:
    settings = AgentsSettings(
        archetypes=({**X, "protocol": "mine", "roles": {"head": {"seniority": "junior"}, "trader": {"reasons": ""}}},),
        protocols=({"name": "mine", "like": "other", "roles": ({**HEAD, "persona": "You doubt."},)}, OTHER),
    )
    again = AgentsSettings(**settings.model_dump())
    whole, other = (organisation(one.protocol("mine"), one.archetypes[0].roles) for one in (settings, again))
    assert whole == other
    assert (whole.combine, names(whole)) == ("majority", [["analyst"], ["trader"], ["head"]])
    assert [(role.seniority, role.persona) for role in whole.roles][-1] == ("junior", "You doubt.")


def test_an_archetype_says_in_words_which_organisation_it_is() -> None:
    roles = {"trader": {"horizon": "week"}, "head": {"seniority": "junior", "model": "b"}}
    settings = AgentsSettings(archetypes=({**X, "protocol": "desk", "roles": roles},))
    told = told_roles(settings.protocol("desk"), settings.archetypes[0].roles)
    assert told == ("analyst", "trader (horizon week)", "junior head trader (model b, follows trader)")
    members = told_roles(settings.protocol("committee"))
    assert members == ("analyst", *(f"trader (risk aversion {risk})" for risk in ("low", "moderate", "high")))


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_built_in_protocols_are_sound(name: str) -> None:
    whole = organisation(BUILT_IN[name])
    assert whole.rounds[0][0].name == "analyst"


def test_a_grid_generates_organisations() -> None:
    made = grid(
        Grid(
            modalities=(("news",),),
            vary={"protocol": ("desk",), "model": ("a", "b"), "head.seniority": ("junior", "senior"), "trader.horizon": ("week", "year")},
        )
    )
    assert len(made) == len({one.name for one in made}) == 8
    assert made[0].name == "news.moderate-risk-aversion.weeks.desk.model-a.head-seniority-junior.trader-horizon-week"
    head, trader = made[0].roles["head"], made[0].roles["trader"]
    assert (made[0].protocol, made[0].model, head.seniority, trader.horizon) == ("desk", "a", "junior", "week")


@pytest.mark.parametrize(
    ("roles", "values", "words"),
    [
        (({**TRADER, "sees": ["head"]}, {**HEAD, "sees": ["trader"]}), {}, "in a circle: trader sees head sees trader; nobody could be"),
        (({**TRADER, "sees": ["trader"]},), {}, "in a circle: trader sees trader"),
        ((ANALYST, {**TRADER, "sees": ["analist"]}), {}, "sees 'analist', which is no role of it (did you mean 'analyst'?)"),
        (
            (ANALYST, TRADER, {**HEAD, "follows": ["tradr"]}),
            {},
            "follows 'tradr', which is no role of it (did you mean 'trader'?)",
        ),
        ((ANALYST, {**HEAD, "sees": ["analyst"], "follows": ["analyst"]}), {}, "follows 'analyst', who writes and decides nothing"),
        ((ANALYST, TRADER, {**HEAD, "sees": ["analyst"]}), {}, "role 'head' follows 'trader' without seeing what it decided"),
        (({**TRADER, "sees": [], "choices": ["Follow", "Not follow"]},), {}, "role 'trader' has the choice to follow, but not whom"),
        ((ANALYST, TRADER, TRADER), {}, "two roles are named 'trader'"),
        ((ANALYST, {**TRADER, "reasons": "Why?"}, {**ANALYST, "name": "trader_reasons"}), {}, "two roles are named 'trader_reasons'"),
        (({**TRADER, "sees": [], "choices": ["buy", "Buy", "sell"]},), {}, "role 'trader': the choices 'buy' and 'Buy' are equal"),
        (({**TRADER, "sees": [], "choices": ["short", "short it"]},), {}, "the choices 'short' and 'short it' begin alike"),
        (({**TRADER, "sees": [], "choices": ["Buy now", "Buy later"]},), {}, "the choices 'Buy now' and 'Buy later' begin alike"),
        (({**TRADER, "sees": [], "choices": ["buy"]},), {}, "choices must be 2 to"),
        ((ANALYST, TRADER, {**HEAD, "choices": ["yes", "no", "maybe"]}), {}, "has 2 choices: one for each of them, and one for none"),
        ((ANALYST,), {}, "protocol 'mine': nobody decides"),
        ((ANALYST, TRADER), {"decides": ["analyst"]}, "decides names 'analyst', who writes and decides nothing"),
        ((ANALYST, TRADER), {"decides": ["tradr"]}, "decides names 'tradr', which is no role of it (did you mean 'trader'?)"),
        ((ANALYST, TRADER, {**ANALYST, "name": "clerk"}), {}, "role 'clerk' is asked for nothing"),
        (({**TRADER, "sees": [], "facts": False},), {}, "role 'trader' sees neither facts nor other roles"),
        (({**ANALYST, "choices": ["a", "b"]}, TRADER), {}, "role 'analyst' writes, so it takes no choices"),
        (({**ANALYST, "instruction": ""}, TRADER), {}, "role 'analyst' writes, but is not told what"),
        (({**TRADER, "name": "a b", "sees": []},), {}, "a role's name must be 1-64 letters"),
        (({**ANALYST, "name": "bull_reasons"}, {**TRADER, "sees": ["bull_reasons"]}), {}, "'bull_reasons' ends like the roles that write"),
        ((ANALYST, {**TRADER, "sees": ["analyst", "analyst"]}), {}, "role 'trader' sees 'analyst' twice"),
        ((ANALYST, TRADER), {"decides": ["trader", "trader"]}, "decides names 'trader' twice"),
        ((), {}, "protocol 'mine' has no roles"),
        ((ANALYST, TRADER), {"changes": {"hed": {}}}, "archetype 'x': protocol 'mine' has no role 'hed'"),
    ],
)
def test_what_is_wrong_with_a_protocol_is_named(roles: tuple[dict[str, Any], ...], values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        of(*roles, **values)


@pytest.mark.parametrize(
    ("agents", "words"),
    [
        ({"archetypes": ({**X, "protocol": "desc"},)}, "archetype 'x': there is no protocol 'desc' (did you mean 'desk'?)"),
        ({"protocols": ({"name": "desk", "roles": (TRADER,)},)}, "'desk' is a protocol of massjax; give yours another name"),
        ({"protocols": ({"name": "a", "like": "b"}, {"name": "b", "like": "a"})}, "protocol 'a' is like itself: a → b → a"),
        ({"protocols": ({"name": "a", "like": "dsk"},)}, "protocol 'a' is like 'dsk', which is none (did you mean 'desk'?)"),
        ({"protocols": ({"name": "a", "like": "desk"},) * 2}, "two protocols are named 'a'"),
        ({"archetypes": ({**X, "roles": {"head": {}}},)}, "protocol 'single' has no roles to change"),
        ({"archetypes": ({"name": "x", "rule": {"m": 1.0}, "protocol": "desk"},)}, "archetype 'x' has a rule, so no protocol of roles"),
        ({"archetypes": ({**X, "protocol": "desk", "seniority": "junior"},)}, "no role of protocol 'desk' inherits seniority; set it of"),
        (
            {"grid": {"modalities": (("news",),), "vary": {"seniority": ("junior",)}}},
            "'seniority': expected protocol, model, hindsight, or",
        ),
        ({"grid": {"modalities": (("news",),), "vary": {"protocol": ()}}}, "protocol: needs one or more different values"),
    ],
)
def test_what_is_wrong_with_its_use_is_named(agents: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        AgentsSettings(**agents)
