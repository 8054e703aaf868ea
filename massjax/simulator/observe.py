"""What an agent sees when it is its turn: eleven numbers between -1 and 1."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from massjax.simulator.settings import MarketSettings
from massjax.simulator.traits import Traits

OBSERVED = (
    "share of wealth held",
    "holdings against the largest order",
    "price against cash",
    "return since its last order",
    "variance since its last order",
    "holdings against depth to buy",
    "holdings against depth to sell",
    "noisy mispricing",
    "noise",
    "risk aversion",
    "discount",
)
"""The observation's numbers, in their order."""
MOST_ORDERS_HELD = 3.0
MOST_DEPTHS_HELD = 5.0
NOISE_RANGE = (0.02 - 0.0309, 0.02 + 0.0309)
RISK_RANGE = (2.0 - 3.09, 2.0 + 3.09)
DISCOUNT_RANGE = (0.75, 0.999)
"""Traits are seen on fixed scales, those of the default distribution (99.9 % of it), so that one policy means the same by a number whatever
the mix of agents that it is put in."""
LEAST_DEPTH = 1e-6


class Seen(NamedTuple):
    """What an agent knows on its turn.

    Attributes:
        observation: see `OBSERVED`.
        mean_return: return of the middle of the quotes since the agent's last order, per N ticks (μ).
        variance: variance of those returns per N ticks (V).
    """

    observation: Float[Array, "11 M"]
    mean_return: Float[Array, " M"]
    variance: Float[Array, " M"]


class Memory(NamedTuple):
    """What an agent remembers of the tick of its last order, or the market's own now.

    Attributes:
        log_middle: logarithm of the middle of the quotes.
        squares: sum of its squared returns since the start.
        ticks: ticks since the start.
    """

    log_middle: Float[Array, " ..."]
    squares: Float[Array, " ..."]
    ticks: Float[Array, " ..."]


def observe(
    cash: Int[Array, " M"],
    shares: Int[Array, " M"],
    price: Int[Array, " M"],
    log_fundamental: Float[Array, " M"],
    depths: tuple[Float[Array, " M"], Float[Array, " M"]],
    now: Memory,
    then: Memory,
    traits: Traits,
    error: Float[Array, " M"],
    settings: MarketSettings,
) -> Seen:
    """The observation of one agent in each market (arXiv 2511.05207).

    Args:
        cash, price, log_fundamental: in ticks.
        depths: shares to buy and to sell near the middle of the quotes.
        now, then: the market now, and at the agent's last order.
        error: standard normal; times the agent's noise it is the error of the mispricing that it sees.
    """
    cash_held, held, last = cash.astype(jnp.float32), shares.astype(jnp.float32), price.astype(jnp.float32)
    ticks = jnp.maximum(now.ticks - then.ticks, 1.0)
    mean = (now.log_middle - then.log_middle) / ticks
    variance = jnp.maximum((now.squares - then.squares) / ticks - mean * mean, 0.0)
    mean_return, variance = mean * settings.agents, variance * settings.agents
    buys, sells = (jnp.minimum(held / (depth + LEAST_DEPTH), MOST_DEPTHS_HELD) for depth in depths)
    mispricing = log_fundamental - jnp.log(last) + traits.noise * error
    seen = (
        scaled(share_of_wealth(cash_held, held, last), 0.0, 1.0),
        scaled(held / settings.largest_order, 0.0, MOST_ORDERS_HELD),
        scaled(last / (cash_held + 1.0), 0.0, 1.0),
        scaled(mean_return, -settings.return_range, settings.return_range),
        scaled(variance, 0.0, settings.variance_range),
        scaled(buys, 0.0, MOST_DEPTHS_HELD),
        scaled(sells, 0.0, MOST_DEPTHS_HELD),
        scaled(mispricing, -settings.return_range, settings.return_range),
        scaled(traits.noise, *NOISE_RANGE),
        scaled(traits.risk, *RISK_RANGE),
        scaled(traits.discount, *DISCOUNT_RANGE),
    )
    return Seen(jnp.stack(seen), mean_return, variance)


def scaled(value: Float[Array, "*M"], lowest: float, highest: float) -> Float[Array, "*M"]:
    """The value between `lowest` and `highest` mapped to between -1 and 1, and cut off there."""
    return jnp.clip((value - lowest) * (2.0 / (highest - lowest)) - 1.0, -1.0, 1.0)


def share_of_wealth(cash: Float[Array, "*M"], shares: Float[Array, "*M"], price: Float[Array, "*M"]) -> Float[Array, "*M"]:
    """The part of wealth that is held in shares; 0 where there is no wealth."""
    held = shares * price
    return held / jnp.maximum(cash + held, 1.0)
