"""Settings of the agents room: the archetypes and how their prompts are made."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from massjax.agents.archetype import Archetype
from massjax.errors import did_you_mean
from massjax.settings import ConfigPath, Settings


class Stage(Settings):
    """A text that a language model writes before the score is asked for, and that the later stages and the score's prompt show.

    Attributes:
        name: what the text is called in prompts; letters, digits and `_`.
        scope: `archetype` writes one text for each archetype and replica (a strategy), `stock` one for each stock and date (an
            analyst's note).
        instruction: what the model is told to write.
        max_tokens, temperature, seed: how it is written; with a temperature above 0 every replica has a seed of its own.
        template: file with the prompt template; the packaged one by default.
    """

    name: str
    scope: Literal["archetype", "stock"] = "stock"
    instruction: str = Field(min_length=1)
    max_tokens: int = Field(120, ge=1)
    temperature: float = Field(0.0, ge=0.0, le=2.0)
    seed: int = Field(0, ge=0, lt=2**31)
    template: ConfigPath | None = None

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", name):
            raise ValueError("a stage's name must be 1-64 letters, digits or '_', starting with a letter")
        return name


class Grid(Settings):
    """Archetypes generated as the product of the given values; each is named after its values.

    Attributes:
        modalities, risk_aversion, horizon: the values; those of the first are groups of modalities, as in [[price], [price, risk]].
        replicas: of each; they differ where a stage writes a strategy with a temperature.
        stages: of all of them.
    """

    modalities: tuple[tuple[str, ...], ...] = Field(min_length=1)
    risk_aversion: tuple[Literal["low", "moderate", "high"], ...] = ("moderate",)
    horizon: tuple[Literal["days", "weeks", "months"], ...] = ("weeks",)
    replicas: int = Field(1, ge=1)
    stages: tuple[str, ...] = ()


class Draw(Settings):
    """Archetypes drawn at random as in MASS: each sees one to three modalities (arXiv 2505.10278, §3).

    Attributes:
        count: how many.
        modalities: those that are drawn from.
        most_modalities: that one of them sees.
        seed: of the draw.
        replicas: of each; they differ where a stage writes a strategy with a temperature.
        stages: of all of them.
    """

    count: int = Field(16, ge=1)
    modalities: tuple[str, ...] = Field(min_length=1)
    most_modalities: int = Field(3, ge=1)
    seed: int = 0
    replicas: int = Field(1, ge=1)
    stages: tuple[str, ...] = ()

    @field_validator("modalities")
    @classmethod
    def _distinct(cls, modalities: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(modalities)) != len(modalities):
            raise ValueError(f"modalities must be distinct, not {', '.join(modalities)}")
        return modalities


class AgentsSettings(Settings):
    """The archetypes, listed, generated or drawn, and how facts become prompts.

    Attributes:
        archetypes, grid, draw: listed one by one, generated as a product, drawn at random; at least one of the three.
        facts: `words` names the cross-sectional quantile of a fact, `numbers` prints its value.
        mask: hide tickers, company names, people and dates, in texts too, because a model may remember what happened; names, aliases and
            people are those of `market.stocks`. precompute counts the prompts that still tell.
        features: names of the features that prompts show; empty = all.
        texts_per_prompt: at most this many texts of a modality are shown; texts of a stock that differ in case, blanks or punctuation
            alone count once.
        texts_order: which of more are shown: the `latest` to be published, the `first`, or the `longest`; always in the order of
            publication.
        template: file with the prompt template, in jinja; a packaged one by default. It is given plain values alone (`archetype`,
            `modalities`, `sections`, `choices`), and its loops, macros and texts are bounded.
        layout: which packaged template: one that begins with the archetype, so that prompts about many stocks share it, or one that
            begins with the facts, so that many archetypes share them; `auto` takes what leaves fewer tokens to compute.
        stages: texts that archetypes with the protocol `staged` have written before their scores.
    """

    archetypes: tuple[Archetype, ...] = ()
    grid: Grid | None = None
    draw: Draw | None = None
    facts: Literal["words", "numbers"] = "words"
    mask: bool = True
    features: tuple[str, ...] = ()
    texts_per_prompt: int = Field(5, ge=1)
    texts_order: Literal["latest", "first", "longest"] = "latest"
    template: ConfigPath | None = None
    layout: Literal["auto", "archetype-first", "facts-first"] = "auto"
    stages: tuple[Stage, ...] = ()

    @model_validator(mode="after")
    def _known_stages(self) -> AgentsSettings:
        known = [stage.name for stage in self.stages]
        if len(set(known)) != len(known):
            raise ValueError("agents.stages: two stages have the same name")
        used = {archetype.name: archetype.stages for archetype in self.archetypes}
        used |= {name: made.stages for name, made in (("agents.grid", self.grid), ("agents.draw", self.draw)) if made is not None}
        for name, stages in used.items():
            for stage in stages:
                if stage not in known:
                    raise ValueError(f"{name}: there is no stage {stage!r}{did_you_mean(stage, known)} in agents.stages")
        return self

    @model_validator(mode="after")
    def _some(self) -> AgentsSettings:
        if not self.archetypes and self.grid is None and self.draw is None:
            raise ValueError("agents: no archetypes: list them under agents.archetypes, or give agents.grid or agents.draw")
        return self
