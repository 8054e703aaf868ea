"""Counterfactual facts: what answers come to when a stock's name stands over the facts of another stock of the same date."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from massjax.agents.archetype import Archetype
from massjax.agents.facts import Fact
from massjax.hindsight.sampling import donors, drawn_blocks
from massjax.hindsight.settings import MeasureSettings
from massjax.hindsight.subject import Subject, asks_of
from massjax.scores.build import Resolver
from massjax.statistics.counterfactual import Counterfactual, counterfactual_measures


@dataclass(frozen=True, eq=False)
class Swapped:
    """An archetype asked twice about some stocks and dates, by name.

    Attributes:
        own: shows the stock's own facts under its name.
        other: shows those of the donor under the same name.
        donor: row of the stock whose facts are shown; −1 where none are.
        left_out: archetypes that cannot be asked so, with the reason.
    """

    own: Resolver
    other: Resolver
    donor: Int[np.ndarray, "N T"]
    left_out: dict[str, str]

    @property
    def resolvers(self) -> tuple[Resolver, Resolver]:
        """Both, in the order of asking."""
        return self.own, self.other

    def with_models(self, models: dict[str, str]) -> Swapped:
        """The same, where models turned out to be others than was thought."""
        return replace(self, own=replaced(self.own, models), other=replaced(self.other, models))


@dataclass(frozen=True)
class SwappedScores:
    """What an archetype's answers depend on.

    Attributes:
        archetype: its name.
        measures: None where there are none; `reason` then says why.
    """

    archetype: str
    measures: Counterfactual | None
    reason: str = ""


def replaced(resolver: Resolver, models: dict[str, str]) -> Resolver:
    """A resolver with other digests of its models."""
    return resolver if resolver.models == models else Resolver(resolver.inputs, resolver.template, resolver.log, models)


def swapped(subject: Subject, settings: MeasureSettings) -> Swapped:
    """Questions about evenly spaced dates, with names and with names over the facts of another stock.

    Names and dates are shown, whether or not the run masks them, and texts are masked, as those of another stock would else name it. The
    donor of a stock is drawn from the stocks of the date that are asked about, as many as the audit lets a model choose from, so that
    many stocks do not leave a single date.
    """
    inputs, panel = subject.inputs, subject.panel
    left_out = {one.name: why for one in inputs.asking if (why := _unaskable(subject, one))}
    archetypes = tuple(one for one in inputs.asking if one.name not in left_out)
    known = np.zeros(panel.member.shape, bool)
    for archetype in archetypes:
        known |= subject.known(subject.seen(archetype))
    chosen = drawn_blocks(known, settings.cells, settings.candidates, inputs.config.seed, panel.day_numbers)
    donor = donors(chosen, inputs.config.seed, panel.day_numbers)
    facts = tuple(fact for fact in subject.masked_facts if fact.modality)
    others = tuple(_of_donor(fact, donor) for fact in facts)
    own, other = (subject.with_facts((*subject.identity, *shown), chosen, archetypes) for shown in (facts, others))
    return Swapped(own, other, donor, left_out)


def _unaskable(subject: Subject, archetype: Archetype) -> str:
    chosen = subject.inputs.protocols[archetype.name]
    if chosen.replicas or (chosen.settings is not None and chosen.settings.unit == "text"):
        return "its questions are about lists or single texts, not about one stock and date each"
    return ""


def _of_donor(fact: Fact, donor: Int[np.ndarray, "N T"]) -> Fact:
    taken = np.take_along_axis(np.asarray(fact.codes), np.maximum(donor, 0), axis=0)
    return replace(fact, codes=np.where(donor >= 0, taken, -1).astype(np.int32))


def swapped_scores(subject: Subject, asked: Swapped) -> list[SwappedScores]:
    """Prediction consistency, confidence invariance, and how much facts and names explain, of each archetype."""
    found = [SwappedScores(name, None, why) for name, why in asked.left_out.items()]
    for archetype in asked.own.inputs.asking:
        both = [asks_of(resolver, archetype) for resolver in asked.resolvers]
        reason = next((one for one in both if isinstance(one, str)), "")
        if reason:
            found.append(SwappedScores(archetype.name, None, reason))
            continue
        own, other = (subject.opinions(one).score.astype(np.float64) for one in both if not isinstance(one, str))
        measures = counterfactual_measures(own, other, asked.donor)
        found.append(SwappedScores(archetype.name, measures, "" if measures.count else measures.facts.reason))
    return found
