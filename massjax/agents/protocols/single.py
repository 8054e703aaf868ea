"""The protocol `single`: one question about each stock and date, whose answer is the archetype's opinion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8

from massjax.agents.archetype import Archetype
from massjax.agents.facts import Fact
from massjax.agents.prompts import PromptTemplate, content_free, prompts_of
from massjax.agents.protocols.turns import Ask, Last, Opinion, Vote
from massjax.models.forms import Rate
from massjax.models.probabilities import expected_score

SCORE = "score"
"""The role of the question that a score is read from."""


def rating(
    archetype: Archetype,
    facts: Sequence[Fact],
    member: Bool[np.ndarray, "N T"],
    template: PromptTemplate,
    form: Rate,
    lost: UInt8[np.ndarray, "N T"] | None = None,
    *,
    calibrate: bool,
) -> Last:
    """What an archetype is asked about every member on every date, from the facts known at its close.

    Args:
        archetype: whose opinion is asked for.
        facts: known at the close of each date.
        member: True where the stock is in the universe.
        template: of the prompts.
        form: the choices, from worst to best; the score is the expected one.
        lost: where a text that could not be had leaves nothing to ask.
        calibrate: by the answer to the prompt with every fact withheld.
    """
    lost = np.zeros(member.shape, np.uint8) if lost is None else lost
    asked = prompts_of(archetype, facts, member & (lost == 0), template, form.choices)
    prior = content_free(archetype, facts, template, form.choices) if calibrate and asked.prompts else None
    return Last((Vote(Ask(SCORE, form, asked.prompts, asked.index, archetype.model, prior, kind=""), expected_choice),), only_score, lost)


def expected_choice(probability: Float[np.ndarray, "Q C"]) -> Float[np.ndarray, "Q 1"]:
    """The expected choice of each answer, scaled to [0, 1]."""
    return expected_score(probability)[:, None]


def only_score(values: Sequence[Float[np.ndarray, "N T V"]]) -> Opinion:
    """The first number of the first vote as the score, without a decision."""
    return Opinion(values[0][..., 0])
