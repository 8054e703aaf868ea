"""The checks that `tests/conftest.py` turns on are on."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import TypeCheckError

import massjax as mj
from massjax.engine.ranks import rank_sums
from massjax.errors import DataError
from massjax.evaluate.controls import uniform_weights


def test_an_array_of_another_shape_or_type_than_is_annotated_is_refused() -> None:
    assert rank_sums(jnp.zeros((3, 2))).shape == (3, 2)
    with pytest.raises(TypeCheckError, match="rank_sums"):
        rank_sums(jnp.zeros(3))
    with pytest.raises(TypeCheckError, match="uniform_weights"):
        uniform_weights(np.zeros(3), 5)


def test_what_users_give_is_refused_in_words_of_our_own() -> None:
    with pytest.raises(DataError, match="expected 3 axes"):
        mj.fitness(np.zeros(3), np.ones((3, 1), bool), np.zeros((3, 1)), np.ones((1, 1)))


def test_nothing_is_promoted_silently() -> None:
    with pytest.raises(ValueError, match="promotion"):
        jnp.ones(3, jnp.float32) + jnp.ones(3, jnp.int32)
    with pytest.raises(ValueError, match="rank_promotion"):
        jnp.ones(3) + jnp.ones((2, 3))
