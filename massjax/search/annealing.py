"""Simulated annealing over agent distributions: MASS's rule, run as many chains in lock-step."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax.scipy.special import erf, erfinv
from jaxtyping import Array, Bool, Float, Int, Key, UInt32
from pydantic import Field

from massjax.search.base import Search
from massjax.search.evaluated import Evaluated, is_better, unevaluated
from massjax.search.objectives import Objective
from massjax.search.random_bits import fraction, index, words

Rejection: TypeAlias = Literal["truncate", "redraw"]
"""What becomes of an amount that would leave a weight of 0 or less."""

SQRT_TWO = 2.0**0.5


class AnnealingState(NamedTuple):
    """Where each chain is.

    Attributes:
        weights, fitness: where the chain is; weights have a mean of 1, and a fitness that was judged and is NaN is undefined.
        evaluated: True where the chain has been evaluated where it is.
        temperature: how hot it is.
        start: where it began.
        stalled: steps since its best improved.
        best: the best it has met.
    """

    weights: Float[Array, "P K"]
    fitness: Float[Array, " P"]
    evaluated: Bool[Array, " P"]
    temperature: Float[Array, " P"]
    start: Float[Array, "P K"]
    stalled: Int[Array, " P"]
    best: Evaluated


class Annealing(Search):
    """Simulated annealing (Kirkpatrick et al. 1983) with the moves of MASS (arXiv 2505.10278, backward optimization).

    Each step every chain draws two archetypes and moves an amount of weight from one to the other, drawn from N(0, `step_size`²)
    truncated so that both stay positive, where weights have a mean of 1. A distribution that is no worse is taken; one that is worse by
    `loss`, in units of RankIC, is taken with probability `exp(-loss_scale * loss / temperature)`, and the temperature is multiplied by
    `cooling` after each step. Where a chain's fitness is undefined, as where equal weights of a factor and its mirror cancel, every move
    is taken and nothing cools.

    The defaults of the rule are those of MASS's reference code (temperature 0.5, cooling 0.95, loss scale 10), which runs one chain of
    20 steps; here `chains` of them run in lock-step, and the best that any has met is the result. MASS's code rejects an amount that would
    leave a weight of 0 or less, and draws the pair anew with it: `rejection: redraw`, with which archetypes of small weights are drawn less
    often. Its whole rule is `Annealing(chains=1, steps=20, rejection="redraw")` with a warm start, fitted on `disagreement`. Two things
    differ on purpose: where the fitness is undefined its code never moves; and weights are computed in float32.

    Example:
        Six stocks on three dates, and three archetypes: the first ranks the stocks as they returned afterwards, the last the other way
        round, so that equal weights leave what the second says. The search finds weights that rank them perfectly:

        >>> import jax, numpy as np, massjax as mj
        >>> rng = np.random.default_rng(0)
        >>> returns, member = rng.normal(0, 0.02, size=(6, 3)), np.ones((6, 3), bool)
        >>> ranks = returns.argsort(axis=0).argsort(axis=0) / 5
        >>> scores = np.stack([ranks, rng.random((6, 3)), 1 - ranks])
        >>> print(mj.fitness(scores, member, returns, np.ones((1, 3)), signal="mean").round(2))
        [-0.58]
        >>> settings = mj.Annealing(chains=64, steps=100)
        >>> found = mj.search_window(scores, member, returns, settings, signal="mean", key=jax.random.key(0))
        >>> found
        SearchResult(fitness 1.0000, 100 steps, 64 chains, 3 archetypes)
        >>> int(found.weights.argmax())
        0
    """

    chains: int = Field(
        1024,
        ge=1,
        le=10_000_000,
        description="Number of independent annealing chains; more find more and cost time and memory in proportion.",
    )
    step_size: float = Field(
        0.25,
        gt=0,
        le=1e6,
        description="Standard deviation of the weight that a move shifts, where an equal distribution has weights of 1. MASS uses 0.25.",
    )
    temperature: float = Field(
        0.5,
        gt=0,
        le=1e6,
        description="Temperature of the first step; the higher it is, the more moves for the worse are taken. MASS uses 0.5.",
    )
    cooling: float = Field(
        0.95, gt=0, le=1, description="Factor on the temperature after each step; nearer to 1 cools more slowly, for long searches."
    )
    loss_scale: float = Field(
        10.0,
        gt=0,
        le=1e6,
        description="Factor on a loss of fitness before it is compared with the temperature; a larger one takes fewer moves for the worse.",
    )
    rejection: Rejection = Field(
        "truncate",
        description="What becomes of a drawn amount that would leave a weight of 0 or less: `truncate` draws it, for the pair at hand, "
        "from the rest of its distribution; `redraw`, as MASS's code does, draws the pair and the amount anew until both weights stay "
        "positive.",
    )
    restart_after: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        description="Steps without improvement after which a chain goes back to its start and is heated again; null, as in MASS, for "
        "never.",
    )

    @property
    def population(self) -> int:
        """Number of chains."""
        return self.chains

    def init(self, objective: Objective, start: Float[Array, "P K"], key: Key[Array, ""]) -> AnnealingState:
        """All chains at their start, scaled to a mean weight of 1; hot enough that the first step only judges them there."""
        del objective, key
        best, chains = unevaluated(start), len(start)
        hot = jnp.full(chains, self.temperature / self.cooling)
        nowhere, stalled = jnp.zeros(chains, bool), jnp.zeros(chains, jnp.int32)
        return AnnealingState(start * start.shape[1], best.fitness, nowhere, hot, start, stalled, best)

    def step(self, objective: Objective, state: AnnealingState, key: Key[Array, ""]) -> AnnealingState:
        """One move of every chain; a chain that has not been judged yet stays and is."""
        move_key, accept_key = jax.random.split(key)
        moved = move_weight(state.weights, self.step_size, move_key, self.rejection)
        proposal = jnp.where(state.evaluated[:, None], moved, state.weights)
        weights, fitness = objective.judge(proposal)
        loss = self.loss_scale * (state.fitness - fitness) / state.temperature
        lucky = fraction(words(accept_key, loss.shape[0], 1)[0]) < jnp.exp(-loss)
        accept = (fitness > state.fitness) | jnp.isnan(state.fitness) | lucky
        best = state.best.improved(weights, fitness)
        stalled = jnp.where(is_better(fitness, state.best.fitness), 0, state.stalled + 1)
        over = jnp.zeros(stalled.shape, bool) if self.restart_after is None else stalled >= self.restart_after
        reached = jnp.where(accept[:, None], proposal, state.weights)
        fitness = jnp.where(accept, fitness, state.fitness)
        cooled = jnp.where(jnp.isnan(fitness), state.temperature, state.temperature * self.cooling)
        return AnnealingState(
            weights=jnp.where(over[:, None], state.start * state.start.shape[1], reached),
            fitness=jnp.where(over, jnp.nan, fitness),
            evaluated=~over,
            temperature=jnp.where(over, self.temperature / self.cooling, cooled),
            start=state.start,
            stalled=jnp.where(over, 0, stalled),
            best=best,
        )


def move_weight(
    weights: Float[Array, "P K"], step_size: float, key: Key[Array, ""], rejection: Rejection = "truncate"
) -> Float[Array, "P K"]:
    """Move a truncated normal amount between two archetypes of each chain; every weight stays positive and the sum stays.

    The amount d ~ N(0, step_size) is conditioned on -w[taker] < d < w[giver], by inverting the distribution function.

    Args:
        weights: positive.
        step_size: standard deviation of the amount before it is conditioned.
        key: randomness.
        rejection: `truncate` draws all pairs alike; `redraw` draws pair and amount from the law of drawing both until the weights stay
            positive, without a loop (see `_pair_with_room`).
    """
    chains, archetypes = weights.shape
    if archetypes == 1:
        return weights
    draw = words(key, chains, 3 if rejection == "truncate" else 4)
    scale = SQRT_TWO * step_size
    giver, taker = _any_pair(draw, archetypes) if rejection == "truncate" else _pair_with_room(draw, erf(weights / scale))
    most, least = _weight_of(weights, giver), -_weight_of(weights, taker)
    lowest, highest = erf(least / scale), erf(most / scale)
    amount = jnp.clip(scale * erfinv(lowest + (highest - lowest) * fraction(draw[2])), least, most)
    archetype = jnp.arange(archetypes)[None, :]
    given = jnp.where(archetype == giver[:, None], -amount[:, None], 0.0)
    taken = jnp.where(archetype == taker[:, None], amount[:, None], given)
    return jnp.maximum(weights + taken, jnp.finfo(jnp.float32).tiny)


def _any_pair(draw: UInt32[Array, "W P"], archetypes: int) -> tuple[Int[Array, " P"], Int[Array, " P"]]:
    """Giver and taker, all pairs alike."""
    giver = index(draw[0], archetypes)
    return giver, (giver + 1 + index(draw[1], archetypes - 1)) % archetypes


def _pair_with_room(draw: UInt32[Array, "W P"], room: Float[Array, "P K"]) -> tuple[Int[Array, " P"], Int[Array, " P"]]:
    r"""Giver and taker as they are distributed where pair and amount are drawn anew until both weights stay positive.

    With all pairs alike before it, the chance of a pair is then in proportion to that of an amount which fits it,

    $$ P(-w_j < d < w_i) = \Phi(w_i / s) - \Phi(-w_j / s) = (r_i + r_j) / 2, \qquad r_k = \operatorname{erf}(w_k / (s \sqrt 2)) $$

    a sum of two terms: so with equal chances the giver or the taker is drawn in proportion to its r, and the other from the rest alike.

    Args:
        draw: four words a chain; the third is left to the amount.
        room: r of each archetype.
    """
    archetypes = room.shape[1]
    below = jnp.cumsum(room, axis=1)
    first = (below < (fraction(draw[0]) * below[:, -1])[:, None]).sum(axis=1)
    first = jnp.minimum(first, archetypes - 1)
    second = (first + 1 + index(draw[1], archetypes - 1)) % archetypes
    gives = (draw[3] & 1) == 0
    return jnp.where(gives, first, second), jnp.where(gives, second, first)


def _weight_of(weights: Float[Array, "P K"], archetype: Int[Array, " P"]) -> Float[Array, " P"]:
    return jnp.take_along_axis(weights, archetype[:, None], axis=1, mode="clip")[:, 0]
