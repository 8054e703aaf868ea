"""Posterior means of skills that may drift: Kalman filters averaged over decay rates by marginal likelihood."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

PERSISTENCE = np.array([1.0, 0.998, 0.995, 0.99, 0.98, 0.96, 0.92], np.float32)
PERSISTENCE_PRIOR = np.array([0.5] + [0.5 / 6] * 6, np.float32)
SPREAD = np.array([0.003, 0.006, 0.01, 0.02, 0.04, 0.08, 0.14], np.float32)
POWERS = np.array([0.0, 2.0], np.float32)
"""How the prior variance of skill along an eigenvector of the archetypes' correlation C goes with the eigenvalue.

With 0 each archetype has a skill of its own, whatever it has in common with others. With 2 the weights of the best mix are alike and
independent before: skill is `C b`, and lies in what archetypes have in common, little in small differences between them (Kozak, Nagel and
Santosh 2020). Which of the two holds is for the marginal likelihood to say.
"""
COMMON = np.array([0.0, 0.01, 0.02, 0.04, 0.08, 0.16], np.float32)


class Filter(NamedTuple):
    """State of the filters of all decay rates [F] and prior variances [G], in the eigenbasis of the archetypes' correlation."""

    prior: Float[Array, "G K"]
    variance: Float[Array, "F G K"]
    mean: Float[Array, "F G K"]
    common: Float[Array, "F G K"]
    square: Float[Array, "F G"]
    cross: Float[Array, "F G"]
    common_square: Float[Array, "F G"]


def prior_variances(values: Float[Array, " K"]) -> Float[Array, "G K"]:
    """Variances of the skills along the eigenvectors with these eigenvalues, by spread and power; the spread is that of an archetype."""
    power = values[None] ** jnp.asarray(POWERS)[:, None]
    shape = power / power.mean(axis=1, keepdims=True)
    return (jnp.asarray(SPREAD)[:, None, None] ** 2 * shape[None]).reshape(-1, len(values))


def start_filter(values: Float[Array, " K"]) -> Filter:
    """The prior: no deviation from the common skill.

    Args:
        values: eigenvalues of the archetypes' correlation.
    """
    prior = prior_variances(values)
    shape = (len(PERSISTENCE), len(prior))
    zeros, flat = jnp.zeros((*shape, len(values))), jnp.zeros(shape)
    return Filter(prior, jnp.broadcast_to(prior, zeros.shape), zeros, zeros, flat, flat, flat)


def update_filter(
    state: Filter, observed: Float[Array, " K"], noise: Float[Array, " K"], known: Float[Array, ""], direction: Float[Array, " K"]
) -> Filter:
    """Take in the observed skills of one date (Kalman's update), and go on to the next date.

    Args:
        observed: in the eigenbasis.
        noise: its variance.
        known: 1, or 0 where there is no observation.
        direction: skills of a common skill of 1, in the eigenbasis.
    """
    persistence = jnp.asarray(PERSISTENCE)[:, None, None]
    arriving = (1 - persistence**2) * state.prior[None]
    total = state.variance + noise[None, None]
    error, common_error = observed[None, None] - state.mean, direction[None, None] - state.common
    gain = known * state.variance / total
    return Filter(
        state.prior,
        persistence**2 * (1 - gain) * state.variance + arriving,
        persistence * (state.mean + gain * error),
        persistence * (state.common + gain * common_error),
        state.square + known * (error**2 / total + jnp.log(total)).sum(axis=-1),
        state.cross + known * (error * common_error / total).sum(axis=-1),
        state.common_square + known * (common_error**2 / total).sum(axis=-1),
    )


def read_filter(state: Filter, direction: Float[Array, " K"], ahead: int) -> Float[Array, " K"]:
    """Posterior mean `ahead` dates later, averaged over the grid by marginal likelihood, in the eigenbasis."""
    common = jnp.asarray(COMMON)[None, None]
    likelihood = -0.5 * (state.square[..., None] - 2 * state.cross[..., None] * common + state.common_square[..., None] * common**2)
    logits = likelihood + jnp.log(jnp.asarray(PERSISTENCE_PRIOR))[:, None, None]
    probability = jax.nn.softmax(logits, axis=(0, 1, 2))
    faded = probability * (jnp.asarray(PERSISTENCE) ** ahead)[:, None, None]
    mean = jnp.einsum("fg,fgk->k", faded.sum(axis=-1), state.mean) - jnp.einsum("fg,fgk->k", (faded * common).sum(axis=-1), state.common)
    return mean + direction * (probability * common).sum()


def filter_epoch(
    observed: Float[Array, "T K"],
    noise: Float[Array, "T K"],
    known: Float[Array, " T"],
    direction: Float[Array, " K"],
    start: Int[Array, ""],
    stop: Int[Array, ""],
    gap: int,
    means: Float[Array, "T K"],
    values: Float[Array, " K"],
    basis: Float[Array, "K K"],
) -> Float[Array, "T K"]:
    """`means` with rows [start, stop) filled: row t from observations before t - gap."""

    def advance(date: Array, state: Filter) -> Filter:
        return update_filter(state, observed[date], noise[date], known[date], direction)

    def advance_and_write(date: Array, carry: tuple[Filter, Array]) -> tuple[Filter, Array]:
        state, means = carry
        means = means.at[date].set(basis @ read_filter(state, direction, gap))
        state = lax.cond(date >= gap, lambda s: advance(jnp.maximum(date - gap, 0), s), lambda s: s, state)
        return state, means

    begun = lax.fori_loop(0, jnp.maximum(start - gap, 0), advance, start_filter(values))
    return lax.fori_loop(start, stop, advance_and_write, (begun, means))[1]
