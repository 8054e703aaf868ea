"""Fundamental values of several stocks: random walks whose moves are correlated between the markets."""

from __future__ import annotations

import jax
from jaxtyping import Array, Float, Key


def fundamental_shocks(key: Key[Array, ""], ticks: int, markets: int, correlation: float) -> Float[Array, "T M"]:
    """Standard normal moves of the log fundamentals with one factor in common: √ρ · common + √(1 − ρ) · own.

    Args:
        correlation: ρ, between any two markets at one tick.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> shocks = fundamental_shocks(jax.random.key(0), 20_000, 2, 0.5)
        >>> print(jnp.corrcoef(shocks.T)[0, 1].round(1))
        0.5
    """
    common, own = jax.random.split(key)
    alone = jax.random.normal(own, (ticks, markets))
    if correlation == 0:
        return alone
    return correlation**0.5 * jax.random.normal(common, (ticks, 1)) + (1 - correlation) ** 0.5 * alone
