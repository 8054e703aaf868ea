"""Traits of agents: the noise with which they see the fundamental, their risk aversion and discount factor, and the rules of some."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from massjax.simulator.settings import MarketSettings, TraitSettings

LEAST_NOISE = 1e-4
"""Noise of the best informed: nobody sees the fundamental exactly."""
LARGEST_MARGIN = 0.01
"""Highest margin, as a fraction of the price, that a rule agent asks of its forecast."""


class TraitDistribution(NamedTuple):
    """The numbers of `TraitSettings` as arrays, so that another distribution needs no other program."""

    noise_mean: Float[Array, ""]
    noise_spread: Float[Array, ""]
    risk_mean: Float[Array, ""]
    risk_spread: Float[Array, ""]
    discount_lowest: Float[Array, ""]
    discount_highest: Float[Array, ""]
    rule_share: Float[Array, ""]
    fundamental_weight: Float[Array, ""]
    chartist_weight: Float[Array, ""]
    noise_weight: Float[Array, ""]


class Traits(NamedTuple):
    """The traits of each agent of each market, or of the agent whose turn it is.

    Attributes:
        noise: standard deviation of the error with which it sees the log fundamental.
        risk: risk aversion α.
        discount: factor γ by which it discounts what its next turn brings.
        by_rule: True where it follows a fixed rule instead of the policy.
        fundamental, chartist, noisy: weights of a rule agent's forecast.
        margin: what a rule agent asks of its forecast, as a fraction of the price.
    """

    noise: Float[Array, " ..."]
    risk: Float[Array, " ..."]
    discount: Float[Array, " ..."]
    by_rule: Bool[Array, " ..."]
    fundamental: Float[Array, " ..."]
    chartist: Float[Array, " ..."]
    noisy: Float[Array, " ..."]
    margin: Float[Array, " ..."]


def distribution(settings: TraitSettings) -> TraitDistribution:
    """The settings as arrays.

    Example:
        >>> from massjax.simulator.settings import TraitSettings
        >>> print(distribution(TraitSettings(risk_mean=3.0)).risk_mean)
        3.0
    """
    return TraitDistribution(*(jnp.float32(getattr(settings, name)) for name in TraitDistribution._fields))


def draw_traits(key: Key[Array, ""], traits: TraitDistribution, markets: int, agents: int) -> Traits:
    """Independent traits for the agents of each market.

    Noise ~ N(mean, spread²) cut off at 10⁻⁴, risk aversion ~ N(mean, spread²) cut off at 0, discount uniform (arXiv 2511.05207); weights
    of rules exponential with the means given and margins uniform up to 1 %, as in Chiarella and Iori (2002).
    """
    normal_key, uniform_key, exponential_key = jax.random.split(key, 3)
    shape = (markets, agents)
    normal = jax.random.normal(normal_key, (2, *shape))
    uniform = jax.random.uniform(uniform_key, (3, *shape))
    exponential = jax.random.exponential(exponential_key, (3, *shape))
    between = traits.discount_highest - traits.discount_lowest
    return Traits(
        noise=jnp.maximum(traits.noise_mean + traits.noise_spread * normal[0], LEAST_NOISE),
        risk=jnp.maximum(traits.risk_mean + traits.risk_spread * normal[1], 0.0),
        discount=traits.discount_lowest + between * uniform[0],
        by_rule=uniform[1] < traits.rule_share,
        fundamental=traits.fundamental_weight * exponential[0],
        chartist=traits.chartist_weight * exponential[1],
        noisy=traits.noise_weight * exponential[2],
        margin=LARGEST_MARGIN * uniform[2],
    )


def draw_endowments(key: Key[Array, ""], settings: MarketSettings, markets: int) -> tuple[Int[Array, "M N"], Int[Array, "M N"]]:
    """Cash in ticks and shares of each agent, exponentially distributed, cut off where a market's total could overflow."""
    shape = (markets, settings.agents)
    drawn = jax.random.exponential(key, (2, *shape))
    cash, shares = jnp.round(settings.cash_in_ticks * drawn[0]), jnp.round(settings.shares * drawn[1])
    return _integers(cash, settings.most_cash), _integers(shares, settings.most_shares)


def _integers(values: Float[Array, "M N"], most: int) -> Int[Array, "M N"]:
    """As integers up to `most`; a float32 above 2²⁴ may round upwards beyond it."""
    return jnp.minimum(jnp.minimum(values, 2.0**30).astype(jnp.int32), most)


def of_actor(values: Traits, actor: Int[Array, "T M"]) -> Traits:
    """The traits of whose turn it is at each tick."""
    return jax.tree.map(lambda trait: jnp.take_along_axis(trait.T, actor, axis=0), values)
