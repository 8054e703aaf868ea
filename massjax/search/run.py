"""One search over one look-back window."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key

from massjax.engine.evaluation import prepare_window
from massjax.engine.inputs import (
    MISSING,
    SIGNALS,
    Missing,
    SignalName,
    check_alpha,
    check_choice,
    check_member,
    check_panel,
    check_scores,
    check_weights,
)
from massjax.errors import DataError
from massjax.search.protocol import Judged, Objective, Search


class SearchResult(NamedTuple):
    """What a search found; weights sum to 1.

    Attributes:
        weights: the best agent distribution of all chains; ties go to the first chain.
        fitness: its exact fitness, the one `massjax.fitness` gives it; NaN where no date of the window can be judged.
        chain_weights: the best of each chain.
        chain_fitness: their exact fitness.
        history: best fitness of all chains, at the start and after each step.
    """

    weights: Float[Array, " K"]
    fitness: Float[Array, ""]
    chain_weights: Float[Array, "P K"]
    chain_fitness: Float[Array, " P"]
    history: Float[Array, " steps+1"]


def search_window(
    scores: Float[ArrayLike, "K N D"],
    member: Bool[ArrayLike, "N D"],
    forward_returns: Float[ArrayLike, "N D"],
    settings: Search,
    *,
    key: Key[Array, ""],
    alpha: float = 0.5,
    signal: SignalName = "combined",
    missing: Missing = "renormalize",
    start: Float[ArrayLike, "*P K"] | None = None,
) -> SearchResult:
    """Search the agent distribution with the highest fitness on one window (MASS's backward optimization).

    Args:
        scores: [archetypes K, stocks N, dates D]; NaN where an archetype has none.
        member: True where the stock is in the universe.
        forward_returns: return from the first price one can trade at after each date; NaN where unknown.
        settings: the method, for example `Annealing(chains=1024, steps=200)` or `GradientSearch(restarts=64, steps=100)`.
        key: a `jax.random.key`; the same key gives the same result.
        alpha, signal, missing: see `massjax.fitness`.
        start: weights to start from, [K] for all chains or [chains, K]; by default all equal.

    Returns:
        A `SearchResult`, judged by the exact fitness whatever the method optimised.

    Raises:
        DataError: arrays that do not fit together, infinite values, or invalid start weights.
        ConfigError: an unknown `signal` or `missing`, or an alpha outside [0, 1].
    """
    check_choice("signal", signal, SIGNALS)
    check_choice("missing", missing, MISSING)
    checked = check_scores(scores)
    checked_member, checked_returns = check_member(member, checked), check_panel("forward_returns", forward_returns, checked)
    first = check_start(start, settings.population, checked.shape[0])
    return _search(checked, checked_member, checked_returns, settings, key, check_alpha(alpha), signal, missing, first)


def check_start(start: Float[ArrayLike, "*P K"] | None, chains: int, archetypes: int) -> Float[np.ndarray, "P K"]:
    """Start weights of every chain, positive and summing to 1.

    Raises:
        DataError: another shape than [K] or [chains, K], or invalid weights.
    """
    if start is None:
        return np.full((chains, archetypes), 1.0 / archetypes, np.float32)
    rows = start if np.ndim(start) == 2 else np.asarray(start)[None]
    checked = np.asarray(check_weights(rows, archetypes), np.float32)
    if checked.shape[0] not in (1, chains):
        raise DataError(f"start has {checked.shape[0]} rows, the search {chains} chains; expected [archetypes] or [{chains}, {archetypes}]")
    return np.broadcast_to(checked / checked.sum(axis=1, keepdims=True), (chains, archetypes))


@partial(jax.jit, static_argnames=("settings", "signal", "missing"))
def _search(
    scores: Float[Array, "K N D"],
    member: Bool[Array, "N D"],
    forward_returns: Float[Array, "N D"],
    settings: Search,
    key: Key[Array, ""],
    alpha: Float[Array, ""],
    signal: SignalName,
    missing: Missing,
    start: Float[Array, "P K"],
) -> SearchResult:
    objective = Objective(prepare_window(scores, member, forward_returns, missing), alpha, signal)
    return run_search(objective, settings, start, key)


def run_search(objective: Objective, settings: Search, start: Float[Array, "P K"], key: Key[Array, ""]) -> SearchResult:
    """Start a search and take all its steps; pure, to be called under `jax.jit`.

    Args:
        start: [population, K], positive.
    """
    init_key, steps_key = jax.random.split(key)
    state = settings.init(objective, start, init_key)

    def advance(state: Any, step: Array) -> tuple[Any, Float[Array, ""]]:
        state = settings.step(objective, state, jax.random.fold_in(steps_key, step))
        return state, state.best.fitness[_winner(state.best.fitness)]

    state, history = lax.scan(advance, state, jnp.arange(settings.steps + 1))
    best: Judged = state.best
    winner = _winner(best.fitness)
    return SearchResult(best.weights[winner], best.fitness[winner], best.weights, best.fitness, history)


def _winner(fitness: Float[Array, " P"]) -> Int[Array, ""]:
    """The first of the best; NaN never wins against a number."""
    return jnp.argmax(jnp.where(jnp.isnan(fitness), -jnp.inf, fitness))
