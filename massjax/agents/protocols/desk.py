"""A protocol of roles at work: each is asked once what it is to write or decide, from the facts and what it hears of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from massjax.agents.archetype import Archetype
from massjax.agents.facts import UNKNOWN, Fact
from massjax.agents.prompts import HEARD, ROLE, PromptTemplate, content_free, prompts_of
from massjax.agents.protocols.built_in import instruction_of
from massjax.agents.protocols.graph import REASONS_OF, Organisation
from massjax.agents.protocols.opinion import UNDECIDED, likeliest, opinion_of
from massjax.agents.protocols.roles import Role
from massjax.agents.protocols.staged import LONGEST_TEXT, written_form
from massjax.agents.protocols.turns import Ask, Last, Part, Replies, Steps, Vote, at_cells
from massjax.agents.quoting import quote
from massjax.models.failures import REASONS, Reason
from massjax.models.forms import Decide, Rate, Spoken

MAX_TOKENS = 120
"""Of a role's text, where it gives no other number."""
PREFILLS = {"decide": "I choose: ", "rate": "Rating: "}
UNDECIDED_WORD = "undecided"
"""What others hear of one for whom several choices are the likeliest."""
LOW_COVERAGE = REASONS.index(Reason.LOW_COVERAGE)


@dataclass(frozen=True)
class Voice:
    """A role of an archetype's protocol, as its prompt shows it: nothing of the archetype but what the role inherits."""

    role: Role
    modalities: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of the role."""
        return self.role.name

    def shown(self) -> dict[str, object]:
        """What a template is given of it."""
        names = ("name", "form", "persona", "seniority", "horizon", "risk_aversion")
        return {"role": {"title": self.role.title_or_name(), **{name: getattr(self.role, name) for name in names}}}


def with_inherited(role: Role, archetype: Archetype) -> Role:
    """A role with what it takes from its archetype, where it has none of its own."""
    taken: dict[str, Any] = {name: getattr(archetype, name) for name in role.inherits if getattr(role, name) is None}
    modalities = archetype.modalities if role.modalities is None else role.modalities
    return role.model_copy(
        update={**taken, "modalities": () if role.facts is False else modalities, "model": role.model or archetype.model}
    )


def parts_of(archetype: Archetype, whole: Organisation) -> tuple[Part, ...]:
    """Whom an archetype's organisation asks, and for what."""
    return tuple(Part(role.name, role.model or archetype.model, form_of_role(role, archetype)) for role in whole.roles)


def form_of_role(role: Role, archetype: Archetype) -> Spoken:
    """What a role answers."""
    if role.form == "write":
        return written_form(role.max_tokens or MAX_TOKENS, role.temperature or 0.0, role.seed, archetype.replica)
    prefill = PREFILLS[role.form] if role.prefill is None else role.prefill
    return (Decide if role.form == "decide" else Rate)(role.choices_or_default, prefill)


def desk(
    archetype: Archetype, whole: Organisation, facts: Sequence[Fact], member: Bool[np.ndarray, "N T"], minimum_mass: float = 0.0
) -> Steps:
    """Ask the roles of an organisation, those at once that wait for the same, and read its opinion from who decides.

    A role is asked about a stock and date where it has heard all that it is to hear; what could not be had loses just the stocks and
    dates that it is about, for all who would have heard it.

    Args:
        archetype: whose organisation it is.
        whole: the organisation.
        facts: known at the close of each date.
        member: True where the stock is in the universe.
        minimum_mass: probability on the choices below which a decision counts as none.
    """
    titles = {role.name: role.title_or_name() for role in whole.roles}
    heard, lost, asks = dict[str, Fact](), dict[str, UInt8[np.ndarray, "N T"]](), dict[str, Ask]()
    votes = whole.votes
    needed = {name for role in whole.roles for name in role.sees}
    for some in whole.rounds:
        for role in some:
            own = with_inherited(role, archetype)
            lost[role.name] = np.max([np.zeros(member.shape, np.uint8), *(lost[name] for name in role.sees)], axis=0)
            there = member & (lost[role.name] == 0)
            for name in role.sees:
                there &= heard[name].codes != UNKNOWN
            asks[role.name] = _ask(own, archetype, [*facts, *(heard[name] for name in role.sees)], there, titles)
        waited = [role for role in some if role.name in needed or role not in votes]
        if not waited:
            continue
        for role, replies in zip(waited, (yield tuple(asks[role.name] for role in waited)), strict=True):
            ask = asks[role.name]
            assert ask.index is not None
            why = replies.codes if role.form == "write" else _with_mass(replies, minimum_mass)
            if role.name.endswith(REASONS_OF) and role.name not in needed:
                continue
            lost[role.name] = np.maximum(lost[role.name], at_cells(why, ask.index, 0)).astype(np.uint8)
            heard[role.name] = _heard(role, titles, ask, replies)
    lost_votes = np.max([lost[role.name] for role in votes], axis=0)
    opinion = partial(opinion_of, votes, whole.decides, whole.combine)
    return Last(tuple(Vote(asks[role.name], every_choice) for role in votes), opinion, lost_votes)


def every_choice(probability: Float[np.ndarray, "Q C"]) -> Float[np.ndarray, "Q C"]:
    """The probability of every choice counts."""
    return probability


def _ask(role: Role, archetype: Archetype, facts: Sequence[Fact], there: Bool[np.ndarray, "N T"], titles: Mapping[str, str]) -> Ask:
    """A role's questions, from its own settings and what it sees alone."""
    template, form = PromptTemplate(role.template or ROLE), form_of_role(role, archetype)
    voice = Voice(role, (*(role.modalities or ()), *(HEARD + name for name in role.sees)))
    choices = () if role.form == "write" else role.choices_or_default
    known = [fact for fact in facts if fact.modality or role.facts is not False]
    instruction = instruction_of(role, dict(titles))
    asked = prompts_of(voice, known, there, template, choices, instruction)
    prior = content_free(voice, known, template, choices, instruction) if role.calibrate and asked.prompts else None
    return Ask(role.name, form, asked.prompts, asked.index, role.model, prior)


def _with_mass(replies: Replies, minimum: float) -> UInt8[np.ndarray, " Q"]:
    """The codes of decisions; of those whose choices have too little probability that of the reason."""
    return np.where((replies.codes == 0) & (replies.mass < minimum), np.uint8(LOW_COVERAGE), replies.codes)


def _heard(role: Role, titles: Mapping[str, str], ask: Ask, replies: Replies) -> Fact:
    """What others hear of a role, as a fact: equal answers are one, so that whoever hears them is asked once."""
    if role.name.endswith(REASONS_OF):
        label = f"The reasons of the {titles[role.name.removesuffix(REASONS_OF)]}"
    else:
        label = f"The {titles[role.name]} {'wrote' if role.form == 'write' else 'decided'}"
    if role.form == "write":
        said = [quote([(text or "")[:LONGEST_TEXT]]) for text in replies.texts]
    else:
        words = role.choices_or_default
        if len(role.follows) > 1:
            words = (*(f"to follow the {titles[name]}" for name in role.follows), "to follow none")
        said = [UNDECIDED_WORD if place == UNDECIDED else words[place] for place in likeliest(replies.probability).tolist()]
    vocabulary = {text: place for place, text in enumerate(dict.fromkeys(said))}
    codes = np.array([vocabulary[text] for text in said], np.int32)
    assert ask.index is not None
    return Fact(HEARD + role.name, label, at_cells(codes, ask.index, UNKNOWN), tuple(vocabulary))
