"""One kind of investor: what it may see, what it prefers, how it decides."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from pydantic import Field, field_validator, model_validator

from massjax.agents.hindsight import VIEWS, Hindsight
from massjax.agents.protocols.roles import NAME, RoleChange
from massjax.settings import Settings

ALONE = ("single", "staged", "given")
"""Protocols that are no organisation of roles."""


class Archetype(Settings):
    """One kind of investor: an LLM with a view and preferences, or, when `rule` is given, a formula without an LLM."""

    name: str = Field(
        description="Unique name of the archetype: 1 to 200 letters, digits, `_`, `-` or `.`. It is the label of a row of the score store "
        "and of every table, and no part of a prompt: a changed archetype is asked anew under the same name."
    )
    modalities: tuple[str, ...] = Field(
        (),
        description="Groups of facts that an LLM archetype may see, such as `price`, `risk` or `news`. An LLM archetype needs at least "
        "one; a rule takes none.",
    )
    rule: dict[str, float] | None = Field(
        None,
        description="Feature names with their weights, which make the archetype a formula without an LLM: its score is the weighted mean "
        "of cross-sectional ranks from 0 to 1, reversed where a weight is negative. Use it for controls, and to run without a "
        "model.",
    )
    risk_aversion: Literal["low", "moderate", "high"] = Field(
        "moderate",
        description="How much risk the investor says in the prompt that it accepts; `high` puts the safety of its capital first.",
    )
    horizon: Literal["days", "weeks", "months"] = Field(
        "weeks",
        description="How long the investor says in the prompt that it holds a stock. It is independent of `evaluate.horizon`, by which "
        "forward returns are measured.",
    )
    seniority: Literal["junior", "senior", "head"] = Field(
        "senior", description="Position that the prompt gives the investor: a junior analyst, a senior investor, or the head of a team."
    )
    protocol: str = Field(
        "single",
        description="How the archetype comes to a score: `single` asks once, `staged` first has the texts named in `stages` written; "
        "`analyst_trader`, `desk`, `committee`, `committee_majority`, `committee_head` or an entry of `agents.protocols` asks the roles "
        "of an organisation; `given` asks nothing, its scores being those of `scores.path` under its name.",
    )
    roles: dict[str, RoleChange] = Field(
        default_factory=dict,
        description="By role of the protocol, what this archetype has otherwise, as in `{head: {seniority: junior}}`. Roles that are the "
        "same in several archetypes are asked once.",
    )
    stages: tuple[str, ...] = Field(
        (), description="Names of entries of `agents.stages`, in the order in which they precede the score; for the protocol `staged` only."
    )
    model: str | None = Field(
        None,
        description="Entry of `models` that the archetype asks. Leave it out to ask the model of `scoring`.",
    )
    hindsight: Hindsight | None = Field(
        None,
        description="What is done about the model's memory of what happened, for this archetype: `none`, `mask`, `contrast` or `residual`, "
        "as `agents.hindsight` has it, which null takes. It is no part of a prompt but for masks.",
    )
    replica: int = Field(
        0,
        ge=0,
        description="Number of this copy among differently seeded copies of one archetype; each copy is a row of the score tensor. Copies "
        "differ only where a stage writes with a temperature above 0, or a template of your own shows `archetype.replica`.",
    )
    persona: str = Field(
        "",
        description="Free text added to the prompt of an LLM archetype, such as a belief about markets in one sentence in the second "
        "person.",
    )

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,199}", name):
            raise ValueError("an archetype's name must be 1-200 letters, digits, '_', '-' or '.', starting with a letter or digit")
        return name

    @field_validator("protocol")
    @classmethod
    def _name_of_protocol(cls, protocol: str) -> str:
        if not re.fullmatch(NAME, protocol):
            raise ValueError("a protocol's name is 1-64 letters, digits or '_', starting with a letter")
        return protocol

    @model_validator(mode="after")
    def _one_kind(self) -> Archetype:
        if self.protocol == "given" and (self.modalities or self.rule is not None or self.persona or self.model or self.stages):
            raise ValueError(f"archetype {self.name!r}: protocol 'given' takes no modalities, rule, persona, model or stages")
        if self.rule is None and not self.modalities and self.protocol != "given":
            raise ValueError(f"archetype {self.name!r} sees nothing: give it modalities, or a rule")
        if self.rule is not None and (self.modalities or self.persona or self.model):
            raise ValueError(f"archetype {self.name!r} has a rule, so it takes no modalities, persona or model")
        if self.rule is not None and not any(self.rule.values()):
            raise ValueError(f"archetype {self.name!r}: its rule gives no feature a weight other than 0")
        if self.hindsight is not None and not self.asks:
            raise ValueError(f"archetype {self.name!r}: no model is asked for its scores, so leave out hindsight")
        if self.hindsight in VIEWS and self.protocol != "single":
            raise ValueError(
                f"archetype {self.name!r}: hindsight {self.hindsight!r} is read from one answer with facts and one without, which protocol "
                f"{self.protocol!r} does not have; set hindsight: mask or none, or protocol: single"
            )
        if self.stages and self.protocol != "staged":
            raise ValueError(
                f"archetype {self.name!r}: protocol {self.protocol!r} has no stages before the scoring one; set protocol: staged"
            )
        if self.roles and self.protocol in ALONE:
            raise ValueError(f"archetype {self.name!r}: protocol {self.protocol!r} has no roles to change; take one that has, such as desk")
        if self.rule is not None and self.protocol not in ALONE:
            raise ValueError(f"archetype {self.name!r} has a rule, so no protocol of roles")
        if self.protocol == "staged" and (not self.stages or self.rule is not None):
            raise ValueError(f"archetype {self.name!r}: protocol 'staged' needs the names of its stages, and no rule")
        if len(set(self.stages)) != len(self.stages):
            raise ValueError(f"archetype {self.name!r} names a stage twice: {', '.join(self.stages)}")
        if len(set(self.modalities)) != len(self.modalities):
            raise ValueError(f"archetype {self.name!r} names a modality twice: {', '.join(self.modalities)}")
        return self

    @property
    def kind(self) -> Literal["llm", "rule"]:
        """`rule` for a formula of features, `llm` for a language model, or for scores that are given."""
        return "llm" if self.rule is None else "rule"

    def shown(self) -> dict[str, object]:
        """What a template is given of it, in plain values."""
        return {"archetype": {"kind": self.kind, **self.model_dump(exclude={"roles", "hindsight"})}}

    @property
    def asks(self) -> bool:
        """Whether a language model is asked for its scores."""
        return self.rule is None and self.protocol != "given"


def asks_a_model(archetypes: Iterable[Archetype]) -> bool:
    """Whether any of some archetypes asks a language model; rules alone ask none."""
    return any(archetype.asks for archetype in archetypes)
