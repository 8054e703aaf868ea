"""Exact average ranks of many columns at once, and the rank correlation of signals with the returns of a date.

Ranks are written as sums of signs: `q[n] = sum_m sign(x[n] - x[m])` is twice the distance of the average rank of `n` from the middle
rank. A comparison with NaN is false both ways, so a missing value adds nothing to anyone's rank and needs no mask.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

PAIRS_UP_TO = 512
"""Stocks up to which comparing all pairs beats sorting (measured by `benchmarks/universe.py`)."""
SHIFTS_TOGETHER = 8
"""Distances between stocks compared in one fused loop."""


class Returns(NamedTuple):
    """Forward returns of one date (or of D dates along a leading axis), ranked once for all candidates.

    Attributes:
        values: forward returns; NaN where unknown.
        common: True where the stock has a return and at least one score, so that a signal is expected.
        ranks: rank sums of the returns over those stocks (see `rank_sums`); 0 elsewhere.
    """

    values: Float[Array, "*D N"]
    common: Bool[Array, "*D N"]
    ranks: Float[Array, "*D N"]


def rank_returns(values: Float[Array, "D N"], scored: Bool[Array, "D N"]) -> Returns:
    """Rank the returns of each date over the stocks that have a return and are `scored`, that is have at least one score."""
    common = scored & ~jnp.isnan(values)
    return Returns(values, common, rank_sums(jnp.where(common, values, jnp.nan).T).T)


def rank_correlation(signal: Float[Array, "N P"], returns: Returns) -> Float[Array, " P"]:
    """Spearman's correlation of each candidate's signal with the returns of one date, average ranks on ties.

    Args:
        signal: NaN where there is none: such a stock is left out for that candidate, and the returns are ranked without it.
        returns: of the date; stocks without a return are left out.

    Returns:
        [P] in [-1, 1]; NaN where the signal or the return is constant over the stocks that are left.
    """
    signal = jnp.where(returns.common[:, None], signal, jnp.nan)
    left = jnp.where(jnp.isnan(signal), jnp.nan, returns.values[:, None])
    sums, ranks = jnp.split(rank_sums(jnp.concatenate([signal, left], axis=1)), 2, axis=1)
    return correlation(jnp.sum(sums * ranks, axis=0), jnp.sum(sums * sums, axis=0), jnp.sum(ranks * ranks, axis=0))


def correlation(covariance: Float[Array, "*P"], square: Float[Array, "*P"], other_square: Float[Array, "*#P"]) -> Float[Array, "*P"]:
    """`covariance / sqrt(square * other_square)`; NaN where a square is 0, as where all stocks tie: rank sums are whole numbers."""
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
    """Rank sums by comparing every stock with those 1, 2, ... places further on, cyclically; N^2 comparisons."""
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
    """Rank sums by sorting each column."""
    return jax.vmap(_rank_sums_of_column, in_axes=1, out_axes=1)(values)


def _rank_sums_of_column(values: Float[Array, " N"]) -> Float[Array, " N"]:
    """Rank sums of one column by sorting it; NaN sorts last and gets 0."""
    stocks = values.shape[0]
    ordered, owner = lax.sort((values, jnp.arange(stocks)), num_keys=1, is_stable=False)
    sums = rank_sums_of_sorted(ordered, jnp.sum(~jnp.isnan(values)))
    return jnp.zeros(stocks, jnp.float32).at[owner].set(sums, unique_indices=True)


def rank_sums_of_sorted(ordered: Float[Array, "N ..."], known: Int[Array, ""]) -> Float[Array, "N ..."]:
    """`2 * (average rank - mean rank)` of sorted columns: the places of the first and the last of each group of ties, from the middle.

    Args:
        ordered: ascending along the first axis.
        known: how many of the rows count; those beyond get 0.
    """
    places = len(ordered)
    place = jnp.broadcast_to(jnp.arange(places).reshape(-1, *[1] * (ordered.ndim - 1)), ordered.shape)
    edge = jnp.ones((1, *ordered.shape[1:]), bool)
    starts = jnp.concatenate([edge, ordered[1:] != ordered[:-1]])
    first = lax.cummax(jnp.where(starts, place, 0), axis=0)
    last = lax.cummin(jnp.where(jnp.concatenate([starts[1:], edge]), place, places), axis=0, reverse=True)
    return jnp.where(place < known, first + last - (known - 1), 0).astype(jnp.float32)
