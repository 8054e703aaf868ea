"""What is measured: a run's market data and archetypes, with names, with masks, and with the answers that there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float64

from massjax.agents.archetype import Archetype
from massjax.agents.facts import Fact, facts_of, identity_facts
from massjax.agents.prompts import PromptTemplate
from massjax.agents.protocols.choosing import seen_modalities
from massjax.answers.log import AnswerLog
from massjax.average_ranks import unit_ranks
from massjax.market import Panel
from massjax.market.fills import judged_returns
from massjax.models.forms import Rate
from massjax.scores.asks import Asks
from massjax.scores.build import Resolver
from massjax.scores.inputs import Inputs
from massjax.scores.opinions import Opinions, opinions
from massjax.scores.views import View
from massjax.scores.without_memory import shown_numbers


@dataclass(frozen=True, eq=False)
class Subject:
    """A run whose models are measured.

    Attributes:
        inputs: what the run wants scored.
        template: of its prompts.
        log: of questions and answers.
        models: digests of the models by name.
    """

    inputs: Inputs
    template: PromptTemplate
    log: AnswerLog
    models: Mapping[str, str]

    @property
    def panel(self) -> Panel:
        """The market data."""
        return self.inputs.panel

    @cached_property
    def resolver(self) -> Resolver:
        """Runs the archetypes' protocols as the run does."""
        return Resolver(self.inputs, self.template, self.log, self.models)

    @cached_property
    def forward_returns(self) -> dict[int, Float[np.ndarray, "N T"]]:
        """By horizon, of what could have been bought."""
        return judged_returns(self.panel, self.inputs.config.market.execution_lag)

    @property
    def horizon(self) -> int:
        """Of the run."""
        return self.inputs.config.evaluate.horizon

    @property
    def dates(self) -> Bool[np.ndarray, " T"]:
        """Those with a member."""
        return np.asarray(self.panel.member.any(axis=0))

    @property
    def days(self) -> list[date]:
        """The dates of the panel."""
        return [day.item() for day in self.panel.dates]

    @property
    def form(self) -> Rate:
        """In which scores are asked for."""
        return Rate(self.inputs.config.scoring.choices, self.inputs.config.scoring.prefill)

    def cutoff(self, model: str) -> date | None:
        """When a model's knowledge ends, where its settings say."""
        return self.inputs.model_settings(model).knowledge_cutoff

    def seen(self, archetype: Archetype) -> tuple[str, ...]:
        """The modalities that an archetype or a role of it sees, without what is heard of others."""
        return seen_modalities(archetype, self.inputs.config.agents)

    @cached_property
    def masked_facts(self) -> tuple[Fact, ...]:
        """The facts that prompts show, names and dates hidden."""
        agents = self.inputs.config.agents
        if agents.masked:
            return self.inputs.facts
        modalities = {modality for archetype in self.inputs.asking for modality in self.seen(archetype)}
        return facts_of(self.panel, agents.masked_as(True), modalities)

    @cached_property
    def identity(self) -> tuple[Fact, ...]:
        """Date, name and sector of each stock."""
        return tuple(identity_facts(self.panel))

    def known(self, modalities: tuple[str, ...]) -> Bool[np.ndarray, "N T"]:
        """Members of which one of the modalities knows something."""
        found = np.zeros(self.panel.member.shape, bool)
        for fact in self.masked_facts:
            if fact.modality in modalities:
                found |= fact.codes >= 0
        return found & self.panel.member

    def shown_ranks(self, archetype: Archetype) -> Float64[np.ndarray, "F N T"]:
        """Ranks, among the members of each date, of the numbers that an archetype sees of stocks; what is not known is the middle, 0.

        Those that tell no stocks apart are left out.
        """
        inputs = self.inputs
        shown = shown_numbers(
            inputs.facts_for(archetype), self.seen(archetype), self.panel, numbers=inputs.config.agents.facts == "numbers"
        )
        ranks = [np.nan_to_num(unit_ranks(np.where(self.panel.member, values, np.nan))) for values in shown]
        telling = [rank for rank in ranks if rank.any()]
        return np.stack(telling) if telling else np.empty((0, *self.panel.member.shape))

    def with_facts(self, facts: tuple[Fact, ...], member: Bool[np.ndarray, "N T"], archetypes: tuple[Archetype, ...]) -> Resolver:
        """Runs the protocols of some archetypes on other facts, about other stocks and dates; nothing is hidden or taken out of answers."""
        config = self.inputs.config
        shown = config.replace(agents=config.agents.replace(mask=False, hindsight=None))
        plain = tuple(archetype.model_copy(update={"hindsight": None}) for archetype in archetypes)
        inputs = Inputs(shown, replace(self.panel, member=member), plain, facts)
        return Resolver(inputs, self.template, self.log, self.models)

    def asks(self, archetype: Archetype) -> Asks | str:
        """What an archetype asks for its scores; or why that cannot be had, or is not about stocks and dates."""
        return asks_of(self.resolver, archetype)

    def opinions(self, asks: Asks) -> Opinions:
        """What the answers that are there come to."""
        return opinions(asks, self.log, self.inputs.config.scoring.minimum_coverage)


def asks_of(resolver: Resolver, archetype: Archetype) -> Asks | str:
    """What an archetype asks for its scores; or why that cannot be had, or is not about stocks and dates."""
    if type(resolver.inputs.view(archetype)) is not View:
        return "its questions are about lists or single texts, not about one stock and date each"
    turn = resolver.turn(archetype)
    return f"its prompts wait for the answers of {turn.stage}" if turn.asks is None else turn.asks
