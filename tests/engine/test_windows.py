"""Windows cut out of prepared dates, and products kept from step to step: bit by bit what is prepared anew."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from massjax.engine import prepare_window, window_fitness, windows
from massjax.engine.windows import cut_window, with_products
from tests.engine import slow_reference as slow

prepare = jax.jit(prepare_window, static_argnums=3)


@pytest.mark.parametrize("missing", ["renormalize", "zero"])
@pytest.mark.parametrize(("first", "length", "known"), [(0, 5, 5), (2, 5, 5), (3, 6, 4), (0, 9, 0)])
def test_a_window_that_is_cut_out_is_the_one_that_is_prepared(missing, first, length, known):
    scores, member, returns, _ = slow.panel(3, 4, 12, 9)
    scores[:, 3] = scores[:, 5]
    dates, left = slice(first, first + length), np.arange(length) < known
    anew = prepare(jnp.asarray(scores[..., dates]), jnp.asarray(member[:, dates] & left), jnp.asarray(returns[:, dates]), missing)
    whole = prepare(jnp.asarray(scores), jnp.asarray(member), jnp.asarray(returns), missing)
    found = jax.jit(cut_window)(whole, jnp.int32(first), jnp.asarray(left))
    assert jax.tree.structure(found) == jax.tree.structure(anew)
    for cut, prepared in zip(jax.tree.leaves(found), jax.tree.leaves(anew), strict=True):
        assert cut.dtype == prepared.dtype
        np.testing.assert_array_equal(cut, prepared)


def test_products_that_are_kept_change_no_bit(monkeypatch):
    monkeypatch.setattr(windows, "ROWS_TOGETHER", 50)
    scores, member, returns, _ = slow.panel(4, 64, 20, 5)
    weights = jnp.asarray(np.random.default_rng(0).dirichlet(np.ones(64), 33), jnp.float32)
    window = prepare(jnp.asarray(scores), jnp.asarray(member), jnp.asarray(returns), "renormalize")
    kept = with_products(window)
    assert kept.products is not None
    assert kept.products.values.shape == (3, 3 * 2 * 20, 64), "three blocks of two dates"
    judged = jax.jit(window_fitness, static_argnames="signal")
    np.testing.assert_array_equal(*(judged(each, weights, jnp.float32(0.5), signal="combined") for each in (window, kept)))


def test_products_are_kept_only_where_they_are_used_and_fit(monkeypatch):
    few, many = (prepare(*map(jnp.asarray, slow.panel(5, count, 8, 3)[:3]), "renormalize") for count in (63, 64))
    assert with_products(few).products is None
    assert with_products(many).products is not None
    monkeypatch.setattr(windows, "PRODUCT_BYTES", 12 * 64 * 8 * 3 - 1)
    assert with_products(many).products is None
