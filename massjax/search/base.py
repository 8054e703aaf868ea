"""What a search is: settings that know how to start a population of chains and how to move it one step.

To add a method, derive settings from `Search` in one file and name it in a config as `package.module:ClassName`: `docs/own_search.md` shows
a whole one.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Key
from pydantic import Field

from massjax.engine.evaluation import Window, window_fitness
from massjax.engine.inputs import SignalName
from massjax.errors import ConfigError
from massjax.settings import Settings


@partial(jax.tree_util.register_dataclass, data_fields=("window", "alpha"), meta_fields=("signal",))
@dataclass(frozen=True)
class Objective:
    """What is maximised: the mean RankIC over one look-back window.

    Attributes:
        window: scores and returns of the look-back dates.
        alpha: share of the mean in the combined signal.
        signal: which signal ranks the stocks.
    """

    window: Window
    alpha: Float[Array, ""]
    signal: SignalName

    def judge(self, weights: Float[Array, "P K"]) -> Evaluated:
        """Scale weights to sum 1 and give their exact fitness, the one that decides every search; NaN where it is undefined."""
        weights = lax.optimization_barrier(normalise(weights))
        return Evaluated(weights, window_fitness(self.window, weights, self.alpha, self.signal))


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


class Search(Settings):
    """Settings of a search, with its algorithm as two pure functions; both run under `jax.jit` and `jax.vmap`.

    The state is any pytree with a field `best`, the `Evaluated` best of each chain so far. `init` only sets up; `step` is applied
    `steps + 1` times, and the first time judges the start. So the exact fitness is compiled once. The fitness of the start may be
    undefined, as where equal weights of a factor and its mirror cancel: `step` must move on from there.

    `massjax.testing.SearchContract` tests whether a search of your own keeps this contract, and docs/own_search.md walks through one.

    Example:
        Random search, the baseline that every other has to beat: after the start, each step draws distributions anew.

        >>> from typing import NamedTuple
        >>> import jax, jax.numpy as jnp, numpy as np, massjax as mj
        >>> from massjax.search import Evaluated, unevaluated
        >>> class State(NamedTuple):
        ...     begun: jax.Array
        ...     best: Evaluated
        >>> class RandomSearch(mj.Search):
        ...     draws: int = 64
        ...     @property
        ...     def population(self):
        ...         return self.draws
        ...     def init(self, objective, start, key):
        ...         return State(jnp.zeros((), bool), unevaluated(start))
        ...     def step(self, objective, state, key):
        ...         drawn = jax.random.dirichlet(key, jnp.ones(state.best.weights.shape[1]), (self.draws,))
        ...         judged = objective.judge(jnp.where(state.begun, drawn, state.best.weights))
        ...         return State(jnp.ones((), bool), state.best.improved(*judged))
        >>> rng = np.random.default_rng(0)
        >>> returns, member = rng.normal(0, 0.02, size=(6, 3)), np.ones((6, 3), bool)
        >>> ranks = returns.argsort(axis=0).argsort(axis=0) / 5
        >>> scores = np.stack([ranks, rng.random((6, 3)), 1 - ranks])
        >>> mj.search_window(scores, member, returns, RandomSearch(steps=20), signal="mean", key=jax.random.key(0))
        SearchResult(fitness 1.0000, 20 steps, 64 chains, 3 archetypes)
    """

    steps: int = Field(
        200,
        ge=0,
        le=10_000_000,
        description="Steps that every chain takes at most; 0 judges the start only. More steps fit the look-back more closely.",
    )
    patience: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        description="Steps without an improvement of the best of all chains after which the search of a date ends; null takes all "
        "`steps`. They are counted from the first fitness that is defined; set it to save time.",
    )

    @property
    @abstractmethod
    def population(self) -> int:
        """Number of chains P that run in lock-step."""

    @abstractmethod
    def init(self, objective: Objective, start: Float[Array, "P K"], key: Key[Array, ""]) -> Any:
        """The state before the first step.

        Args:
            objective: what is maximised.
            start: positive weights of each chain, summing to 1.
            key: randomness for the start.
        """

    @abstractmethod
    def step(self, objective: Objective, state: Any, key: Key[Array, ""]) -> Any:
        """The state one step on, with what the step judged taken into its `best`."""


def check_search(settings: object) -> None:
    """Refuse what is no search.

    Raises:
        ConfigError: `settings` is not an instance of a class derived from `Search`.
    """
    if not isinstance(settings, Search):
        raise ConfigError(
            f"settings={settings!r} is no search; expected an instance of one, such as massjax.Annealing(chains=1024, steps=200)"
        )


def unevaluated(weights: Float[Array, "P K"]) -> Evaluated:
    """The best of chains that have met nothing yet: where they start."""
    return Evaluated(normalise(weights), jnp.full(weights.shape[0], jnp.nan))


def normalise(weights: Float[Array, "*P K"]) -> Float[Array, "*P K"]:
    """Weights scaled to sum to 1 over the archetypes."""
    return weights / weights.sum(axis=-1, keepdims=True)


def is_better(challenger: Float[Array, " P"], holder: Float[Array, " P"]) -> Bool[Array, " P"]:
    """True where the challenger is better; NaN loses to everything, and everything else beats NaN."""
    return (challenger > holder) | (jnp.isnan(holder) & ~jnp.isnan(challenger))
