"""Covariance of signal ranks and return ranks by a bitonic sorting network, for universes too large to compare all pairs of stocks.

On a CPU, XLA's own sort takes each column by itself. Batcher's bitonic network (1968) does the same comparisons for every candidate, so
that many candidates share a vector register. It moves the return rank of each stock along with its signal.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from massjax.engine.ranks import Returns, rank_sums_of_sorted

SORTED_TILE = 32
"""Candidates sorted together on a CPU (measured: with 8 or 16 the loops are three times slower, with 64 they leave the cache)."""


def sorted_covariance(signal: Float[Array, "N P"], returns: Returns) -> tuple[Float[Array, " P"], Float[Array, " P"]]:
    """`sum_n q[n] r[n]` and `sum_n q[n]^2` of one date, with q and r the rank sums of signal and return, average ranks on ties.

    Args:
        signal: NaN where there is none.
        returns: the ranked forward returns of the date.

    Returns:
        The two sums, [P] each; the first is NaN where a stock that is expected to have a signal has none.
    """
    common = returns.common[:, None]
    ragged = (common & jnp.isnan(signal)).any(0)
    keys, ranks = bitonic_sort(jnp.where(common, signal, jnp.inf), jnp.broadcast_to(returns.ranks[:, None], signal.shape))
    sums = rank_sums_of_sorted(keys, returns.common.sum())
    return jnp.where(ragged, jnp.nan, jnp.sum(sums * ranks, axis=0)), jnp.sum(sums * sums, axis=0)


def bitonic_sort(keys: Float[Array, "N P"], values: Float[Array, "N P"]) -> tuple[Float[Array, "M P"], Float[Array, "M P"]]:
    """Sort each column of keys ascending, and its values with it.

    Returns:
        Keys and values, padded to the next power of two M by infinity and 0.
    """
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
    """One layer of the network: each place keeps the smaller or the larger of its own key and its partner's, with the value of that key."""
    takes = jnp.where(keeps_smaller[:, None], other_keys < keys, other_keys > keys)
    return jnp.where(takes, other_keys, keys), jnp.where(takes, other_values, values)
