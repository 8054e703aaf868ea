"""Covariance of signal ranks and return ranks by sorting, for universes too large to compare all pairs of stocks.

XLA sorts one row after the other on a CPU. Batcher's bitonic network (1968) instead does the same comparisons for every candidate, so
the candidates fill the vector lanes. It carries the return rank of each stock along with its signal.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from massjax.engine.ranks import Returns

SORTED_TILE = 32
"""Candidates sorted together on a CPU (measured: with 8 or 16 the loops are three times slower, with 64 they leave the cache)."""


def sorted_covariance(signal: Float[Array, "N P"], returns: Returns) -> tuple[Float[Array, " P"], Float[Array, " P"]]:
    """`sum_n q[n] r[n]` and `sum_n q[n]^2` of one date, with q and r the rank sums of signal and return, average ranks on ties.

    Returns:
        [P] each; the first NaN where a stock that is expected to have a signal has none.
    """
    common = returns.common[:, None]
    ragged = (common & jnp.isnan(signal)).any(0)
    keys, ranks = bitonic_sort(jnp.where(common, signal, jnp.inf), jnp.broadcast_to(returns.ranks[:, None], signal.shape))
    sums = _rank_sums(keys, returns.common.sum())
    return jnp.where(ragged, jnp.nan, jnp.sum(sums * ranks, axis=0)), jnp.sum(sums * sums, axis=0)


def _rank_sums(ordered: Float[Array, "M P"], known: Int[Array, ""]) -> Float[Array, "M P"]:
    """Places from both ends of each group of ties; 0 for those beyond the first `known`."""
    places = len(ordered)
    place = jnp.broadcast_to(jnp.arange(places)[:, None], ordered.shape)
    edge = jnp.ones((1, ordered.shape[1]), bool)
    starts = jnp.concatenate([edge, ordered[1:] != ordered[:-1]])
    first = lax.cummax(jnp.where(starts, place, 0), axis=0)
    last = lax.cummin(jnp.where(jnp.concatenate([starts[1:], edge]), place, places), axis=0, reverse=True)
    return jnp.where(place < known, first + last - (known - 1), 0).astype(jnp.float32)


def bitonic_sort(keys: Float[Array, "N P"], values: Float[Array, "N P"]) -> tuple[Float[Array, "M P"], Float[Array, "M P"]]:
    """Each column of keys in ascending order, with its values; inf and 0 fill up to the power of two M."""
    stocks, candidates = keys.shape
    levels = max(stocks - 1, 1).bit_length()
    places = 2**levels
    fill = jnp.zeros((places - stocks, candidates), jnp.float32)
    place = jnp.arange(places)

    def exchange(distance: int) -> Callable[[Array, Array, Array], tuple[Array, Array]]:
        def partner(column: Array) -> Array:
            return column.reshape(-1, 2, distance, candidates)[:, ::-1].reshape(places, candidates)

        def stage(keys: Array, values: Array, run: Array) -> tuple[Array, Array]:
            keeps_smaller = ((place & distance) == 0) == ((place & run) == 0)
            return _exchange(keys, values, partner(keys), partner(values), keeps_smaller)

        return stage

    exchanges = [exchange(2**level) for level in range(levels)]
    stages = [(2 ** (merged + 1), level) for merged in range(levels) for level in range(merged, -1, -1)]
    runs, distances = (jnp.array(column) for column in zip(*stages, strict=True))
    start = (jnp.concatenate([keys, fill + jnp.inf]), jnp.concatenate([values, fill]))
    return lax.scan(lambda state, stage: (lax.switch(stage[1], exchanges, *state, stage[0]), None), start, (runs, distances))[0]


def _exchange(
    keys: Float[Array, "M P"],
    values: Float[Array, "M P"],
    other_keys: Float[Array, "M P"],
    other_values: Float[Array, "M P"],
    keeps_smaller: Bool[Array, " M"],
) -> tuple[Float[Array, "M P"], Float[Array, "M P"]]:
    takes = jnp.where(keeps_smaller[:, None], other_keys < keys, other_keys > keys)
    return jnp.where(takes, other_keys, keys), jnp.where(takes, other_values, values)
