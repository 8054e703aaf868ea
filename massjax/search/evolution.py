"""Differential evolution over agent distributions: the population itself tells which way and how far to move."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key, UInt32
from pydantic import Field, model_validator

from massjax.search.base import Search
from massjax.search.evaluated import Evaluated, is_better, normalise, unevaluated
from massjax.search.objectives import Objective
from massjax.search.random_bits import coins, fraction, index, words

ABSENT_WEIGHT = 1e-9
"""Archetypes are left out by this weight, not by 0: a stock that only they scored keeps its signal, and every candidate the same stocks."""
SINGLE_WORDS = 7
"""Random words a chain needs beside the coins of its archetypes."""


class EvolutionState(NamedTuple):
    """The population.

    Attributes:
        weights, fitness: where each chain is; a fitness that was judged and is NaN is undefined.
        evaluated: True once the chains have been evaluated where they are.
        start: where the population began, and begins again.
        stalled: steps since the population's best improved.
        best: the best each chain has met.
    """

    weights: Float[Array, "P K"]
    fitness: Float[Array, " P"]
    evaluated: Bool[Array, ""]
    start: Float[Array, "P K"]
    stalled: Int[Array, ""]
    best: Evaluated


class DifferentialEvolution(Search):
    r"""Differential evolution (Storn and Price 1997), with the good candidates as base (Zhang and Sanderson's JADE, 2009).

    In each step every chain p tries (doi 10.1023/A:1008202821328, the rule `best/1/bin` but for the choice of b)

    $$ v = b + F (a - c), \qquad u_k = v_k \text{ or, with probability } 1 - C, w_{p,k} $$

    with b drawn from the best of the population, a and c from all of it, and scales F and crossover rates C that it draws anew: steps
    are as long as the population is wide, and shrink with it. A weight below 0 becomes 0 or half of what p had, so that sparse mixes
    are within reach. The chain moves where it is no worse: plateaus, of which the exact RankIC is made, are crossed, and so is where it is
    undefined; where all of it is, it is drawn anew, nearer to equal weights. A population that no longer improves is drawn anew too; the
    best of each chain is kept.

    Example:
        Six stocks on three dates, and three archetypes: the first ranks the stocks as they returned afterwards, the last the other way
        round. The population gathers where the first outweighs the others:

        >>> import jax, numpy as np, massjax as mj
        >>> rng = np.random.default_rng(0)
        >>> returns, member = rng.normal(0, 0.02, size=(6, 3)), np.ones((6, 3), bool)
        >>> ranks = returns.argsort(axis=0).argsort(axis=0) / 5
        >>> scores = np.stack([ranks, rng.random((6, 3)), 1 - ranks])
        >>> settings = mj.DifferentialEvolution(chains=64, steps=50)
        >>> found = mj.search_window(scores, member, returns, settings, signal="mean", key=jax.random.key(0))
        >>> found
        SearchResult(fitness 1.0000, 50 steps, 64 chains, 3 archetypes)
        >>> bool(found.weights[0] > 0.5), bool(found.weights[2] < found.weights[0])
        (True, True)
    """

    chains: int = Field(
        1024, ge=4, le=10_000_000, description="Size of the population; a larger one finds more and costs time and memory in proportion."
    )
    best_share: float = Field(
        0.2,
        gt=0,
        le=1,
        description="Share of the population, its best, that bases of moves are drawn from. Smaller is faster, larger finds more.",
    )
    smallest_scale: float = Field(
        0.003,
        gt=0,
        le=10,
        description="Least factor F on the difference of two candidates; F is drawn from here to `largest_scale`, uniformly in its "
        "logarithm.",
    )
    largest_scale: float = Field(
        1.0,
        gt=0,
        le=10,
        description="Largest factor F on the difference of two candidates; lower both scales for finer moves.",
    )
    crossover: tuple[float, ...] = Field(
        (0.15, 0.5, 0.9),
        description="Crossover rates C, drawn with equal chances: the share of a candidate's weights that one move changes. One to a "
        "hundred rates above 0 and up to 1; low ones change few weights at a time.",
    )
    restart_after: int | None = Field(
        100,
        ge=1,
        le=10_000_000,
        description="Steps without improvement of the best after which the whole population is drawn anew; null for never.",
    )

    @model_validator(mode="after")
    def _check(self) -> DifferentialEvolution:
        if self.smallest_scale > self.largest_scale:
            raise ValueError(f"smallest_scale {self.smallest_scale} is above largest_scale {self.largest_scale}")
        if not 1 <= len(self.crossover) <= 100 or not all(0 < rate <= 1 for rate in self.crossover):
            raise ValueError(f"crossover {self.crossover} must list one to a hundred rates above 0 and up to 1")
        return self

    @property
    def population(self) -> int:
        """Number of chains."""
        return self.chains

    def init(self, objective: Objective, start: Float[Array, "P K"], key: Key[Array, ""]) -> EvolutionState:
        """The starts that differ from the one before them, and the others spread around theirs."""
        del objective
        best = unevaluated(start)
        return EvolutionState(spread_starts(start, key), best.fitness, jnp.zeros((), bool), start, jnp.zeros((), jnp.int32), best)

    def step(self, objective: Objective, state: EvolutionState, key: Key[Array, ""]) -> EvolutionState:
        """One generation; chains that have not been judged yet stay and are."""
        move_key, start_key = jax.random.split(key)
        proposal = jnp.where(state.evaluated, self._propose(state.weights, state.fitness, move_key), state.weights)
        weights, fitness = objective.judge(proposal)
        accept = (fitness >= state.fitness) | jnp.isnan(state.fitness)
        moved, reached = jnp.where(accept[:, None], weights, state.weights), jnp.where(accept, fitness, state.fitness)
        improved = (is_better(fitness, state.fitness) & ~(fitness <= jnp.nanmax(state.fitness))).any()
        stalled = jnp.where(improved, 0, state.stalled + 1)
        lost = jnp.isnan(reached).all()
        over = lost if self.restart_after is None else lost | (stalled >= self.restart_after)
        source = jnp.where(lost, 0.5 * state.start + 0.5 / state.start.shape[1], state.start)
        return EvolutionState(
            weights=lax.cond(over, lambda: spread_starts(source, start_key), lambda: moved),
            fitness=jnp.where(over, jnp.nan, reached),
            evaluated=~over,
            start=state.start,
            stalled=jnp.where(over, 0, stalled),
            best=state.best.improved(weights, fitness),
        )

    def _propose(self, weights: Float[Array, "P K"], fitness: Float[Array, " P"], key: Key[Array, ""]) -> Float[Array, "P K"]:
        chains, archetypes = weights.shape
        draw = words(key, chains, SINGLE_WORDS + -(-archetypes // 4))
        base = weights[self._leaders(fitness, draw[0])]
        scale = self._scale(draw[1])
        away = weights[index(draw[2], chains)] - weights[index(draw[3], chains)]
        rate = jnp.asarray(self.crossover, jnp.float32)[index(draw[4], len(self.crossover))]
        crossed = coins(draw[SINGLE_WORDS:], archetypes, rate) | (index(draw[5], archetypes)[:, None] == jnp.arange(archetypes)[None, :])
        moved = jnp.where(crossed, base + scale[:, None] * away, weights)
        to_zero = (draw[6] & 1) == 0
        inside = jnp.where(moved < 0, jnp.where(to_zero[:, None], 0.0, weights / 2), moved)
        return normalise(jnp.maximum(inside, ABSENT_WEIGHT))

    def _leaders(self, fitness: Float[Array, " P"], word: UInt32[Array, " P"]) -> Int[Array, " P"]:
        leaders = max(1, round(self.best_share * self.chains))
        _, order = lax.top_k(jnp.where(jnp.isnan(fitness), -jnp.inf, fitness), leaders)
        return order[index(word, leaders)]

    def _scale(self, word: UInt32[Array, " P"]) -> Float[Array, " P"]:
        low, high = jnp.log(self.smallest_scale), jnp.log(self.largest_scale)
        return jnp.exp(low + (high - low) * fraction(word))


def spread_starts(start: Float[Array, "P K"], key: Key[Array, ""]) -> Float[Array, "P K"]:
    """Spread the starts that equal the one before them: weights times squared exponential draws, from even to nearly single."""
    lots = jnp.log(fraction(words(key, start.shape[1], start.shape[0])))
    repeated: Bool[Array, " P"] = jnp.concatenate([jnp.zeros(1, bool), (start[1:] == start[:-1]).all(axis=1)])
    return normalise(jnp.maximum(jnp.where(repeated[:, None], normalise(start * lots * lots), start), ABSENT_WEIGHT))
