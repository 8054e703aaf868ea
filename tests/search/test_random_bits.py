from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from massjax.search.random_bits import coins, fraction, index, words

CHAINS = 200_000


def test_fractions_are_uniform_and_never_0() -> None:
    drawn = np.asarray(fraction(words(jax.random.key(0), CHAINS, 1)[0]))
    assert drawn.mean() == pytest.approx(0.5, abs=0.003)
    assert drawn.var() == pytest.approx(1 / 12, abs=0.001)
    ends = np.asarray(fraction(jnp.array([0, 2**32 - 1], jnp.uint32)))
    assert 0 < ends[0] < 1e-7
    assert ends[1] == 1


def test_every_index_is_drawn_alike() -> None:
    drawn = np.asarray(index(words(jax.random.key(1), CHAINS, 1)[0], 7))
    np.testing.assert_allclose(np.bincount(drawn, minlength=7) / CHAINS, 1 / 7, atol=0.003)


@pytest.mark.parametrize("count", [1, 2**24 - 1])
def test_no_index_is_as_large_as_the_count(count: int) -> None:
    assert int(index(jnp.array([2**32 - 1], jnp.uint32), count)[0]) == count - 1


def test_coins_of_one_chain_are_apart_and_have_its_chance() -> None:
    chance = jnp.where(jnp.arange(CHAINS) % 2 == 0, 0.25, 1.0)
    thrown = np.asarray(coins(words(jax.random.key(2), CHAINS, 2), 6, chance))
    assert thrown.shape == (CHAINS, 6)
    assert thrown[1::2].all()
    np.testing.assert_allclose(thrown[::2].mean(axis=0), 0.25, atol=0.005)
    np.testing.assert_allclose(np.corrcoef(thrown[::2].T) - np.eye(6), 0.0, atol=0.02)
