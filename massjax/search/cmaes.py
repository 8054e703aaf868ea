"""CMA-ES over agent distributions: a normal distribution of log-weights that learns its shape from the candidates it draws."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key
from pydantic import Field

from massjax.search.base import Search
from massjax.search.evaluated import Evaluated, normalise, unevaluated
from massjax.search.evolution import ABSENT_WEIGHT
from massjax.search.objectives import Objective

LEAST_SHARE = 1e-4
"""Weight that each archetype has at least where the distribution begins: 0 has no logarithm. Starts are judged as they are."""
LARGEST_CONDITION = 1e7
"""Of the covariance, as float32 can hold it."""
LARGEST_SPREAD = 1e3
"""Of the step size, from which on log-weights are beyond what float32 tells from 0 and 1."""


class Strategy(NamedTuple):
    """Constants of the strategy (Hansen 2016, table 1, with the weights of the worse half at 0).

    Attributes:
        weights: of the candidates by rank, from the best on; positive for the better half, and summing to 1.
        effective: the variance effective selection mass.
        path_rate, damping: of the step size.
        shape_rate, one_rate, many_rate: of the path of the covariance, and of its updates by one vector and by many.
        length: expected length of a standard normal vector.
    """

    weights: Float[np.ndarray, " P"]
    effective: float
    path_rate: float
    damping: float
    shape_rate: float
    one_rate: float
    many_rate: float
    length: float


class CMAESState(NamedTuple):
    """The distribution of the candidates, in the n coordinates of `log_ratio_axes`.

    Attributes:
        mean, spread, covariance: of the normal distribution, whose covariance is `spread`² times `covariance`.
        path, shape_path: evolution paths of the step size and of the covariance.
        generation: updates since the distribution was begun.
        evaluated: True once the chains have been evaluated where they start.
        start: where they do.
        stalled: steps since the best of all improved.
        best: the best each chain has met.
    """

    mean: Float[Array, " n"]
    spread: Float[Array, ""]
    covariance: Float[Array, "n n"]
    path: Float[Array, " n"]
    shape_path: Float[Array, " n"]
    generation: Int[Array, ""]
    evaluated: Bool[Array, ""]
    start: Float[Array, "P K"]
    stalled: Int[Array, ""]
    best: Evaluated


class CMAES(Search):
    r"""Covariance matrix adaptation evolution strategy (Hansen 2016, "The CMA evolution strategy: a tutorial", arXiv 1604.00772).

    Candidates are softmax(A x), with the columns of A an orthonormal basis of the log-weights that sum to 0 (isometric log-ratio
    coordinates, Egozcue et al. 2003): every mix of positive weights has one x, and there is no direction in which nothing changes. In each
    step all chains are drawn, equations (38) to (40), as

    $$ x_i = m + \sigma y_i, \qquad y_i \sim N(0, C) $$

    and by the ranks of their fitness alone the mean moves to the better half, (41) and (42), the step size grows where successive moves
    point the same way, (43) and (44), and C learns along which directions they went, (45) to (47), by one vector and by all of the better
    half. Candidates whose fitness is undefined count for nothing; where all are, nothing is learned.

    The distribution begins at the best of the starts. A step costs an eigendecomposition of C beside its evaluations, K³ operations.

    Example:
        Six stocks on three dates, and three archetypes: the first ranks the stocks as they returned afterwards, the last the other way
        round. The distribution moves to where the first outweighs the others:

        >>> import jax, numpy as np, massjax as mj
        >>> rng = np.random.default_rng(0)
        >>> returns, member = rng.normal(0, 0.02, size=(6, 3)), np.ones((6, 3), bool)
        >>> ranks = returns.argsort(axis=0).argsort(axis=0) / 5
        >>> scores = np.stack([ranks, rng.random((6, 3)), 1 - ranks])
        >>> settings = mj.CMAES(chains=32, steps=30)
        >>> found = mj.search_window(scores, member, returns, settings, signal="mean", key=jax.random.key(0))
        >>> found
        SearchResult(fitness 1.0000, 30 steps, 32 chains, 3 archetypes)
        >>> int(found.weights.argmax())
        0
    """

    chains: int = Field(
        256,
        ge=4,
        le=10_000_000,
        description="Candidates drawn in each step; a larger number finds more and costs time and memory in proportion. The tutorial's "
        "is 4 + 3 ln n, about 12 for 16 archetypes.",
    )
    spread: float = Field(
        1.0,
        gt=0,
        le=100,
        description="Standard deviation of the log-weights of the first candidates around the start; at 1 they differ by factors of "
        "about e.",
    )
    restart_after: int | None = Field(
        100,
        ge=1,
        le=10_000_000,
        description="Steps without improvement of the best after which the distribution begins again; null for never. It is then as wide "
        "as at first, around a mean that is drawn from it.",
    )

    @property
    def population(self) -> int:
        """Number of candidates in a step."""
        return self.chains

    def init(self, objective: Objective, start: Float[Array, "P K"], key: Key[Array, ""]) -> CMAESState:
        """A round distribution around the first start; the first step moves it to the best of them."""
        del objective, key
        mean = coordinates(start[:1])[0]
        zero, count = jnp.zeros_like(mean), jnp.zeros((), jnp.int32)
        spread, shape = jnp.full((), self.spread, jnp.float32), jnp.eye(len(mean), dtype=jnp.float32)
        return CMAESState(mean, spread, shape, zero, zero, count, jnp.zeros((), bool), start, count, unevaluated(start))

    def step(self, objective: Objective, state: CMAESState, key: Key[Array, ""]) -> CMAESState:
        """Draw all chains and learn from them; the first step judges the starts."""
        draw_key, restart_key = jax.random.split(key)
        axes, lengths = principal_axes(state.covariance)
        drawn = jax.random.normal(draw_key, (self.chains, len(state.mean)))
        steps = jnp.matmul(drawn * lengths[None, :], axes.T, precision="highest")
        tried = mixes(state.mean[None, :] + state.spread * steps, state.start.shape[1])
        weights, fitness = objective.judge(jnp.where(state.evaluated, tried, state.start))
        best = state.best.improved(weights, fitness)
        stalled = jnp.where(_best(fitness) > _best(state.best.fitness), 0, state.stalled + 1)
        learned = lax.cond(
            state.evaluated,
            lambda: self._learned(state, fitness, steps, jnp.matmul(drawn, axes.T, precision="highest")),
            lambda: state._replace(mean=coordinates(state.start[_first_best(fitness)][None])[0]),
        )
        over = jnp.zeros((), bool) if self.restart_after is None else stalled >= self.restart_after
        fresh = self.init(objective, state.start[_first_best(best.fitness)][None], key)
        around = fresh.mean + self.spread * jax.random.normal(restart_key, fresh.mean.shape)
        parts = ("mean", "spread", "covariance", "path", "shape_path", "generation")
        begun = fresh._replace(mean=around)
        chosen = {part: jnp.where(over, getattr(begun, part), getattr(learned, part)) for part in parts}
        return state._replace(**chosen, evaluated=jnp.ones((), bool), stalled=jnp.where(over, 0, stalled), best=best)

    def _learned(
        self, state: CMAESState, fitness: Float[Array, " P"], steps: Float[Array, "P n"], whitened: Float[Array, "P n"]
    ) -> CMAESState:
        """The distribution after a generation: equations (41) to (47) of the tutorial.

        Args:
            state: before it.
            fitness: of the candidates; NaN counts for nothing.
            steps: y of each candidate.
            whitened: C^(-1/2) y of each.
        """
        strategy, n = strategy_of(self.chains, len(state.mean)), len(state.mean)
        known = ~jnp.isnan(fitness)
        order = jnp.argsort(jnp.where(known, -fitness, jnp.inf))
        ranked = jnp.where(known[order], strategy.weights, 0.0)
        total = ranked.sum()
        ranked = ranked / jnp.where(total > 0, total, 1.0)
        steps, whitened = steps[order], whitened[order]
        move, white = (jnp.einsum("p,pn->n", ranked, values, precision="highest") for values in (steps, whitened))
        mean = state.mean + state.spread * move
        rate, effective, length = strategy.path_rate, strategy.effective, strategy.length
        path = (1 - rate) * state.path + sqrt(rate * (2 - rate) * effective) * white
        size = jnp.sqrt((path * path).sum())
        spread = state.spread * jnp.exp(rate / strategy.damping * (size / length - 1))
        generation = state.generation + 1
        settled = jnp.sqrt(1 - (1 - rate) ** (2 * generation.astype(jnp.float32)))
        moving = (size / settled < (1.4 + 2 / (n + 1)) * length).astype(jnp.float32)
        shape = strategy.shape_rate
        shape_path = (1 - shape) * state.shape_path + moving * sqrt(shape * (2 - shape) * effective) * move
        one, many = strategy.one_rate, strategy.many_rate
        kept = 1 + one * (1 - moving) * shape * (2 - shape) - one - many
        of_many = jnp.einsum("p,pn,pm->nm", ranked, steps, steps, precision="highest")
        covariance = kept * state.covariance + one * shape_path[:, None] * shape_path[None, :] + many * of_many
        learned = state._replace(
            mean=mean,
            spread=jnp.minimum(spread, LARGEST_SPREAD),
            covariance=covariance,
            path=path,
            shape_path=shape_path,
            generation=generation,
        )
        return jax.tree.map(lambda new, old: jnp.where(total > 0, new, old), learned, state)


def strategy_of(candidates: int, dimensions: int) -> Strategy:
    """The constants of a population of candidates in so many dimensions: equations (49), (53) and (55) to (58) of the tutorial.

    Weights of the worse half are 0, so that (50) to (52) have no use. `many_rate` has a further 1/4 in its numerator, as in pycma, the
    reference implementation of the tutorial's author.
    """

    n, better = dimensions, candidates // 2
    raw = np.log((candidates + 1) / 2) - np.log(np.arange(1, candidates + 1))
    raw[better:] = 0.0
    weights = raw / raw.sum()
    mass = float(1 / (weights**2).sum())
    path_rate = (mass + 2) / (n + mass + 5)
    one = 2 / ((n + 1.3) ** 2 + mass)
    return Strategy(
        weights=weights.astype(np.float32),
        effective=mass,
        path_rate=path_rate,
        damping=1 + 2 * max(0.0, sqrt((mass - 1) / (n + 1)) - 1) + path_rate,
        shape_rate=(4 + mass / n) / (n + 4 + 2 * mass / n),
        one_rate=one,
        many_rate=min(1 - one, 2 * (0.25 + mass + 1 / mass - 2) / ((n + 2) ** 2 + mass)),
        length=sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n**2)),
    )


def log_ratio_axes(archetypes: int) -> Float[np.ndarray, "K n"]:
    """An orthonormal basis of the log-weights that sum to 0, by Helmert's contrasts; n = K - 1, or one axis of 0 for a single archetype."""
    if archetypes == 1:
        return np.zeros((1, 1), np.float32)
    axes = np.zeros((archetypes, archetypes - 1))
    for column in range(archetypes - 1):
        axes[: column + 1, column] = 1 / sqrt((column + 1) * (column + 2))
        axes[column + 1, column] = -sqrt((column + 1) / (column + 2))
    return axes.astype(np.float32)


def mixes(points: Float[Array, "P n"], archetypes: int) -> Float[Array, "P K"]:
    """The weights at points of the search, positive and summing to 1."""
    logits = jnp.matmul(points, log_ratio_axes(archetypes).T, precision="highest")
    return normalise(jnp.maximum(jax.nn.softmax(logits), ABSENT_WEIGHT))


def coordinates(weights: Float[Array, "P K"]) -> Float[Array, "P n"]:
    """The points of the search at which weights lie, none of which counts as less than `LEAST_SHARE`."""
    logarithms = jnp.log(jnp.maximum(normalise(weights), LEAST_SHARE))
    return jnp.matmul(logarithms, log_ratio_axes(weights.shape[1]), precision="highest")


def principal_axes(covariance: Float[Array, "n n"]) -> tuple[Float[Array, "n n"], Float[Array, " n"]]:
    """Eigenvectors in columns, and the standard deviations along them, none under what `LARGEST_CONDITION` allows."""
    values, axes = jnp.linalg.eigh((covariance + covariance.T) / 2)
    return axes, jnp.sqrt(jnp.maximum(values, values[-1:] / LARGEST_CONDITION))


def _first_best(fitness: Float[Array, " P"]) -> Int[Array, ""]:
    return jnp.argmax(jnp.where(jnp.isnan(fitness), -jnp.inf, fitness))


def _best(fitness: Float[Array, " P"]) -> Float[Array, ""]:
    return jnp.where(jnp.isnan(fitness), -jnp.inf, fitness).max()
