"""The protocol with stages, as a pure function: which texts are wanted next, given those that are there, and where they are shown."""

from __future__ import annotations

import numpy as np

from massjax.agents import Fact, PromptTemplate, prompts_of
from massjax.agents.archetype import Archetype
from massjax.agents.protocols.staged import Staged, Wanted, apply_stages
from massjax.agents.settings import Stage

CHOICES = ("1", "2", "3")
MEMBER = np.ones((2, 3), dtype=bool)
TREND = Fact("price", "trend", np.array([[0, 1, -1], [1, 1, 0]], dtype=np.int32), ("up", "down"))
STAGES = (
    Stage(name="strategy", scope="archetype", instruction="Write your strategy.", temperature=0.8),
    Stage(name="note", instruction="Write a note.", max_tokens=40),
)
ADVISED = Archetype(name="advised", modalities=("price",), protocol="staged", stages=("strategy", "note"))


def applied(archetype: Archetype, texts: dict[str, str]) -> Staged | list[Wanted]:
    return apply_stages(archetype, STAGES, [TREND], MEMBER, CHOICES, texts)


def wanted(archetype: Archetype, texts: dict[str, str]) -> list[Wanted]:
    found = applied(archetype, texts)
    assert isinstance(found, list)
    return found


def test_stages_want_their_texts_one_after_the_other_and_show_them_to_what_follows() -> None:
    (strategy,) = wanted(ADVISED, {})
    assert (strategy.stage, strategy.archetype) == ("strategy", "advised")
    texts = {strategy.key: "Buy what rises.\nSell what falls."}
    notes = wanted(ADVISED, texts)
    assert [one.stage for one in notes] == ["note", "note"], "a text for every distinct situation: up and down"
    assert all("Your strategy: Buy what rises. Sell what falls." in one.prompt.system for one in notes)
    half = texts | {notes[0].key: "It rises."}
    assert wanted(ADVISED, half) == notes[1:]
    staged = applied(ADVISED, half | {notes[1].key: "It falls."})
    assert isinstance(staged, Staged)
    assert staged.archetype.modalities == ("price", "note")
    assert [fact.label for fact in staged.facts] == ["trend", "note"]
    prompts = prompts_of(staged.archetype, staged.facts, MEMBER, PromptTemplate(), CHOICES)
    assert len(prompts.prompts) == 2
    assert prompts.index.tolist() == prompts_of(ADVISED, [TREND], MEMBER, PromptTemplate(), CHOICES).index.tolist()
    assert sum("It rises." in prompt.user for prompt in prompts.prompts) == 1


def test_a_replica_has_a_seed_of_its_own_above_temperature_0_alone() -> None:
    other = ADVISED.replace(replica=1)
    (first,), (second,) = wanted(ADVISED, {}), wanted(other, {})
    assert first.sampling.seed != second.sampling.seed
    assert first.key != second.key
    texts = {first.key: "Buy.", second.key: "Buy."}
    assert {one.sampling for one in (*wanted(ADVISED, texts), *wanted(other, texts))} == {(40, 0.0, 0)}
