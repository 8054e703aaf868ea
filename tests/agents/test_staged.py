"""The protocol with stages, as a pure function: which texts are wanted next, given those that are there, and where they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from massjax.agents import Fact, PromptTemplate, prompts_of
from massjax.agents.archetype import Archetype
from massjax.agents.protocols.staged import Staged, Wanted, apply_stages
from massjax.agents.settings import Stage
from massjax.models.failures import REASONS, Failure, Reason
from massjax.models.forms import Write
from massjax.models.question import Prompt

CHOICES = ("1", "2", "3")
MEMBER = np.ones((2, 3), dtype=bool)
TREND = Fact("price", "trend", np.array([[0, 1, -1], [1, 1, 0]], dtype=np.int32), ("up", "down"))
STAGES = (
    Stage(name="strategy", scope="archetype", instruction="Write your strategy.", temperature=0.8),
    Stage(name="note", instruction="Write a note.", max_tokens=40),
)
ADVISED = Archetype(name="advised", modalities=("price",), protocol="staged", stages=("strategy", "note"))


Texts = Mapping[tuple[Prompt, Write], str | Failure]


def applied(archetype: Archetype, texts: Texts) -> Staged:
    def known(stage: Stage, prompts: Sequence[Prompt], form: Write) -> list[str | Failure | None]:
        return [texts.get((prompt, form)) for prompt in prompts]

    return apply_stages(archetype, STAGES, [TREND], MEMBER, CHOICES, known)


def wanted(archetype: Archetype, texts: Texts) -> Wanted:
    found = applied(archetype, texts)
    assert found.stopped
    return found.missing[-1]


def test_stages_want_their_texts_one_after_the_other_and_show_them_to_what_follows() -> None:
    strategy = wanted(ADVISED, {})
    assert (strategy.stage.name, len(strategy.prompts)) == ("strategy", 1)
    texts = {(strategy.prompts[0], strategy.form): "Buy what rises.\nSell what falls."}
    notes = wanted(ADVISED, texts)
    assert (notes.stage.name, len(notes.prompts)) == ("note", 2), "a text for every distinct situation: up and down"
    assert all("Your strategy: Buy what rises. Sell what falls." in prompt.system for prompt in notes.prompts)
    half = texts | {(notes.prompts[0], notes.form): "It rises."}
    assert wanted(ADVISED, half).prompts == notes.prompts[1:]
    staged = applied(ADVISED, half | {(notes.prompts[1], notes.form): "It falls."})
    assert (staged.stopped, staged.missing, staged.lost.any()) == (False, (), False)
    assert staged.archetype.modalities == ("price", "note")
    assert [fact.label for fact in staged.facts] == ["trend", "note"]
    assert [passed.stage.name for passed in staged.passed] == ["strategy", "note"]
    prompts = prompts_of(staged.archetype, staged.facts, MEMBER, PromptTemplate(), CHOICES)
    assert len(prompts.prompts) == 2
    assert prompts.index.tolist() == prompts_of(ADVISED, [TREND], MEMBER, PromptTemplate(), CHOICES).index.tolist()
    assert sum("It rises." in prompt.user for prompt in prompts.prompts) == 1


def test_a_text_that_could_not_be_had_loses_what_it_is_about_and_holds_up_nothing_else() -> None:
    strategy = wanted(ADVISED, {})
    texts: dict[tuple[Prompt, Write], str | Failure] = {(strategy.prompts[0], strategy.form): "Buy what rises."}
    notes = wanted(ADVISED, texts)
    texts[notes.prompts[0], notes.form] = Failure(Reason.REFUSED, "no")
    assert wanted(ADVISED, texts).prompts == notes.prompts, "the other note is asked for, and the refused one again"
    texts[notes.prompts[1], notes.form] = "It falls."
    staged = applied(ADVISED, texts)
    assert not staged.stopped
    assert [(missing.stage.name, missing.prompts) for missing in staged.missing] == [("note", notes.prompts[:1])]
    code = REASONS.index(Reason.REFUSED)
    lost = [[code, 0, 0], [0, 0, code]] if "up" in notes.prompts[0].user else [[0, code, 0], [code, code, 0]]
    assert staged.lost.tolist() == lost
    assert TREND.codes[staged.lost == 0].tolist().count(-1) == 1, "nothing is lost where nothing is known"


def test_without_a_strategy_everything_is_lost() -> None:
    strategy = wanted(ADVISED, {})
    staged = applied(ADVISED, {(strategy.prompts[0], strategy.form): Failure(Reason.NO_TEXT)})
    assert not staged.stopped
    assert [passed.stage.name for passed in staged.passed] == ["strategy"], "no note is asked for"
    assert ((staged.lost == REASONS.index(Reason.NO_TEXT)) == (TREND.codes >= 0)).all()


def test_a_replica_has_a_seed_of_its_own_above_temperature_0_alone() -> None:
    other = ADVISED.replace(replica=1)
    first, second = wanted(ADVISED, {}), wanted(other, {})
    assert first.form.seed != second.form.seed
    texts = {(one.prompts[0], one.form): "Buy." for one in (first, second)}
    assert {wanted(archetype, texts).form for archetype in (ADVISED, other)} == {Write(40)}
