"""Random words: the published generator, and the one of jax.random."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.random import threefry_2x32

from massjax.engine.finite.random_bits import threefry, uniform


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_known_answers_of_random123(counter, key, words):
    counter, key = (tuple(jnp.uint32(word) for word in pair) for pair in (counter, key))
    assert tuple(map(int, threefry(key, counter))) == words


def test_the_same_words_as_jax_random():
    key = jnp.array([123, 456], jnp.uint32)
    counters = np.random.default_rng(0).integers(0, 2**32, 1000, dtype=np.uint32)
    expected = threefry_2x32(key, jnp.asarray(counters))
    first, second = jnp.split(jnp.asarray(counters), 2)
    keys = tuple(jnp.broadcast_to(word, first.shape) for word in key)
    np.testing.assert_array_equal(jnp.concatenate(jax.jit(threefry)(keys, (first, second))), expected)


def test_uniform_numbers_stay_below_one_and_are_fine_near_zero():
    words = jnp.array([0, 1, 2**24 + 1, 2**31, 2**32 - 129, 2**32 - 1], jnp.uint32)
    numbers = np.asarray(uniform(words), np.float64)
    assert numbers[0] == 0
    assert numbers[1] == 2.0**-32
    assert numbers[3] == 0.5
    assert numbers.max() == 1 - 2.0**-24
    assert (np.diff(numbers) >= 0).all()
