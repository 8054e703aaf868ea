"""Picks of finitely many agents: a Plackett-Luce choice from each watch list, as the largest of random keys."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, UInt32

FEW_PICKS = 16
"""Picks up to which finding the largest key again and again is faster than finding the last one bit by bit (always 32 passes)."""


def plackett_luce_keys(
    values: Float[Array, "N B"], places: UInt32[Array, "N B"], uniforms: Float[Array, "N B A"], temperature: Float[Array, ""]
) -> UInt32[Array, "N B A"]:
    """Keys whose largest are a Plackett-Luce choice with strengths `exp(value / temperature)`, made by the Gumbel-max trick.

    At temperature 0 larger values come first, equal ones in a random order.

    Args:
        values: finite scores.
        places: whole numbers in the order of the values, equal where these are, at most 2N.
        uniforms: uniform in [0, 1), or anything where there is none; small ones win, where floating-point numbers are finest.
        temperature: >= 0.

    Returns:
        Keys above 0.
    """
    uniforms = jnp.clip(uniforms, 2.0**-40, 1 - 2.0**-24)
    heat = jnp.where(temperature > 0, temperature, 1.0)
    by_choice = gumbel_keys(values / heat, uniforms)
    bits = 32 - (2 * len(values)).bit_length()
    by_value = ((places + 1) << jnp.uint32(bits))[:, :, None] - ((uniforms * 2.0**bits).astype(jnp.uint32) + 1)
    return jnp.where(temperature > 0, by_choice, by_value)


def gumbel_keys(values: Float[Array, "N B"], uniforms: Float[Array, "N B A"]) -> UInt32[Array, "N B A"]:
    """Keys in the order of `values` plus Gumbel noise: the largest are drawn one after another, with chances in proportion to `exp(value)`.

    Args:
        values: finite logarithms of weights.
        uniforms: uniform in [0, 1); small ones win.

    Returns:
        Keys above 0.
    """
    gumbel = -jnp.log(-jnp.log1p(-jnp.clip(uniforms, 2.0**-40, 1 - 2.0**-24)))
    return _ordered_bits(values[:, :, None] + gumbel)


def largest(keys: UInt32[Array, "N A"], count: Int[Array, ""]) -> Bool[Array, "N A"]:
    """True for the `count` largest of each column, of all that are above 0 where these are fewer; the first of equals comes first.

    Args:
        keys: 0 is never among the largest.
        count: at least 1.
    """

    def next_largest(_: Array, last: UInt32[Array, " A"]) -> UInt32[Array, " A"]:
        return jnp.where(keys < last[None], keys, 0).max(axis=0)

    last = lax.fori_loop(1, jnp.where(count > FEW_PICKS, 1, count), next_largest, keys.max(axis=0))
    chosen = (keys >= last[None]) & (keys > 0)
    tied = jnp.sum(chosen.astype(jnp.int32), axis=0).max() > count
    return lax.cond(tied | (count > FEW_PICKS), lambda: largest_by_bits(keys, count), lambda: chosen)


def largest_by_bits(keys: UInt32[Array, "N A"], count: Int[Array, " *C"]) -> Bool[Array, "N A"]:
    """True for the `count` largest keys above 0 of each column, by finding the smallest of them bit by bit, the highest bit first.

    Args:
        keys: 0 is never among the largest.
        count: at least 1; one for all columns, or one a column.
    """

    def add_bit(step: Array, last: UInt32[Array, " A"]) -> UInt32[Array, " A"]:
        tried = last | (jnp.uint32(1 << 31) >> step.astype(jnp.uint32))
        enough = jnp.sum((keys >= tried[None]).astype(jnp.int32), axis=0) >= count
        return jnp.where(enough, tried, last)

    last = lax.fori_loop(0, 32, add_bit, jnp.zeros(keys.shape[1:], jnp.uint32))
    above = (keys > last[None]) & (keys > 0)

    def one_stock(room: Array, key: UInt32[Array, " A"]) -> tuple[Array, Bool[Array, " A"]]:
        taken = (key == last) & (key > 0) & (room > 0)
        return room - taken.astype(jnp.int32), taken

    return above | lax.scan(one_stock, count - jnp.sum(above.astype(jnp.int32), axis=0), keys)[1]


def _ordered_bits(values: Float[Array, "*A"]) -> UInt32[Array, "*A"]:
    """Unsigned integers in the order of float32 numbers, from their bits, which IEEE 754 orders by sign and magnitude."""
    bits = lax.bitcast_convert_type(values, jnp.uint32)
    return jnp.where(bits >> jnp.uint32(31) == 1, ~bits, bits | jnp.uint32(1 << 31))
