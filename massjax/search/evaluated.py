"""Candidates and their fitness, and when one is better than another."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


class Evaluated(NamedTuple):
    """Agent distributions, each summing to 1, and their exact fitness: NaN where it is undefined.

    That a candidate has not been judged yet is no value of its fitness: a search keeps it apart, as a flag in its state. As the best of a
    chain, NaN says that nothing defined has been met, judged or not: whatever is defined takes its place.
    """

    weights: Float[Array, "P K"]
    fitness: Float[Array, " P"]

    def improved(self, weights: Float[Array, "P K"], fitness: Float[Array, " P"]) -> Evaluated:
        """With the candidates that are strictly better taken in; NaN never is."""
        better = is_better(fitness, self.fitness)
        return Evaluated(jnp.where(better[:, None], weights, self.weights), jnp.where(better, fitness, self.fitness))


def unevaluated(weights: Float[Array, "P K"]) -> Evaluated:
    """The best of chains that have met nothing yet: where they start."""
    return Evaluated(normalise(weights), jnp.full(weights.shape[0], jnp.nan))


def normalise(weights: Float[Array, "*P K"]) -> Float[Array, "*P K"]:
    """Weights scaled to sum to 1 over the archetypes."""
    return weights / weights.sum(axis=-1, keepdims=True)


def is_better(challenger: Float[Array, " P"], holder: Float[Array, " P"]) -> Bool[Array, " P"]:
    """True where the challenger is better; NaN loses to everything, and everything else beats NaN."""
    return (challenger > holder) | (jnp.isnan(holder) & ~jnp.isnan(challenger))
