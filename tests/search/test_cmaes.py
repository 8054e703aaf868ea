"""CMA-ES step by step against plain numpy in float64, on quadratics, and where it begins again."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from massjax.errors import ConfigError
from massjax.search import CMAES, Evaluated, settings_from_mapping
from massjax.search.cmaes import LEAST_SHARE, coordinates, log_ratio_axes, mixes, strategy_of
from massjax.search.evaluated import normalise

TARGET = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
SCALES = np.array([1.0, 3.0, 10.0, 30.0])


class Quadratic:
    """Minus a quadratic form in the coordinates of the weights, whose axes are of very different lengths."""

    def __init__(self) -> None:
        self.turn = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
        self.target = np.log(TARGET) @ log_ratio_axes(5).astype(float)

    def judge(self, weights: jax.Array) -> Evaluated:
        weights = normalise(weights)
        points = jnp.log(weights) @ log_ratio_axes(5)
        target, turn, scales = (np.asarray(values, np.float32) for values in (self.target, self.turn, SCALES))
        apart = ((points - target[None]) @ turn) * scales[None]
        return Evaluated(weights, -(apart * apart).sum(axis=1))

    def slow(self, point: np.ndarray) -> float:
        return -float((((point - self.target) @ self.turn * SCALES) ** 2).sum())


def slow_generation(state, drawn, value_of):
    """One generation of the tutorial's figure 6, written out one candidate at a time; `state` is a dict and is changed."""
    count, n = drawn.shape
    better = count // 2
    raw = [np.log((count + 1) / 2) - np.log(i) for i in range(1, better + 1)]
    weights = [w / sum(raw) for w in raw]
    mass = 1 / sum(w * w for w in weights)
    c_sigma = (mass + 2) / (n + mass + 5)
    damping = 1 + 2 * max(0, np.sqrt((mass - 1) / (n + 1)) - 1) + c_sigma
    c_c = (4 + mass / n) / (n + 4 + 2 * mass / n)
    c_1 = 2 / ((n + 1.3) ** 2 + mass)
    c_mu = min(1 - c_1, 2 * (1 / 4 + mass + 1 / mass - 2) / ((n + 2) ** 2 + 2 * mass / 2))
    length = np.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))
    squares, axes = np.linalg.eigh(state["C"])
    root, inverse = axes * np.sqrt(squares), (axes / np.sqrt(squares)) @ axes.T
    steps = [root @ (state["signs"](axes) * z) for z in drawn]
    values = [value_of(state["m"] + state["s"] * y) for y in steps]
    order = sorted(range(count), key=lambda i: -values[i])[:better]
    move = sum(w * steps[i] for w, i in zip(weights, order, strict=True))
    state["m"] = state["m"] + state["s"] * move
    state["p"] = (1 - c_sigma) * state["p"] + np.sqrt(c_sigma * (2 - c_sigma) * mass) * inverse @ move
    size, state["g"] = np.linalg.norm(state["p"]), state["g"] + 1
    moving = float(size / np.sqrt(1 - (1 - c_sigma) ** (2 * state["g"])) < (1.4 + 2 / (n + 1)) * length)
    state["q"] = (1 - c_c) * state["q"] + moving * np.sqrt(c_c * (2 - c_c) * mass) * move
    many = sum(w * np.outer(steps[i], steps[i]) for w, i in zip(weights, order, strict=True))
    kept = 1 + c_1 * (1 - moving) * c_c * (2 - c_c) - c_1 - c_mu
    state["C"] = kept * state["C"] + c_1 * np.outer(state["q"], state["q"]) + c_mu * many
    state["s"] *= np.exp(c_sigma / damping * (size / length - 1))


@pytest.fixture(scope="module")
def quadratic():
    """The objective, the state after its start was judged, and the step."""
    objective, search = Quadratic(), CMAES(chains=16)
    step = jax.jit(lambda state, key: search.step(objective, state, key))
    begun = jax.jit(lambda start, key: search.init(objective, start, key))(np.full((16, 5), 0.2, np.float32), jax.random.key(0))
    return objective, step(begun, jax.random.key(1)), step


def test_each_generation_is_that_of_the_tutorial(quadratic):
    objective, state, step = quadratic
    decompose = jax.jit(lambda matrix: jnp.linalg.eigh(matrix)[1])
    slow = {"m": np.zeros(4), "s": 1.0, "C": np.eye(4), "p": np.zeros(4), "q": np.zeros(4), "g": 0}
    for generation in range(12):
        key = jax.random.key(2 + generation)
        ours = np.asarray(decompose(state.covariance))
        slow["signs"] = lambda axes, ours=ours: np.sign((axes * ours).sum(axis=0))
        drawn = np.asarray(jax.random.normal(jax.random.split(key)[0], (16, 4)), float)
        slow_generation(slow, drawn, objective.slow)
        state = step(state, key)
        for found, expected in (
            (state.mean, "m"),
            (state.spread, "s"),
            (state.covariance, "C"),
            (state.path, "p"),
            (state.shape_path, "q"),
        ):
            np.testing.assert_allclose(found, slow[expected], rtol=2e-3, atol=2e-4, err_msg=f"{expected} after {generation + 1}")
    assert int(state.generation) == 12


@pytest.mark.slow
def test_a_quadratic_is_solved_whatever_its_axes(quadratic):
    _, state, step = quadratic
    for key in jax.random.split(jax.random.key(0), 150):
        state = step(state, key)
    np.testing.assert_allclose(state.best.weights[int(state.best.fitness.argmax())], TARGET, atol=1e-3)
    lengths = np.sqrt(np.linalg.eigvalsh(np.asarray(state.covariance, float)))
    assert lengths[-1] / lengths[0] > 8, "the covariance has learned the shape, whose axes differ thirtyfold"


def test_coordinates_and_mixes_are_inverse():
    weights = np.random.default_rng(0).dirichlet(np.ones(7), 20).astype(np.float32)
    weights = normalise(jnp.maximum(weights, 2 * LEAST_SHARE))
    np.testing.assert_allclose(mixes(coordinates(weights), 7), weights, rtol=1e-4)
    axes = log_ratio_axes(7).astype(float)
    np.testing.assert_allclose(axes.T @ axes, np.eye(6), atol=1e-6)
    np.testing.assert_allclose(axes.sum(axis=0), 0, atol=1e-6)
    np.testing.assert_array_equal(mixes(coordinates(jnp.ones((2, 1))), 1), np.ones((2, 1)))


def test_the_constants_are_those_of_the_tutorial_s_default():
    """Ten dimensions and ten candidates: mu_eff, and the rates that follow from it (Hansen 2016, table 1)."""
    found = strategy_of(10, 10)
    assert found.effective == pytest.approx(3.1672, abs=1e-3)
    assert found.weights[5:].tolist() == [0.0] * 5
    assert found.path_rate == pytest.approx((3.1672 + 2) / (10 + 3.1672 + 5), abs=1e-4)
    assert found.length == pytest.approx(3.0847, abs=1e-3)


@pytest.mark.slow
def test_it_begins_again_where_nothing_improves_and_keeps_its_best():
    flat = type("Flat", (), {"judge": lambda self, weights: Evaluated(normalise(weights), weights.sum(axis=1) * 0)})()
    search = CMAES(chains=8, restart_after=3)
    step = jax.jit(lambda state, key: search.step(flat, state, key))
    state = search.init(flat, jnp.full((8, 5), 0.2), jax.random.key(0))
    spreads = []
    for turn in range(9):
        state = step(state, jax.random.key(turn))
        spreads.append((float(state.spread), int(state.generation)))
    assert [generation for _, generation in spreads] == [0, 1, 2, 0, 1, 2, 0, 1, 2]
    assert spreads[3] == spreads[6] == (1.0, 0)
    assert not np.allclose(state.mean, 0)
    np.testing.assert_array_equal(state.best.weights, np.full((8, 5), 0.2, np.float32))


def test_undefined_candidates_count_for_nothing():
    """A generation of which some are undefined learns from the others; one of which all are, nothing."""
    rng = np.random.default_rng(0)
    search = CMAES(chains=8)
    state = search.init(None, jnp.full((8, 4), 0.25), jax.random.key(0))
    steps = jnp.asarray(rng.normal(size=(8, 3)), jnp.float32)
    values = np.arange(8, dtype=np.float32)
    learn = jax.jit(search._learned)
    values[:6] = np.nan
    some = learn(state, values, steps, steps)
    ranked = strategy_of(8, 3).weights[:2]
    expected = (ranked[0] * steps[7] + ranked[1] * steps[6]) / ranked.sum()
    np.testing.assert_allclose(some.mean, expected, rtol=1e-5)
    nothing = learn(state, np.full(8, np.nan, np.float32), steps, steps)
    jax.tree.map(np.testing.assert_array_equal, nothing, state)


@pytest.mark.parametrize(
    ("fields", "message"), [({"chains": 3}, "chains"), ({"spread": 0}, "spread"), ({"restart_after": 0}, "restart_after")]
)
def test_bad_settings_are_named(fields, message):
    with pytest.raises(ConfigError, match=message):
        settings_from_mapping({"method": "cmaes", **fields})
