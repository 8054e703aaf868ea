"""The protocol `staged`: texts that are written before a score is asked for, and how they enter the later prompts.

What comes after a stage can change without its texts being written again; what comes before it changes its prompts, hence its texts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from massjax.agents.archetype import Archetype
from massjax.agents.facts import Fact
from massjax.agents.prompts import STAGE, PromptTemplate, askable, prompts_of
from massjax.agents.protocols.single import rating
from massjax.agents.protocols.turns import Ask, Steps
from massjax.agents.quoting import one_line, quote
from massjax.agents.settings import Stage
from massjax.models.forms import Rate, Write

LONGEST_TEXT = 4000
"""Characters of a text that later prompts are shown."""


def staged(
    archetype: Archetype,
    stages: Sequence[Stage],
    facts: Sequence[Fact],
    member: Bool[np.ndarray, "N T"],
    template: PromptTemplate,
    form: Rate,
    *,
    calibrate: bool,
) -> Steps:
    """Have the texts of an archetype's stages written one stage after the other, then ask for its score; without stages at once.

    A text that was asked for and could not be had loses the stocks and dates that it is about, and holds up nothing else.

    Args:
        archetype: whose opinion is asked for.
        stages: that precede it, in order.
        facts: known at the close of each date.
        member: True where the stock is in the universe.
        template: of the prompts for scores.
        form: the choices of the score.
        calibrate: the scores by the answer to the prompt with every fact withheld.
    """
    seen = tuple(facts)
    lost = np.zeros(member.shape, np.uint8)
    for stage in stages:
        shape, written_as = PromptTemplate(stage.template or STAGE), form_of_stage(stage, archetype)
        here = member & (lost == 0)
        if stage.scope == "archetype":
            prompts, index = [shape.render(archetype, [], form.choices, stage.instruction)], None
        else:
            asked = prompts_of(archetype, seen, here, shape, form.choices, stage.instruction)
            prompts, index = asked.prompts, asked.index
        (replies,) = yield (Ask(stage.name, written_as, prompts, index, stage.model or archetype.model, kind="stage"),)
        why = np.append(replies.codes, np.uint8(0))
        lost = np.maximum(lost, np.where(askable(archetype, seen, here), why[0], 0) if index is None else why[index]).astype(np.uint8)
        texts = [(text or "")[:LONGEST_TEXT] for text in replies.texts]
        if index is None:
            strategy = f"Your {stage_title(stage.name)}: {one_line(texts[0])}"
            archetype = archetype.model_copy(update={"persona": f"{archetype.persona} {strategy}".strip()})
        else:
            note = Fact(stage.name, stage_title(stage.name), index, tuple(quote([text]) for text in texts))
            archetype = archetype.model_copy(update={"modalities": (*archetype.modalities, stage.name)})
            seen = (*seen, note)
        if replies.codes.any() and not (askable(archetype, seen, member) & (lost == 0)).any():
            break
    return rating(archetype, seen, member, template, form, lost, calibrate=calibrate)


def stage_title(stage: str) -> str:
    """The name of a stage in words."""
    return stage.replace("_", " ")


def form_of_stage(stage: Stage, archetype: Archetype) -> Write:
    """How a stage's text is written for an archetype: every replica has its own seed, which counts above temperature 0 only."""
    return written_form(stage.max_tokens, stage.temperature, stage.seed, archetype.replica)


def written_form(max_tokens: int, temperature: float, seed: int, replica: int) -> Write:
    """The form of a text, which at temperature 0 has no seed, and above it one of each replica's own."""
    if temperature == 0.0:
        return Write(max_tokens)
    digest = hashlib.blake2b(f"{seed}:{replica}".encode(), digest_size=4).digest()
    return Write(max_tokens, temperature, int.from_bytes(digest, "little") >> 1)
