"""One kind of investor: what it may see, what it prefers, how it decides."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from pydantic import Field, field_validator, model_validator

from massjax.settings import Settings


class Archetype(Settings):
    """One kind of investor: an LLM with a view and preferences, or, when `rule` is given, a formula without an LLM.

    Attributes:
        name: unique; letters, digits, `_`, `-` and `.`.
        modalities: the groups of facts it may see (an LLM archetype).
        rule: feature name to weight (a rule archetype): the score is the weighted mean of cross-sectional ranks.
        risk_aversion, horizon, seniority: what the prompt says of its preferences.
        protocol: how it decides; `single` asks once, `staged` has texts written first.
        stages: names of `agents.stages` in the order in which they precede the score (`staged` only).
        model: overrides `scoring.model` for this archetype.
        replica: the number of this archetype's strategy seed; replicas are further rows of the score tensor.
        persona: free text added to the prompt.
    """

    name: str
    modalities: tuple[str, ...] = ()
    rule: dict[str, float] | None = None
    risk_aversion: Literal["low", "moderate", "high"] = "moderate"
    horizon: Literal["days", "weeks", "months"] = "weeks"
    seniority: Literal["junior", "senior", "head"] = "senior"
    protocol: Literal["single", "staged"] = "single"
    stages: tuple[str, ...] = ()
    model: str | None = None
    replica: int = Field(0, ge=0)
    persona: str = ""

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,199}", name):
            raise ValueError("an archetype's name must be 1-200 letters, digits, '_', '-' or '.', starting with a letter or digit")
        return name

    @model_validator(mode="after")
    def _one_kind(self) -> Archetype:
        if self.rule is None and not self.modalities:
            raise ValueError(f"archetype {self.name!r} sees nothing: give it modalities, or a rule")
        if self.rule is not None and (self.modalities or self.persona or self.model):
            raise ValueError(f"archetype {self.name!r} has a rule, so it takes no modalities, persona or model")
        if self.rule is not None and not any(self.rule.values()):
            raise ValueError(f"archetype {self.name!r}: its rule gives no feature a weight other than 0")
        if self.stages and self.protocol == "single":
            raise ValueError(f"archetype {self.name!r}: protocol 'single' has no stages before the scoring one; set protocol: staged")
        if self.protocol == "staged" and (not self.stages or self.rule is not None):
            raise ValueError(f"archetype {self.name!r}: protocol 'staged' needs the names of its stages, and no rule")
        if len(set(self.stages)) != len(self.stages):
            raise ValueError(f"archetype {self.name!r} names a stage twice: {', '.join(self.stages)}")
        if len(set(self.modalities)) != len(self.modalities):
            raise ValueError(f"archetype {self.name!r} names a modality twice: {', '.join(self.modalities)}")
        return self

    @property
    def kind(self) -> Literal["llm", "rule"]:
        """`rule` for a formula of features, `llm` for a language model."""
        return "llm" if self.rule is None else "rule"


def asks_a_model(archetypes: Iterable[Archetype]) -> bool:
    """Whether any of some archetypes asks a language model; rules alone ask none."""
    return any(archetype.kind == "llm" for archetype in archetypes)
