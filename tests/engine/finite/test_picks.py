"""The largest of each column, exactly; and keys that order as they should."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from massjax.engine.finite import picks as finite_picks


def expected_largest(keys, count):
    """The `count` largest above 0 of each column; of equals the first."""
    chosen = np.zeros(keys.shape, bool)
    for a in range(keys.shape[1]):
        order = sorted(range(len(keys)), key=lambda n: (-int(keys[n, a]), n))
        chosen[[n for n in order[:count] if keys[n, a] > 0], a] = True
    return chosen


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 25), highest=st.sampled_from([1, 3, 50, 2**32 - 1]))
def test_largest_are_exact_whatever_the_ties(seed, count, highest):
    rng = np.random.default_rng(seed)
    keys = rng.integers(0, highest, (21, 8), dtype=np.uint32, endpoint=True)
    np.testing.assert_array_equal(_largest(jnp.asarray(keys), jnp.int32(count)), expected_largest(keys, count))


_largest = jax.jit(finite_picks.largest)


@pytest.mark.parametrize("count", [1, 5, 30])
def test_both_ways_choose_the_same(count):
    keys = jnp.asarray(np.random.default_rng(0).integers(0, 2**32, (40, 64), dtype=np.uint32))
    np.testing.assert_array_equal(finite_picks.largest(keys, jnp.int32(count)), finite_picks.largest_by_bits(keys, jnp.int32(count)))


def test_keys_at_temperature_zero_order_by_value_and_among_equals_by_lot():
    values = jnp.array([[0.1], [0.7], [0.7], [0.9]])
    places = jnp.array([[1], [4], [4], [7]], jnp.uint32)
    uniforms = jnp.array([[[0.0, 0.999999]], [[0.5, 0.2]], [[0.4, 0.3]], [[0.999999, 0.999999]]])
    keys = np.asarray(finite_picks.plackett_luce_keys(values, places, uniforms, jnp.float32(0.0)))[:, 0].astype(np.int64)
    assert np.argsort(keys, axis=0).T.tolist() == [[0, 1, 2, 3], [0, 2, 1, 3]]
    assert (keys > 0).all()


def test_keys_order_as_the_gumbel_utilities_in_float64():
    rng = np.random.default_rng(1)
    values, uniforms = rng.normal(size=(6, 3)).astype(np.float32), rng.random((6, 3, 200)).astype(np.float32)
    keys = np.asarray(
        finite_picks.plackett_luce_keys(jnp.asarray(values), jnp.ones((6, 3), jnp.uint32), jnp.asarray(uniforms), jnp.float32(0.3))
    )
    utility = values.astype(float)[:, :, None] / np.float64(np.float32(0.3)) - np.log(-np.log1p(-uniforms.astype(float)))
    np.testing.assert_array_equal(np.argsort(keys, axis=0), np.argsort(utility, axis=0))


@pytest.mark.parametrize("lot", [0.0, 1.0, np.inf])
def test_extreme_lots_give_finite_keys_above_zero(lot):
    keys = finite_picks.plackett_luce_keys(jnp.array([[-5.0]]), jnp.array([[1]], jnp.uint32), jnp.full((1, 1, 1), lot), jnp.float32(1e-6))
    assert 0 < int(keys[0, 0, 0]) < 0xFF800000
