"""What a search over one look-back window found."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class SearchResult(NamedTuple):
    """What a search of P chains over K archetypes found; weights are positive and sum to 1, fitness is a mean RankIC in [-1, 1].

    The search maximises the value of its `objective`, which is the fitness unless the settings name another: a value of another objective
    is no RankIC, and is told apart from it here.

    Attributes:
        weights: the agent distribution of the highest value of all chains, ties going to the first chain; with `average`, the mean of
            those of the best chains.
        fitness: its exact mean RankIC, the one `massjax.fitness` gives it; NaN where no date of the window can be judged.
        chain_weights: those of the highest value that each chain has met.
        chain_fitness: their exact mean RankIC.
        history: highest value of all chains, at the start and after each step, NaN while none was defined; level after an early stop.
        steps: steps taken, fewer than asked for where the search ran out of patience.
        value: of the objective, of `weights`; NaN where it is undefined, and `weights` mean nothing then.
        chain_value: of the objective, of `chain_weights`.

    Example:
        Two archetypes, the first of which ranks three stocks as they returned afterwards. The history begins with the fitness of the
        start and never falls:

        >>> import jax, numpy as np, massjax as mj
        >>> scores = np.array([[[0.1], [0.5], [0.9]], [[0.7], [0.2], [0.1]]])
        >>> returns, member = np.array([[-0.02], [0.0], [0.03]]), np.ones((3, 1), bool)
        >>> settings = mj.DifferentialEvolution(chains=8, steps=10)
        >>> result = mj.search_window(scores, member, returns, settings, signal="mean", key=jax.random.key(0))
        >>> result
        SearchResult(fitness 1.0000, 10 steps, 8 chains, 2 archetypes)
        >>> result.weights.shape, result.chain_weights.shape, result.history.shape
        ((2,), (8, 2), (11,))
        >>> bool((np.diff(result.history) >= 0).all()), bool(result.history[-1] == result.fitness)
        (True, True)
    """

    weights: Float[Array, " K"]
    fitness: Float[Array, ""]
    chain_weights: Float[Array, "P K"]
    chain_fitness: Float[Array, " P"]
    history: Float[Array, " steps+1"]
    steps: Int[Array, ""]
    value: Float[Array, ""]
    chain_value: Float[Array, " P"]

    def __repr__(self) -> str:
        chains, archetypes = jnp.shape(self.chain_weights)[-2:]
        told = isinstance(self.fitness, jax.core.Tracer) or jnp.ndim(self.fitness)
        found = "" if told else f"fitness {float(self.fitness):.4f}, {int(self.steps)} steps, "
        return f"SearchResult({found}{chains} chains, {archetypes} archetypes)"
