"""Replicas of each type with watch lists as in MASS: weighted draws with or without replacement, fixed lists or new ones on each date."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key, UInt32

from massjax.engine.finite.agents import BLOCK, CHUNK_NUMBERS, CHUNK_NUMBERS_ELSEWHERE, Drawn, check_numbers
from massjax.engine.finite.picks import gumbel_keys, largest, largest_by_bits, plackett_luce_keys
from massjax.engine.finite.random_bits import threefry, uniform
from massjax.engine.inputs import as_array, check_key, check_member, check_scores, in_float32
from massjax.engine.ranks import rank_sums
from massjax.errors import ConfigError, DataError
from massjax.lookalikes import check_whole

LOTS, REPEATS = 1 << 30, 1 << 31
"""Where the counters of the lots of the picks and of the repeated draws begin; those of the watch lists begin at 0."""


@in_float32
def draw_replicas(
    scores: Float[ArrayLike, "K N D"],
    member: Bool[ArrayLike, "N D"],
    days: Int[ArrayLike, " D"],
    replicas: int,
    *,
    watchlist: int,
    picks: int,
    weights: Float[ArrayLike, "N D"] | None = None,
    replacement: bool = False,
    daily: bool = True,
    temperature: float = 0.0,
    key: Key[Array, ""],
) -> Drawn:
    r"""Count which stocks are watched and picked by `replicas` investors of each type, which differ by what they watch.

    A watch list is drawn stock by stock, each time with chances in proportion to `weights` (MASS, arXiv 2505.10278, and its code).
    Without replacement the list has `watchlist` stocks; with it a stock may be drawn again and is then watched once, so that of N
    members of equal weight

    $$ N \left(1 - (1 - 1/N)^{\text{watchlist}}\right) $$

    distinct ones are watched on average: 16.6 of 50 in 20 draws. The order in which stocks are drawn for the first time is that of a draw
    without replacement, by the Gumbel-max trick; a further draw repeats one of those already watched with the chance that is the sum of
    their weights. So a fixed list (`daily=False`) is one order of all stocks, and stays as it is while its stocks remain members with a
    score. From its list a replica picks the best, as agents of `massjax.sample_agents` do.

    What a replica draws depends on the key, the position of its type, the day and its number, and on which stocks are members with a
    score; not on which other dates are drawn with it.

    Args:
        scores: in [0, 1], NaN where missing; a stock without a score is not watched.
        member: True where the stock is in the universe.
        days: whole number from 0 that tells each date from the others, such as days since 1970.
        replicas: investors of each type.
        watchlist: draws a list; without replacement all stocks that there are, where these are fewer.
        picks: stocks that a replica picks; all that it watches where these are fewer.
        weights: chance of each stock to be drawn next, up to a factor; 0 is never drawn; None weighs all alike.
        replacement: whether a stock may be drawn again.
        daily: whether lists are drawn anew on each date.
        temperature: 0 picks the highest scores, ties by lot; larger is more random.
        key: a `jax.random.key`; the same key draws the same.

    Raises:
        DataError: arrays that do not fit together, or negative or infinite weights.
        ConfigError: numbers out of range.

    Example:
        Twenty draws of fifty stocks with replacement:

        >>> import jax, numpy as np
        >>> from massjax.engine.finite.replicas import draw_replicas
        >>> scores, member = np.full((1, 50, 100), 0.5), np.ones((50, 100), bool)
        >>> how = dict(watchlist=20, picks=5, replacement=True, key=jax.random.key(0))
        >>> drawn = draw_replicas(scores, member, np.arange(100), 32, **how)
        >>> round(float(drawn.looked.sum()) / (100 * 32), 1), int(drawn.picked.sum()) / (100 * 32)
        (16.6, 5.0)
    """
    checked = check_scores(scores, may_be_empty=True)
    universe = check_member(member, checked)
    check_numbers(watchlist, picks, temperature)
    check_whole("replicas", replicas, 1)
    key = check_key(key)
    archetypes, stocks, dates = checked.shape
    numbers = np.asarray(as_array("days", days))
    if numbers.shape != (dates,) or numbers.dtype.kind not in "iu" or (numbers < 0).any() or (numbers >= 2**31).any():
        raise DataError(f"days have shape {numbers.shape} and dtype {numbers.dtype}; expected {dates} whole numbers from 0, one a date")
    if 0 in checked.shape:
        return Drawn(jnp.zeros(checked.shape, jnp.int32), jnp.zeros(checked.shape, jnp.int32))
    if watchlist > 2**20 or replicas > 2**24:
        raise ConfigError(f"watchlist={watchlist}, replicas={replicas}: expected at most {2**20:,} and {2**24:,}")
    how = _How(
        jnp.int32(replicas),
        jnp.int32(watchlist if replacement else min(watchlist, stocks)),
        jnp.int32(min(picks, stocks)),
        jnp.float32(temperature),
    )
    at_once = max(1, CHUNK_NUMBERS.get(jax.default_backend(), CHUNK_NUMBERS_ELSEWHERE) // (BLOCK * stocks))
    return _draw(
        checked,
        universe,
        None if weights is None else _check_weights(weights, (stocks, dates)),
        numbers.astype(np.uint32),
        how,
        key,
        _Ways(bool(replacement), bool(daily), weights is not None),
        min(at_once, archetypes * dates),
    )


class _How(NamedTuple):
    """Settings as traced arrays, so that changing one does not compile anew."""

    replicas: Int[Array, ""]
    watchlist: Int[Array, ""]
    picks: Int[Array, ""]
    temperature: Float[Array, ""]


class _Ways(NamedTuple):
    """Settings that decide what is computed."""

    replacement: bool
    daily: bool
    weighted: bool


class _Sections(NamedTuple):
    """One type on one date each.

    Attributes:
        values: scores, 0 where missing.
        places: whole numbers in the order of the scores, equal where these are.
        chances: of each stock to be drawn next, summing to 1; 0 where it is not watched.
        lists, lots: the words that key the random numbers of the lists, and of the picks.
    """

    values: Float[Array, "S N"]
    places: UInt32[Array, "S N"]
    chances: Float[Array, "S N"]
    lists: UInt32[Array, "S 2"]
    lots: UInt32[Array, "S 2"]


@partial(jax.jit, static_argnames=("ways", "at_once"))
def _draw(
    scores: Float[Array, "K N D"],
    member: Bool[Array, "N D"],
    weights: Float[Array, "N D"] | None,
    days: UInt32[Array, " D"],
    how: _How,
    key: Key[Array, ""],
    ways: _Ways,
    at_once: int,
) -> Drawn:
    """Draw `at_once` sections at a time, a block of replicas after the other."""
    archetypes, stocks, dates = scores.shape
    count = archetypes * dates
    known = jnp.where(member[None], scores, jnp.nan).transpose(2, 0, 1).reshape(count, stocks)
    weight = (~jnp.isnan(known)).astype(jnp.float32)
    if weights is not None:
        weight = weight * jnp.repeat(weights.T, archetypes, axis=0)
    total = weight.sum(axis=1, keepdims=True)
    words = jax.random.bits(key, (2,), jnp.uint32)
    day = jnp.repeat(days + jnp.uint32(1), archetypes)
    of_type = jnp.tile(jnp.arange(archetypes, dtype=jnp.uint32), dates)
    daily, fixed = (_keyed(words, of_type, moment) for moment in (day, jnp.zeros_like(day)))
    sections = _Sections(
        values=jnp.nan_to_num(known),
        places=(rank_sums(known.T).T + stocks).astype(jnp.uint32),
        chances=weight / jnp.where(total > 0, total, 1.0),
        lists=daily if ways.daily else fixed,
        lots=daily,
    )
    short = -count % at_once
    parts = jax.tree.map(lambda leaf: jnp.pad(leaf, ((0, short), (0, 0))).reshape(-1, at_once, leaf.shape[1]), sections)

    def one_part(part: _Sections) -> tuple[Int[Array, "B N"], Int[Array, "B N"]]:
        def add_block(block: Array, totals: tuple[Array, Array]) -> tuple[Array, Array]:
            number = block * BLOCK + jnp.arange(BLOCK, dtype=jnp.int32)
            counted = (number < how.replicas)[None, None]
            did = _act(part, number.astype(jnp.uint32), how, ways)
            return totals[0] + _count(did[0] & counted), totals[1] + _count(did[1] & counted)

        nobody = jnp.zeros(part.values.shape, jnp.int32)
        return lax.fori_loop(0, (how.replicas + (BLOCK - 1)) // BLOCK, add_block, (nobody, nobody))

    counts = lax.map(one_part, parts)
    return Drawn(*(one.reshape(-1, stocks)[:count].reshape(dates, archetypes, stocks).transpose(1, 2, 0) for one in counts))


def _keyed(words: UInt32[Array, " 2"], of_type: UInt32[Array, " S"], moment: UInt32[Array, " S"]) -> UInt32[Array, "S 2"]:
    first, second = (jnp.broadcast_to(word, of_type.shape) for word in words)
    return jnp.stack(threefry((first, second), (of_type, moment)), axis=1)


def _count(did: Bool[Array, "N B A"]) -> Int[Array, "B N"]:
    return jnp.sum(did.astype(jnp.int32), axis=2).T


def _act(part: _Sections, number: UInt32[Array, " A"], how: _How, ways: _Ways) -> tuple[Bool[Array, "N B A"], Bool[Array, "N B A"]]:
    """Whether each replica watches and picks each stock."""
    stocks, columns = part.values.shape[1], len(part.values) * len(number)
    stock = jnp.arange(stocks, dtype=jnp.uint32)[:, None]
    first, second = _words(part.lists, number, stock)
    lots = second if ways.daily else _words(part.lots, number, stock + jnp.uint32(LOTS))[0]
    drawable = (part.chances > 0).T[:, :, None]
    order = jnp.where(drawable, gumbel_keys(jnp.log(jnp.where(part.chances > 0, part.chances, 1.0)).T, uniform(first)), 0)
    by_column = order.reshape(stocks, columns)
    if ways.replacement:
        lengths = _distinct(order, part, number, how, weighted=ways.weighted)
        watched = largest_by_bits(by_column, lengths.reshape(columns)).reshape(order.shape)
    else:
        watched = largest(by_column, how.watchlist).reshape(order.shape)
    wanted = plackett_luce_keys(part.values.T, part.places.T, uniform(lots), how.temperature)
    return watched, largest(jnp.where(watched, wanted, 0).reshape(stocks, columns), how.picks).reshape(order.shape)


def _words(keys: UInt32[Array, "B 2"], number: UInt32[Array, " A"], counter: UInt32[Array, "C 1"]) -> tuple[Array, Array]:
    """Two random words for each counter, section and replica, [C, B, A]."""
    first, second, one, other = jnp.broadcast_arrays(keys[None, :, :1], keys[None, :, 1:], number[None, None], counter[:, :, None])
    return threefry((first, second), (one, other))


def _distinct(
    order: UInt32[Array, "N B A"], part: _Sections, number: UInt32[Array, " A"], how: _How, *, weighted: bool
) -> Int[Array, "B A"]:
    """How many distinct stocks each list has after `watchlist` draws with replacement; at least 1.

    A draw is of a stock watched already with the chance q_m, the chances of the first m in `order` added up.
    """
    stocks = jnp.maximum(jnp.sum((part.chances > 0).astype(jnp.int32), axis=1), 1)[:, None]
    if weighted:
        by_order = jnp.argsort(~order, axis=0, stable=True)
        chances = jnp.broadcast_to(part.chances.T[:, :, None], order.shape)
        watched_chance = jnp.cumsum(jnp.take_along_axis(chances, by_order, axis=0), axis=0)

    def one_draw(draw: Array, length: Int[Array, "B A"]) -> Int[Array, "B A"]:
        counter = draw.astype(jnp.uint32)[None, None] + jnp.uint32(REPEATS)
        chance = uniform(_words(part.lists, number, counter)[0])[0]
        if weighted:
            repeated = jnp.take_along_axis(watched_chance, length[None] - 1, axis=0)[0]
        else:
            repeated = length.astype(jnp.float32) / stocks.astype(jnp.float32)
        return jnp.minimum(length + (chance >= repeated).astype(jnp.int32), stocks)

    return lax.fori_loop(1, how.watchlist, one_draw, jnp.ones(order.shape[1:], jnp.int32))


def _check_weights(weights: Float[ArrayLike, "N D"], shape: tuple[int, int]) -> Float[Array, "N D"]:
    values = np.asarray(as_array("weights", weights))
    if values.shape != shape:
        raise DataError(f"weights have shape {values.shape}; expected (stocks, dates) = {shape}")
    if not (np.isfinite(values) & (values >= 0)).all():
        raise DataError("weights must be finite numbers of at least 0; give a stock that is never to be watched the weight 0")
    return jnp.asarray(values, jnp.float32)
