"""The non-negative mix of archetypes with the best expected rank correlation."""

from __future__ import annotations

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

ITERATIONS = 100
UNIFORM = 0.01
"""Sum of the weights, in units of skill, below which the mix passes over to the uniform one: what is left where no archetype has skill."""


def best_mix(
    values: Float[Array, " K"], vectors: Float[Array, "K K"], skills: Float[Array, "B K"], spread: Float[Array, " K"]
) -> Float[Array, "B K"]:
    """Weights w >= 0 that maximise the expected rank correlation of the mean signal, for each of B vectors of skills.

    With v the weights times the spread of each archetype's scores, the signal's RankIC is about `v.m / sqrt(v'Cv)`; its maximum over
    v >= 0 is, up to scale, that of `v.m - v'Cv / 2`, a non-negative least squares. `optax.nnls` solves it (the projected gradient with
    momentum of Polyak 2015): it takes many right-hand sides at once and runs compiled on any device. A small uniform part is added to
    the solution before scaling, so that weights pass over smoothly to uniform ones as the last archetype loses its skill.

    Args:
        values, vectors: eigenvalues and eigenvectors (columns) of the archetypes' correlation C.
        skills: expected RankIC of each archetype alone.
        spread: standard deviation of each archetype's scores over the stocks; 0 where they never differ, which has no say.
    """
    root = jnp.sqrt(values)
    target = (skills @ vectors / root[None]).T
    mix = optax.nnls((vectors * root[None]).T, target, ITERATIONS, L=values[-1]).T
    largest = spread.max()
    usable = spread > 1e-6 * largest
    factor = jnp.where(usable, largest / jnp.where(usable, spread, 1.0), 0.0)
    weights = mix * factor[None]
    share = UNIFORM / (UNIFORM + weights.sum(axis=1, keepdims=True))
    weights = weights + share * UNIFORM / len(spread)
    return weights / weights.sum(axis=1, keepdims=True)
