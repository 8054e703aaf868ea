"""Candidates simulated: trait distributions by the same policy and with the same chances, as many at a time as the devices take."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Key

from massjax.calibrate.facts import FactPanel
from massjax.calibrate.settings import CalibrationConfig
from massjax.engine.devices import device_count, spread_items
from massjax.simulator.policy import Policy
from massjax.simulator.rollout import simulate
from massjax.simulator.settings import MarketSettings, TraitSettings
from massjax.simulator.traits import TraitDistribution


class Paths(NamedTuple):
    """What is looked at of the markets of C candidates.

    Attributes:
        price: at the end of each row, in ticks, with that before the first row.
        volume: shares traded in each row.
        trades: share of ticks with a trade.
    """

    price: Int[Array, "C M E"]
    volume: Int[Array, "C M B"]
    trades: Float[Array, " C"]


class Simulated(NamedTuple):
    """The markets of one candidate.

    Attributes:
        panel: returns and volumes over rows, of one series a market.
        trades: share of ticks with a trade.
    """

    panel: FactPanel
    trades: float


def in_units(points: Float[np.ndarray, "n D"], config: CalibrationConfig) -> Float[np.ndarray, "n D"]:
    """Points of the unit box as values of the free traits, between their bounds.

    Example:
        >>> import numpy as np
        >>> print(in_units(np.array([[0.0], [0.5]]), CalibrationConfig(bounds={"risk_mean": (1.0, 3.0)})))
        [[1.]
         [2.]]
    """
    low, high = np.array([config.bounds[name] for name in config.traits]).T
    return np.clip(low + (high - low) * points, low, high)


def values_of(traits: TraitSettings, config: CalibrationConfig) -> Float[np.ndarray, " D"]:
    """The free traits of one distribution."""
    return np.array([getattr(traits, name) for name in config.traits], np.float64)


def simulated(values: Float[np.ndarray, "n D"], policy: Policy, key: Key[Array, ""], config: CalibrationConfig) -> Iterator[Simulated]:
    """The markets of each candidate, one after the other, all with the same chances (common random numbers).

    Who acts when, what is misheard, endowments and fundamentals are the same for all candidates, and traits are drawn from the same
    uniform and normal numbers, so that two candidates differ by their distributions and not by luck.

    Args:
        values: of the free traits.
        policy: of all agents, whatever the candidate (the common policy approximation: agents do not learn anew in each mix).
        key: of all chances.
    """
    block = device_count() * config.together
    for start in range(0, len(values), block):
        some = values[start : start + block]
        padded = np.concatenate([some, np.repeat(some[-1:], block - len(some), axis=0)])
        learning = config.simulation.learning
        paths = simulate_candidates(
            distributions(padded, config),
            policy,
            key,
            jnp.float32(learning.spread),
            market=config.simulation.market,
            markets=config.markets,
            bar=config.facts.bar,
            together=config.together,
        )
        prices, volumes, trades = (np.asarray(leaf, np.float64) for leaf in paths)
        for one in range(len(some)):
            returns = np.diff(np.log(prices[one]), axis=-1)
            yield Simulated(FactPanel(returns[:, None, :], volumes[one][:, None, :]), float(trades[one]))


@partial(jax.jit, static_argnames=("market", "markets", "bar", "together"))
def simulate_candidates(
    traits: TraitDistribution,
    policy: Policy,
    key: Key[Array, ""],
    spread: Float[Array, ""],
    *,
    market: MarketSettings,
    markets: int,
    bar: int,
    together: int,
) -> Paths:
    """Prices and volumes over rows of `bar` ticks of the markets of each candidate; one program serves all distributions.

    Args:
        traits: with candidates as the axis of every number, a multiple of devices × `together`.
        spread: standard deviation of actions before they are squashed.
        together: candidates that a device computes side by side.
    """
    rows = (market.ticks - 1) // bar

    def one(traits: TraitDistribution, policy: Policy, key: Key[Array, ""], spread: Float[Array, ""]) -> Paths:
        ticks = simulate(policy, traits, key, market, markets=markets, spread=spread).ticks
        volume = ticks.traded[1 : rows * bar + 1].reshape(rows, bar, markets).sum(axis=1)
        return Paths(ticks.price[: rows * bar + 1 : bar].T, volume.T, jnp.mean((ticks.trades > 0).astype(jnp.float32)))

    def some(traits: TraitDistribution, policy: Policy, key: Key[Array, ""], spread: Float[Array, ""]) -> Paths:
        return lax.map(lambda each: one(each, policy, key, spread), traits, batch_size=together if together > 1 else None)

    return spread_items(some, traits, policy, key, spread)


def distributions(values: Float[np.ndarray, "n D"], config: CalibrationConfig) -> TraitDistribution:
    """Trait distributions of candidates, each number of which is an array over them."""
    place = {name: column for column, name in enumerate(config.traits)}
    fixed = config.simulation.traits
    return TraitDistribution(
        *(
            jnp.asarray(values[:, place[name]] if name in place else np.full(len(values), getattr(fixed, name)), jnp.float32)
            for name in TraitDistribution._fields
        )
    )
