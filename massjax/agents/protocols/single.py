"""The protocol `single`: one question about each stock and date, whose answer is the archetype's opinion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from massjax.agents.archetype import Archetype
from massjax.agents.facts import Fact
from massjax.agents.prompts import PromptTemplate, content_free, prompts_of
from massjax.models.question import Prompt


@dataclass(frozen=True, eq=False)
class Asking:
    """What an archetype is asked.

    Attributes:
        prompts: all different ones.
        index: which of them is asked about each stock and date; -1 where there is nothing to ask.
        content_free: the prompt with every fact withheld, whose answer calibrates the others'; None where none does, or there are none.
    """

    prompts: list[Prompt]
    index: Int[np.ndarray, "N T"]
    content_free: Prompt | None


def single(
    archetype: Archetype,
    facts: Sequence[Fact],
    member: Bool[np.ndarray, "N T"],
    template: PromptTemplate,
    choices: Sequence[str],
    *,
    calibrate: bool,
) -> Asking:
    """What an archetype is asked about every member on every date, from the facts known at its close."""
    asked = prompts_of(archetype, facts, member, template, choices)
    prior = content_free(archetype, facts, template, choices) if calibrate and asked.prompts else None
    return Asking(asked.prompts, asked.index, prior)
