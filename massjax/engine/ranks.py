"""Exact rank correlation of many candidates' signals with cross-sections of returns, one date or several at a time.

Ranks are written as sums of signs: `q[n] = sum_m sign(x[n] - x[m])` is twice the distance of the average rank of `n` from the middle
rank. A comparison with NaN is false both ways, so a missing value adds nothing to anyone's rank and needs no mask.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

SHIFT_SCAN_UP_TO = 512
"""Stocks up to which comparing all pairs beats sorting (measured on 2 CPU cores by `benchmarks/kernel.py`)."""
SHIFTS_TOGETHER = 5
"""Shifts compared in one fused loop: fewer passes over the sums in memory."""


class Returns(NamedTuple):
    """Forward returns of one date (or of many, along a leading axis), ranked once for all candidates.

    Attributes:
        values: NaN where unknown.
        scored: True where a signal can be expected.
        ranks: rank sums over the stocks that have both; 0 elsewhere.
    """

    values: Float[Array, "*D N"]
    scored: Bool[Array, "*D N"]
    ranks: Float[Array, "*D N"]


def rank_returns(values: Float[Array, "D N"], scored: Bool[Array, "D N"]) -> Returns:
    """Rank each date's returns over the stocks that have a return and a signal."""
    return Returns(values, scored, rank_sums(jnp.where(scored, values, jnp.nan).T).T)


def rank_sums(values: Float[Array, "*D N P"]) -> Float[Array, "*D N P"]:
    """`2 * (average rank - mean rank)` of each column, ties sharing their average rank; 0 for NaN.

    Args:
        values: one cross-section of N stocks for each of P candidates (and dates); NaN where missing.

    Returns:
        Half-integers times two, that is exact integers, in float32; each column sums to 0.
    """
    return _rank_sums_by_shifts(values) if values.shape[-2] <= SHIFT_SCAN_UP_TO else _rank_sums_by_sort(values)


def rank_correlation(signal: Float[Array, "*D N P"], returns: Returns) -> Float[Array, "*D P"]:
    """Spearman's correlation of each candidate's signal with the returns of its date, average ranks on ties.

    Stocks whose signal or return is NaN are left out, for that candidate. NaN where the signal or the return is constant.
    """
    common = returns.scored & ~jnp.isnan(returns.values)
    signal = jnp.where(common[..., None], signal, jnp.nan)
    as_expected = (~jnp.isnan(signal) == common[..., None]).all()
    method = _correlation_by_half_shifts if signal.shape[-2] <= SHIFT_SCAN_UP_TO else _correlation_by_sort
    return lax.cond(as_expected, method, _correlation_of_ragged, signal, returns)


def _correlation_by_half_shifts(signal: Float[Array, "*D N P"], returns: Returns) -> Float[Array, "*D P"]:
    """Every pair of stocks is compared once: a pair in order adds the difference of its return ranks to the covariance.

    With q, r the rank sums of signal and return, `sum_n q[n] r[n] = sum over pairs of sign(s[n] - s[m]) (r[n] - r[m])`, ties included.
    Without ties `sum_n q[n]^2` is known; a candidate of the tile that has ties brings the count of them about.
    """
    stocks, ranks = signal.shape[-2], returns.ranks
    twice, twice_ranks = jnp.concatenate([signal, signal], axis=-2), jnp.concatenate([ranks, ranks], axis=-1)

    def compare(sums: tuple[Array, Array], shift: Array) -> tuple[tuple[Array, Array], None]:
        covariance, tied = sums
        other = lax.dynamic_slice_in_dim(twice, shift, stocks, axis=-2)
        times = jnp.where(2 * shift == stocks, 0.5, jnp.where(2 * shift < stocks, 1.0, 0.0))
        gain = (times * (ranks - lax.dynamic_slice_in_dim(twice_ranks, shift, stocks, axis=-1)))[..., None]
        covariance = covariance + jnp.where(signal > other, gain, 0.0) - jnp.where(signal < other, gain, 0.0)
        return (covariance, jnp.where(signal == other, 1.0, tied)), None

    shifts = -(-(stocks // 2) // SHIFTS_TOGETHER) * SHIFTS_TOGETHER
    start = (jnp.zeros_like(signal), jnp.zeros_like(signal))
    (covariance, tied), _ = lax.scan(compare, start, jnp.arange(1, shifts + 1), unroll=SHIFTS_TOGETHER)
    count = jnp.sum(~jnp.isnan(signal[..., :1]), axis=-2).astype(jnp.float32)
    ties = lax.cond(tied.max() > 0, _tie_correction, lambda signal: jnp.zeros_like(signal[..., 0, :]), signal)
    return _ratio(covariance.sum(-2), (count**3 - count) / 3 - ties, jnp.sum(ranks * ranks, axis=-1, keepdims=True))


def _tie_correction(signal: Float[Array, "*D N P"]) -> Float[Array, "*D P"]:
    """What ties take from the sum of squared rank sums: `sum over groups of (t^3 - t) / 3 = sum_n (t[n]^2 - 1) / 3`."""
    stocks, twice = signal.shape[-2], jnp.concatenate([signal, signal], axis=-2)

    def compare(tied: Array, shift: Array) -> tuple[Array, None]:
        return tied + (signal == lax.dynamic_slice_in_dim(twice, shift, stocks, axis=-2)).astype(jnp.float32), None

    tied, _ = lax.scan(compare, jnp.zeros_like(signal), jnp.arange(1, stocks))
    return jnp.sum(tied * (tied + 2), axis=-2) / 3


def _correlation_by_sort(signal: Float[Array, "*D N P"], returns: Returns) -> Float[Array, "*D P"]:
    sums, ranks = rank_sums(signal), returns.ranks[..., None]
    return _ratio(jnp.sum(sums * ranks, axis=-2), jnp.sum(sums * sums, axis=-2), jnp.sum(ranks * ranks, axis=-2))


def _correlation_of_ragged(signal: Float[Array, "*D N P"], returns: Returns) -> Float[Array, "*D P"]:
    """Candidates differ in which stocks have a signal (weights of 0 on archetypes with missing scores): rank the returns for each."""
    sums, ranks = rank_sums(signal), rank_sums(jnp.where(jnp.isnan(signal), jnp.nan, returns.values[..., None]))
    return _ratio(jnp.sum(sums * ranks, axis=-2), jnp.sum(sums * sums, axis=-2), jnp.sum(ranks * ranks, axis=-2))


def _ratio(covariance: Float[Array, "*D P"], square: Float[Array, "*D P"], other_square: Float[Array, "*D #P"]) -> Float[Array, "*D P"]:
    """Zero squares are exact: rank sums are whole numbers."""
    defined = (square > 0) & (other_square > 0)
    scale = jnp.sqrt(jnp.where(defined, square, 1.0)) * jnp.sqrt(jnp.where(defined, other_square, 1.0))
    return jnp.where(defined, covariance / scale, jnp.nan)


def _rank_sums_by_shifts(values: Float[Array, "*D N P"]) -> Float[Array, "*D N P"]:
    stocks, twice = values.shape[-2], jnp.concatenate([values, values], axis=-2)

    def compare(sums: Array, shift: Array) -> tuple[Array, None]:
        other = lax.dynamic_slice_in_dim(twice, shift, stocks, axis=-2)
        return sums + (values > other).astype(jnp.float32) - (values < other).astype(jnp.float32), None

    sums, _ = lax.scan(compare, jnp.zeros(values.shape, jnp.float32), jnp.arange(1, stocks))
    return sums


def _rank_sums_by_sort(values: Float[Array, "*D N P"]) -> Float[Array, "*D N P"]:
    columns = jnp.swapaxes(values, -1, -2)
    sums = jax.vmap(_rank_sums_of_column)(columns.reshape(-1, columns.shape[-1]))
    return jnp.swapaxes(sums.reshape(columns.shape), -1, -2)


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
