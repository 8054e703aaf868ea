"""Finite agents: what a number of agents of each archetype, each looking at some of the stocks, make of the archetype's scores."""

from __future__ import annotations

from functools import partial
from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key, UInt32

from massjax.engine.inputs import check_choice, check_member, check_scores
from massjax.engine.ranks import SHIFT_SCAN_UP_TO, rank_sums
from massjax.errors import ConfigError, DataError

Attention: TypeAlias = Literal["random", "industry", "size"]
ATTENTION: tuple[Attention, ...] = ("random", "industry", "size")

CHUNK_NUMBERS = 1 << 18
"""Random numbers held at a time: agents are drawn in chunks of this many divided by the number of stocks."""


def sample_agents(
    probabilities_or_scores: Float[ArrayLike, "K N D *C"],
    member: Bool[ArrayLike, "N D"],
    agents_per_archetype: int | Int[ArrayLike, " K"],
    *,
    watchlist: int,
    picks: int,
    attention: Attention = "random",
    groups: Int[ArrayLike, " N"] | None = None,
    temperature: float,
    key: Key[Array, ""],
) -> Float[Array, "K N D"]:
    """Scores of finitely many agents: the share of the agents attending to a stock that picked it.

    On each date every agent draws a watch list of members with a score, and picks its best `picks` of them by Gumbel-top-k, that is
    by a Plackett-Luce choice with strengths `exp(score / temperature)`. As agents grow the scores converge to their expectation, with
    a variance that falls as one over the agents. MASS (arXiv 2505.10278) has 32 agents of each of 16 archetypes, watch lists of 20
    and 5 picks. Agents are drawn in chunks: memory does not grow with their number.

    Args:
        probabilities_or_scores: [K, N, D] scores in [0, 1], or [K, N, D, C] choice probabilities, lowest choice first, of which the
            expected choice scaled to [0, 1] is the score; NaN where missing.
        member: True where the stock is in the universe.
        agents_per_archetype: one number for all archetypes, or [K].
        watchlist: stocks an agent attends to; all that there are where fewer.
        picks: stocks an agent picks, at most `watchlist`.
        attention: how watch lists are drawn: `random`, or balanced over the `groups`, one stock of each group in turn, which are
            industries (`industry`) or size classes (`size`).
        groups: [N] group of each stock, whole numbers from 0.
        temperature: 0 picks the highest scores (ties by lot); larger is more random.
        key: a `jax.random.key`; the same key draws the same agents.

    Returns:
        [K, N, D] in [0, 1]; NaN where no agent attended.

    Raises:
        DataError: arrays that do not fit together, or groups missing or negative.
        ConfigError: an unknown `attention`, or numbers out of range.
    """
    check_choice("attention", attention, ATTENTION)
    scores = check_scores(expected_score(probabilities_or_scores))
    _check_numbers(watchlist, picks, temperature)
    agents = _check_agents(agents_per_archetype, scores.shape[0])
    group_of = None if attention == "random" else _check_groups(groups, attention, scores.shape[1])
    group_count = 0 if group_of is None else int(group_of.max()) + 1
    numbers = (jnp.asarray(number, jnp.int32) for number in (watchlist, picks))
    heat = jnp.asarray(temperature, jnp.float32)
    return _sample(scores, check_member(member, scores), agents, *numbers, heat, group_of, group_count, key)


def expected_score(probabilities_or_scores: Float[ArrayLike, "K N D *C"]) -> Float[Array, "K N D"]:
    """Scores as they are; choice probabilities as the expected choice, scaled to [0, 1].

    Raises:
        DataError: fewer than two choices.
    """
    values = jnp.asarray(probabilities_or_scores, jnp.float32)
    if values.ndim != 4:
        return values
    if values.shape[-1] < 2:
        raise DataError(f"choice probabilities have shape {values.shape}; expected at least two choices on the last axis")
    return jnp.sum(values * jnp.linspace(0.0, 1.0, values.shape[-1])[None, None, None, :], axis=-1)


@partial(jax.jit, static_argnames="group_count")
def _sample(
    scores: Float[Array, "K N D"],
    member: Bool[Array, "N D"],
    agents: Int[Array, " K"],
    watchlist: Int[Array, ""],
    picks: Int[Array, ""],
    temperature: Float[Array, ""],
    groups: Int[Array, " N"] | None,
    group_count: int,
    key: Key[Array, ""],
) -> Float[Array, "K N D"]:
    archetypes, stocks, dates = scores.shape
    known = jnp.where(member[None], scores, jnp.nan).transpose(0, 2, 1).reshape(archetypes * dates, stocks)
    keys = jax.random.split(key, archetypes * dates)
    chunk = max(1, CHUNK_NUMBERS // stocks)

    def one_section(section: tuple[Array, Array, Array]) -> Float[Array, " N"]:
        values, count, section_key = section
        eligible = ~jnp.isnan(values)
        order = rank_sums(values[:, None])[:, 0] / 2

        def draw(index: Array, totals: tuple[Array, Array]) -> tuple[Array, Array]:
            watch_key, lot_key = jax.random.split(jax.random.fold_in(section_key, index))
            real = (index * chunk + jnp.arange(chunk)) < count
            watched = _watch(watch_key, eligible, watchlist, groups, group_count, chunk)
            lot = jax.random.uniform(lot_key, (stocks, chunk), minval=jnp.finfo(jnp.float32).tiny)
            gumbel = values[:, None] / jnp.where(temperature > 0, temperature, 1.0) - jnp.log(-jnp.log(lot))
            utility = jnp.where(temperature > 0, gumbel, order[:, None] + 0.5 * lot)
            picked = watched & _largest(_ordered_bits(jnp.where(watched, utility, -jnp.inf)), picks)
            return totals[0] + jnp.sum(watched & real[None], axis=1), totals[1] + jnp.sum(picked & real[None], axis=1)

        nobody = jnp.zeros(stocks, jnp.int32)
        looked, picked = lax.fori_loop(0, (count + chunk - 1) // chunk, draw, (nobody, nobody))
        return jnp.where(looked > 0, picked.astype(jnp.float32) / jnp.maximum(looked, 1).astype(jnp.float32), jnp.nan)

    shares = lax.map(one_section, (known, jnp.repeat(agents, dates), keys))
    return shares.reshape(archetypes, dates, stocks).transpose(0, 2, 1)


def _watch(
    key: Key[Array, ""], eligible: Bool[Array, " N"], watchlist: Array, groups: Int[Array, " N"] | None, group_count: int, agents: int
) -> Bool[Array, "N A"]:
    """The watch lists of a chunk of agents."""
    lot = jnp.where(eligible[:, None], jax.random.bits(key, (len(eligible), agents), jnp.uint32) | 1, 0)
    if groups is not None:
        lot = _in_turns(lot, groups, group_count)
    return eligible[:, None] & _largest(lot, watchlist)


def _in_turns(lot: UInt32[Array, "N A"], groups: Int[Array, " N"], group_count: int) -> UInt32[Array, "N A"]:
    """Lots under which the first of every group comes before the second of any: the earlier its turn, the higher the lot."""
    turn = jnp.zeros(lot.shape, jnp.uint32)
    for group in range(group_count):
        inside = groups[:, None] == group
        turn = jnp.where(inside, _place(jnp.where(inside, lot, 0)), turn)
    latest = jnp.uint32(len(groups))
    width = jnp.uint32(2**32 // (len(groups) + 1))
    return jnp.where(lot > 0, (latest - turn) * width + lot % width, 0)


def _largest(keys: UInt32[Array, "N A"], count: Int[Array, ""]) -> Bool[Array, "N A"]:
    """True for the `count` largest of each column."""
    return _place(keys) < count.astype(jnp.uint32)


def _place(keys: UInt32[Array, "N A"]) -> UInt32[Array, "N A"]:
    """Place of each number in its column, the largest 0; the lower stock comes first among equals, so places never repeat."""
    stocks = keys.shape[0]
    if stocks > SHIFT_SCAN_UP_TO:
        return jnp.argsort(jnp.argsort(~keys, axis=0, stable=True), axis=0).astype(jnp.uint32)
    twice, stock = jnp.concatenate([keys, keys]), jnp.arange(stocks)

    def compare(place: Array, shift: Array) -> tuple[Array, None]:
        other = lax.dynamic_slice_in_dim(twice, shift, stocks)
        wraps = (stock + shift >= stocks)[:, None]
        return place + ((other > keys) | ((other == keys) & wraps)).astype(jnp.uint32), None

    place, _ = lax.scan(compare, jnp.zeros(keys.shape, jnp.uint32), jnp.arange(1, stocks))
    return place


def _ordered_bits(values: Float[Array, "N A"]) -> UInt32[Array, "N A"]:
    """Unsigned integers in the order of the numbers (IEEE 754 floats order like sign and magnitude)."""
    bits = lax.bitcast_convert_type(values, jnp.uint32)
    return jnp.where(bits >> 31 == 1, ~bits, bits | jnp.uint32(1 << 31))


def _check_numbers(watchlist: int, picks: int, temperature: float) -> None:
    if not 1 <= picks <= watchlist:
        raise ConfigError(f"picks={picks}, watchlist={watchlist}: expected 1 <= picks <= watchlist")
    if not 0 <= temperature < float("inf"):
        raise ConfigError(f"temperature={temperature}: expected a finite number >= 0 (0 picks the highest scores)")


def _check_agents(agents: int | Int[ArrayLike, " K"], archetypes: int) -> Int[Array, " K"]:
    counts = np.asarray(agents)
    if counts.dtype.kind not in "iu" or counts.shape not in ((), (archetypes,)) or (counts < 0).any() or (counts >= 2**31).any():
        raise ConfigError(f"agents_per_archetype={agents!r}: expected a whole number >= 0, or {archetypes} of them, one an archetype")
    return jnp.broadcast_to(jnp.asarray(counts, jnp.int32), (archetypes,))


def _check_groups(groups: Int[ArrayLike, " N"] | None, attention: str, stocks: int) -> Int[Array, " N"]:
    if groups is None:
        raise DataError(f"attention={attention!r} draws watch lists balanced over groups: give groups, one whole number a stock")
    values = np.asarray(groups)
    if values.shape != (stocks,) or values.dtype.kind not in "iu" or (values < 0).any():
        raise DataError(f"groups have shape {values.shape} and dtype {values.dtype}; expected {stocks} whole numbers >= 0, one a stock")
    return jnp.asarray(values, jnp.int32)
