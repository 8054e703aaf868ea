"""The populations that a policy's agents are compared with, simulated with the same chance in all of them."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

from massjax.config.market_run import MarketRunConfig
from massjax.report.market.result import HOMOGENEOUS, RULES, SHUFFLED, TRAINED, UNTRAINED
from massjax.simulator.policy import Policy, initial_policy
from massjax.simulator.rollout import Rollout, simulate
from massjax.simulator.settings import TraitSettings
from massjax.simulator.traits import distribution


class Played(NamedTuple):
    """A population before it trades.

    Attributes:
        name, label, about: as the report calls it.
        policy: of its agents.
        traits: how they are distributed.
        shuffled: whether each turn has the traits of an agent drawn anew.
    """

    name: str
    label: str
    about: str
    policy: Policy
    traits: TraitSettings
    shuffled: bool = False


def played(config: MarketRunConfig, policy: Policy) -> tuple[Played, ...]:
    """The populations of a run, that of the policy first."""
    traits, learning = config.simulation.traits, config.simulation.learning
    untrained = initial_policy(jax.random.key(config.seed), learning.hidden)
    return (
        Played(TRAINED, "Trained", "the policy, with agents of the run's traits", policy, traits),
        Played(HOMOGENEOUS, "Homogeneous", "the same policy, not learned anew, with mean traits for all", policy, mean_traits(traits)),
        Played(SHUFFLED, "Shuffled", "the same policy and mix, but nobody keeps its traits for more than a turn", policy, traits, True),
        Played(UNTRAINED, "Untrained", "a policy that has learned nothing", untrained, traits),
        Played(RULES, "FCN rules", "fundamental, chartist and noise traders by rule", policy, traits.replace(rule_share=1.0)),
    )


def mean_traits(traits: TraitSettings) -> TraitSettings:
    """All agents alike, with the mean of each trait.

    Example:
        >>> mean_traits(TraitSettings(discount_lowest=0.8, discount_highest=0.9)).discount_lowest
        0.85
    """
    discount = round((traits.discount_lowest + traits.discount_highest) / 2, 12)
    return traits.replace(noise_spread=0.0, risk_spread=0.0, discount_lowest=discount, discount_highest=discount)


def simulated(one: Played, config: MarketRunConfig) -> Rollout:
    """The markets in which a population is judged, with the same draws for every population; ticks and traits as NumPy arrays."""
    simulation = config.simulation
    key = jax.random.fold_in(jax.random.key(config.seed), 1)
    rollout = simulate(
        one.policy,
        distribution(one.traits),
        key,
        simulation.market.replace(ticks=config.evaluation.ticks),
        markets=config.evaluation.markets,
        parts=simulation.learning.parts,
        spread=np.float32(simulation.learning.spread),
        shuffled=one.shuffled,
    )
    ticks, traits = (jax.tree.map(np.asarray, part) for part in (rollout.ticks, rollout.traits))
    return rollout._replace(ticks=ticks, traits=traits)
