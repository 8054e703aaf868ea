"""Settings of protocols: roles, what each sees of whose answers, and whose answers make the score."""

from __future__ import annotations

import re
import string
from typing import Any, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from massjax.models.forms import MOST_CHOICES
from massjax.settings import ConfigPath, Settings

Seniority: TypeAlias = Literal["junior", "senior"]
Horizon: TypeAlias = Literal["days", "week", "weeks", "month", "months", "year"]
RiskAversion: TypeAlias = Literal["low", "moderate", "high"]
Inherited: TypeAlias = Literal["persona", "horizon", "risk_aversion"]

DIRECTIONS = ("long", "neither", "short")
FOLLOW = ("Follow", "Not follow")
NAME = r"[A-Za-z][A-Za-z0-9_]{0,63}"


class RoleChange(Settings):
    """What may differ in a role from one archetype of a protocol to another; what is null is as the protocol has it."""

    title: str | None = Field(None, description="What the role is called in prompts, such as `head trader`; null takes its name.")
    persona: str | None = Field(None, description="Free text of the role's own in its prompt, in the second person; empty for none.")
    seniority: Seniority | None = Field(
        None, description="The word before the title in the role's own prompt, `junior` or `senior`; null for none. Nobody else sees it."
    )
    horizon: Horizon | None = Field(
        None, description="The sentence that says for how long the role decides, such as the coming `week` or `year`; null for none."
    )
    risk_aversion: RiskAversion | None = Field(None, description="The sentence that says how much risk the role accepts; null for none.")
    modalities: tuple[str, ...] | None = Field(
        None, description="Modalities of the facts that the role sees; null takes those of the archetype."
    )
    facts: bool | None = Field(None, description="Whether the role sees facts at all, or only what the roles that it sees have said.")
    model: str | None = Field(None, description="Entry of `models` that the role asks; null takes the archetype's model.")
    instruction: str | None = Field(None, description="What the role is told to write or to decide; null takes a sentence of massjax.")
    prefill: str | None = Field(
        None,
        description="Beginning of a `decide` or `rate` answer, put into the model's mouth; null takes `I choose: ` or `Rating: `. Models "
        "that are not prefilled put little of their probability on the choices.",
    )
    reasons: str | None = Field(
        None,
        description="What the role is told to write after its decision, which whoever sees the role reads with it; null or nothing asks "
        "for no reasons. They change no decision of the role itself.",
    )
    max_tokens: int | None = Field(None, ge=1, description="Longest text of the role, in tokens; null takes 120.")
    temperature: float | None = Field(None, ge=0.0, le=2.0, description="Sampling temperature of the role's texts; null takes 0.")
    template: ConfigPath | None = Field(
        None, description="File with a jinja template of the role's prompt; null takes the template that comes with massjax."
    )


class Role(RoleChange):
    """Somebody who is asked in a protocol, once for all archetypes whose question is the same."""

    name: str = Field(description="What other roles call it in `sees` and `follows`: 1 to 64 letters, digits or `_`, a letter first.")
    form: Literal["write", "decide", "rate"] = Field(
        description="What it answers: `write` a text; `decide` one of `choices` from long to short, or whom to follow; `rate` one of "
        "`choices` from worst to best. Choices are read from their probabilities, never from prose."
    )
    sees: tuple[str, ...] = Field((), description="Roles whose answers its prompt shows, in this order.")
    follows: tuple[str, ...] = Field(
        (),
        description="Deciding roles among `sees` that a `decide` role follows or not: its first choices stand for following each of them, "
        "its last for following none.",
    )
    choices: tuple[str, ...] = Field(
        (),
        description="What can be decided, in order: from long to short, worst to best, or one for each role of `follows` and one for none. "
        "Empty takes long, neither, short; 1 to 5; Follow, Not follow; or A, B and so on, and Neither, where several are followed.",
    )
    inherits: tuple[Inherited, ...] = Field(
        (), description="What the role takes from the archetype, where it has none of its own: `persona`, `horizon` or `risk_aversion`."
    )
    calibrate: bool = Field(
        False, description="Divide the role's choice probabilities by those of its prompt without facts, as `scoring.calibrate` does."
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of texts above temperature 0, from which every replica derives its own.")

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not re.fullmatch(NAME, name):
            raise ValueError("a role's name must be 1-64 letters, digits or '_', starting with a letter")
        return name

    @model_validator(mode="after")
    def _fits_its_form(self) -> Role:
        if self.form == "write" and (self.choices or self.follows or self.reasons or self.calibrate or self.prefill):
            raise ValueError(f"role {self.name!r} writes, so it takes no choices, follows, prefill, reasons or calibrate")
        if self.form == "write" and not self.instruction:
            raise ValueError(f"role {self.name!r} writes, but is not told what: give it an instruction")
        if self.follows and self.form != "decide":
            raise ValueError(f"role {self.name!r} follows somebody, which is decided: give it form: decide")
        if self.form == "decide" and not self.follows and any(choice.lower().startswith("follow") for choice in self.choices):
            raise ValueError(f"role {self.name!r} has the choice to follow, but not whom: name a deciding role under `follows`")
        if self.form != "write":
            check_choices(self.name, self.choices_or_default)
        if self.follows and len(self.choices_or_default) != len(self.follows) + 1:
            many = f"{len(self.follows)} roles and so has {len(self.follows) + 1} choices: one for each of them, and one for none"
            raise ValueError(f"role {self.name!r} follows {many}; it has {', '.join(self.choices_or_default)}")
        if self.facts is False and not self.sees:
            raise ValueError(f"role {self.name!r} sees neither facts nor other roles")
        return self

    @property
    def choices_or_default(self) -> tuple[str, ...]:
        """The choices of a role that does not write."""
        if self.choices:
            return self.choices
        if self.form == "rate":
            return ("1", "2", "3", "4", "5")
        if len(self.follows) > 1:
            return (*string.ascii_uppercase[: len(self.follows)], "Neither")
        return FOLLOW if self.follows else DIRECTIONS

    def title_or_name(self) -> str:
        """What the role is called in prompts."""
        return self.title or role_title(self.name)


def role_title(name: str) -> str:
    """A name in words."""
    return name.replace("_", " ")


def check_choices(role: str, choices: tuple[str, ...]) -> None:
    """Refuse choices that a model, or a reader, cannot tell apart by how they begin.

    Raises:
        ValueError: two are equal, one begins with another, or their first words are the same; naming both.
    """
    if not 2 <= len(choices) <= MOST_CHOICES or not all(choice.strip() for choice in choices):
        raise ValueError(f"role {role!r}: choices must be 2 to {MOST_CHOICES} texts, none of them empty")
    plain = [choice.strip().casefold() for choice in choices]
    for place, one in enumerate(plain):
        for before, other in enumerate(plain[:place]):
            pair = f"{choices[before]!r} and {choices[place]!r}"
            if one == other:
                raise ValueError(f"role {role!r}: the choices {pair} are equal")
            digits = one.isdigit() and other.isdigit()
            if not digits and (one.startswith(other) or other.startswith(one) or one.split()[0] == other.split()[0]):
                raise ValueError(
                    f"role {role!r}: the choices {pair} begin alike, so that the beginning of an answer does not tell which is meant; "
                    "give them different first words"
                )


class ProtocolSettings(Settings):
    """An organisation that decides: roles, who sees whose answers, and whose opinion counts."""

    name: str = Field(description="What archetypes call it as their `protocol`: 1 to 64 letters, digits or `_`, a letter first.")
    like: str = Field(
        "",
        description="A protocol to start from, such as `desk`: roles of the same name take the place of its own, others are added, and "
        "what else is not given is as it has it. Empty starts from nothing.",
    )
    roles: tuple[Role, ...] = Field((), description="Who is asked, in any order: what they see decides who comes first.")
    decides: tuple[str, ...] = Field(
        (),
        description="Deciding or rating roles whose opinions make the score; empty takes those that nobody sees. Several are combined.",
    )
    combine: Literal["mean", "majority"] | None = Field(
        None,
        description="How several opinions become one: `mean` of their expected directions or `majority`, the probability that more than "
        "half of them say long less that of short, each deciding by itself; null is as in `like`, else `mean`.",
    )
    unit: Literal["date", "text"] | None = Field(
        None,
        description="What is decided on, a stock on a `date`, or each `text` by itself, such as a news item, whose decisions are then put "
        "together; null is as in `like`, else `date`.",
    )
    aggregate: Literal["latest", "mean", "strongest"] | None = Field(
        None,
        description="What several texts that a stock has on a date come to: the decision on the `latest` published, the `mean`, or the "
        "`strongest`, whose score is furthest from 0.5; null is as in `like`, else `latest`.",
    )
    file: ConfigPath | None = Field(
        None,
        description="File of Python with the protocol as a function `protocol(archetype, facts, member)`, in the place of roles; null for "
        "none. It is code, run with your rights: name only files that you trust.",
    )
    models: tuple[str, ...] = Field((), description="Entries of `models` that the protocol of `file` asks, beside the archetype's own.")

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not re.fullmatch(NAME, name):
            raise ValueError("a protocol's name must be 1-64 letters, digits or '_', starting with a letter")
        return name

    @model_validator(mode="after")
    def _one_kind(self) -> ProtocolSettings:
        if self.file is not None and (self.roles or self.like or self.decides):
            raise ValueError(f"protocol {self.name!r} is a file of Python, so it takes no roles, like or decides")
        if self.file is None and not self.roles and not self.like:
            raise ValueError(f"protocol {self.name!r} has no roles: list them, start from another with `like`, or name a file")
        if self.models and self.file is None:
            raise ValueError(f"protocol {self.name!r}: `models` is for a protocol of a file; a role names its own")
        return self


def changed(role: Role, change: RoleChange | None) -> Role:
    """A role as one archetype has it: what is null is as the protocol has it."""
    return role if change is None else role.replace(**_given(change))


def _given(change: RoleChange) -> dict[str, Any]:
    return {name: value for name in type(change).model_fields if (value := getattr(change, name)) is not None}
