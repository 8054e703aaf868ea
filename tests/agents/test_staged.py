"""The protocol with stages, as a pure function: which texts are wanted next, given those that are there, and where they are shown."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from massjax.agents import Fact, PromptTemplate, prompts_of
from massjax.agents.archetype import Archetype
from massjax.agents.protocols.staged import staged
from massjax.agents.protocols.turns import Ask, Last, Played, Replies, play, text_replies
from massjax.agents.settings import Stage
from massjax.models.failures import REASONS, Failure, Reason
from massjax.models.forms import Rate, Write
from massjax.models.question import Prompt

CHOICES = ("1", "2", "3")
MEMBER = np.ones((2, 3), dtype=bool)
TREND = Fact("price", "trend", np.array([[0, 1, -1], [1, 1, 0]], dtype=np.int32), ("up", "down"))
STAGES = (
    Stage(name="strategy", scope="archetype", instruction="Write your strategy.", temperature=0.8),
    Stage(name="note", instruction="Write a note.", max_tokens=40),
)
ADVISED = Archetype(name="advised", modalities=("price",), protocol="staged", stages=("strategy", "note"))


SCORE = Rate(CHOICES)
Texts = Mapping[tuple[Prompt, Write], str | Failure]


def applied(archetype: Archetype, texts: Texts) -> Played:
    def known(ask: Ask) -> Replies:
        assert isinstance(ask.form, Write)
        return text_replies([texts.get((prompt, ask.form)) for prompt in ask.prompts])

    return play(staged(archetype, STAGES, [TREND], MEMBER, PromptTemplate(), SCORE, calibrate=False), known)


def wanted(archetype: Archetype, texts: Texts) -> tuple[Ask, list[Prompt], Write]:
    """What the protocol waits for: the questions, those of their prompts that have no text, and the form."""
    (ask,) = applied(archetype, texts).waiting
    assert isinstance(ask.form, Write)
    form = ask.form
    return ask, [prompt for prompt in ask.prompts if not isinstance(texts.get((prompt, form)), str)], form


def finished(found: Played) -> Last:
    assert found.last is not None
    return found.last


def test_stages_want_their_texts_one_after_the_other_and_show_them_to_what_follows() -> None:
    strategy, prompts, form = wanted(ADVISED, {})
    assert (strategy.title, len(prompts)) == ("stage strategy", 1)
    texts = {(prompts[0], form): "Buy what rises.\nSell what falls."}
    note, notes, form = wanted(ADVISED, texts)
    assert (note.title, len(notes)) == ("stage note", 2), "a text for every distinct situation: up and down"
    assert all("Your strategy: Buy what rises. Sell what falls." in prompt.system for prompt in notes)
    half = texts | {(notes[0], form): "It rises."}
    assert wanted(ADVISED, half)[1] == notes[1:]
    found = applied(ADVISED, half | {(notes[1], form): "It falls."})
    last = finished(found)
    assert not found.waiting
    assert not last.lost.any()
    assert [ask.title for ask in found.asked] == ["stage strategy", "stage note", "score"]
    (vote,) = last.votes
    assert len(vote.ask.prompts) == 2
    assert vote.ask.index is not None
    assert vote.ask.index.tolist() == prompts_of(ADVISED, [TREND], MEMBER, PromptTemplate(), CHOICES).index.tolist()
    assert sum("It rises." in prompt.user for prompt in vote.ask.prompts) == 1


def test_a_text_that_could_not_be_had_loses_what_it_is_about_and_holds_up_nothing_else() -> None:
    _, prompts, form = wanted(ADVISED, {})
    texts: dict[tuple[Prompt, Write], str | Failure] = {(prompts[0], form): "Buy what rises."}
    _, notes, form = wanted(ADVISED, texts)
    texts[notes[0], form] = Failure(Reason.REFUSED, "no")
    assert wanted(ADVISED, texts)[1] == notes, "the other note is asked for, and the refused one again"
    texts[notes[1], form] = "It falls."
    last = finished(applied(ADVISED, texts))
    code = REASONS.index(Reason.REFUSED)
    lost = [[code, 0, 0], [0, 0, code]] if "up" in notes[0].user else [[0, code, 0], [code, code, 0]]
    assert last.lost.tolist() == lost
    assert TREND.codes[last.lost == 0].tolist().count(-1) == 1, "nothing is lost where nothing is known"


def test_without_a_strategy_everything_is_lost() -> None:
    _, prompts, form = wanted(ADVISED, {})
    found = applied(ADVISED, {(prompts[0], form): Failure(Reason.NO_TEXT)})
    assert [ask.title for ask in found.before] == ["stage strategy"], "no note is asked for"
    assert ((finished(found).lost == REASONS.index(Reason.NO_TEXT)) == (TREND.codes >= 0)).all()


def test_a_replica_has_a_seed_of_its_own_above_temperature_0_alone() -> None:
    other = ADVISED.replace(replica=1)
    (_, (first,), form), (_, (second,), other_form) = wanted(ADVISED, {}), wanted(other, {})
    assert form.seed != other_form.seed
    texts = {(first, form): "Buy.", (second, other_form): "Buy."}
    assert {wanted(archetype, texts)[2] for archetype in (ADVISED, other)} == {Write(40)}
