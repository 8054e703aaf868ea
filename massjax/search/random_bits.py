"""Random numbers of a search step, made of few words of random bits: 32 bits a number, 8 bits a coin."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, UInt32


def words(key: Key[Array, ""], chains: int, count: int) -> UInt32[Array, "count P"]:
    """`count` words of 32 random bits for each chain, from one call of the generator."""
    return jax.random.bits(key, (count, chains), jnp.uint32)


def fraction(word: UInt32[Array, "*P"]) -> Float[Array, "*P"]:
    """Uniform float32 numbers above 0 and up to 1, from the upper 24 bits of each word; 1 itself is what the highest of them rounds to."""
    return ((word >> 8).astype(jnp.float32) + 0.5) * jnp.float32(2.0**-24)


def index(word: UInt32[Array, "*P"], count: int) -> Int[Array, "*P"]:
    """Uniform integers from 0 to `count - 1`; with a count above 2^24 some never occur."""
    return jnp.minimum((fraction(word) * count).astype(jnp.int32), count - 1)


def coins(word: UInt32[Array, "W P"], count: int, chance: Float[Array, " P"]) -> Bool[Array, "P count"]:
    """`count` independent coins for each chain, True with probability `chance` rounded to 1/256, made of `count / 4` words."""
    shifts = jnp.arange(0, 32, 8, dtype=jnp.uint32)
    bits = (word[:, None, :] >> shifts[None, :, None]) & jnp.uint32(255)
    level = jnp.round(chance * 256).astype(jnp.uint32)
    return (bits.reshape(-1, word.shape[1])[:count] < level[None, :]).T
