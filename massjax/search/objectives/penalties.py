"""How far weights are from others: Kullback-Leibler divergence and turnover."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

LEAST_SHARE = 1e-6
"""Share of the weight that the reference of a divergence gives every archetype at least: what is left out may come back."""


def divergence(weights: Float[Array, "P K"], reference: Float[Array, " K"]) -> Float[Array, " P"]:
    """Kullback-Leibler divergence `sum_k w_k log(w_k / v_k)` of each candidate w from the reference v, in nats; 0 where they are equal.

    Args:
        weights: summing to 1; a weight of 0 adds nothing.
        reference: summing to 1; below `LEAST_SHARE` it counts as that.
    """
    logarithm = jnp.log(jnp.maximum(weights, jnp.finfo(jnp.float32).tiny))
    return (weights * (logarithm - jnp.log(jnp.maximum(reference, LEAST_SHARE))[None, :])).sum(axis=1)


def moved_share(weights: Float[Array, "P K"], reference: Float[Array, " K"]) -> Float[Array, " P"]:
    """Share of the weight that has to move from the reference to each candidate, `sum_k |w_k - v_k| / 2`, in [0, 1].

    Args:
        weights: summing to 1.
        reference: summing to 1.
    """
    return 0.5 * jnp.abs(weights - reference[None, :]).sum(axis=1)
