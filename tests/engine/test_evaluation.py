"""Fitness: golden values of MASS, a float64 reference, invariances, tiles, and what is compiled when."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from massjax.engine import evaluation, fitness, prepare_window, window_fitness
from massjax.errors import ConfigError, DataError
from massjax.testing import count_compilations
from tests.engine import slow_reference as slow

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=20)


@pytest.fixture(autouse=True, scope="module", params=["compiled", "traced"])
def kernel(request):
    """Everything below is tested twice: the kernel that numba compiles, and XLA's own loops."""
    if request.param == "compiled" and not evaluation.available():
        pytest.skip("numba is not installed: pip install 'massjax[numba]'")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "traced":
            patch.setattr(evaluation, "available", lambda: False)
        jax.clear_caches()
        yield
    jax.clear_caches()


@pytest.mark.parametrize(("name", "tolerance", "median"), [("mass_default", 1e-5, 1e-6), ("mass_ties", 2e-3, 1e-5)])
def test_fitness_equals_the_reference_code_of_mass(shared_dir, name, tolerance, median):
    golden = np.load(shared_dir / "golden" / f"{name}.npz")
    panel = golden["scores"], golden["member"], golden["forward_return_5d"], golden["weights"]
    error = np.abs(np.asarray(fitness(*panel, missing="zero", signal="disagreement")) - golden["fitness_ties_averaged"])
    if name == "mass_ties":
        error = error[1:]
    assert error.max() < tolerance
    assert np.median(error) < median


@given(seed=seeds, signal=st.sampled_from(["combined", "mean", "disagreement"]), missing=st.sampled_from(["renormalize", "zero"]))
@few
def test_fitness_equals_float64(seed, signal, missing):
    panel = slow.panel(seed)
    found = fitness(*panel, alpha=0.7, signal=signal, missing=missing)
    np.testing.assert_allclose(found, slow.fitness(*panel, 0.7, signal, missing), atol=1e-5)


@pytest.mark.parametrize("size", [(16, 50, 5), (3, 600, 2), (70, 20, 2)])
def test_fitness_equals_float64_at_every_size(size):
    panel = slow.panel(5, *size, candidates=20)
    np.testing.assert_allclose(fitness(*panel), slow.fitness(*panel), atol=1e-5)


@given(seed=seeds)
@few
def test_weights_of_zero_leave_stocks_out(seed):
    scores, member, returns, _ = slow.panel(seed, missing=0.5, copies=False)
    alone = np.eye(len(scores), dtype=np.float32)
    np.testing.assert_allclose(
        fitness(scores, member, returns, alone, signal="mean"), slow.fitness(scores, member, returns, alone, signal="mean"), atol=1e-5
    )


@given(seed=seeds)
@few
def test_order_of_stocks_and_archetypes_does_not_matter(seed):
    scores, member, returns, weights = slow.panel(seed)
    rng = np.random.default_rng(seed)
    stocks, archetypes = rng.permutation(scores.shape[1]), rng.permutation(scores.shape[0])
    before = fitness(scores, member, returns, weights)
    np.testing.assert_allclose(fitness(scores[:, stocks], member[stocks], returns[stocks], weights), before, atol=1e-6)
    np.testing.assert_allclose(fitness(scores[archetypes], member, returns, weights[:, archetypes]), before, atol=1e-5)


@given(seed=seeds, scale=st.floats(1e-6, 1e6))
@few
def test_scale_of_weights_and_of_scores_does_not_matter(seed, scale):
    scores, member, returns, weights = slow.panel(seed)
    before = fitness(scores, member, returns, weights)
    np.testing.assert_allclose(fitness(scores, member, returns, weights * np.float32(scale)), before, atol=1e-5)
    np.testing.assert_allclose(fitness(scores * 2.0 + 4.0, member, returns, weights), before, atol=1e-5)


@given(seed=seeds)
@few
def test_only_the_order_of_returns_matters(seed):
    scores, member, returns, weights = slow.panel(seed)
    before = fitness(scores, member, returns, weights)
    np.testing.assert_array_equal(fitness(scores, member, np.exp(returns.astype(float)), weights), before)
    np.testing.assert_allclose(fitness(scores, member, -returns, weights), -np.asarray(before), atol=1e-6)


@given(seed=seeds)
@few
def test_padding_with_absent_stocks_changes_nothing(seed):
    scores, member, returns, weights = slow.panel(seed)
    rng = np.random.default_rng(seed)
    padded = [np.concatenate([part, fill], axis=-2) for part, fill in (
        (scores, rng.random((*scores.shape[:1], 4, scores.shape[2]), np.float32)),
        (member, np.zeros((4, scores.shape[2]), bool)),
        (returns, np.full((4, scores.shape[2]), 9, np.float32)),
    )]  # fmt: skip
    np.testing.assert_allclose(fitness(*padded, weights), fitness(scores, member, returns, weights), atol=1e-6)


def test_dates_that_cannot_be_judged_are_skipped():
    scores, member, returns, weights = slow.panel(7, missing=0, absent=0)
    before = fitness(scores[..., :1], member[..., :1], returns[..., :1], weights)
    returns[:, 1] = 0.25
    scores[:, :, 2] = 0.5
    np.testing.assert_allclose(fitness(scores, member, returns, weights), before, atol=1e-6)
    assert np.isnan(fitness(scores[..., 1:], member[..., 1:], returns[..., 1:], weights)).all()
    assert np.isnan(fitness(scores, np.zeros_like(member), returns, weights)).all()
    assert np.isnan(fitness(scores, member, np.full_like(returns, np.nan), weights)).all()


def test_a_constant_signal_is_not_rewarded_by_the_order_of_the_stocks():
    returns = np.sort(np.random.default_rng(0).normal(size=(12, 4)), axis=0)
    assert np.isnan(fitness(np.full((3, 12, 4), 0.4), np.ones((12, 4), bool), returns, np.ones((2, 3)))).all()


@pytest.mark.parametrize("archetypes", [16, 64])
@pytest.mark.parametrize("candidates", [1, 17])
def test_tiles_do_not_change_a_bit(monkeypatch, candidates, archetypes):
    scores, member, returns, _ = slow.panel(8, archetypes, 50, 5)
    weights = jnp.asarray(np.random.default_rng(0).dirichlet(np.ones(archetypes), 130), jnp.float32)
    window = jax.jit(prepare_window, static_argnums=3)(jnp.asarray(scores), jnp.asarray(member), jnp.asarray(returns), "renormalize")
    whole = judged(window, weights, jnp.float32(0.5), signal="combined")
    for method in evaluation.TILES:
        monkeypatch.setitem(evaluation.TILES, method, 16)
    assert evaluation.accelerator_tile(50, 20, "pairs") == evaluation.ACCELERATOR_BYTES // 4000 // 16 * 16
    tiled = judged(window, weights[:candidates], jnp.float32(0.5), signal="combined")
    np.testing.assert_array_equal(tiled, whole[:candidates])


judged = jax.jit(window_fitness, static_argnames="signal")
"""All candidates are judged by one program for each number of archetypes, a test's own by one that is made with the tiles it sets."""


def test_one_compilation_for_every_universe_and_alpha():
    scores, member, returns, weights = slow.panel(9, stocks=13)
    fitness(scores, member, returns, weights)
    on_device = [jnp.asarray(values) for values in (scores, member, returns, weights)]
    alpha = jnp.float32(0.5)
    with count_compilations() as compiled:
        fitness(np.nan_to_num(scores), ~member, returns * 2, weights[::-1], alpha=0.25)
        fitness(*on_device, alpha=alpha)
    assert compiled() == 0


def test_fitness_runs_inside_the_jit_of_the_caller():
    panel = slow.panel(10)
    np.testing.assert_array_equal(jax.jit(lambda *p: fitness(*p))(*panel), fitness(*panel))


def test_bad_input_is_named():
    scores, member, returns, weights = slow.panel(11)
    with pytest.raises(DataError, match="forward_returns has shape"):
        fitness(scores, member, returns[:, :2], weights)
    with pytest.raises(DataError, match=r"forward_returns\[0, 0\] is infinite"):
        fitness(scores, member, np.full_like(returns, np.inf), weights)
    with pytest.raises(ConfigError, match="did you mean 'combined'"):
        fitness(scores, member, returns, weights, signal="combine")
