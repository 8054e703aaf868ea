"""The checks that `tests/conftest.py` turns on are on."""

from __future__ import annotations

import ast

import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from jaxtyping import AbstractDtype, TypeCheckError

import massjax as mj
from massjax.engine.ranks import rank_sums
from massjax.errors import DataError
from massjax.evaluate.controls import uniform_weights
from tests.conftest import ROOT


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


def test_every_shape_is_a_text() -> None:
    """Ruff takes the quotes off `"N *P"` and makes a product of it, which no check understands; `"N ..."` stays."""
    dtypes = {name for name in dir(jaxtyping) if isinstance(kind := getattr(jaxtyping, name), type) and issubclass(kind, AbstractDtype)}
    for path in (ROOT / "massjax").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in dtypes:
                assert isinstance(node.slice, ast.Tuple)
                assert isinstance(node.slice.elts[1], ast.Constant), f"{path}:{node.lineno}: {ast.unparse(node)}"
