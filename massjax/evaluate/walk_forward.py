"""Search again on every date with what is known on that date, and apply what was found afterwards.

The timing, for a search on date t with `lookback` 5, `gap` 4 and `delay` 1 (MASS: five-day returns, filled at the close):

```
date       t-9  t-8  t-7  t-6  t-5  t-4 ... t-1    t      t+1
           [------ look-back -----]  [-- gap -]    search  weights apply
```

The five-day return of date t-5 runs until the close of t: it is the last one that is known when the search is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key

from massjax.engine.devices import device_count, spread_items
from massjax.engine.evaluation import Window, prepare_window
from massjax.engine.inputs import (
    MISSING,
    SIGNALS,
    AnyArray,
    Missing,
    SignalName,
    check_alpha,
    check_choice,
    check_flag,
    check_inputs,
    check_key,
    check_whole,
    in_float32,
)
from massjax.engine.ranks import rank_correlation
from massjax.engine.signals import balance, moments, selected_signal
from massjax.errors import ConfigError, DataError, LeakageError
from massjax.evaluate.span import smallest_gap
from massjax.labels import check_labels
from massjax.search.base import Objective, Search, check_search
from massjax.search.loop import run_search

History: TypeAlias = tuple[Float[Array, "K N T"], Bool[Array, "N T"], Float[Array, "N T"]]
"""Scores, membership and forward returns of all dates."""

DATES_PER_CALL = 8
"""Dates searched between two reports of progress."""


class WalkForward(NamedTuple):
    """Weights and signals as they applied on each date, and how the signals did: T dates, N stocks, K archetypes, P chains of a search.

    `massjax.walk_forward` makes it. Row t of everything belongs to the date of the decision; correlations are in [-1, 1].

    Attributes:
        weights: agent distribution applied on each date, found `delay` dates before; equal where there was too little history, or
            no rank correlation in the window.
        mean, disagreement, combined: the signals of those weights in the unit of the scores, higher is better: the weighted mean, minus
            the weighted standard deviation, and alpha times the one plus 1 - alpha times the other.
        fitness: exact in-sample fitness of those weights on their look-back window; NaN where they are equal for want of one.
        rank_ic: Spearman's correlation of the signal with the forward return of the date; NaN where undefined or unknown.
        ic: Pearson's correlation of the signal with the forward return of the date; NaN where undefined or unknown.
        chain_fitness: in-sample fitness of the best of each chain, aligned with `fitness`: what a test of overfitting needs.
        searched: True where the weights come from a search.
        leaks: True where `leakage_ablation` let the search see returns that were not yet known.

    Example:
        Thirty dates on which the first of two archetypes knows the returns. The first search needs 10 dates and a gap of 5, and its
        weights apply a date later; until then weights are equal:

        >>> import jax, numpy as np, massjax as mj
        >>> returns = np.random.default_rng(0).normal(0, 0.02, size=(6, 30))
        >>> ranks = returns.argsort(axis=0).argsort(axis=0) / 5
        >>> walk = mj.walk_forward(
        ...     np.stack([ranks, 1 - ranks**2]), np.ones((6, 30), bool), returns, mj.DifferentialEvolution(chains=8, steps=5),
        ...     lookback=10, gap=5, signal="mean", key=jax.random.key(0),
        ... )
        >>> walk
        WalkForward(2 archetypes × 30 dates, 14 searched, mean RankIC 1.0000 on 14)
        >>> int(walk.searched.argmax()), walk.weights[0].tolist(), bool(walk.weights[-1, 0] > 0.5)
        (16, [0.5, 0.5], True)
        >>> walk.weights.shape, walk.mean.shape, walk.chain_fitness.shape
        ((30, 2), (6, 30), (30, 8))
    """

    weights: Float[np.ndarray, "T K"]
    mean: Float[np.ndarray, "N T"]
    disagreement: Float[np.ndarray, "N T"]
    combined: Float[np.ndarray, "N T"]
    fitness: Float[np.ndarray, " T"]
    rank_ic: Float[np.ndarray, " T"]
    ic: Float[np.ndarray, " T"]
    chain_fitness: Float[np.ndarray, "T P"]
    searched: Bool[np.ndarray, " T"]
    leaks: bool

    def __repr__(self) -> str:
        (dates, archetypes), known = self.weights.shape, self.rank_ic[self.searched & np.isfinite(self.rank_ic)]
        found = f", mean RankIC {known.mean():.4f} on {known.size}" if known.size else ""
        leaks = ", leaks" if self.leaks else ""
        return f"WalkForward({archetypes} archetypes × {dates} dates, {int(self.searched.sum())} searched{found}{leaks})"


@in_float32
def walk_forward(
    scores: Float[ArrayLike, "K N T"],
    member: Bool[ArrayLike, "N T"],
    forward_returns: Float[ArrayLike, "N T"],
    settings: Search,
    *,
    lookback: int,
    gap: int,
    delay: int = 1,
    key: Key[Array, ""],
    alpha: float = 0.5,
    signal: SignalName = "combined",
    missing: Missing = "renormalize",
    warm_start: bool = False,
    horizon: int | None = None,
    execution_lag: int | None = None,
    leakage_ablation: bool = False,
    dates: Sequence[object] | np.ndarray | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> WalkForward:
    """Search on each date over a window of the past and apply the weights from `delay` dates on.

    The search on date t uses the dates `[t - gap - lookback, t - gap)` and nothing later, and its weights apply on t + `delay` (MASS,
    arXiv 2505.10278: `lookback=5, gap=4, delay=1` for five-day returns filled at the close). With `lookback=5, gap=4, delay=1`:

    ```
    date       t-9  t-8  t-7  t-6  t-5  t-4 ... t-1    t      t+1
               [------ look-back -----]  [-- gap -]    search  weights apply
    ```

    The forward returns of the look-back are all known at the close of t if `gap >= horizon + execution_lag - 1`; pass `horizon` to have
    that checked. Everything is computed in float32.

    Args:
        scores: [archetypes K, stocks N, dates T]; NaN where an archetype has none.
        member: True where the stock is in the universe.
        forward_returns: return from the first price one can trade at after each date; NaN where unknown.
        settings: the search of each date, for example `Annealing(chains=1024, steps=200)`.
        lookback: dates in the look-back window.
        gap: dates between the last of the window and the date of the search.
        delay: dates from a search to the first date its weights apply on.
        key: a `jax.random.key`; each date draws from its own.
        alpha: share of the mean in the combined signal, in [0, 1].
        signal: which of `combined`, `mean` and `disagreement` ranks the stocks.
        missing: `renormalize` leaves missing scores out; `zero` takes them as 0.
        warm_start: start the first chain of each search from the weights last found before; the others start equal.
        horizon: dates over which the forward returns run.
        execution_lag: dates from a decision to its fill, 0 = at the close of the date of the decision (the default); needs `horizon`.
        leakage_ablation: let a gap pass that is too short for `horizon`; the result is marked with `leaks`.
        dates: labels of the T dates, for messages.
        progress: called as `progress(done, total)` with numbers of dates.

    Returns:
        A `WalkForward` of numpy arrays.

    Raises:
        LeakageError: a gap too short for the horizon; the message names a date whose return would leak.
        ConfigError: a negative gap or delay, a look-back below 1, dates too few for them, an execution lag without a horizon, or an
            unknown name.
        DataError: arrays that do not fit together, or infinite values.

    Example:
        Five-day returns of a purchase on the day after the decision: a gap of 5 dates is needed, and 4 would see the future.

        >>> import jax, numpy as np, massjax as mj
        >>> dates = np.arange("2024-01-01", "2024-01-31", dtype="datetime64[D]")
        >>> returns, member = np.random.default_rng(0).normal(0, 0.02, size=(6, 30)), np.ones((6, 30), bool)
        >>> ranks = returns.argsort(axis=0).argsort(axis=0) / 5
        >>> scores, settings = np.stack([ranks, 1 - ranks**2]), mj.DifferentialEvolution(chains=8, steps=5)
        >>> timing = {"lookback": 10, "horizon": 5, "execution_lag": 1, "dates": dates, "signal": "mean", "key": jax.random.key(0)}
        >>> walk = mj.walk_forward(scores, member, returns, settings, gap=5, **timing)
        >>> print(dates[walk.searched][0], walk.rank_ic[walk.searched][0].round(3))
        2024-01-17 1.0
        >>> mj.walk_forward(scores, member, returns, settings, gap=4, **timing)
        Traceback (most recent call last):
        massjax.errors.LeakageError: gap=4 sees the future: the search on 2024-01-15 would use the 5-date forward return of 2024-01-10, ...
    """
    check_choice("signal", signal, SIGNALS)
    check_choice("missing", missing, MISSING)
    check_labels(dates=dates, scores=scores, member=member, forward_returns=forward_returns)
    history: History = jax.device_put(check_inputs(scores, member, forward_returns))
    archetypes, _, total = history[0].shape
    labels = np.arange(total) if dates is None else np.asarray(dates)
    if len(labels) != total:
        raise DataError(f"dates hold {len(labels)} labels, the scores {total} dates; expected one label a date")
    check_search(settings)
    key = check_key(key)
    _check_timing(lookback, gap, delay, labels)
    warm_start, ablation = check_flag("warm_start", warm_start), check_flag("leakage_ablation", leakage_ablation)
    leaks = _check_leakage(lookback, gap, horizon, execution_lag, ablation, labels)
    found = _search_dates(_members_first(history), settings, lookback, gap, key, check_alpha(alpha), signal, missing, warm_start, progress)
    applied = _apply_from(found, total, archetypes, lookback + gap, delay)
    return _judge(history, applied, check_alpha(alpha), signal, missing, leaks)


def _check_timing(lookback: int, gap: int, delay: int, labels: np.ndarray) -> None:
    for what, value, least in (("lookback", lookback, 1), ("gap", gap, 0), ("delay", delay, 0)):
        check_whole(what, value, least)
    if lookback + gap >= len(labels):
        raise ConfigError(
            f"lookback={lookback} and gap={gap} need {lookback + gap} dates before the first search; there are {len(labels)} dates "
            f"({labels[0] if len(labels) else 'none'} to {labels[-1] if len(labels) else 'none'}). Give more dates or a shorter look-back"
        )
    if lookback + gap + delay >= len(labels):
        raise ConfigError(
            f"delay={delay}: the weights of the first search, on {labels[lookback + gap]}, would apply only after the last of the "
            f"{len(labels)} dates ({labels[-1]}); take a delay of {len(labels) - lookback - gap - 1} at most, or give more dates"
        )


def _check_leakage(lookback: int, gap: int, horizon: int | None, execution_lag: int | None, ablation: bool, labels: np.ndarray) -> bool:
    if horizon is None:
        if execution_lag is not None:
            raise ConfigError(f"execution_lag={execution_lag} without a horizon checks nothing; give horizon, the dates a return runs over")
        return False
    check_whole("horizon", horizon, 1)
    execution_lag = check_whole("execution_lag", 0 if execution_lag is None else execution_lag, 0)
    needed = smallest_gap(horizon, execution_lag)
    if gap >= needed:
        return False
    if not ablation:
        search = lookback + gap
        used, known = search - gap - 1, search - gap - 1 + horizon + execution_lag
        known_on = f"the close of {labels[known]}" if known < len(labels) else "a date after the last one"
        raise LeakageError(
            f"gap={gap} sees the future: the search on {labels[search]} would use the {horizon}-date forward return of {labels[used]}, "
            f"which is known only at {known_on}. Set gap >= {needed} (horizon {horizon} + execution lag {execution_lag} - 1), "
            "or leakage_ablation: true to see what cheating would give"
        )
    return True


def _members_first(history: History) -> tuple[Float[Array, "K M T"], Bool[Array, "M T"], Float[Array, "M T"]]:
    """The members of each date moved to the first rows, and only the M rows that the largest universe of a date fills.

    A row is then another stock on another date, which the fitness, computed date by date, does not see.
    """
    scores, member, forward_returns = map(np.asarray, history)
    most = max(int(member.sum(axis=0).max(initial=0)), 1)
    if most >= member.shape[0]:
        return history
    rows = np.argsort(~member, axis=0, kind="stable")[:most]
    packed = (
        np.take_along_axis(scores, rows[None], axis=1),
        *(np.take_along_axis(values, rows, axis=0) for values in (member, forward_returns)),
    )
    return jax.device_put(packed)


class _Found(NamedTuple):
    weights: Any
    fitness: Any
    chain_fitness: Any


def _search_dates(
    history: History,
    settings: Search,
    lookback: int,
    gap: int,
    key: Key[Array, ""],
    alpha: Float[AnyArray, ""],
    signal: SignalName,
    missing: Missing,
    warm_start: bool,
    progress: Callable[[int, int], None] | None,
) -> _Found:
    """Search on all dates that have a full window before them, the oldest first, `DATES_PER_CALL` dates in a compiled call."""
    archetypes, _, total = history[0].shape
    first = lookback + gap
    block = -(-min(DATES_PER_CALL, total - first) // device_count()) * device_count()
    previous = jnp.full(archetypes, 1.0 / archetypes, jnp.float32)
    parts = []
    for start in range(first, total, block):
        today = jnp.minimum(jnp.arange(start, start + block), total - 1)
        previous, part = _search_block(history, settings, lookback, gap, key, alpha, signal, missing, warm_start, today, previous)
        parts.append(jax.device_get(part))
        if progress is not None:
            progress(min(start + block, total) - first, total - first)
    return _Found(*(np.concatenate(column)[: total - first] for column in zip(*parts, strict=True)))


@partial(jax.jit, static_argnames=("settings", "lookback", "gap", "signal", "missing", "warm_start"))
def _search_block(
    history: History,
    settings: Search,
    lookback: int,
    gap: int,
    key: Key[Array, ""],
    alpha: Float[Array, ""],
    signal: SignalName,
    missing: Missing,
    warm_start: bool,
    today: Int[Array, " B"],
    previous: Float[Array, " K"],
) -> tuple[Float[Array, " K"], _Found]:
    """One search for each date of `today`, whose indices are traced, so that every block runs the same executable.

    With a warm start each search needs the one before it, and its candidates are spread over the devices; otherwise the dates are.
    """
    equal = jnp.full((settings.population, previous.shape[0]), 1.0 / previous.shape[0], jnp.float32)

    def search_date(
        previous: Float[Array, " K"], date: Int[Array, ""], history: History, key: Key[Array, ""], alpha: Float[Array, ""]
    ) -> _Found:
        past = [lax.dynamic_slice_in_dim(values, date - gap - lookback, lookback, axis=-1) for values in history]
        window = prepare_window(past[0], past[1], past[2], missing)
        start = equal.at[0].set(previous) if warm_start else equal
        result = run_search(Objective(window, alpha, signal), settings, start, jax.random.fold_in(key, date))
        return _Found(result.weights, result.fitness, result.chain_fitness)

    def in_turn(previous: Float[Array, " K"], date: Int[Array, ""]) -> tuple[Float[Array, " K"], _Found]:
        found = search_date(previous, date, history, key, alpha)
        return jnp.where(jnp.isnan(found.fitness), previous, found.weights), found

    def apart(today: Int[Array, " B"], *data: Any) -> _Found:
        return lax.map(lambda date: search_date(previous, date, *data), today)

    if warm_start:
        return lax.scan(in_turn, previous, today)
    return previous, spread_items(apart, today, history, key, alpha)


def _apply_from(found: _Found, total: int, archetypes: int, first: int, delay: int) -> _Found:
    """Move what was found on each date t to date t + `delay`; weights are equal before, and where a window could not be judged."""
    searches = max(total - first - delay, 0)
    rows = slice(first + delay, first + delay + searches)
    weights = np.full((total, archetypes), 1.0 / archetypes, np.float32)
    fitness = np.full(total, np.nan, np.float32)
    chain_fitness = np.full((total, found.chain_fitness.shape[1]), np.nan, np.float32)
    judged = ~np.isnan(found.fitness[:searches])
    weights[rows] = np.where(judged[:, None], found.weights[:searches], weights[rows])
    fitness[rows], chain_fitness[rows] = found.fitness[:searches], found.chain_fitness[:searches]
    return _Found(weights, fitness, chain_fitness)


def _judge(history: History, applied: _Found, alpha: Float[AnyArray, ""], signal: SignalName, missing: Missing, leaks: bool) -> WalkForward:
    """Compute the signals of the weights applied on each date, and their correlations with the forward returns of the date."""
    mean, disagreement, combined, rank_ic, ic = map(
        np.asarray, _out_of_sample(history, jnp.asarray(applied.weights), alpha, signal, missing)
    )
    searched = ~np.isnan(applied.fitness)
    return WalkForward(applied.weights, mean, disagreement, combined, applied.fitness, rank_ic, ic, applied.chain_fitness, searched, leaks)


@partial(jax.jit, static_argnames=("signal", "missing"))
def _out_of_sample(
    history: History, weights: Float[Array, "T K"], alpha: Float[Array, ""], signal: SignalName, missing: Missing
) -> tuple[Array, ...]:
    """Mean, disagreement, combined signal, RankIC and IC of each date under the weights of that date."""

    def one_date(inputs: tuple[Window, Float[Array, " K"]]) -> tuple[Array, ...]:
        date, own = inputs
        mean, deviation = moments(date.opinions, balance(own[None]).T)
        ranking = selected_signal(signal, mean, deviation, alpha)
        rank_ic, ic = rank_correlation(ranking, date.returns)[0], pearson(ranking[:, 0], date.returns.values)
        mean = date.opinions.centre + mean
        combined = alpha * mean - (1 - alpha) * deviation
        return mean[:, 0], -deviation[:, 0], combined[:, 0], rank_ic, ic

    mean, disagreement, combined, rank_ic, ic = lax.map(one_date, (prepare_window(*history, missing), weights))
    return mean.T, disagreement.T, combined.T, rank_ic, ic


def pearson(signal: Float[Array, " N"], returns: Float[Array, " N"]) -> Float[Array, ""]:
    """Pearson's correlation over the stocks that have both; NaN where either is constant over them."""
    known = ~jnp.isnan(signal) & ~jnp.isnan(returns)
    x, y = _standardised(signal, known), _standardised(returns, known)
    return jnp.sum(x * y) / jnp.sqrt(jnp.sum(x * x)) / jnp.sqrt(jnp.sum(y * y))


def _standardised(values: Float[Array, " N"], known: Bool[Array, " N"]) -> Float[Array, " N"]:
    """Values scaled to a range of 1 and centred over the known stocks, 0 elsewhere; all NaN where they are constant."""
    low, high = jnp.where(known, values, jnp.inf).min(), jnp.where(known, values, -jnp.inf).max()
    ranged = jnp.where(known, (values - low) / jnp.where(high > low, high - low, jnp.nan), 0.0)
    return jnp.where(known, ranged - ranged.sum() / known.sum().astype(jnp.float32), 0.0)
