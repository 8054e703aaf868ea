"""Generalised advantage estimation from turn to turn of the same agent, each with its own discount factor."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key

from massjax.simulator.book import pick_row
from massjax.simulator.observe import Memory, observe
from massjax.simulator.policy import Policy, value
from massjax.simulator.reward import Turn, reward_of_gain, reward_of_turn
from massjax.simulator.rollout import MarketState, Rollout, Ticks
from massjax.simulator.settings import MarketSettings, SimulationSettings
from massjax.simulator.traits import Traits, of_actor


class Estimate(NamedTuple):
    """What each turn brought.

    Attributes:
        advantage: how much better it was than the critic expected.
        target: what the critic should have said, (advantage + value) · (1 − γ).
        at_once: reward at the turn itself.
        by_gain: reward that the agent's last turn gets for its gains up to this one.
    """

    advantage: Float[Array, "T M"]
    target: Float[Array, "T M"]
    at_once: Float[Array, "T M"]
    by_gain: Float[Array, "T M"]


def advantages(policy: Policy, rollout: Rollout, key: Key[Array, ""], settings: SimulationSettings) -> Estimate:
    """Advantages (arXiv 1506.02438, equation 16) over each agent's own turns, which are irregular in time.

    For a turn and the next turn of the same agent (marked '): δ = r + G' + γ V' − V and A = δ + γ λ A', where r is the reward at the turn,
    G' that for the gains of trades before the next turn, and γ is the agent's, at most the cap. After an agent's last turn V' and G' are
    those of the end of the market, and A' = 0. The critic says V · (1 − γ).

    Args:
        key: for the noise with which agents see the end.
    """
    ticks, learning, market = rollout.ticks, settings.learning, settings.market
    traits = of_actor(rollout.traits, ticks.actor)
    horizon = 1 / (1 - jnp.minimum(rollout.traits.discount, learning.discount_cap))
    discount = jnp.minimum(traits.discount, learning.discount_cap)
    at_once = reward_of_turn(_turns(ticks, traits, market), settings.rewarded)
    by_gain = reward_of_gain(ticks.gain * market.tick, ticks.wealth * market.tick, settings.rewarded)
    expected = value(policy, ticks.observation) / (1 - discount)
    end_value = value(policy, observations_at_end(rollout.end, rollout.traits, key, settings.market)) * horizon
    accounts = rollout.end.accounts
    wealth = accounts.cash.astype(jnp.float32) + accounts.shares.astype(jnp.float32) * rollout.end.price.astype(jnp.float32)[:, None]
    end_gain = reward_of_gain(accounts.gain * market.tick, wealth * market.tick, settings.rewarded)
    agents = jnp.arange(market.agents, dtype=jnp.int32)[None, :]

    def back(later: Float[Array, "M 3 N"], turn: tuple[Array, ...]) -> tuple[Float[Array, "M 3 N"], Float[Array, " M"]]:
        actor, at_once, by_gain, expected, discount = turn
        next_value, next_advantage, next_gain = pick_row(later, actor).T
        surprise = at_once + next_gain + discount * next_value - expected
        advantage = surprise + discount * learning.trace * next_advantage
        now = jnp.stack([expected, advantage, by_gain], axis=1)
        return jnp.where((agents == actor[:, None])[:, None, :], now[:, :, None], later), advantage

    end = jnp.stack([end_value, jnp.zeros_like(end_value), end_gain], axis=1)
    _, advantage = lax.scan(back, end, (ticks.actor, at_once, by_gain, expected, discount), reverse=True)
    return Estimate(advantage, (advantage + expected) * (1 - discount), at_once, by_gain)


def _turns(ticks: Ticks, traits: Traits, market: MarketSettings) -> Turn:
    """Each turn as its reward sees it."""
    price = ticks.price.astype(jnp.float32)
    return Turn(
        cash=ticks.cash.astype(jnp.float32) * market.tick,
        shares=ticks.shares.astype(jnp.float32),
        price=price * market.tick,
        mean_return=ticks.mean_return,
        variance=ticks.variance,
        risk=traits.risk,
        buy_depth=ticks.buy_depth,
        sell_depth=ticks.sell_depth,
        mispricing=integrated_mispricing(ticks.log_fundamental - jnp.log(price)),
    )


def integrated_mispricing(mispricing: Float[Array, "T M"]) -> Float[Array, "T M"]:
    """Sum of log(p_f / p) over the ticks since it last changed its sign.

    Example:
        >>> import jax.numpy as jnp
        >>> print(integrated_mispricing(jnp.array([[1.0], [2.0], [-1.0], [-3.0]]))[:, 0])
        [ 1.  3. -1. -4.]
    """

    def onwards(total: Float[Array, " M"], now: Float[Array, " M"]) -> tuple[Float[Array, " M"], Float[Array, " M"]]:
        total = jnp.where(jnp.sign(now) == jnp.sign(total), total + now, now)
        return total, total

    return lax.scan(onwards, jnp.zeros_like(mispricing[0]), mispricing)[1]


def observations_at_end(end: MarketState, traits: Traits, key: Key[Array, ""], market: MarketSettings) -> Float[Array, "M N 11"]:
    """What every agent would see if its turn came after the last tick."""
    shape = end.accounts.cash.shape

    def each(of_market: Array) -> Array:
        return jnp.broadcast_to(of_market[:, None], shape).reshape(-1)

    ticks = jnp.full(shape[0], market.preopen + market.ticks, jnp.float32)
    seen = observe(
        end.accounts.cash.reshape(-1),
        end.accounts.shares.reshape(-1),
        each(end.price),
        each(end.log_fundamental),
        (each(end.depths[0]), each(end.depths[1])),
        Memory(each(end.log_middle), each(end.squares), each(ticks)),
        Memory(*(end.remembered[:, row].reshape(-1) for row in range(3))),
        jax.tree.map(lambda trait: trait.reshape(-1), traits),
        jax.random.normal(key, (len(ticks) * market.agents,)),
        market,
    )
    return seen.observation.T.reshape(*shape, -1)
