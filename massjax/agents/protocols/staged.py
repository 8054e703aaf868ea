"""The protocol `staged`: texts that are written before a score is asked for; which are needed, and how they enter the later prompts.

What comes after a stage can change without its texts being written again; what comes before it changes its prompts, hence its texts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Int

from massjax.agents.archetype import Archetype
from massjax.agents.facts import Fact
from massjax.agents.prompts import STAGE, PromptTemplate, prompts_of
from massjax.agents.quoting import one_line, quote
from massjax.agents.settings import Stage
from massjax.models.forms import Write
from massjax.models.question import Prompt

TextsOf: TypeAlias = Callable[[Stage, Sequence[Prompt], Write], "list[str | None]"]
"""The texts that were written for some prompts of a stage; None where one was not."""

LONGEST_TEXT = 4000
"""Characters of a text that later prompts are shown."""


class Wanted(NamedTuple):
    """Texts that have to be written before an archetype can go on.

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
    """An archetype and its facts after all its stages: what its score's prompts are made from.

    Attributes:
        archetype: with its strategies in its persona.
        facts: with its notes among them.
        passed: its stages, in order.
    """

    archetype: Archetype
    facts: tuple[Fact, ...]
    passed: tuple[Passed, ...] = ()


def apply_stages(
    archetype: Archetype,
    stages: Sequence[Stage],
    facts: Sequence[Fact],
    member: Bool[np.ndarray, "N T"],
    choices: Sequence[str],
    texts: TextsOf,
) -> Staged | Wanted:
    """Go through an archetype's stages with the texts that are there.

    Args:
        archetype: with the names of its stages; none for the protocol `single`.
        stages: all that the configuration defines.
        facts: known at the close of each date.
        member: True where the stock is in the universe.
        choices: of the score, which a template may show.
        texts: looks up what was written.

    Returns:
        The archetype with its strategy in its persona and its notes among its facts; or, where a stage lacks texts, what it lacks.
    """
    by_name = {stage.name: stage for stage in stages}
    seen, passed = tuple(facts), list[Passed]()
    for name in archetype.stages:
        stage = by_name[name]
        template, form = PromptTemplate(stage.template or STAGE), form_of_stage(stage, archetype)
        if stage.scope == "archetype":
            prompts, index = [template.render(archetype, [], choices, stage.instruction)], None
        else:
            asked = prompts_of(archetype, seen, member, template, choices, stage.instruction)
            prompts, index = asked.prompts, asked.index
        found = texts(stage, prompts, form)
        missing = tuple(prompt for prompt, text in zip(prompts, found, strict=True) if text is None)
        if missing:
            return Wanted(stage, missing, form)
        passed.append(Passed(stage, prompts, form, index))
        written = [(text or "")[:LONGEST_TEXT] for text in found]
        if index is None:
            strategy = f"Your {stage_title(name)}: {one_line(written[0])}"
            archetype = archetype.model_copy(update={"persona": f"{archetype.persona} {strategy}".strip()})
        else:
            note = Fact(name, stage_title(name), index, tuple(quote([text]) for text in written))
            archetype = archetype.model_copy(update={"modalities": (*archetype.modalities, name)})
            seen = (*seen, note)
    return Staged(archetype, seen, tuple(passed))


def stage_title(stage: str) -> str:
    """The name of a stage in words."""
    return stage.replace("_", " ")


def form_of_stage(stage: Stage, archetype: Archetype) -> Write:
    """How a stage's text is written for an archetype: every replica has its own seed, which counts above temperature 0 only."""
    if stage.temperature == 0.0:
        return Write(stage.max_tokens)
    seed = hashlib.blake2b(f"{stage.seed}:{archetype.replica}".encode(), digest_size=4).digest()
    return Write(stage.max_tokens, stage.temperature, int.from_bytes(seed, "little") >> 1)
