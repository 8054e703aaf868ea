"""Settings of the agents room: the archetypes and how their prompts are made."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from massjax.config.base import ConfigPath, Settings


class Archetype(Settings):
    """One kind of investor: an LLM with a view and preferences, or, when `rule` is given, a formula without an LLM.

    Attributes:
        name: unique; letters, digits, `_`, `-` and `.`.
        modalities: the groups of facts it may see (an LLM archetype).
        rule: feature name to weight (a rule archetype): the score is the weighted mean of cross-sectional ranks.
        risk_aversion, horizon, seniority: what the prompt says of its preferences.
        protocol: how it decides; `single` asks once, later stages are named here in order.
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
    protocol: Literal["single"] = "single"
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
        if self.stages:
            raise ValueError(f"archetype {self.name!r}: protocol 'single' has no stages before the scoring one")
        if len(set(self.modalities)) != len(self.modalities):
            raise ValueError(f"archetype {self.name!r} names a modality twice: {', '.join(self.modalities)}")
        return self

    @property
    def kind(self) -> Literal["llm", "rule"]:
        """`rule` for a formula of features, `llm` for a language model."""
        return "llm" if self.rule is None else "rule"


class Grid(Settings):
    """Archetypes generated as the product of the given values; each is named after its values."""

    modalities: tuple[tuple[str, ...], ...] = Field(min_length=1)
    risk_aversion: tuple[Literal["low", "moderate", "high"], ...] = ("moderate",)
    horizon: tuple[Literal["days", "weeks", "months"], ...] = ("weeks",)
    replicas: int = Field(1, ge=1)


class Draw(Settings):
    """Archetypes drawn at random as in MASS: each sees one to three modalities (arXiv 2505.10278, §3)."""

    count: int = Field(16, ge=1)
    modalities: tuple[str, ...] = Field(min_length=1)
    most_modalities: int = Field(3, ge=1)
    seed: int = 0
    replicas: int = Field(1, ge=1)

    @field_validator("modalities")
    @classmethod
    def _distinct(cls, modalities: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(modalities)) != len(modalities):
            raise ValueError(f"modalities must be distinct, not {', '.join(modalities)}")
        return modalities


class AgentsSettings(Settings):
    """The archetypes, listed, generated or drawn, and how facts become prompts.

    Attributes:
        facts: `words` names the cross-sectional quantile of a fact, `numbers` prints its value.
        mask: hide tickers, company names and dates, because a model may remember what happened.
        features: names of the features that prompts show; empty = all.
        texts_per_prompt: at most this many of the latest texts of a modality are shown.
        template: file with the prompt template; the packaged one by default.
    """

    archetypes: tuple[Archetype, ...] = ()
    grid: Grid | None = None
    draw: Draw | None = None
    facts: Literal["words", "numbers"] = "words"
    mask: bool = True
    features: tuple[str, ...] = ()
    texts_per_prompt: int = Field(5, ge=1)
    template: ConfigPath | None = None

    @model_validator(mode="after")
    def _some(self) -> AgentsSettings:
        if not self.archetypes and self.grid is None and self.draw is None:
            raise ValueError("agents: no archetypes: list them under agents.archetypes, or give agents.grid or agents.draw")
        return self
