"""The non-negative mix of archetypes with the best expected rank correlation."""

from __future__ import annotations

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

ITERATIONS = 200
UNIFORM = 5e-4
"""Weight of the uniform mix, as if each archetype had this much skill more: what is left where no archetype has any."""


def best_mix(
    values: Float[Array, " K"], vectors: Float[Array, "K K"], means: Float[Array, "K B"], spread: Float[Array, " K"]
) -> Float[Array, "B K"]:
    """Weights w >= 0 that maximise `w.m / sqrt(w'Cw)`, for each of B vectors of skills under one correlation.

    The maximum is that of `w.m - w'Cw / 2` up to scale: a non-negative least squares, solved by `optax.nnls` (the projected gradient with
    momentum of Polyak 2015), which takes many right-hand sides at once and runs on any device.
    """
    root = jnp.sqrt(values)
    scaled = (vectors * root).T
    target = (vectors.T @ means) / root[:, None]
    mix = optax.nnls(scaled, target, ITERATIONS, L=values[-1])
    typical = jnp.maximum(jnp.max(spread), 1e-12)
    usable = spread > 1e-6 * typical
    unit = jnp.where(usable, spread, typical)[:, None]
    weights = jnp.where(usable[:, None], mix / unit, 0.0) * typical + UNIFORM
    return (weights / weights.sum(axis=0)).T
