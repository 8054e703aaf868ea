"""Weights averaged over the good chains of a search, which are steadier than those of the best one."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax

from massjax.engine.devices import gathered
from massjax.search.evaluated import Evaluated
from massjax.search.objectives import Objective


def average_of_best(objective: Objective, best: Evaluated, share: float) -> Evaluated:
    """The mean of the weights of the best chains, judged; of one chain, whose weights are averaged with no others, what it was.

    A chain whose value is undefined is not among the best. Of equal ones the first are taken. Where the average itself is undefined, as
    that of a factor and its mirror, the best chain is given in its place. The result is the same on one device and on several.

    Args:
        objective: what is maximised.
        best: the best of each chain.
        share: of the chains that are averaged, above 0 and at most 1; one chain at least.

    Returns:
        One row.
    """
    weights, value = gathered(best)
    chains = len(value)
    values, chosen = lax.top_k(jnp.where(jnp.isnan(value), -jnp.inf, value), max(1, round(share * chains)))
    counted = values > -jnp.inf
    total = jnp.where(counted[:, None], weights[chosen], 0.0).sum(axis=0, keepdims=True)
    single = Evaluated(weights[chosen[:1]], value[chosen[:1]])
    average = objective.judge(jnp.where(counted.any(), total, single.weights))
    alone = jnp.isnan(average.fitness) | (counted.sum() <= 1)
    return Evaluated(jnp.where(alone[:, None], single.weights, average.weights), jnp.where(alone, single.fitness, average.fitness))
