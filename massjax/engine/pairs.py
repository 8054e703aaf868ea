"""Covariance of signal ranks and return ranks by counting pairs of stocks, for many candidates and dates at once.

With q and r the rank sums of signal and return, `sum_n q[n] r[n] = sum over pairs of sign(s[n] - s[m]) (r[n] - r[m])`: each pair is
compared once, and a pair in order adds the difference of its return ranks. All terms are whole numbers.

Stocks to which every archetype gives equal scores tie whatever the weights. They are found beforehand and stand as one: a group of `t`
stocks whose return ranks sum to `S` adds `S t' - t S'` against a group of `t'` and `S'`. Other ties are coincidences (for example of
weights of 0): they make the covariance NaN, and the caller ranks those few candidates by another method.

A row is a stock on a date, all dates of the first stock first: a shift by whole stocks keeps every row on its date.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, UInt32

from massjax.engine.opinions import Opinions

SHIFTS_TOGETHER = 32
"""Distances between stocks compared in one fused loop, whose sums then stay in registers."""


class EqualStocks(NamedTuple):
    """Groups of stocks with equal scores, which no weights tell apart; only of stocks that have a return and a score.

    Attributes:
        size: number of stocks of each group, at its first stock; 0 at all other stocks.
        rank_sum: sum of the return ranks (rank sums) of each group, at its first stock; 0 at all other stocks.
        square: `sum_n q[n]^2` of any signal that differs between the groups.
    """

    size: Float[Array, "D N"]
    rank_sum: Float[Array, "D N"]
    square: Float[Array, " D"]


def equal_stocks(opinions: Opinions, common: Bool[Array, "D N"], ranks: Float[Array, "D N"]) -> EqualStocks:
    """Group the stocks of each date whose scores are bitwise equal for every archetype.

    Args:
        opinions: the scores of D dates.
        common: True where the stock has a return and a score.
        ranks: rank sums of the returns.
    """
    first = _first_alike(opinions, common)
    members = (first[:, :, None] == jnp.arange(first.shape[1])[None, None, :]) & common[:, :, None]
    size = jnp.where(members, 1.0, 0.0).sum(1)
    rank_sum = jnp.where(members, ranks[:, :, None], 0.0).sum(1)
    count = size.sum(1)
    return EqualStocks(size, rank_sum, (count**3 - count - (size**3 - size).sum(1)) / 3)


def _first_alike(opinions: Opinions, common: Bool[Array, "D N"]) -> Int[Array, "D N"]:
    """Index of the first stock whose scores are bitwise equal to the stock's: proposed by equal hashes, confirmed by comparing scores."""
    columns = jnp.concatenate([opinions.scores, opinions.present, common.astype(jnp.float32)[:, None]], axis=1)
    hashes, stock = _hash(columns), jnp.arange(common.shape[1])
    first = jnp.where(hashes[:, :, None] == hashes[:, None, :], stock[None, None, :], len(stock)).min(2)
    alike = (columns == jnp.take_along_axis(columns, first[:, None, :], axis=2)).all(1)
    return jnp.where(alike, first, stock[None, :])


def _hash(columns: Float[Array, "D C N"]) -> UInt32[Array, "D N"]:
    """A 32-bit hash of each stock's column: the sum of its bits times odd multipliers, modulo 2^32."""
    words = lax.bitcast_convert_type(columns + 0.0, jnp.uint32)  # -0.0 is 0.0
    multipliers = (2 * jnp.arange(columns.shape[1], dtype=jnp.uint32) + 1) * jnp.uint32(2654435761)
    return jnp.sum((words ^ (words >> 15)) * multipliers[None, :, None], axis=1, dtype=jnp.uint32)


class Gains(NamedTuple):
    """What comparing each pair of rows adds to the covariance of ranks, for the dates of one block.

    A pair in order adds g, a pair out of order -g. Adding 2 g or nothing, and subtracting the sum of all g at the end, is cheaper.

    Attributes:
        gains: 2 g of each row and the row that is 1, 2, ... stocks further on, cyclically, if the former has the higher signal.
        constant: sum of all g of each date.
        kept: True where a row is the first stock of a group of `EqualStocks`.
    """

    gains: Float[Array, "shifts R"]
    constant: Float[Array, " B"]
    kept: Bool[Array, " R"]


def pair_gains(equal: EqualStocks) -> Gains:
    """The gains of the pairs of stocks of one block of B dates, whose groups of equal stocks are [B, N]."""
    dates, stocks = equal.size.shape
    shifts = stocks // 2
    size, rank_sum = equal.size.T.reshape(-1), equal.rank_sum.T.reshape(-1)
    sizes, rank_sums = _all_round(size, shifts * dates), _all_round(rank_sum, shifts * dates)

    def one_shift(shift: Array) -> Float[Array, " R"]:
        on = [lax.dynamic_slice_in_dim(values, shift * dates, len(size)) for values in (sizes, rank_sums)]
        return jnp.where(2 * shift == stocks, 1.0, 2.0) * (rank_sum * on[0] - size * on[1])

    gains = jax.vmap(one_shift)(jnp.arange(1, shifts + 1))
    return Gains(gains, gains.sum(0).reshape(stocks, dates).sum(0) / 2, size > 0)


def pair_covariance(signal: Float[Array, "R P"], gains: Gains) -> Float[Array, "B P"]:
    """`sum_n q[n] r[n]` of each date and candidate, q and r the rank sums of signal and return.

    Args:
        signal: of rows; NaN where there is none.
        gains: of these rows, from `pair_gains`.

    Returns:
        [B, P]; NaN where two groups of equal stocks tie, or one has no signal, on that date.
    """
    rows, candidates = signal.shape
    shifts, dates = len(gains.gains), len(gains.constant)
    signal = jnp.where(gains.kept[:, None], signal, jnp.nan)
    around = _all_round(signal, shifts * dates)

    def gained(shift: int) -> Float[Array, "R P"]:
        other = around[shift * dates : shift * dates + rows]
        return jnp.where(signal == other, jnp.nan, jnp.where(signal > other, gains.gains[shift - 1][:, None], 0.0))

    def over_stocks(values: Float[Array, "R P"]) -> Float[Array, "B P"]:
        """The sum over the stocks of a date, as a product with ones: XLA would fuse a sum with its terms and hold each in memory."""
        return (jnp.ones((1, rows // dates)) @ values.reshape(rows // dates, -1)).reshape(dates, candidates)

    covariance = over_stocks(jnp.where(gains.kept[:, None], signal * 0.0, 0.0)) - gains.constant[:, None]
    for first in range(1, shifts + 1, SHIFTS_TOGETHER):
        together = [gained(shift) for shift in range(first, min(first + SHIFTS_TOGETHER, shifts + 1))]
        covariance = covariance + over_stocks(
            sum(together[2::2], together[0]) + sum(together[3::2], together[1]) if together[1:] else together[0]
        )
    return covariance


def _all_round(values: Float[Array, "*R"], further: int) -> Float[Array, "*S"]:
    """The values followed by the first `further` of them again, so that a cyclic shift is a slice."""
    return jnp.concatenate([values, values[:further]])
