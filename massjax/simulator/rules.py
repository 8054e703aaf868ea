"""Agents that follow a fixed rule: fundamental, chartist and noise traders in one (Chiarella and Iori 2002)."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from massjax.simulator.policy import LARGEST_ACTION
from massjax.simulator.settings import MarketSettings
from massjax.simulator.traits import Traits

REVERSION = 2.0
"""The fundamental agent expects 1 / REVERSION of the mispricing to go."""
CHART_TICKS = 20.0
"""The chartist expects the mean return since its last order to go on for so many ticks."""
NOISE = 0.01
"""Standard deviation of what a noise trader expects."""
VOLUME = 0.05
"""Volume as a part of the largest order."""


def rule_action(
    mispricing: Float[Array, " M"],
    mean_return: Float[Array, " M"],
    log_price_to_middle: Float[Array, " M"],
    chance: Float[Array, " M"],
    traits: Traits,
    settings: MarketSettings,
) -> Float[Array, "M 2"]:
    """The action of a rule agent: it forecasts a return and sends a limit order at its forecast, less a margin.

    forecast = (w_f · log(p_f / p) / 2 + w_c · 20 μ / N + w_n · 0.01 z) / (w_f + w_c + w_n); it buys where that is positive, at
    p · exp(forecast − margin), and else sells at p · exp(forecast + margin).

    Args:
        mispricing: log of fundamental over price.
        mean_return: of the middle of the quotes since the agent's last order, per N ticks.
        log_price_to_middle: log of the price over the middle.
        chance: z, standard normal.
    """
    weights = traits.fundamental + traits.chartist + traits.noisy
    by_chart = traits.chartist * mean_return * (CHART_TICKS / settings.agents)
    weighed = traits.fundamental * mispricing / REVERSION + by_chart + traits.noisy * NOISE * chance
    forecast = weighed / jnp.maximum(weights, 1e-6)
    side = jnp.where(forecast > 0, 1.0, -1.0)
    from_middle = log_price_to_middle + forecast - side * traits.margin
    offset = jnp.clip(-side * from_middle / settings.price_width, -LARGEST_ACTION, LARGEST_ACTION)
    return jnp.stack([offset, side * VOLUME], axis=1)
