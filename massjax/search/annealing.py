"""Simulated annealing over agent distributions: MASS's rule, run as many chains in lock-step."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import erf
from jaxtyping import Array, Float, Int, Key
from pydantic import Field

from massjax.search.protocol import Judged, Objective, Search, beats, unjudged

SQRT_TWO = 2.0**0.5


class AnnealingState(NamedTuple):
    """Where each chain is, how hot it is, and the best it has met; fitness is NaN until it is judged where it is."""

    weights: Float[Array, "P K"]
    fitness: Float[Array, " P"]
    temperature: Float[Array, ""]
    best: Judged


class Annealing(Search):
    """Simulated annealing (Kirkpatrick et al. 1983) with the moves of MASS (arXiv 2505.10278, backward optimization).

    Each step a chain draws two archetypes and moves an amount of weight from one to the other, drawn from a normal distribution
    truncated so that both stay positive. A better distribution is taken; one that is worse by `loss` is taken with probability
    `exp(-loss_scale * loss / temperature)`, and the temperature is multiplied by `cooling` after each step. MASS's code is one chain
    of 20 steps.

    Attributes:
        chains: number of independent chains.
        steps: moves of each chain.
        step_size: standard deviation of a move, where an equal distribution has weights of 1.
        temperature: temperature of the first step.
        cooling: factor on the temperature after each step.
        loss_scale: what a loss of fitness is multiplied by.
    """

    chains: int = Field(1024, ge=1, le=10_000_000)
    step_size: float = Field(0.25, gt=0, le=1e6)
    temperature: float = Field(0.5, gt=0, le=1e6)
    cooling: float = Field(0.95, gt=0, le=1)
    loss_scale: float = Field(10.0, gt=0, le=1e6)

    @property
    def population(self) -> int:
        """Number of chains."""
        return self.chains

    def init(self, objective: Objective, start: Float[Array, "P K"], key: Key[Array, ""]) -> AnnealingState:
        """All chains at their start, scaled to a mean weight of 1; hot enough that the first step only judges them there."""
        del objective, key
        best = unjudged(start)
        return AnnealingState(start * start.shape[1], best.fitness, jnp.asarray(self.temperature / self.cooling, jnp.float32), best)

    def step(self, objective: Objective, state: AnnealingState, key: Key[Array, ""]) -> AnnealingState:
        """One move of every chain; a chain that has not been judged yet stays and is."""
        move_key, accept_key = jax.random.split(key)
        fresh = jnp.isnan(state.fitness)
        proposal = jnp.where(fresh[:, None], state.weights, move_weight(state.weights, self.step_size, move_key))
        weights, fitness = objective.judge(proposal)
        loss = self.loss_scale * (state.fitness - fitness) / state.temperature
        lucky = jax.random.uniform(accept_key, loss.shape) < jnp.exp(-loss)
        accept = beats(fitness, state.fitness) | lucky
        return AnnealingState(
            weights=jnp.where(accept[:, None], proposal, state.weights),
            fitness=jnp.where(accept, fitness, state.fitness),
            temperature=state.temperature * self.cooling,
            best=state.best.improved(weights, fitness),
        )


def move_weight(weights: Float[Array, "P K"], step_size: float, key: Key[Array, ""]) -> Float[Array, "P K"]:
    """Move a truncated normal amount between two archetypes of each chain; every weight stays positive and the sum stays.

    The amount d ~ N(0, step_size) is conditioned on -w[giver] < -d and -w[taker] < d, by inverting the distribution function.
    """
    chains, archetypes = weights.shape
    if archetypes == 1:
        return weights
    giver_key, taker_key, amount_key = jax.random.split(key, 3)
    giver = jax.random.randint(giver_key, (chains,), 0, archetypes)
    taker = (giver + jax.random.randint(taker_key, (chains,), 1, archetypes)) % archetypes
    gives, takes = _one_hot(giver, archetypes), _one_hot(taker, archetypes)
    most, least = jnp.sum(weights * gives, axis=1), -jnp.sum(weights * takes, axis=1)
    scale = SQRT_TWO * step_size
    level = jax.random.uniform(amount_key, (chains,), minval=erf(least / scale), maxval=erf(most / scale))
    amount = jnp.clip(scale * jax.scipy.special.erfinv(level), least, most)
    moved = weights + amount[:, None] * (takes - gives)
    return jnp.maximum(moved, jnp.finfo(jnp.float32).tiny)


def _one_hot(index: Int[Array, " P"], archetypes: int) -> Float[Array, "P K"]:
    return (index[:, None] == jnp.arange(archetypes)[None, :]).astype(jnp.float32)
