"""The protocol of an archetype, by its name: whom it asks, and how it is run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool

from massjax.agents.archetype import ALONE, Archetype
from massjax.agents.facts import Fact
from massjax.agents.finite import FiniteSettings
from massjax.agents.lists import ListMarket
from massjax.agents.prompts import ROLE as ROLE_TEMPLATE, PromptTemplate
from massjax.agents.protocols.desk import desk, parts_of, with_inherited
from massjax.agents.protocols.graph import Organisation, organisation
from massjax.agents.protocols.own_file import guarded, own_protocol
from massjax.agents.protocols.picking import PREFILL, ROLE, form_of_picks, picking
from massjax.agents.protocols.roles import ProtocolSettings
from massjax.agents.protocols.single import SCORE
from massjax.agents.protocols.staged import form_of_stage, staged
from massjax.agents.protocols.styling import ROLE as STYLE_ROLE, form_of_style
from massjax.agents.protocols.turns import Part, Steps
from massjax.agents.settings import AgentsSettings
from massjax.errors import ConfigError
from massjax.models.forms import Rate
from massjax.models.settings import ScoringSettings


class Start(Protocol):
    """Starts a protocol on the facts known about who is a member."""

    def __call__(self, facts: Sequence[Fact], member: Bool[np.ndarray, "N T"], template: PromptTemplate) -> Steps:
        """`template` is that of the prompts for scores."""


class Chosen(NamedTuple):
    """An archetype's protocol.

    Attributes:
        parts: whom it asks, in the order of asking.
        start: starts it.
        decides: whether its opinions are decisions, too.
        settings: of an organisation or a file; None of `single` and `staged`.
        replicas: of an archetype whose replicas pick from lists by the model; 0 of one that is asked about each stock.
        known: hash of what its questions depend on beside settings and facts.
        blank: whether it also asks a question without facts, which other archetypes share.
    """

    parts: tuple[Part, ...]
    start: Start
    decides: bool = False
    settings: ProtocolSettings | None = None
    replicas: int = 0
    known: str = ""
    blank: bool = False

    @property
    def together(self) -> bool:
        """Whether other archetypes may ask the same questions before their last."""
        return self.settings is not None

    @property
    def several(self) -> bool:
        """Whether what it asks beside its last questions is about stocks and dates like these."""
        return self.together or self.replicas > 0 or self.blank


def protocol_of(archetype: Archetype, agents: AgentsSettings, scoring: ScoringSettings, market: ListMarket | None = None) -> Chosen:
    """The protocol by which an archetype comes to its scores.

    Args:
        archetype: one that asks a model.
        agents: stages and protocols.
        scoring: how scores are asked for.
        market: what the lists of replicas are drawn from, where a model picks from them.

    Raises:
        ConfigError: its file of Python cannot be used, or a model is to pick for an archetype of another protocol than `single`.
    """
    if market is not None and agents.finite is not None:
        return _picked(archetype, agents.finite, scoring, market)
    if archetype.protocol in ALONE:
        return _rated(archetype, agents, scoring)
    settings = agents.protocol(archetype.protocol)
    if settings.file is not None:
        return _of_file(archetype, settings)
    whole = organisation(settings, archetype.roles)

    def start(facts: Sequence[Fact], member: Bool[np.ndarray, "N T"], template: PromptTemplate) -> Steps:
        return desk(archetype, whole, facts, member, scoring.minimum_coverage)

    return Chosen(parts_of(archetype, whole), start, True, settings)


def _rated(archetype: Archetype, agents: AgentsSettings, scoring: ScoringSettings) -> Chosen:
    by_name, form = {stage.name: stage for stage in agents.stages}, Rate(scoring.choices, scoring.prefill)
    stages = [by_name[name] for name in archetype.stages]
    parts = [Part(stage.name, stage.model or archetype.model, form_of_stage(stage, archetype)) for stage in stages]

    def start(facts: Sequence[Fact], member: Bool[np.ndarray, "N T"], template: PromptTemplate) -> Steps:
        return staged(archetype, stages, facts, member, template, form, calibrate=scoring.calibrate)

    return Chosen((*parts, Part(SCORE, archetype.model, form)), start)


def _picked(archetype: Archetype, settings: FiniteSettings, scoring: ScoringSettings, market: ListMarket) -> Chosen:
    if archetype.protocol != "single":
        raise ConfigError(
            f"archetype {archetype.name!r}: agents.finite.picked_by: model has protocol 'single' pick from lists, and not "
            f"{archetype.protocol!r}; set its protocol to 'single', or picked_by to scores"
        )
    prefill = PREFILL if scoring.prefill else ""
    parts = [Part(ROLE, archetype.model, form_of_picks(settings, settings.watchlist, prefill))]
    if settings.style is not None:
        form = form_of_style(settings.style, tuple(market.weights), 0)
        parts.insert(0, Part(STYLE_ROLE, settings.style.model or archetype.model, form))

    def start(facts: Sequence[Fact], member: Bool[np.ndarray, "N T"], template: PromptTemplate) -> Steps:
        return picking(archetype, settings, market, facts, member, prefill, scoring.minimum_coverage)

    return Chosen(tuple(parts), start, replicas=settings.replicas, known=market.digest())


def _of_file(archetype: Archetype, settings: ProtocolSettings) -> Chosen:
    assert settings.file is not None
    path, function = settings.file, own_protocol(settings.file)
    models = tuple(dict.fromkeys((archetype.model, *settings.models)))

    def start(facts: Sequence[Fact], member: Bool[np.ndarray, "N T"], template: PromptTemplate) -> Steps:
        return guarded(path, function(archetype, facts, member), (None, *models))

    return Chosen(tuple(Part(settings.name, model, None) for model in models), start, True, settings)


def seen_modalities(archetype: Archetype, agents: AgentsSettings) -> tuple[str, ...]:
    """The modalities that an archetype, or a role of its protocol, sees."""
    if archetype.protocol in ALONE or agents.protocol(archetype.protocol).file is not None:
        return archetype.modalities
    roles = organisation(agents.protocol(archetype.protocol), archetype.roles).roles
    return tuple(dict.fromkeys(name for role in roles for name in with_inherited(role, archetype).modalities or ()))


def document_of(settings: ProtocolSettings) -> dict[str, Any]:
    """What of a protocol decides what is asked and what answers come to, in plain values; files by the hash of their text."""
    found = settings.model_dump(mode="json", exclude={"file", "like", "roles"}, exclude_defaults=True)
    if settings.file is not None:
        return {**found, "file": hashlib.sha256(settings.file.read_bytes()).hexdigest()}
    whole: Organisation = organisation(settings)
    roles = [
        {**role.model_dump(mode="json", exclude_defaults=True), "template": PromptTemplate(role.template or ROLE_TEMPLATE).sha256}
        for role in whole.roles
    ]
    return {**found, "roles": roles}
