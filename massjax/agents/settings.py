"""Settings of the agents room: the archetypes and how their prompts are made."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from massjax.agents.archetype import ALONE, Archetype
from massjax.agents.finite import FiniteSettings as FiniteSettings
from massjax.agents.hindsight import VIEWS, Hindsight, HindsightSettings as HindsightSettings
from massjax.agents.protocols.built_in import BUILT_IN
from massjax.agents.protocols.graph import merged, organisation
from massjax.agents.protocols.roles import ProtocolSettings as ProtocolSettings, Role as Role, RoleChange as RoleChange
from massjax.agents.style import StyleSettings as StyleSettings
from massjax.errors import did_you_mean
from massjax.settings import ConfigPath, Settings


class Stage(Settings):
    """A text that a language model writes before the score is asked for, and that the later stages and the score's prompt show."""

    name: str = Field(
        description="What the text is called in prompts and in the `stages` of archetypes: 1 to 64 letters, digits or `_`, a letter first."
    )
    scope: Literal["archetype", "stock"] = Field(
        "stock",
        description="How many texts are written: `archetype` writes one for each archetype and replica (a strategy), `stock` one for each "
        "stock and date as well (an analyst's note), which costs that many more calls.",
    )
    instruction: str = Field(min_length=1, description="What the model is told to write, in a sentence or two.")
    max_tokens: int = Field(
        120, ge=1, description="Longest text that the model may write, in tokens; raise it where texts end in mid-sentence."
    )
    temperature: float = Field(
        0.0,
        ge=0.0,
        le=2.0,
        description="Sampling temperature of the text: 0 always writes the likeliest one. Set it above 0 to make replicas differ.",
    )
    seed: int = Field(
        0,
        ge=0,
        lt=2**31,
        description="Seed of the sampled text, from which every replica derives its own; without effect at temperature 0.",
    )
    model: str | None = Field(None, description="Entry of `models` that writes the text; null takes the archetype's own.")
    template: ConfigPath | None = Field(
        None, description="File with a jinja template of the prompt for this text; null takes the template that comes with massjax."
    )

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", name):
            raise ValueError("a stage's name must be 1-64 letters, digits or '_', starting with a letter")
        return name


class Grid(Settings):
    """Archetypes generated as the product of the given values; each is named after its values."""

    modalities: tuple[tuple[str, ...], ...] = Field(
        min_length=1,
        description="Sets of modalities, one archetype or more for each set, as in `[[price], [price, risk]]`.",
    )
    risk_aversion: tuple[Literal["low", "moderate", "high"], ...] = Field(
        ("moderate",), description="Values of `risk_aversion` that are combined with the sets of modalities."
    )
    horizon: tuple[Literal["days", "weeks", "months"], ...] = Field(
        ("weeks",), description="Values of an archetype's holding period that are combined with the sets of modalities."
    )
    replicas: int = Field(
        1,
        ge=1,
        description="Copies of each combination; they differ only where a stage writes with a temperature above 0, or a template of "
        "your own shows `archetype.replica`.",
    )
    stages: tuple[str, ...] = Field(
        (),
        description="Names of entries of `agents.stages` that precede the score of every generated archetype; none asks for the score at "
        "once.",
    )
    vary: dict[str, tuple[Any, ...]] = Field(
        default_factory=dict,
        description="Further values that are combined: of `protocol`, `model`, `hindsight`, or of a setting of a role, as in `{protocol: "
        "[desk], head.seniority: [junior, senior], trader.horizon: [week, year]}`.",
    )

    @field_validator("vary")
    @classmethod
    def _some_values(cls, vary: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        for key, values in vary.items():
            if not re.fullmatch(r"protocol|model|hindsight|[A-Za-z][A-Za-z0-9_]*\.[a-z_]+", key):
                raise ValueError(f"{key!r}: expected protocol, model, hindsight, or ROLE.SETTING such as head.seniority")
            if not values or len({str(value) for value in values}) != len(values):
                raise ValueError(f"{key}: needs one or more different values")
        return vary


class Draw(Settings):
    """Archetypes drawn at random as in MASS: each sees one to three modalities (arXiv 2505.10278, §3)."""

    count: int = Field(16, ge=1, description="Number of different archetypes to draw, replicas not counted; MASS uses 16.")
    modalities: tuple[str, ...] = Field(
        min_length=1, description="Modalities to draw from, each named once, such as `[price, price_feature, risk, cross_industry, news]`."
    )
    most_modalities: int = Field(3, ge=1, description="Most modalities that one drawn archetype sees; MASS draws one to three.")
    preferences: bool = Field(
        True,
        description="Whether risk aversion and horizon are drawn as well. Without, archetypes differ by their modalities alone, as the "
        "types of MASS do, for which a model then writes a style (`agents.finite.style`).",
    )
    seed: int = Field(0, description="Seed of the draw of archetypes; another one gives other archetypes, whose scores must be asked for.")
    replicas: int = Field(
        1,
        ge=1,
        description="Copies of each drawn archetype; they differ only where a stage writes with a temperature above 0, or a template of "
        "your own shows `archetype.replica`.",
    )
    stages: tuple[str, ...] = Field(
        (),
        description="Names of entries of `agents.stages` that precede the score of every drawn archetype; none asks for the score at once.",
    )

    @field_validator("modalities")
    @classmethod
    def _distinct(cls, modalities: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(modalities)) != len(modalities):
            raise ValueError(f"modalities must be distinct, not {', '.join(modalities)}")
        return modalities


class AgentsSettings(Settings):
    """The archetypes, listed, generated or drawn, and how facts become prompts."""

    archetypes: tuple[Archetype, ...] = Field(
        (), description="Archetypes that are listed one by one. At least one of `archetypes`, `grid` and `draw` is needed; they add up."
    )
    grid: Grid | None = Field(None, description="Archetypes that are generated as every combination of given values; null generates none.")
    draw: Draw | None = Field(None, description="Archetypes that are drawn at random, as MASS does; null draws none.")
    finite: FiniteSettings | None = Field(
        None,
        description="Finitely many replicas of each archetype, each with a watch list and picks, as in MASS; null lets the scores be as "
        "they are, which is what replicas come to as they grow in number and watch everything.",
    )
    facts: Literal["words", "numbers"] = Field(
        "words",
        description="How prompts show a fact: `words` names its cross-sectional quantile, so that equal situations make equal prompts, "
        "which are asked once; `numbers` prints the value and makes nearly every prompt different.",
    )
    facts_order: Literal["given", "reversed", "shuffled"] = Field(
        "given",
        description="In which order prompts show facts: as the market data `given` have them, `reversed`, or `shuffled` in a fixed way. "
        "Another order asks everything anew; python -m massjax.experiment --vary order=given,reversed says what it changes.",
    )
    mask: bool = Field(
        True,
        description="Hide tickers, company names, people and dates in prompts, texts included, because a model may remember what "
        "happened. Names, aliases and people are those of `market.stocks`; precompute counts the prompts that still tell.",
    )
    hindsight: HindsightSettings | None = Field(
        None,
        description="What is done about the model's memory of what happened: a word of `how`, or a mapping with it. Archetypes may have "
        "another `how`. Null lets `mask` decide; where it is given, `mask` counts for nothing.",
    )
    features: tuple[str, ...] = Field(
        (), description="Names of the features that prompts show; empty shows all of them. Fewer features make more prompts equal."
    )
    texts_per_prompt: int = Field(
        5,
        ge=1,
        description="Most texts of a modality that a prompt shows of a stock; texts that differ in case, blanks or punctuation alone "
        "count once. Lower it where prompts are too long for the model.",
    )
    texts_order: Literal["latest", "first", "longest"] = Field(
        "latest",
        description="Which texts are shown where there are more than `texts_per_prompt`: the latest or first to be published, or the "
        "longest. They are always shown in the order of publication.",
    )
    template: ConfigPath | None = Field(
        None,
        description="File with a jinja template of the score's prompt; null takes one that comes with massjax. It is given plain values "
        "alone (`archetype`, `modalities`, `sections`, `choices`), and its loops, macros and texts are bounded.",
    )
    layout: Literal["auto", "archetype-first", "facts-first"] = Field(
        "auto",
        description="Which template of massjax is used: one that begins with the archetype, shared by prompts about many stocks, or one "
        "that begins with the facts, shared by many archetypes. `auto` takes what leaves fewer tokens to compute; a store "
        "keeps its layout.",
    )
    stages: tuple[Stage, ...] = Field(
        (), description="Definitions of the texts that archetypes with the protocol `staged` have written before their scores."
    )
    protocols: tuple[ProtocolSettings, ...] = Field(
        (), description="Organisations of your own, which archetypes name as their `protocol`: roles, and what each sees of whose answers."
    )

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
    def _known_protocols(self) -> AgentsSettings:
        names = [protocol.name for protocol in self.protocols]
        for name in names:
            if name in ALONE or name in BUILT_IN:
                raise ValueError(f"agents.protocols: {name!r} is a protocol of massjax; give yours another name, and `like: {name}`")
            if names.count(name) > 1:
                raise ValueError(f"agents.protocols: two protocols are named {name!r}")
            protocol = self.protocol(name)
            if protocol.file is None:
                organisation(protocol)
        for archetype in self.archetypes:
            check_protocol(archetype, self)
        return self

    @property
    def masked(self) -> bool:
        """Whether names and dates are hidden from archetypes that have no `hindsight` of their own."""
        return self.mask if self.hindsight is None else self.hindsight.how == "mask"

    def masked_as(self, masked: bool) -> AgentsSettings:
        """The same where names and dates are hidden or shown as wanted."""
        how: Hindsight = "mask" if masked else "none"
        return self if self.masked == masked else self.model_copy(update={"hindsight": HindsightSettings(how=how)})

    def hindsight_of(self, archetype: Archetype) -> Hindsight:
        """What is done about the model's memory for an archetype."""
        return archetype.hindsight or (self.hindsight.how if self.hindsight is not None else "mask" if self.mask else "none")

    def said_hindsight(self, archetype: Archetype) -> str:
        """What is done about the model's memory for an archetype, where the configuration says so; else empty."""
        said = archetype.asks and (self.hindsight is not None or archetype.hindsight is not None)
        return self.hindsight_of(archetype) if said else ""

    def protocol(self, name: str) -> ProtocolSettings:
        """The protocol of a name, with all of its roles.

        Raises:
            ValueError: there is none.
        """
        known = {**BUILT_IN, **{protocol.name: protocol for protocol in self.protocols}}
        if name not in known:
            every = (*ALONE[:2], *known)
            raise ValueError(f"there is no protocol {name!r}{did_you_mean(name, every)}; there are {', '.join(every)}")
        return merged(known[name], known)


def check_protocol(archetype: Archetype, settings: AgentsSettings) -> None:
    """Refuse an archetype whose protocol is none, or cannot be asked as the archetype has it.

    Raises:
        ValueError: naming the archetype.
    """
    how = settings.hindsight_of(archetype)
    if how in VIEWS and archetype.asks and archetype.protocol != "single":
        raise ValueError(
            f"archetype {archetype.name!r}: agents.hindsight {how!r} is read from one answer with facts and one without, which protocol "
            f"{archetype.protocol!r} does not have; set hindsight: mask or none of this archetype"
        )
    if how in VIEWS and archetype.asks and settings.finite is not None and settings.finite.by_model:
        raise ValueError(
            f"archetype {archetype.name!r}: hindsight {how!r} needs scores, and with agents.finite.picked_by: model there are picks alone; "
            "set hindsight: mask or none, or picked_by: scores"
        )
    if archetype.protocol in ALONE:
        return
    try:
        protocol = settings.protocol(archetype.protocol)
        if protocol.file is not None:
            if archetype.roles:
                raise ValueError(f"protocol {protocol.name!r} is a file of Python and has no roles to change")
            return
        whole = organisation(protocol, archetype.roles)
    except ValueError as error:
        raise ValueError(f"archetype {archetype.name!r}: {error}") from None
    taken = {name for role in whole.roles for name in role.inherits}
    fields = type(archetype).model_fields
    for name in ("persona", "horizon", "risk_aversion", "seniority"):
        if name not in taken and getattr(archetype, name) != fields[name].default:
            advice = f"set it of a role, under roles: {{{whole.roles[-1].name}: {{{name}: ...}}}}"
            raise ValueError(f"archetype {archetype.name!r}: no role of protocol {archetype.protocol!r} inherits {name}; {advice}")
