"""A method repeated under every draw of the returns: an estimator as it is, a search with fewer searches through time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key, UInt32

from massjax.engine.devices import device_count, spread_items
from massjax.engine.inputs import Missing, SignalName, check_alpha
from massjax.engine.opinions import prepare_opinions
from massjax.engine.pairs import equal_stocks
from massjax.engine.ranks import rank_returns
from massjax.engine.windows import Window, kept_products
from massjax.evaluate.draws import Draws
from massjax.evaluate.estimating import estimated_weights, prepare_estimator
from massjax.evaluate.found import NO_ALPHA, window_length
from massjax.evaluate.procedures import Repeated, in_sample_rank_ic, row_means
from massjax.evaluate.repeated import Repetitions, weights_rank_ic
from massjax.search.base import Estimator, Method, Search
from massjax.search.loop import run_search
from massjax.timing import Timing

SEEDS = 5
"""Seeds of a random method whose RankIC is compared, that of the run among them."""
SHARE = 2.0
"""Cost of all repetitions of a search, in units of the search itself."""
TOGETHER_NUMBERS = 200_000
"""Dates times archetypes times draws whose weights a device estimates together."""
MOST_TOGETHER = 16
"""Draws that a device estimates together."""


def refitted(
    repetitions: Repetitions, method: Method, timing: Timing, ranked_by: SignalName, key: Key[Array, ""], warm_start: bool = False
) -> Repeated:
    """RankIC and fitness of a method repeated under every draw.

    An estimator is repeated whole. A search is repeated with a search every m-th date, whose weights apply until the next, and
    m such that all repetitions cost about `SHARE` times the search itself; it is compared with the same thinned walk on the true returns,
    so that the p-value stays exact.

    Args:
        repetitions: scores and draws.
        method: an estimator or a search.
        timing: of its walk.
        ranked_by: which signal ranks the stocks.
        key: of the method in the run.
        warm_start: start the first chain of each search from the weights found before.
    """
    if isinstance(method, Estimator):
        weights = _estimated(repetitions, method, timing, key)
        rank_ic = weights_rank_ic(repetitions, weights, repetitions.dates, ranked_by)
        seeds: tuple[float, ...] = ()
        if method.is_random(repetitions.fit_signal):
            seeds = _seed_means(repetitions, rank_ic, _further_seeds(repetitions, method, timing, key), ranked_by)
        return Repeated(rank_ic, in_sample_rank_ic(repetitions, weights, timing), seeds=seeds)
    assert isinstance(method, Search)
    return _searched(repetitions, method, timing, ranked_by, key, warm_start)


def _estimated(repetitions: Repetitions, method: Estimator, timing: Timing, key: Key[Array, ""]) -> Float[np.ndarray, "R D K"]:
    """The weights that apply on the dates of the repetitions, under each draw."""
    prepared, found_on = _ready(repetitions, method, timing, key), np.maximum(repetitions.dates - timing.delay, 0)
    draws, devices, (archetypes, stocks, dates) = repetitions.draws, device_count(), repetitions.scores.shape
    returns, daily = _returns(repetitions)
    if method.by_blocks:
        together = min(method.draws_together(archetypes, stocks, dates), -(-len(draws) // devices) * devices)
        return np.concatenate(
            [
                np.asarray(method.weights_of_draws(prepared, *_drawn(draws, rows, returns, daily, timing)))[:, found_on]
                for rows in _groups(len(draws), together)
            ]
        )[: len(draws)]
    returns, daily = jax.device_put((returns, daily))
    together = devices * max(1, min(MOST_TOGETHER, TOGETHER_NUMBERS // archetypes // dates))
    parts = []
    for rows in _groups(len(draws), together):
        found = _estimate_draws(method, prepared, returns, daily, draws.columns[rows], draws.stocks[rows], found_on, timing)
        parts.append(np.asarray(found))
    return np.concatenate(parts)[: len(draws)]


def _groups(draws: int, together: int) -> Iterator[Int[np.ndarray, " G"]]:
    """Successive draws, as many at a time; the last is repeated."""
    return (np.minimum(np.arange(start, start + together), draws - 1) for start in range(0, draws, together))


def _drawn(
    draws: Draws, rows: Int[np.ndarray, " G"], returns: Float[np.ndarray, "N T"], daily: Float[np.ndarray, "N T"] | None, timing: Timing
) -> tuple[Float[np.ndarray, "G N T"], Timing, Float[np.ndarray, "G N T"] | None]:
    """What `weights_of_draws` is given for some draws."""
    moved = [None if values is None else np.stack([draws.returns(values, row) for row in rows]) for values in (returns, daily)]
    assert moved[0] is not None
    return moved[0], timing, moved[1]


def _further_seeds(repetitions: Repetitions, method: Estimator, timing: Timing, key: Key[Array, ""]) -> Float[np.ndarray, "S D K"]:
    """The weights that apply on the dates of the repetitions with the returns as they were, of seeds other than that of the run."""
    found_on, (returns, daily) = np.maximum(repetitions.dates - timing.delay, 0), _returns(repetitions)

    def of_seed(seed: int) -> Float[np.ndarray, "D K"]:
        prepared = _ready(repetitions, method, timing, jax.random.fold_in(key, seed))
        return np.asarray(estimated_weights(method, prepared, returns, timing, daily))[found_on]

    return np.stack([of_seed(seed) for seed in range(1, SEEDS)])


def _ready(repetitions: Repetitions, method: Estimator, timing: Timing, key: Key[Array, ""]) -> Any:
    """What the estimator makes of the scores."""
    alpha = repetitions.alpha if isinstance(repetitions.alpha, float) else NO_ALPHA
    given = check_alpha(alpha), repetitions.fit_signal, repetitions.missing
    return prepare_estimator(method, np.asarray(repetitions.scores, np.float32), repetitions.member, timing, *given, key)


def _returns(repetitions: Repetitions) -> tuple[Float[np.ndarray, "N T"], Float[np.ndarray, "N T"] | None]:
    """Forward and daily returns as they were, in float32."""
    daily = None if repetitions.daily_returns is None else repetitions.daily_returns.astype(np.float32)
    return repetitions.returns.astype(np.float32), daily


@partial(jax.jit, static_argnames=("method", "timing"))
def _estimate_draws(
    method: Estimator,
    prepared: Any,
    returns: Float[Array, "N T"],
    daily: Float[Array, "N T"] | None,
    columns: Int[Array, "B T"],
    stocks: Int[Array, "B N"],
    found_on: Int[Array, " D"],
    timing: Timing,
) -> Float[Array, "B D K"]:
    """A block of draws, a share of it on each device."""

    def apart(items: Int[Array, " C"], *data: Any) -> Float[Array, "C D K"]:
        prepared, returns, daily, columns, stocks, found_on = data

        def one_draw(item: Int[Array, ""]) -> Float[Array, "D K"]:
            column, stock = columns[item], stocks[item]
            drawn = None if daily is None else daily[stock][:, column]
            return method.weights(prepared, returns[stock][:, column], timing, drawn)[found_on]

        return jax.vmap(one_draw)(items)

    return spread_items(apart, jnp.arange(len(columns)), prepared, returns, daily, columns, stocks, found_on)


def _searched(
    repetitions: Repetitions, method: Search, timing: Timing, ranked_by: SignalName, key: Key[Array, ""], warm_start: bool
) -> Repeated:
    draws, (archetypes, _, total) = len(repetitions.draws), repetitions.scores.shape
    searches = total - timing.first_search - timing.delay
    items = draws + SEEDS - 1
    fits = max(1, int(SHARE * searches // items))
    every = -(-searches // fits)
    fit_dates = np.arange(timing.first_search, timing.first_search + searches, every)
    which = np.concatenate([np.arange(draws), np.zeros(SEEDS - 1, np.int64)])
    seeds = np.concatenate([np.zeros(draws, np.int64), np.arange(1, SEEDS)])
    padding = -items % device_count()
    which, seeds = np.pad(which, (0, padding), mode="edge"), np.pad(seeds, (0, padding), mode="edge")
    returns, given = jax.device_put(repetitions.returns.astype(np.float32)), repetitions.alpha
    previous = np.full((len(which), archetypes), 1.0 / archetypes, np.float32)
    found, fitness = [], []
    for date in fit_dates:
        length = window_length(timing, int(date), total)
        end = timing.window(int(date)).stop
        window = slice(max(end - length, 0), max(end, length))
        alpha = np.full(which.shape, given, np.float32) if isinstance(given, float) else given[which, date + timing.delay]
        known = np.arange(window.start, window.stop) < end
        member = repetitions.member[:, window] & known[None, :]
        weights, value = _search_draws(
            method,
            repetitions.scores[:, :, window].astype(np.float32),
            member,
            returns,
            repetitions.draws.columns[which][:, window],
            repetitions.draws.stocks[which],
            seeds,
            previous,
            key,
            np.uint32(date),
            alpha,
            repetitions.fit_signal,
            repetitions.missing,
            warm_start,
        )
        weights, value = np.asarray(weights), np.asarray(value)
        known_value = np.isfinite(value)[:, None]
        previous = np.where(known_value, weights, previous)
        found.append(np.where(known_value, weights, 1.0 / archetypes)[:items])
        fitness.append(value[:items])
    place = np.clip((repetitions.dates - timing.delay - timing.first_search) // every, 0, len(fit_dates) - 1)
    weights_of = np.stack(found, axis=1)[:, place]
    rank_ic = weights_rank_ic(repetitions, weights_of[:draws], repetitions.dates, ranked_by)
    seed_means = _seed_means(repetitions, rank_ic, weights_of[draws:], ranked_by)
    return Repeated(rank_ic, row_means(np.stack(fitness, axis=1)[:draws]), every, seed_means)


def _seed_means(
    repetitions: Repetitions, rank_ic: Float[np.ndarray, "R D"], weights: Float[np.ndarray, "S D K"], ranked_by: SignalName
) -> tuple[float, ...]:
    """Mean RankIC with the true returns: of the run, and of the weights of further seeds.

    As many rows as draws are judged, so that nothing is compiled anew.
    """
    draws = len(repetitions.draws)
    rows = np.resize(np.arange(len(weights)), draws)
    true = repetitions.only(np.zeros(draws, np.int64))
    daily = weights_rank_ic(true, weights[rows], repetitions.dates, ranked_by)
    further = row_means(daily)[: min(len(weights), draws)]
    return tuple(float(mean) for mean in (*row_means(rank_ic[:1]), *further))


@partial(jax.jit, static_argnames=("settings", "signal", "missing", "warm_start"))
def _search_draws(
    settings: Search,
    scores: Float[Array, "K N L"],
    member: Bool[Array, "N L"],
    returns: Float[Array, "N T"],
    columns: Int[Array, "I L"],
    stocks: Int[Array, "I N"],
    seeds: Int[Array, " I"],
    previous: Float[Array, "I K"],
    key: Key[Array, ""],
    date: UInt32[Array, ""],
    alpha: Float[Array, " I"],
    signal: SignalName,
    missing: Missing,
    warm_start: bool,
) -> tuple[Float[Array, "I K"], Float[Array, " I"]]:
    """A search over one window for each draw: scores are prepared once, returns for each."""
    key = jax.random.fold_in(key, date)

    def apart(items: Int[Array, " J"], *data: Any) -> tuple[Array, Array]:
        scores, member, returns, key, *of_items = data
        opinions = prepare_opinions(scores, member, missing)
        scored, products = opinions.present.max(axis=1) > 0, kept_products(opinions)

        def one(item: Int[Array, ""]) -> tuple[Array, Array]:
            alpha, column, stock, seed, before = (values[item] for values in of_items)
            drawn = jnp.where(member, returns[stock[:, None], column[None, :]], jnp.nan).T
            ranked = rank_returns(drawn, scored)
            window = Window(opinions, ranked, equal_stocks(opinions, ranked.common, ranked.ranks), products)
            equal = jnp.full((settings.population, scores.shape[0]), 1.0 / scores.shape[0], jnp.float32)
            start = equal.at[0].set(before) if warm_start else equal
            mine = jax.random.wrap_key_data(
                jnp.where(seed > 0, jax.random.key_data(jax.random.fold_in(key, seed)), jax.random.key_data(key))
            )
            objective = settings.make_objective(window, alpha, signal, before if warm_start or settings.uses_previous else None)
            result = run_search(objective, settings, start, mine)
            return result.weights, result.fitness

        return lax.map(one, items)

    return spread_items(apart, jnp.arange(len(seeds)), scores, member, returns, key, alpha, columns, stocks, seeds, previous)
