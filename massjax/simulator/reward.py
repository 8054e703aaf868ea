"""What an agent's turn is worth to it, by the reward's name."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from massjax.simulator.observe import LEAST_DEPTH, share_of_wealth
from massjax.simulator.settings import LivingReward, PaperReward

THOUSANDTHS = 1000.0
LEAST_WEALTH = 1000.0
"""Wealth in money below which gains count as if it were so much."""
MOST_DEPTHS = 5.0
IMBALANCE = 0.1
MOST_ILLIQUIDITY = 1.0
MOST_MISPRICING = 10.0


class Turn(NamedTuple):
    """How an agent stands just after its turn, and what it had seen before.

    Attributes:
        cash, price: in money.
        shares: number of shares.
        mean_return, variance: μ and V, per N ticks, as seen before the turn.
        risk: the agent's risk aversion α.
        buy_depth, sell_depth: shares near the middle of the quotes after the turn.
        mispricing: sum of log(p_f / p) over the ticks since it last changed its sign.
    """

    cash: Float[Array, "*B"]
    shares: Float[Array, "*B"]
    price: Float[Array, "*B"]
    mean_return: Float[Array, "*B"]
    variance: Float[Array, "*B"]
    risk: Float[Array, "*B"]
    buy_depth: Float[Array, "*B"]
    sell_depth: Float[Array, "*B"]
    mispricing: Float[Array, "*B"]


def reward_of_turn(turn: Turn, settings: PaperReward | LivingReward) -> Float[Array, "*B"]:
    """The part of the reward that is known at the turn itself; `reward_of_gain` comes with the agent's next turn."""
    return _paper(turn, settings) if isinstance(settings, PaperReward) else _living(turn, settings)


def reward_of_gain(gain: Float[Array, "*B"], wealth: Float[Array, "*B"], settings: PaperReward | LivingReward) -> Float[Array, "*B"]:
    """The part of the reward for what an agent's trades, from its turn to before its next one, gained against the fundamental.

    Args:
        gain: shares × (fundamental − price), summed over purchases, less that of sales, in money.
        wealth: at the next turn, in money.
    """
    if isinstance(settings, PaperReward):
        return jnp.zeros_like(gain)
    return settings.gain * THOUSANDTHS * gain / jnp.maximum(wealth, LEAST_WEALTH)


def _living(turn: Turn, settings: LivingReward) -> Float[Array, "*B"]:
    held = share_of_wealth(turn.cash, turn.shares, turn.price)
    risk = 0.5 * THOUSANDTHS * turn.risk * held * held * turn.variance
    return settings.trend * THOUSANDTHS * held * turn.mean_return - settings.risk * risk


def _paper(turn: Turn, settings: PaperReward) -> Float[Array, "*B"]:
    wealth = turn.cash + turn.shares * turn.price
    held = share_of_wealth(turn.cash, turn.shares, turn.price)
    utility = wealth * (1 + held * turn.mean_return) - 0.5 * turn.risk * jnp.abs(held) * turn.variance * wealth
    level = (2 / math.pi) * jnp.arctan(settings.scale * utility)
    debts = settings.short * (turn.shares < 0).astype(jnp.float32) + settings.debt * (turn.cash < 0).astype(jnp.float32)
    mispricing = jnp.minimum(settings.mispricing * jnp.abs(turn.mispricing), MOST_MISPRICING)
    return settings.level * level - debts - _illiquidity(turn, settings.illiquidity) - mispricing


def _illiquidity(turn: Turn, weight: float) -> Float[Array, "*B"]:
    """Holdings against the depth of each side, and how unequal the sides are."""
    at_least_one = jnp.maximum(turn.shares, 1.0)
    buys, sells = (
        jnp.where(turn.shares == 0, 0.0, jnp.minimum(jnp.abs(turn.shares) / (depth + LEAST_DEPTH), MOST_DEPTHS) / at_least_one)
        + LEAST_DEPTH
        for depth in (turn.buy_depth, turn.sell_depth)
    )
    imbalance = jnp.maximum(buys, sells) / jnp.minimum(buys, sells) - 1
    return jnp.minimum(weight * (buys + sells + IMBALANCE * imbalance), MOST_ILLIQUIDITY)
