"""What a run of a simulated market found, as its report is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from massjax.config.market_run import MarketRunConfig
from massjax.simulator.measures import Health, Relation
from massjax.statistics.over_markets import MarketBand, MarketInterval

TRAINED, HOMOGENEOUS, SHUFFLED, UNTRAINED, RULES = "trained", "homogeneous", "shuffled", "untrained", "rules"
"""Names of the populations."""
BAR = 10
"""Ticks in a bar. Of single ticks, most of which have no trade, tails are those of a step and memory drowns in zeros."""
HILL = f"Hill index of |r|, {BAR} ticks"
"""The fact that is Hill's index of returns over a bar."""


class Tail(NamedTuple):
    """How often the standardised return over some ticks is larger than a size, all markets together.

    Attributes:
        scale: ticks in a return.
        size: |z|, in standard deviations.
        share: of the returns that are larger.
    """

    scale: int
    size: Float[np.ndarray, " S"]
    share: Float[np.ndarray, " S"]


@dataclass(frozen=True)
class Population:
    """Agents of one kind, and what their markets were like.

    Attributes:
        name: one of `TRAINED` and its like.
        label: as tables and figures call it.
        about: what it is, in half a sentence.
        health: of its markets.
        ailments: what is wrong with them, in words; empty where nothing is, or nothing was asked.
        facts: stylised facts with their intervals, by name.
        relations: of traits and behaviours; empty where they were not looked at.
        tails: at several scales.
        lags: of the autocorrelations, in bars.
        of_returns, of_magnitudes: autocorrelations of r and |r| over bars, with a band over markets.
    """

    name: str
    label: str
    about: str
    health: Health
    ailments: tuple[str, ...]
    facts: Mapping[str, MarketInterval]
    relations: tuple[Relation, ...]
    tails: tuple[Tail, ...]
    lags: Int[np.ndarray, " L"]
    of_returns: MarketBand
    of_magnitudes: MarketBand

    def relation(self, trait: str, behaviour: str) -> Relation | None:
        """The relation of a trait and a behaviour; None where it was not looked at."""
        return next((one for one in self.relations if (one.trait, one.behaviour) == (trait, behaviour)), None)


class TraitEffect(NamedTuple):
    """A behaviour in each fifth of the agents of a market by one of their traits.

    Attributes:
        trait: `noise`, `risk` or `discount`.
        behaviour: what is measured.
        level: mean trait of each fifth.
        mean: of the behaviour, with a band over markets.
    """

    trait: str
    behaviour: str
    level: Float[np.ndarray, " B"]
    mean: MarketBand


@dataclass(frozen=True)
class ExampleMarket:
    """One market of the trained agents.

    Attributes:
        price, fundamental: after each tick, and before it, in money.
        book_price: of each resting order at the end, in money.
        book_volume: its shares: positive to buy, negative to sell.
    """

    price: Float[np.ndarray, " T"]
    fundamental: Float[np.ndarray, " T"]
    book_price: Float[np.ndarray, " S"]
    book_volume: Int[np.ndarray, " S"]


@dataclass(frozen=True)
class MarketResult:
    """A run of a simulated market.

    Attributes:
        config: as it was run.
        populations: the trained agents first.
        effects: of each trait on each behaviour of the trained agents.
        example: a market of theirs.
        policy_words: where the policy is from.
        learning: a row an update; empty where nothing was learned.
        ticks: a row for each tick and market of the trained agents.
        agents: a row for each of their agents.
        policy: its arrays by name.
        made: the settings that the policy was learned with, as plain values.
        platform: where JAX computed.
        warnings: doubts, in words.
        seconds: that each stage took.
    """

    config: MarketRunConfig
    populations: tuple[Population, ...]
    effects: tuple[TraitEffect, ...]
    example: ExampleMarket
    policy_words: str
    learning: pl.DataFrame
    ticks: pl.DataFrame
    agents: pl.DataFrame
    policy: Mapping[str, np.ndarray]
    made: Mapping[str, object]
    platform: str
    warnings: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    def population(self, name: str) -> Population:
        """The population of that name."""
        return next(population for population in self.populations if population.name == name)

    @property
    def trained(self) -> Population:
        """The population that the run is about."""
        return self.population(TRAINED)
