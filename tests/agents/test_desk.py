"""Organisations at work, as pure functions: who is asked what, what each hears of whom, and what is lost with an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from massjax.agents import Fact
from massjax.agents.archetype import Archetype
from massjax.agents.protocols.desk import LOW_COVERAGE, desk
from massjax.agents.protocols.graph import organisation
from massjax.agents.protocols.turns import Ask, Last, Played, Replies, play, text_replies
from massjax.agents.settings import AgentsSettings
from massjax.errors import ConfigError
from massjax.models.failures import REASONS, Failure, Reason
from massjax.models.forms import Decide, Familiar, Write
from massjax.models.question import Prompt

MEMBER = np.ones((2, 3), dtype=bool)
TREND = Fact("price", "trend", np.array([[0, 1, -1], [1, 1, 0]], dtype=np.int32), ("up", "down"))
NEWS = Fact("news", "news", np.array([[0, -1, -1], [-1, 0, -1]], dtype=np.int32), ('  "Sales doubled."',))
FACTS = (TREND, NEWS)
DESK = Archetype(name="d", modalities=("price",), protocol="desk", horizon="weeks")
LONG, NEITHER, SHORT = (0.7, 0.2, 0.1), (0.2, 0.6, 0.2), (0.1, 0.2, 0.7)
Said = Callable[[Ask, Any], Any]


def answered(ask: Ask, prompt: Any) -> Any:
    """The analyst repeats the trend, the trader is long where it is up, the head follows."""
    if isinstance(ask.form, Write):
        return f"{ask.role} on {'up' if 'trend: up' in prompt.user else 'down'}"
    if ask.role == "head":
        return (0.8, 0.2)
    return LONG if "trend: up" in prompt.user else SHORT


def played(archetype: Archetype, said: Said = answered, facts: tuple[Fact, ...] = FACTS, minimum: float = 0.0, **agents: Any) -> Played:
    settings = AgentsSettings(archetypes=(archetype,), **agents)
    whole = organisation(settings.protocol(archetype.protocol), archetype.roles)

    def replies(ask: Ask) -> Replies:
        found = [said(ask, prompt) for prompt in ask.prompts]
        if isinstance(ask.form, Write):
            return text_replies(found)
        assert isinstance(ask.form, Decide)
        failed = [isinstance(one, Failure) or one is None for one in found]
        codes = [255 if one is None else REASONS.index(one.reason) if isinstance(one, Failure) else 0 for one in found]
        none = (np.nan,) * len(ask.form.choices)
        probability = np.array([none if bad else one for one, bad in zip(found, failed, strict=True)], np.float32)
        return Replies(np.array(codes, np.uint8), (), probability.reshape(-1, len(none)), np.full(len(found), 0.9, np.float32))

    return play(desk(archetype, whole, facts, MEMBER, minimum), replies)


def test_a_question_of_which_nothing_is_said_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="role recall: a protocol's question must have something said"):
        Ask("recall", Familiar(), [Prompt("s", "u")], None)  # type: ignore[arg-type]


def asked(found: Played) -> dict[str, Ask]:
    return {ask.role: ask for ask in found.asked}


def ended(found: Played) -> Last:
    assert found.last is not None
    return found.last


def test_each_role_is_shown_what_it_is_and_what_it_sees() -> None:
    found = asked(played(DESK))
    assert list(found) == ["analyst", "trader", "trader_reasons", "head"]
    assert [len(ask.prompts) for ask in found.values()] == [2, 2, 2, 2], "once for each situation, not for each stock and date"
    head = next(prompt for prompt in found["head"].prompts if "trend: up" in prompt.user)
    assert head.system.startswith("You are a senior head trader at the desk")
    assert head.user.split("\n")[1:] == [
        "- trend: up",
        "The analyst wrote: ",
        '  "analyst on up"',
        "The trader decided: long",
        "The reasons of the trader: ",
        '  "trader_reasons on up"',
        "Do you follow the decision of the trader, so that the desk takes that position? Answer with one of: Follow; Not follow.",
    ]
    assert "You look at the coming weeks." in found["trader"].prompts[0].system
    assert "weeks" not in found["analyst"].prompts[0].system + head.system, "only the trader inherits the horizon"
    assert found["trader"].form == Decide(("long", "neither", "short"), "I choose: ")
    assert found["head"].index is not None
    assert (found["head"].index >= 0).tolist() == [[True, True, False], [True, True, True]]


def test_a_prompt_depends_on_its_role_alone() -> None:
    plain, other = (
        asked(played(DESK)),
        asked(played(DESK.replace(name="x", roles={"head": {"seniority": "junior"}}, persona="You gamble."))),
    )
    assert list(plain["analyst"].prompts) == list(other["analyst"].prompts)
    assert plain["trader"].prompts != other["trader"].prompts, "it inherits the persona"
    assert "You gamble." not in other["head"].prompts[0].system
    junior = asked(played(DESK.replace(roles={"head": {"seniority": "junior"}})))
    assert {role for role in plain if plain[role].prompts != junior[role].prompts} == {"head"}
    changed = [
        (a.split(), b.split())
        for one, two in zip(plain["head"].prompts, junior["head"].prompts, strict=True)
        for a, b in [(one[0], two[0])]
    ]
    assert all([w for w, v in zip(a, b, strict=True) if w != v] == ["senior"] for a, b in changed), "one word"


def test_a_trader_may_see_the_analysis_alone() -> None:
    alone = Archetype(name="a", modalities=("price",), protocol="analyst_trader", roles={"trader": {"facts": False}})
    prompts = asked(played(alone, lambda ask, prompt: "The same." if ask.role == "analyst" else LONG))["trader"].prompts
    assert len(prompts) == 1, "the same analysis is the same question, whatever the facts"
    assert "trend" not in prompts[0].user
    assert 'The analyst wrote: \n  "The same."' in prompts[0].user


def test_roles_see_modalities_of_their_own() -> None:
    roles: Mapping[str, Any] = {"analyst": {"modalities": ["news"]}, "trader": {"modalities": ["price"]}}
    found = asked(played(Archetype(name="a", modalities=("price",), protocol="analyst_trader", roles=roles)))
    assert "Sales doubled." in found["analyst"].prompts[0].user
    assert "trend" not in found["analyst"].prompts[0].user
    assert found["trader"].index is not None
    assert (found["trader"].index >= 0).tolist() == [[True, False, False], [False, True, False]], "where the analyst wrote something"


def test_what_was_never_asked_is_waited_for_and_only_that() -> None:
    first = played(DESK, lambda ask, prompt: None)
    assert ([ask.role for ask in first.waiting], first.last) == (["analyst"], None)
    half = played(DESK, lambda ask, prompt: None if ask.role == "trader" and "up" in prompt.user else answered(ask, prompt))
    assert [ask.role for ask in half.asked] == ["analyst", "trader"]
    assert [ask.role for ask in half.waiting] == ["trader"]
    end = played(DESK, lambda ask, prompt: answered(ask, prompt))
    assert [ask.role for ask in end.at_the_end] == ["head"], "nothing waits for the last decision"


@pytest.mark.parametrize("role", ["analyst", "trader", "trader_reasons"])
def test_an_answer_that_could_not_be_had_loses_what_it_is_about_for_all_who_would_have_heard_it(role: str) -> None:
    def failing(ask: Ask, prompt: Any) -> Any:
        return Failure(Reason.REFUSED) if ask.role == role and "trend: up" in prompt.user else answered(ask, prompt)

    last = ended(played(DESK, failing))
    code = REASONS.index(Reason.REFUSED)
    assert last.lost.tolist() == [[code, 0, 0], [0, 0, code]]
    head = last.votes[-1].ask
    assert head.index is not None
    assert (head.index >= 0).tolist() == [[False, True, False], [True, True, False]]


def test_a_decision_with_too_little_mass_is_none() -> None:
    last = ended(played(DESK, minimum=0.95))
    assert set(last.lost[TREND.codes >= 0].tolist()) == {LOW_COVERAGE}
    assert not last.votes[-1].ask.prompts


def test_the_opinion_is_that_of_the_formula() -> None:
    last = ended(played(DESK))
    values = [vote.values(np.array([[[np.nan]]])) for vote in last.votes]
    assert len(values) == 2
    trader = np.where((TREND.codes == 0)[..., None], LONG, SHORT).astype(np.float64)
    head = np.broadcast_to((0.8, 0.2), (2, 3, 2))
    opinion = last.opinion([trader, head])
    expected = 0.5 + 0.5 * 0.8 * np.where(TREND.codes == 0, 0.7 - 0.1, 0.1 - 0.7)
    np.testing.assert_allclose(opinion.score, expected, atol=1e-7)
    assert opinion.decision is not None
    assert opinion.decision.tolist() == np.where(TREND.codes == 0, 1, -1).tolist()


def test_traders_of_equal_standing_are_asked_at_once_and_each_by_its_own_model() -> None:
    roles = {"trader_1": {"model": "one"}, "trader_2": {"model": "two"}}
    found = played(Archetype(name="c", modalities=("price",), protocol="committee_head", roles=roles))
    assert [ask.model for ask in found.asked if ask.role in ("trader_1", "trader_2", "trader_3")] == ["one", "two", None]
    head = asked(found)["head"]
    assert head.form == Decide(("A", "B", "C", "Neither"), "I choose: ")
    assert "The trader 1 decided: " in head.prompts[0].user
    assert "A for that of the trader 1; B for that of the trader 2; C for that of the trader 3; Neither if" in head.prompts[0].user


def test_whoever_hears_of_a_choice_among_traders_hears_whom_it_meant() -> None:
    chief = {"name": "chief", "form": "decide", "sees": ["head"], "follows": ["head"]}
    archetype = Archetype(name="c", modalities=("price",), protocol="chiefs")

    def second(ask: Ask, prompt: Any) -> Any:
        return (0.1, 0.6, 0.2, 0.1) if ask.role == "head" else answered(ask, prompt)

    found = asked(played(archetype, second, protocols=({"name": "chiefs", "like": "committee_head", "roles": (chief,)},)))
    assert "The head trader decided: to follow the trader 2" in found["chief"].prompts[0].user


def test_no_likeliest_choice_is_heard_as_undecided() -> None:
    found = asked(played(DESK, lambda ask, prompt: (0.4, 0.2, 0.4) if ask.role == "trader" else answered(ask, prompt)))
    assert all("The trader decided: undecided" in prompt.user for prompt in found["head"].prompts)
