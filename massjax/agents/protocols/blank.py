"""The blank question: how attractive a stock is on a date, by its name and the date alone, so that only memory can answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from massjax.agents.facts import UNKNOWN, Fact
from massjax.agents.hindsight import HindsightSettings
from massjax.agents.prompts import BLANK as BLANK_TEMPLATE, PromptTemplate, distinct_rows
from massjax.agents.protocols.turns import Ask
from massjax.models.forms import Rate

BLANK = "blank"
"""The role of the question without facts."""
SHOWN = ("date", "stock")
"""Labels of the facts about identity that it shows."""


@dataclass(frozen=True)
class Nobody:
    """Whom a blank question is put to: no archetype, which has a view and preferences."""

    name: str = BLANK
    modalities: tuple[str, ...] = ()

    def shown(self) -> dict[str, object]:
        """Nothing."""
        return {}


def blank_ask(facts: Sequence[Fact], member: Bool[np.ndarray, "N T"], settings: HindsightSettings, form: Rate, model: str | None) -> Ask:
    """One question about every member on every date that shows its name and the date, and no other fact.

    It depends on no archetype, so that all archetypes of a model and its choices share the answers.

    Args:
        facts: those of identity, names and dates shown (`massjax.agents.facts.identity_facts`); others are left out.
        member: True for whom and when it is asked.
        settings: whose `instruction` the model is told.
        form: the choices, as those of the archetypes.
        model: entry of `models`; None for that of `scoring`.
    """
    seen = [fact for fact in facts if not fact.modality and fact.label in SHOWN]
    index = np.full(member.shape, UNKNOWN, np.int32)
    rows, index[member] = distinct_rows([fact.codes[member] for fact in seen])
    prompts = PromptTemplate(BLANK_TEMPLATE).render_rows(Nobody(), seen, rows, form.choices, settings.instruction)
    return Ask(BLANK, form, prompts, index, model, kind="")
