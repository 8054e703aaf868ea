"""Weights found on every date by a method: by the search of each date over its own window, or by an estimator at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key

from massjax.engine.blocks import AnyScores, MovedStocks, by_date, map_items, together_of
from massjax.engine.devices import device_count, spread_items
from massjax.engine.history import history_rank_ic
from massjax.engine.inputs import Missing, SignalName
from massjax.engine.windows import Window, cut_window, prepare_window, with_products
from massjax.errors import ConfigError
from massjax.evaluate.checked_weights import check_estimated, check_searched
from massjax.evaluate.estimating import estimated_weights, prepare_estimator
from massjax.search.base import Estimator, Method, Search
from massjax.search.loop import run_search
from massjax.statistics.series import window_means
from massjax.timing import Timing

History: TypeAlias = tuple[Float[np.ndarray, "K N T"], Bool[np.ndarray, "N T"], Float[np.ndarray, "N T"]]
"""Scores, membership and forward returns of all dates, or of some successive ones, on the host."""

NO_ALPHA = 0.5
"""Given to an estimator where `alpha` is learned, which its signal does not depend on."""
DATES_PER_CALL = 8
"""Dates searched between two reports of progress."""
SHORTEST_BUCKET, BUCKET_GROWTH = 64, 1.5
"""Dates of the shortest window that grows with the history, and the factor to the next: each length compiles once."""
IN_SAMPLE_CELLS = 50_000_000
"""Candidates times dates times stocks up to which an estimator's fitness in sample is computed on every date; above, on some."""


class Found(NamedTuple):
    """Weights as they apply on each date.

    Attributes:
        weights: [T, K], summing to 1; equal where there was too little history, or nothing known in the window.
        fitness: mean RankIC of those weights on the window they were found on; NaN where undefined or not computed.
        chain_fitness: of the best of each chain, [T, P]; P = 0 for a method without chains.
        searched: True where the weights are the method's own.
    """

    weights: Float[np.ndarray, "T K"]
    fitness: Float[np.ndarray, " T"]
    chain_fitness: Float[np.ndarray, "T P"]
    searched: Bool[np.ndarray, " T"]


def on_host(history: Iterable[Any]) -> History:
    """Scores, membership and forward returns as arrays of numpy."""
    scores, member, returns = (np.asarray(values) for values in history)
    return scores, member, returns


def find_weights(
    history: History,
    method: Method,
    timing: Timing,
    *,
    key: Key[Array, ""],
    alpha: Float[Any, " ..."],
    signal: SignalName,
    missing: Missing,
    warm_start: bool = False,
    daily_returns: Float[Array, "N T"] | None = None,
    stocks: Int[np.ndarray, " N"] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Found:
    """Find weights on each date with what is known on it, and move them to the date they apply on.

    Args:
        history: float32 scores, membership and forward returns over `timing.horizon`, on the host. A search moves the dates of a few
            windows at once to the devices, and an estimator that reads them by blocks those of a block, so that scores may be a file
            mapped into memory; other estimators have all of them on the device.
        method: a search or an estimator.
        timing: of the walk; its look-back is the method's.
        key: each date draws from its own.
        alpha: share of the mean in the combined signal, one or that of the search of each date; an estimator takes one.
        signal: which signal the fitness is about.
        missing: `renormalize` leaves missing scores out; `zero` takes them as 0.
        warm_start: start the first chain of each search from the weights last found before.
        daily_returns: from close to close, for estimators that use them.
        stocks: the stock whose scores each stock gets, for an estimator; None = its own.
        progress: called as `progress(done, total)` with numbers of dates.
    """
    if isinstance(method, Estimator):
        check_one_alpha(method, alpha, signal)
        alpha = alpha if np.ndim(alpha) == 0 else np.float32(NO_ALPHA)
        scores = history[0] if stocks is None else MovedStocks(history[0], stocks)
        return _estimate(scores, history[1], history[2], method, timing, key, alpha, signal, missing, daily_returns, progress)
    assert isinstance(method, Search)
    found = _search_dates(history, method, timing, key, alpha, signal, missing, warm_start, progress)
    check_searched(method, found.weights, found.fitness, found.defined, timing.first_search)
    return _apply_from(found, history[0].shape[2], history[0].shape[0], timing)


def _estimate(
    scores: AnyScores,
    member: Bool[np.ndarray, "N T"],
    returns: Float[np.ndarray, "N T"],
    method: Estimator,
    timing: Timing,
    key: Key[Array, ""],
    alpha: Float[Any, ""],
    signal: SignalName,
    missing: Missing,
    daily_returns: Float[Array, "N T"] | None,
    progress: Callable[[int, int], None] | None,
) -> Found:
    archetypes, stocks, total = scores.shape
    prepared = prepare_estimator(method, scores, member, timing, alpha, signal, missing, key)
    on_date = check_estimated(method, estimated_weights(method, prepared, returns, timing, daily_returns), total, archetypes)
    del prepared
    weights = np.full((total, archetypes), 1.0 / archetypes, np.float32)
    weights[timing.first_applied :] = on_date[timing.first_search : total - timing.delay]
    start, end, full = timing.windows_of_applied(total)
    comparable = map_items(_comparable, (by_date(scores), member.T, returns.T), together=together_of(archetypes * stocks, total))
    known = np.concatenate([[0], np.cumsum(comparable)])
    searched = full & (known[end] > known[start])
    fitness = in_sample_fitness((scores, member, returns), weights, searched, timing, alpha=alpha, signal=signal, missing=missing)
    if progress is not None:
        progress(total - timing.first_search, total - timing.first_search)
    return Found(weights, fitness, np.full((total, 0), np.nan, np.float32), searched)


def _comparable(scores: Float[Array, "K N"], member: Bool[Array, " N"], forward_returns: Float[Array, " N"]) -> Bool[Array, ""]:
    """Whether at least two members have a score and a return on a date."""
    return (jnp.isfinite(forward_returns) & member & jnp.isfinite(scores).any(axis=0)).sum() > 1


def in_sample_fitness(
    history: tuple[AnyScores, Bool[np.ndarray, "N T"], Float[np.ndarray, "N T"]],
    weights: Float[np.ndarray, "T K"],
    searched: Bool[np.ndarray, " T"],
    timing: Timing,
    *,
    alpha: Float[Any, ""],
    signal: SignalName,
    missing: Missing,
) -> Float[np.ndarray, " T"]:
    """Mean RankIC of the weights of each date over the window they were found on; NaN where undefined, or left out to save time."""
    _, stocks, total = history[0].shape
    chosen = np.flatnonzero(searched)
    fitness = np.full(total, np.nan, np.float32)
    if not chosen.size:
        return fitness
    most = max(1, IN_SAMPLE_CELLS // (total * stocks))
    chosen = chosen[:: -(-chosen.size // most)]
    daily = history_rank_ic(*history, weights[chosen], alpha=alpha, signal=signal, missing=missing)
    start, end, _ = timing.windows_of_applied(total)
    fitness[chosen] = np.diagonal(window_means(daily, start[chosen], end[chosen]))
    return fitness


def _members_first(history: History, most: int) -> tuple[Float[np.ndarray, "K M T"], Bool[np.ndarray, "M T"], Float[np.ndarray, "M T"]]:
    """The members of each date moved to the first `most` rows, which the largest universe of a date fills; the others are left out.

    A row is then another stock on another date, which the fitness, computed date by date, does not see.
    """
    scores, member, forward_returns = history
    if most >= member.shape[0]:
        return history
    rows = np.argsort(~member, axis=0, kind="stable")[:most]
    moved = np.take_along_axis(scores, rows[None], axis=1)
    return moved, np.take_along_axis(member, rows, axis=0), np.take_along_axis(forward_returns, rows, axis=0)


def check_one_alpha(method: Estimator, alpha: Float[Any, " ..."], signal: SignalName) -> None:
    """Refuse an estimator for the combined signal where its `alpha` changes from date to date.

    Raises:
        ConfigError: naming the method.
    """
    if np.ndim(alpha) and signal == "combined":
        raise ConfigError(
            f"{type(method).__name__} takes one alpha for all dates, and cannot have `alpha: learned`; set `fit_signal` to mean or "
            "disagreement, or take a search"
        )


class _OnDate(NamedTuple):
    weights: Any
    fitness: Any
    chain_fitness: Any
    defined: Any


def _search_dates(
    history: History,
    settings: Search,
    timing: Timing,
    key: Key[Array, ""],
    alpha: Float[Any, " ..."],
    signal: SignalName,
    missing: Missing,
    warm_start: bool,
    progress: Callable[[int, int], None] | None,
) -> _OnDate:
    """Search on all dates that have a full window before them, the oldest first, `DATES_PER_CALL` dates in a compiled call.

    A call is given the dates of its windows alone.
    """
    archetypes, _, total = history[0].shape
    first, gap, most = timing.first_search, timing.gap or 0, max(int(history[1].sum(axis=0).max(initial=0)), 1)
    block = -(-min(DATES_PER_CALL, total - first) // device_count()) * device_count()
    previous, parts = np.full(archetypes, 1.0 / archetypes, np.float32), []
    for start in range(first, total, block):
        today = np.minimum(np.arange(start, start + block, dtype=np.int32), total - 1)
        length = window_length(timing, min(start + block, total) - 1, total)
        span = min(length + block - 1, total)
        begin = max(min(int(today[0]) - gap - length, total - span), 0)
        scores, member, returns = (values[..., begin : begin + span] for values in history)
        some = _members_first((scores, member, returns), most)
        on_device, offset = jax.device_put(some), np.int32(begin)
        share = alpha if np.ndim(alpha) == 0 else alpha[today]
        found = _search_block(on_device, offset, settings, length, gap, key, share, signal, missing, warm_start, today, previous)
        previous, part = jax.device_get(found)
        parts.append(part)
        if progress is not None:
            progress(min(start + block, total) - first, total - first)
    return _OnDate(*(np.concatenate(column)[: total - first] for column in zip(*parts, strict=True)))


def window_length(timing: Timing, last: int, dates: int) -> int:
    """Dates of the window that holds the look-back of searches up to the date of index `last`: lengths that grow are few."""
    if timing.lookback != "auto":
        return timing.lookback
    needed, length = timing.window(last).stop, float(SHORTEST_BUCKET)
    while length < needed:
        length *= BUCKET_GROWTH
    return min(int(length), dates)


@partial(jax.jit, static_argnames=("settings", "length", "gap", "signal", "missing", "warm_start"))
def _search_block(
    history: tuple[Float[Array, "K M S"], Bool[Array, "M S"], Float[Array, "M S"]],
    offset: Int[Array, ""],
    settings: Search,
    length: int,
    gap: int,
    key: Key[Array, ""],
    alpha: Float[Array, " ..."],
    signal: SignalName,
    missing: Missing,
    warm_start: bool,
    today: Int[Array, " B"],
    previous: Float[Array, " K"],
) -> tuple[Float[Array, " K"], _OnDate]:
    """One search for each date of `today`, whose indices are traced, so that every block runs the same executable.

    `history` begins at the date of index `offset`.

    The windows slide by a date from one search to the next: all dates of a block, or of a device's share of it, are prepared once. With a
    warm start, or an objective that holds to the weights of the date before, each search needs the one before it, and its candidates are
    spread over the devices; otherwise the dates are.
    """
    equal = jnp.full((settings.population, previous.shape[0]), 1.0 / previous.shape[0], jnp.float32)
    in_order = warm_start or settings.uses_previous
    shares = jnp.broadcast_to(alpha, today.shape)

    def first_of(date: Int[Array, ""]) -> Int[Array, ""]:
        return jnp.maximum(date - gap - length, 0)

    def prepared(today: Int[Array, " C"], history: Any, offset: Int[Array, ""]) -> tuple[Int[Array, ""], Window]:
        """The dates of all windows of some searches, and the index of the first of them."""
        span = min(length + len(today) - 1, history[0].shape[2])
        first = jnp.minimum(first_of(today[0]) - offset, history[0].shape[2] - span)
        scores, member, returns = (lax.dynamic_slice_in_dim(values, first, span, axis=-1) for values in history)
        return first + offset, prepare_window(scores, member, returns, missing)

    def search_date(
        previous: Float[Array, " K"],
        date: Int[Array, ""],
        before: Int[Array, ""],
        dates: Window,
        key: Key[Array, ""],
        shares: Float[Array, " B"],
        begin: Int[Array, ""],
    ) -> _OnDate:
        alpha = shares[date - begin]
        first = first_of(date)
        window = with_products(cut_window(dates, first - before, first + jnp.arange(length) < date - gap))
        start = equal.at[0].set(previous) if warm_start else equal
        objective = settings.make_objective(window, alpha, signal, previous if in_order else None)
        result = run_search(objective, settings, start, jax.random.fold_in(key, date))
        return _OnDate(result.weights, result.fitness, result.chain_fitness, ~jnp.isnan(result.value))

    def apart(today: Int[Array, " C"], history: Any, offset: Int[Array, ""], *data: Any) -> _OnDate:
        dates = prepared(today, history, offset)
        return lax.map(lambda date: search_date(previous, date, *dates, *data), today)

    if in_order:
        dates = prepared(today, history, offset)

        def in_turn(previous: Float[Array, " K"], date: Int[Array, ""]) -> tuple[Float[Array, " K"], _OnDate]:
            found = search_date(previous, date, *dates, key, shares, today[0])
            return jnp.where(found.defined, found.weights, previous), found

        return lax.scan(in_turn, previous, today)
    return previous, spread_items(apart, today, history, offset, key, shares, today[0])


def _apply_from(found: _OnDate, total: int, archetypes: int, timing: Timing) -> Found:
    """Move what was found on each date t to date t + `delay`; weights are equal before, and where a window could not be judged."""
    searches = max(total - timing.first_search - timing.delay, 0)
    rows = slice(timing.first_applied, timing.first_applied + searches)
    weights = np.full((total, archetypes), 1.0 / archetypes, np.float32)
    fitness = np.full(total, np.nan, np.float32)
    chain_fitness = np.full((total, found.chain_fitness.shape[1]), np.nan, np.float32)
    defined = found.defined[:searches]
    weights[rows] = np.where(defined[:, None], found.weights[:searches], weights[rows])
    fitness[rows], chain_fitness[rows] = np.where(defined, found.fitness[:searches], np.nan), found.chain_fitness[:searches]
    return Found(weights, fitness, chain_fitness, ~np.isnan(fitness))
