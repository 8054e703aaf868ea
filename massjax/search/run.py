"""One search over one look-back window."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key

from massjax.engine.devices import gathered
from massjax.engine.evaluation import prepare_window
from massjax.engine.inputs import (
    MISSING,
    SIGNALS,
    AnyArray,
    Missing,
    SignalName,
    as_array,
    check_alpha,
    check_choice,
    check_key,
    check_member,
    check_panel,
    check_scores,
    check_weights,
    in_float32,
)
from massjax.errors import DataError
from massjax.labels import check_labels
from massjax.search.protocol import Judged, Objective, Search, check_search

REPORTS = 100
"""How often a search tells of its progress."""

Panel: TypeAlias = tuple[Float[Array, "K N D"], Bool[Array, "N D"], Float[Array, "N D"]]


class SearchResult(NamedTuple):
    """What a search found; weights sum to 1.

    Attributes:
        weights: the best agent distribution of all chains; ties go to the first chain.
        fitness: its exact fitness, the one `massjax.fitness` gives it; NaN where no date of the window can be judged.
        chain_weights: the best of each chain.
        chain_fitness: their exact fitness.
        history: best fitness of all chains, at the start and after each step, NaN while none was defined; level after an early stop.
        steps: steps taken, fewer than asked for where the search ran out of patience.
    """

    weights: Float[Array, " K"]
    fitness: Float[Array, ""]
    chain_weights: Float[Array, "P K"]
    chain_fitness: Float[Array, " P"]
    history: Float[Array, " steps+1"]
    steps: Int[Array, ""]

    def __repr__(self) -> str:
        chains, archetypes = jnp.shape(self.chain_weights)[-2:]
        told = isinstance(self.fitness, jax.core.Tracer) or jnp.ndim(self.fitness)
        found = "" if told else f"fitness {float(self.fitness):.4f}, {int(self.steps)} steps, "
        return f"SearchResult({found}{chains} chains, {archetypes} archetypes)"


@in_float32
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
    progress: Callable[[int, int, float], None] | None = None,
) -> SearchResult:
    """Search the agent distribution with the highest fitness on one window (MASS's backward optimization), in float32.

    Args:
        scores: [archetypes K, stocks N, dates D]; NaN where an archetype has none.
        member: True where the stock is in the universe.
        forward_returns: return from the first price one can trade at after each date; NaN where unknown.
        settings: the method, for example `Annealing(chains=1024, steps=200)` or `GradientSearch(restarts=64, steps=100)`.
        key: a `jax.random.key`; the same key gives the same result.
        alpha, signal, missing: see `massjax.fitness`.
        start: weights to start from, [K] for all chains or [chains, K]; by default all equal.
        progress: called as `progress(taken, total, best)` with numbers of steps and the best fitness so far, up to a hundred times.

    Returns:
        A `SearchResult`, judged by the exact fitness whatever the method optimised.

    Raises:
        DataError: arrays that do not fit together, infinite values, or invalid start weights.
        ConfigError: an unknown `signal` or `missing`, an alpha outside [0, 1], settings of no search, or a key of another kind.
    """
    check_choice("signal", signal, SIGNALS)
    check_choice("missing", missing, MISSING)
    check_labels(scores=scores, member=member, forward_returns=forward_returns, start=start)
    checked = check_scores(scores)
    checked_member, checked_returns = check_member(member, checked), check_panel("forward_returns", forward_returns, checked)
    check_search(settings)
    key = check_key(key)
    first = check_start(start, settings.population, checked.shape[0])
    panel, share = (checked, checked_member, checked_returns), check_alpha(alpha)
    if progress is None:
        return _search(panel, settings, key, share, signal, missing, first)
    return _search_aloud(panel, settings, key, share, signal, missing, first, progress)


def check_start(start: Float[ArrayLike, "*P K"] | None, chains: int, archetypes: int) -> Float[np.ndarray, "P K"]:
    """Start weights of every chain, positive and summing to 1.

    Raises:
        DataError: another shape than [K] or [chains, K], or invalid weights.
    """
    if start is None:
        return np.full((chains, archetypes), 1.0 / archetypes, np.float32)
    array = as_array("start", start)
    rows = array if array.ndim == 2 else array[None]
    checked = np.asarray(check_weights(rows, archetypes), np.float32)
    if checked.shape[0] not in (1, chains):
        raise DataError(f"start has {checked.shape[0]} rows, the search {chains} chains; expected [archetypes] or [{chains}, {archetypes}]")
    return np.broadcast_to(checked / checked.sum(axis=1, keepdims=True), (chains, archetypes))


class Running(NamedTuple):
    """A search under way.

    Attributes:
        state: of the method.
        step: steps taken.
        stalled: steps since the best of all chains improved; 0 while none is defined.
        history: its fitness after each step, NaN while none was defined; what is to come, from `step` on, means nothing.
    """

    state: Any
    step: Int[Array, ""]
    stalled: Int[Array, ""]
    history: Float[Array, " steps+1"]


def run_search(objective: Objective, settings: Search, start: Float[Array, "P K"], key: Key[Array, ""]) -> SearchResult:
    """Start a search and take its steps; pure, to be called under `jax.jit`.

    Args:
        start: [population, K], positive.
    """
    running = begin(objective, settings, start, key)
    return finish(settings, advance(objective, settings, running, key, jnp.asarray(settings.steps + 1)))


def begin(objective: Objective, settings: Search, start: Float[Array, "P K"], key: Key[Array, ""]) -> Running:
    """A search before its first step."""
    state = settings.init(objective, start, jax.random.split(key)[0])
    zero = jnp.zeros((), jnp.int32)
    return jax.tree.map(_strongly_typed, Running(state, zero, zero, jnp.full(settings.steps + 1, jnp.nan)))


def _strongly_typed(leaf: Array) -> Array:
    """Of the type it will have after a step, so that the first lot of steps compiles like the others."""
    return leaf if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else lax.convert_element_type(leaf, np.dtype(leaf.dtype))


def advance(objective: Objective, settings: Search, running: Running, key: Key[Array, ""], until: Int[Array, ""]) -> Running:
    """Take steps until so many are taken, or until the search has run out of patience. One compilation serves every `until`."""
    steps_key = jax.random.split(key)[1]

    def goes_on(running: Running) -> Bool[Array, ""]:
        return (running.step < until) & ~_out_of_patience(settings, running)

    def one(running: Running) -> Running:
        state = settings.step(objective, running.state, jax.random.fold_in(steps_key, running.step))
        best = state.best.fitness[_winner(state.best.fitness)]
        before = running.history[jnp.maximum(running.step - 1, 0)]
        stalled = jnp.where((best > before) | jnp.isnan(before), 0, running.stalled + 1)
        return Running(state, running.step + 1, stalled, running.history.at[running.step].set(best))

    return lax.while_loop(goes_on, one, running)


def finish(settings: Search, running: Running) -> SearchResult:
    """What the search has found; its history stays level from where it stopped."""
    best: Judged = running.state.best
    winner = _winner(best.fitness)
    taken = jnp.arange(settings.steps + 1) < running.step
    history = jnp.where(taken, running.history, best.fitness[winner])
    return gathered(SearchResult(best.weights[winner], best.fitness[winner], best.weights, best.fitness, history, running.step - 1))


def _out_of_patience(settings: Search, running: Running) -> Bool[Array, ""]:
    return jnp.zeros((), bool) if settings.patience is None else running.stalled >= settings.patience


@partial(jax.jit, static_argnames=("settings", "signal", "missing"))
def _search(
    panel: Panel, settings: Search, key: Key[Array, ""], alpha: Array, signal: SignalName, missing: Missing, start: Array
) -> SearchResult:
    return run_search(Objective(prepare_window(*panel, missing), alpha, signal), settings, start, key)


@partial(jax.jit, static_argnames=("settings", "signal", "missing"))
def _begin(
    panel: Panel, settings: Search, key: Key[Array, ""], alpha: Array, signal: SignalName, missing: Missing, start: Array
) -> tuple[Objective, Running]:
    objective = Objective(prepare_window(*panel, missing), alpha, signal)
    return objective, begin(objective, settings, start, key)


_advance = jax.jit(advance, static_argnames="settings", donate_argnames="running")
_finish = jax.jit(finish, static_argnames="settings")


def _search_aloud(
    panel: tuple[AnyArray, ...],
    settings: Search,
    key: Key[Array, ""],
    alpha: Float[AnyArray, ""],
    signal: SignalName,
    missing: Missing,
    start: Float[np.ndarray, "P K"],
    progress: Callable[[int, int, float], None],
) -> SearchResult:
    """The same steps, some at a time, telling after each lot."""
    objective, running = _begin(panel, settings, key, alpha, signal, missing, start)
    lot, taken, total = max(1, (settings.steps + 1) // REPORTS), 0, settings.steps
    while taken <= total:
        before = taken
        running = _advance(objective, settings, running, key, np.int32(min(before + lot, total + 1)))
        taken = int(running.step)
        if taken == before:
            break
        progress(taken - 1, total, float(running.history[taken - 1]))
    return _finish(settings, running)


def _winner(fitness: Float[Array, " P"]) -> Int[Array, ""]:
    """The first of the best; NaN never wins against a number."""
    return jnp.argmax(jnp.where(jnp.isnan(fitness), -jnp.inf, fitness))
