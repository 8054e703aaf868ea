"""Covariance of signal ranks and return ranks by counting pairs of stocks, for many candidates and dates at once.

With q and r the rank sums of signal and return, `sum_n q[n] r[n] = sum over pairs of sign(s[n] - s[m]) (r[n] - r[m])`: each pair is
compared once, and a pair in order gains the difference of its return ranks. All terms are whole numbers.

Stocks whose scores are the same for every archetype tie whatever the weights. They are known beforehand and stand as one: a group of `t`
stocks whose return ranks sum to `S` gains `S t' - t S'` against another. What is left are ties by coincidence (for example weights of
0): they leave NaN in the covariance, and the caller counts those few candidates again by another method.

Rows are stocks times dates, the dates of a stock below each other, so that a shift by whole stocks keeps every row on its date.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, UInt32

from massjax.engine.signals import Opinions

SHIFTS_TOGETHER = 32
"""Shifts compared in one fused loop, whose sums then stay in registers."""


class Groups(NamedTuple):
    """Stocks that have a return and a score, those with equal scores grouped, on each date.

    Attributes:
        size: stocks of the group, at its first stock; 0 at the others and where there is no return or score.
        rank_sum: sum of their return ranks, likewise.
        square: sum of the squared rank sums of any signal that tells the groups apart.
    """

    size: Float[Array, "D N"]
    rank_sum: Float[Array, "D N"]
    square: Float[Array, " D"]


def group_stocks(opinions: Opinions, common: Bool[Array, "D N"], ranks: Float[Array, "D N"]) -> Groups:
    """Find the stocks that no weights can tell apart."""
    first = _first_alike(opinions, common)
    members = (first[:, :, None] == jnp.arange(first.shape[1])[None, None, :]) & common[:, :, None]
    size = jnp.where(members, 1.0, 0.0).sum(1)
    rank_sum = jnp.where(members, ranks[:, :, None], 0.0).sum(1)
    count = size.sum(1)
    return Groups(size, rank_sum, (count**3 - count - (size**3 - size).sum(1)) / 3)


def _first_alike(opinions: Opinions, common: Bool[Array, "D N"]) -> Int[Array, "D N"]:
    """The first stock whose scores are bitwise those of the stock. Hashes propose it, the scores themselves decide."""
    columns = jnp.concatenate([opinions.scores, opinions.present, common.astype(jnp.float32)[:, None]], axis=1)
    hashes, stock = _hash(columns), jnp.arange(common.shape[1])
    first = jnp.where(hashes[:, :, None] == hashes[:, None, :], stock[None, None, :], len(stock)).min(2)
    alike = (columns == jnp.take_along_axis(columns, first[:, None, :], axis=2)).all(1)
    return jnp.where(alike, first, stock[None, :])


def _hash(columns: Float[Array, "D C N"]) -> UInt32[Array, "D N"]:
    """A sum of the bits with odd multipliers, modulo 2^32."""
    words = lax.bitcast_convert_type(columns + 0.0, jnp.uint32)  # -0.0 is 0.0
    multipliers = (2 * jnp.arange(columns.shape[1], dtype=jnp.uint32) + 1) * jnp.uint32(2654435761)
    return jnp.sum((words ^ (words >> 15)) * multipliers[None, :, None], axis=1, dtype=jnp.uint32)


class Gains(NamedTuple):
    """What each pair of rows in order adds to the covariance, for the dates of one block.

    Attributes:
        gains: of a row above the one that is 1, 2, ... stocks further on, all round; twice the gain, and 0 for a pair out of order.
        constant: what that is too much.
        kept: True where a row stands for a group.
    """

    gains: Float[Array, "shifts R"]
    constant: Float[Array, " B"]
    kept: Bool[Array, " R"]


def pair_gains(groups: Groups) -> Gains:
    """The gains of one block of dates, [B, N] in the groups."""
    dates, stocks = groups.size.shape
    shifts = stocks // 2
    size, rank_sum = groups.size.T.reshape(-1), groups.rank_sum.T.reshape(-1)
    sizes, rank_sums = _all_round(size, shifts * dates), _all_round(rank_sum, shifts * dates)

    def one_shift(shift: Array) -> Float[Array, " R"]:
        on = [lax.dynamic_slice_in_dim(values, shift * dates, len(size)) for values in (sizes, rank_sums)]
        return jnp.where(2 * shift == stocks, 1.0, 2.0) * (rank_sum * on[0] - size * on[1])

    gains = jax.vmap(one_shift)(jnp.arange(1, shifts + 1))
    return Gains(gains, gains.sum(0).reshape(stocks, dates).sum(0) / 2, size > 0)


def pair_covariance(signal: Float[Array, "R P"], gains: Gains) -> Float[Array, "B P"]:
    """`sum_n q[n] r[n]` of each candidate and date.

    Args:
        signal: of rows; NaN where there is none.
        gains: of the same rows.

    Returns:
        NaN where two groups tie, and where a group has no signal, on that date.
    """
    rows, candidates = signal.shape
    shifts, dates = len(gains.gains), len(gains.constant)
    signal = jnp.where(gains.kept[:, None], signal, jnp.nan)
    around = _all_round(signal, shifts * dates)

    def gained(shift: int) -> Float[Array, "R P"]:
        other = around[shift * dates : shift * dates + rows]
        return jnp.where(signal == other, jnp.nan, jnp.where(signal > other, gains.gains[shift - 1][:, None], 0.0))

    def over_stocks(values: Float[Array, "R P"]) -> Float[Array, "B P"]:
        """As a product with ones: a sum would be fused with its terms, which are then held in memory one by one."""
        return (jnp.ones((1, rows // dates)) @ values.reshape(rows // dates, -1)).reshape(dates, candidates)

    covariance = over_stocks(jnp.where(gains.kept[:, None], signal * 0.0, 0.0)) - gains.constant[:, None]
    for first in range(1, shifts + 1, SHIFTS_TOGETHER):
        together = [gained(shift) for shift in range(first, min(first + SHIFTS_TOGETHER, shifts + 1))]
        covariance = covariance + over_stocks(
            sum(together[2::2], together[0]) + sum(together[3::2], together[1]) if together[1:] else together[0]
        )
    return covariance


def _all_round(values: Float[Array, "*R"], further: int) -> Float[Array, "*S"]:
    """The rows, and the first of them again."""
    return jnp.concatenate([values, values[:further]])
