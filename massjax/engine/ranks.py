"""Exact average ranks of many columns at once, and the rank correlation of signals with the returns of a date.

Ranks are written as sums of signs: `q[n] = sum_m sign(x[n] - x[m])` is twice the distance of the average rank of `n` from the middle
rank. A comparison with NaN is false both ways, so a missing value adds nothing to anyone's rank and needs no mask.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

PAIRS_UP_TO = 512
"""Stocks up to which comparing all pairs beats sorting (measured by `benchmarks/universe.py`)."""
SHIFTS_TOGETHER = 8
"""Shifts compared in one fused loop."""


class Returns(NamedTuple):
    """Forward returns of one date (or of many, along a leading axis), ranked once for all candidates.

    Attributes:
        values: NaN where unknown.
        common: True where there is a return and a signal can be expected.
        ranks: rank sums over those stocks; 0 elsewhere.
    """

    values: Float[Array, "*D N"]
    common: Bool[Array, "*D N"]
    ranks: Float[Array, "*D N"]


def rank_returns(values: Float[Array, "D N"], scored: Bool[Array, "D N"]) -> Returns:
    """Rank each date's returns over the stocks that have a return and a signal."""
    common = scored & ~jnp.isnan(values)
    return Returns(values, common, rank_sums(jnp.where(common, values, jnp.nan).T).T)


def rank_correlation(signal: Float[Array, "N P"], returns: Returns) -> Float[Array, " P"]:
    """Spearman's correlation of each candidate's signal with the returns of its date, average ranks on ties.

    Stocks whose signal or return is NaN are left out, for that candidate. NaN where the signal or the return is constant.
    """
    signal = jnp.where(returns.common[:, None], signal, jnp.nan)
    left = jnp.where(jnp.isnan(signal), jnp.nan, returns.values[:, None])
    sums, ranks = jnp.split(rank_sums(jnp.concatenate([signal, left], axis=1)), 2, axis=1)
    return correlation(jnp.sum(sums * ranks, axis=0), jnp.sum(sums * sums, axis=0), jnp.sum(ranks * ranks, axis=0))


def correlation(covariance: Float[Array, "*P"], square: Float[Array, "*P"], other_square: Float[Array, "*#P"]) -> Float[Array, "*P"]:
    """The ratio; NaN where a square is 0, which is exact: rank sums are whole numbers."""
    defined = (square > 0) & (other_square > 0)
    scale = jnp.sqrt(jnp.where(defined, square, 1.0)) * jnp.sqrt(jnp.where(defined, other_square, 1.0))
    return jnp.where(defined, covariance / scale, jnp.nan)


def rank_sums(values: Float[Array, "N P"]) -> Float[Array, "N P"]:
    """`2 * (average rank - mean rank)` of each column, ties sharing their average rank; 0 for NaN.

    Args:
        values: one cross-section of N stocks for each of P candidates; NaN where missing.

    Returns:
        Half-integers times two, that is exact integers, in float32; each column sums to 0.
    """
    return _rank_sums_by_shifts(values) if len(values) <= PAIRS_UP_TO else _rank_sums_by_sort(values)


def _rank_sums_by_shifts(values: Float[Array, "N P"]) -> Float[Array, "N P"]:
    """Every stock is compared with the one 1, 2, ... places further on, all round."""
    stocks = len(values)
    chunks = -(-(stocks - 1) // SHIFTS_TOGETHER)
    together = -(-(stocks - 1) // max(chunks, 1))
    around = jnp.concatenate([values, values, values[:together]])

    def compare(sums: Array, chunk: Array) -> tuple[Array, None]:
        for step in range(1, together + 1):
            shift = chunk * together + step
            other = lax.dynamic_slice_in_dim(around, shift, stocks)
            counts = jnp.where(shift < stocks, 1.0, 0.0)
            sums = sums + jnp.where(values > other, counts, 0.0) - jnp.where(values < other, counts, 0.0)
        return sums, None

    return lax.scan(compare, jnp.zeros(values.shape, jnp.float32), jnp.arange(chunks))[0]


def _rank_sums_by_sort(values: Float[Array, "N P"]) -> Float[Array, "N P"]:
    return jax.vmap(_rank_sums_of_column, in_axes=1, out_axes=1)(values)


def _rank_sums_of_column(values: Float[Array, " N"]) -> Float[Array, " N"]:
    """Places in sorted order, from both ends of each group of ties; NaN sorts last and gets 0."""
    stocks = values.shape[0]
    place = jnp.arange(stocks)
    ordered, owner = lax.sort((values, place), num_keys=1, is_stable=False)
    known = jnp.sum(~jnp.isnan(values))
    starts = jnp.concatenate([jnp.ones(1, bool), ordered[1:] != ordered[:-1]])
    first = lax.cummax(jnp.where(starts, place, 0))
    ends = jnp.concatenate([starts[1:], jnp.ones(1, bool)])
    last = lax.cummin(jnp.where(ends, place, stocks), reverse=True)
    sums = jnp.where(place < known, first + last - (known - 1), 0).astype(jnp.float32)
    return jnp.zeros(stocks, jnp.float32).at[owner].set(sums, unique_indices=True)
