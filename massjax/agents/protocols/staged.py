"""The protocol `staged`: texts that are written before a score is asked for; which are needed, and how they enter the later prompts.

What comes after a stage can change without its texts being written again; what comes before it changes its prompts, hence its texts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Int, UInt8

from massjax.agents.archetype import Archetype
from massjax.agents.facts import Fact
from massjax.agents.prompts import STAGE, PromptTemplate, askable, prompts_of
from massjax.agents.quoting import one_line, quote
from massjax.agents.settings import Stage
from massjax.models.failures import REASONS, Failure
from massjax.models.forms import Write
from massjax.models.question import Prompt

TextsOf: TypeAlias = Callable[[Stage, Sequence[Prompt], Write], "list[str | Failure | None]"]
"""The texts that were written for some prompts of a stage, or why one could not be had; None where it was not asked for yet."""

LONGEST_TEXT = 4000
"""Characters of a text that later prompts are shown."""


class Wanted(NamedTuple):
    """Texts of a stage that are not there, those that were asked for and could not be had among them.

    Attributes:
        stage: that they are of.
        prompts: of those that are not there.
        form: how they are written.
    """

    stage: Stage
    prompts: tuple[Prompt, ...]
    form: Write


@dataclass(frozen=True, eq=False)
class Passed:
    """A stage whose texts are there.

    Attributes:
        stage: which one.
        prompts: of its texts.
        form: how they were written.
        index: which of them is about each stock and date, -1 where none is; None for a text about none.
    """

    stage: Stage
    prompts: Sequence[Prompt]
    form: Write
    index: Int[np.ndarray, "N T"] | None


@dataclass(frozen=True, eq=False)
class Staged:
    """An archetype and its facts after the stages that it could pass: what its score's prompts are made from.

    Attributes:
        archetype: with its strategies in its persona.
        facts: with its notes among them.
        passed: its stages that every text of was asked for, in order.
        missing: texts that are not there, by stage.
        stopped: whether the last of `missing` has to be asked for before the archetype can go on; otherwise all that is missing could not
            be had, and the stocks and dates that it is about are lost.
        lost: where a text that could not be had leaves nothing to go on with, by the place of the reason in
            `massjax.models.failures.REASONS`; 0 elsewhere.
    """

    archetype: Archetype
    facts: tuple[Fact, ...]
    passed: tuple[Passed, ...]
    missing: tuple[Wanted, ...]
    stopped: bool
    lost: UInt8[np.ndarray, "N T"]


def apply_stages(
    archetype: Archetype,
    stages: Sequence[Stage],
    facts: Sequence[Fact],
    member: Bool[np.ndarray, "N T"],
    choices: Sequence[str],
    texts: TextsOf,
) -> Staged:
    """Go through an archetype's stages with the texts that are there, up to one that has texts to be asked for.

    A text that was asked for and could not be had holds up nothing but the stocks and dates that it is about.

    Args:
        archetype: with the names of its stages; none for the protocol `single`.
        stages: all that the configuration defines.
        facts: known at the close of each date.
        member: True where the stock is in the universe.
        choices: of the score, which a template may show.
        texts: looks up what was written.
    """
    by_name = {stage.name: stage for stage in stages}
    seen, passed, missing = tuple(facts), list[Passed](), list[Wanted]()
    lost = np.zeros(member.shape, np.uint8)
    for name in archetype.stages:
        stage = by_name[name]
        template, form = PromptTemplate(stage.template or STAGE), form_of_stage(stage, archetype)
        here = member & (lost == 0)
        if stage.scope == "archetype":
            prompts, index = [template.render(archetype, [], choices, stage.instruction)], None
        else:
            asked = prompts_of(archetype, seen, here, template, choices, stage.instruction)
            prompts, index = asked.prompts, asked.index
        found = texts(stage, prompts, form)
        if absent := tuple(prompt for prompt, text in zip(prompts, found, strict=True) if not isinstance(text, str)):
            missing.append(Wanted(stage, absent, form))
        if None in found:
            return Staged(archetype, seen, tuple(passed), tuple(missing), True, lost)
        passed.append(Passed(stage, prompts, form, index))
        why = np.array([REASONS.index(text.reason) if isinstance(text, Failure) else 0 for text in found] + [0], np.uint8)
        lost = np.maximum(lost, np.where(askable(archetype, seen, here), why[0], 0) if index is None else why[index])
        written = [text[:LONGEST_TEXT] if isinstance(text, str) else "" for text in found]
        if index is None:
            strategy = f"Your {stage_title(name)}: {one_line(written[0])}"
            archetype = archetype.model_copy(update={"persona": f"{archetype.persona} {strategy}".strip()})
        else:
            note = Fact(name, stage_title(name), index, tuple(quote([text]) for text in written))
            archetype = archetype.model_copy(update={"modalities": (*archetype.modalities, name)})
            seen = (*seen, note)
        if absent and not (askable(archetype, seen, member) & (lost == 0)).any():
            break
    return Staged(archetype, seen, tuple(passed), tuple(missing), False, lost)


def stage_title(stage: str) -> str:
    """The name of a stage in words."""
    return stage.replace("_", " ")


def form_of_stage(stage: Stage, archetype: Archetype) -> Write:
    """How a stage's text is written for an archetype: every replica has its own seed, which counts above temperature 0 only."""
    if stage.temperature == 0.0:
        return Write(stage.max_tokens)
    seed = hashlib.blake2b(f"{stage.seed}:{archetype.replica}".encode(), digest_size=4).digest()
    return Write(stage.max_tokens, stage.temperature, int.from_bytes(seed, "little") >> 1)
