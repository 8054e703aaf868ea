"""The loop of a search over one look-back window: its start, its steps, its patience, and what it found."""

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
from massjax.engine.evaluation import window_fitness
from massjax.engine.inputs import (
    MISSING,
    AnyArray,
    Missing,
    SignalName,
    as_array,
    check_alpha,
    check_choice,
    check_inputs,
    check_key,
    check_weights,
    in_float32,
)
from massjax.engine.own_signal import check_signal
from massjax.engine.windows import prepare_window, with_products
from massjax.errors import ConfigError, DataError
from massjax.labels import check_labels
from massjax.search.averaging import average_of_best
from massjax.search.base import Search, check_method
from massjax.search.evaluated import Evaluated
from massjax.search.objectives import MeanRankIC, Objective
from massjax.search.result import SearchResult

REPORTS = 100
"""Reports of progress of one search, at most."""

WindowArrays: TypeAlias = tuple[Float[Array, "K N D"], Bool[Array, "N D"], Float[Array, "N D"]]
"""Scores, membership and forward returns of the dates of a look-back window."""


@in_float32
def search_window(
    scores: Float[ArrayLike, "K N D"],
    member: Bool[ArrayLike, "N D"],
    forward_returns: Float[ArrayLike, "N D"],
    settings: Search,
    *,
    key: Key[Array, ""],
    alpha: float = 0.5,
    signal: SignalName | Callable[..., Any] = "combined",
    missing: Missing = "renormalize",
    start: Float[ArrayLike, "*P K"] | None = None,
    previous: Float[ArrayLike, " K"] | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> SearchResult:
    """Search the agent distribution w with the highest fitness on one window, `max_w mean_t RankIC(signal_t(w), return_t)`, in float32.

    This is MASS's backward optimization (arXiv 2505.10278): which mix of investors would have ranked the recent market best? The signals
    are those of `massjax.aggregate`, and the fitness found is the one that `massjax.fitness` gives the weights found. It is an in-sample
    figure: the more candidates are tried, the more of it is luck. `massjax.walk_forward` says what the weights are worth afterwards.

    Args:
        scores: [archetypes K, stocks N, dates D]; NaN where an archetype has none.
        member: True where the stock is in the universe.
        forward_returns: return from the first price one can trade at after each date; NaN where unknown.
        settings: the method, for example `Annealing(chains=1024, steps=200)` or `GradientSearch(restarts=64, steps=100)`.
        key: a `jax.random.key`; the same key gives the same result.
        alpha: share of the mean in the combined signal, in [0, 1].
        signal: which of `combined`, `mean` and `disagreement` ranks the stocks, or a function of your own (docs/own_search.md).
        missing: `renormalize` leaves missing scores out; `zero` takes them as 0.
        start: weights to start from, [K] for all chains or [chains, K]; by default all equal.
        previous: weights of the date before, [K], for an objective that holds to them; by default all equal.
        progress: called as `progress(taken, total, best)` with numbers of steps and the highest value of the objective so far, up to a
            hundred times.

    Returns:
        A `SearchResult`, judged by the exact fitness whatever the method optimised.

    Raises:
        DataError: arrays that do not fit together, infinite values, or invalid start or previous weights.
        ConfigError: an unknown `signal` or `missing`, an alpha outside [0, 1], settings of no search, a key of another kind, or previous
            weights on which nothing depends.

    Example:
        Six stocks on three dates, and three archetypes: the first ranks the stocks as they returned afterwards, the last the other way
        round. What is found may start the next search, of which it is the least that comes out:

        >>> import jax, numpy as np, massjax as mj
        >>> rng = np.random.default_rng(0)
        >>> returns, member = rng.normal(0, 0.02, size=(6, 3)), np.ones((6, 3), bool)
        >>> ranks = returns.argsort(axis=0).argsort(axis=0) / 5
        >>> scores = np.stack([ranks, rng.random((6, 3)), 1 - ranks])
        >>> settings, keys = mj.Annealing(chains=64, steps=100), jax.random.split(jax.random.key(0))
        >>> found = mj.search_window(scores, member, returns, settings, signal="mean", key=keys[0])
        >>> found
        SearchResult(fitness 1.0000, 100 steps, 64 chains, 3 archetypes)
        >>> again = mj.search_window(scores, member, returns, settings, signal="mean", key=keys[1], start=found.weights)
        >>> bool(again.fitness >= found.fitness)
        True
    """
    check_choice("missing", missing, MISSING)
    check_labels(scores=scores, member=member, forward_returns=forward_returns, start=start)
    arrays = check_inputs(scores, member, forward_returns)
    signal = check_signal("signal", signal, arrays[0].shape[0])
    check_method(settings, Search)
    key = check_key(key)
    first = check_start(start, settings.population, arrays[0].shape[0])
    held_to = check_previous(previous, settings, arrays[0].shape[0])
    share = check_alpha(alpha)
    if progress is None:
        return _search(arrays, settings, key, share, signal, missing, first, held_to)
    return _search_with_progress(arrays, settings, key, share, signal, missing, first, held_to, progress)


def check_previous(previous: Float[ArrayLike, " K"] | None, settings: Search, archetypes: int) -> Float[np.ndarray, " K"]:
    """Weights of the date before, summing to 1; equal ones for None.

    Raises:
        DataError: another shape than [K], or invalid weights.
        ConfigError: the objective does not depend on them.
    """
    if previous is None:
        return np.full(archetypes, 1.0 / archetypes, np.float32)
    if not settings.uses_previous:
        raise ConfigError("previous does nothing: the objective of the search has neither kl_previous nor turnover")
    array = as_array("previous", previous)
    if array.shape != (archetypes,):
        raise DataError(f"previous has the shape {array.shape}; expected one weight for each of the {archetypes} archetypes")
    checked = np.asarray(check_weights(array[None], archetypes), np.float32)[0]
    return checked / checked.sum()


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
        history: its value after each step, NaN while none was defined; what is to come, from `step` on, means nothing.
    """

    state: Any
    step: Int[Array, ""]
    stalled: Int[Array, ""]
    history: Float[Array, " steps+1"]


def run_search(objective: Objective, settings: Search, start: Float[Array, "P K"], key: Key[Array, ""]) -> SearchResult:
    """Start a search and take all of its steps; pure, to be called under `jax.jit`.

    Args:
        objective: what is maximised.
        settings: the method.
        start: positive weights of each chain, summing to 1.
        key: a `jax.random.key`.
    """
    running = begin(objective, settings, start, key)
    return finish(objective, settings, advance(objective, settings, running, key, jnp.asarray(settings.steps + 1)))


def begin(objective: Objective, settings: Search, start: Float[Array, "P K"], key: Key[Array, ""]) -> Running:
    """A search before its first step.

    Args:
        objective: what is maximised.
        settings: the method.
        start: positive weights of each chain, summing to 1.
        key: the key of the whole search, a `jax.random.key`.

    Raises:
        ConfigError: the state of the search has no field `best`, or one that holds no weights for each chain.
    """
    state, name = settings.init(objective, start, jax.random.split(key)[0]), type(settings).__name__
    if not isinstance(getattr(state, "best", None), Evaluated):
        raise ConfigError(
            f"{name}.init gives a {type(state).__name__} without a field `best`, a massjax.search.Evaluated "
            "(massjax.search.unevaluated(start) makes the first)"
        )
    shapes = jnp.shape(state.best.weights), jnp.shape(state.best.fitness)
    if shapes != (start.shape, start.shape[:1]):
        raise ConfigError(
            f"{name}.init gives a `best` of weights {shapes[0]} and fitness {shapes[1]}; expected one row of weights a chain and one "
            f"fitness: {start.shape} and {start.shape[:1]}"
        )
    zero = jnp.zeros((), jnp.int32)
    return jax.tree.map(_strongly_typed, Running(state, zero, zero, jnp.full(settings.steps + 1, jnp.nan)))


def _strongly_typed(leaf: Array) -> Array:
    """A leaf of the state with the type that it has after a step, so that steps from the start compile only once."""
    return leaf if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else lax.convert_element_type(leaf, np.dtype(leaf.dtype))


def advance(objective: Objective, settings: Search, running: Running, key: Key[Array, ""], until: Int[Array, ""]) -> Running:
    """Take steps until `until` are taken, or until the search runs out of patience; one compilation serves every `until`.

    Args:
        objective: what is maximised.
        settings: the method.
        running: the search so far.
        key: the key of the whole search, the one that it began with; each step folds its number into it.
        until: steps taken in all, at most `steps + 1`.
    """
    steps_key = jax.random.split(key)[1]

    def goes_on(running: Running) -> Bool[Array, ""]:
        return (running.step < until) & ~_out_of_patience(settings, running)

    def one(running: Running) -> Running:
        state = settings.step(objective, running.state, jax.random.fold_in(steps_key, running.step))
        check_step(settings, running.state, state)
        best = state.best.fitness[_winner(state.best.fitness)]
        before = running.history[jnp.maximum(running.step - 1, 0)]
        stalled = jnp.where((best > before) | jnp.isnan(before), 0, running.stalled + 1)
        return Running(state, running.step + 1, stalled, running.history.at[running.step].set(best))

    return lax.while_loop(goes_on, one, running)


def check_step(settings: Search, before: Any, after: Any) -> None:
    """Refuse a state that a step has given other parts, shapes or types.

    Raises:
        ConfigError: naming the search, and the first part that differs.
    """
    told = f"{type(settings).__name__}.step must give a state of the shapes and types that it was given"
    given, found = (
        {jax.tree_util.keystr(path).removeprefix("."): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(state)}
        for state in jax.eval_shape(lambda: (before, after))
    )
    if list(given) != list(found):
        raise ConfigError(f"{told}: it gives a {type(after).__name__} of other parts than the {type(before).__name__} before")
    for place, old in given.items():
        new = found[place]
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            raise ConfigError(f"{told}: `{place}` is {new.dtype}{list(new.shape)} after a step, {old.dtype}{list(old.shape)} before")


def finish(objective: Objective, settings: Search, running: Running) -> SearchResult:
    """The result of a search that has taken its last step; the history keeps its last value beyond an early stop."""
    best: Evaluated = running.state.best
    winner = _winner(best.fitness)
    taken = jnp.arange(settings.steps + 1) < running.step
    history = jnp.where(taken, running.history, best.fitness[winner])
    chain_fitness = exact_fitness(objective, best)
    weights, value, fitness = best.weights[winner], best.fitness[winner], chain_fitness[winner]
    if settings.average is not None:
        average = average_of_best(objective, best, settings.average)
        weights, value, fitness = average.weights[0], average.fitness[0], exact_fitness(objective, average)[0]
    return gathered(SearchResult(weights, fitness, best.weights, chain_fitness, history, running.step - 1, value, best.fitness))


def exact_fitness(objective: Objective, evaluated: Evaluated) -> Float[Array, " P"]:
    """Exact mean RankIC of candidates that an objective has judged, which is their value where it is the objective."""
    if type(objective) is MeanRankIC:
        return evaluated.fitness
    return window_fitness(objective.window, evaluated.weights, objective.alpha, objective.signal)


def _out_of_patience(settings: Search, running: Running) -> Bool[Array, ""]:
    return jnp.zeros((), bool) if settings.patience is None else running.stalled >= settings.patience


@partial(jax.jit, static_argnames=("settings", "signal", "missing"))
def _search(
    arrays: WindowArrays,
    settings: Search,
    key: Key[Array, ""],
    alpha: Float[Array, ""],
    signal: SignalName,
    missing: Missing,
    start: Float[Array, "P K"],
    previous: Float[Array, " K"],
) -> SearchResult:
    window = with_products(prepare_window(*arrays, missing))
    return run_search(settings.make_objective(window, alpha, signal, previous), settings, start, key)


@partial(jax.jit, static_argnames=("settings", "signal", "missing"))
def _begin(
    arrays: WindowArrays,
    settings: Search,
    key: Key[Array, ""],
    alpha: Float[Array, ""],
    signal: SignalName,
    missing: Missing,
    start: Float[Array, "P K"],
    previous: Float[Array, " K"],
) -> tuple[Objective, Running]:
    objective = settings.make_objective(with_products(prepare_window(*arrays, missing)), alpha, signal, previous)
    return objective, begin(objective, settings, start, key)


_advance = jax.jit(advance, static_argnames="settings", donate_argnames="running")
_finish = jax.jit(finish, static_argnames="settings")


def _search_with_progress(
    arrays: tuple[AnyArray, ...],
    settings: Search,
    key: Key[Array, ""],
    alpha: Float[AnyArray, ""],
    signal: SignalName,
    missing: Missing,
    start: Float[np.ndarray, "P K"],
    previous: Float[np.ndarray, " K"],
    progress: Callable[[int, int, float], None],
) -> SearchResult:
    """Search in `REPORTS` calls of some steps each and report the highest value after each; the result is that of `_search`."""
    objective, running = _begin(arrays, settings, key, alpha, signal, missing, start, previous)
    together, taken, total = max(1, (settings.steps + 1) // REPORTS), 0, settings.steps
    while taken <= total:
        before = taken
        running = _advance(objective, settings, running, key, np.int32(min(before + together, total + 1)))
        taken = int(running.step)
        if taken == before:
            break
        progress(taken - 1, total, float(running.history[taken - 1]))
    return _finish(objective, settings, running)


def _winner(fitness: Float[Array, " P"]) -> Int[Array, ""]:
    """Index of the first chain with the highest fitness; NaN counts as lower than every number."""
    return jnp.argmax(jnp.where(jnp.isnan(fitness), -jnp.inf, fitness))
