"""One contract for every search, a user's own included."""

from __future__ import annotations

import itertools
import re
import sys

import jax
import numpy as np
import pytest

from massjax.engine import fitness
from massjax.errors import ConfigError, DataError
from massjax.search import METHODS, Annealing, DifferentialEvolution, GradientSearch, search_window, settings_from_mapping
from tests.compilations import count_compilations
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def own_module(tmp_path_factory):
    """The search that the docs show, as its readers would save it."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "own_search.md").read_text(encoding="utf-8"), re.DOTALL)
    folder = tmp_path_factory.mktemp("own")
    (folder / "climber.py").write_text(blocks[0], encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield "climber:HillClimber", blocks[1]
    sys.path.remove(str(folder))
    sys.modules.pop("climber", None)


@pytest.fixture(scope="module", params=["evolution", "annealing", "soft_rank_ic", "ic", "perturbed_rank_ic", "own"])
def search(request, own_module):
    return {
        "evolution": DifferentialEvolution(chains=16, steps=12),
        "annealing": Annealing(chains=16, steps=12),
        "soft_rank_ic": GradientSearch(restarts=16, steps=12, kl_strength=0.01, entropy_strength=0.01),
        "ic": GradientSearch(restarts=16, steps=12, objective="ic", optimizer="sgd"),
        "perturbed_rank_ic": GradientSearch(restarts=16, steps=12, objective="perturbed_rank_ic", pairs=2),
        "own": settings_from_mapping({"method": own_module[0], "climbers": 16, "steps": 12}),
    }[request.param]


@pytest.fixture(scope="module")
def window():
    rng = np.random.default_rng(0)
    scores = rng.random((5, 12, 3)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.1] = np.nan
    return scores, rng.random((12, 3)) < 0.9, rng.normal(size=(12, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def result(search, window):
    return search_window(*window, search, key=jax.random.key(0))


def test_the_result_is_the_best_exact_fitness(window, result):
    np.testing.assert_array_equal(fitness(*window, result.chain_weights), result.chain_fitness)
    np.testing.assert_array_equal(fitness(*window, np.asarray(result.weights)[None])[0], result.fitness)
    assert result.fitness == result.chain_fitness.max()
    np.testing.assert_array_equal(result.weights, result.chain_weights[int(np.argmax(result.chain_fitness))])


def test_weights_are_distributions(result):
    weights = np.asarray(result.chain_weights)
    assert (weights > 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)


def test_history_starts_at_the_start_and_never_falls(search, window, result):
    history = np.asarray(result.history)
    assert history.shape == (search.steps + 1,)
    assert (np.diff(history) >= 0).all()
    assert history[-1] == result.fitness
    assert history[0] >= fitness(*window, np.ones((1, 5)))[0] - 1e-6
    assert history[-1] > history[0]


def test_the_same_key_gives_the_same_result(search, window, result):
    again = search_window(*window, search, key=jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, again, result)


def test_a_window_that_cannot_be_judged_has_no_winner(search, window):
    scores, member, returns = window
    nothing = search_window(scores, member, np.full_like(returns, np.nan), search, key=jax.random.key(0))
    assert np.isnan(nothing.fitness)
    assert np.isnan(nothing.chain_fitness).all()
    np.testing.assert_allclose(np.asarray(nothing.chain_weights).sum(axis=1), 1, atol=1e-6)


UP = np.linspace(0, 1, 12, dtype=np.float32)[:, None].repeat(3, axis=1)
NOISE = np.random.default_rng(1).integers(0, 256, (12, 3)).astype(np.float32) / 256
FLAT = np.full_like(UP, 0.5)
DEALT = np.array(list(itertools.permutations([0.0, 0.5, 1.0])) * 2, np.float32).T[:, :, None].repeat(3, axis=2)
UNDEFINED = {
    "a factor and its mirror": (np.stack([UP, 1 - UP, FLAT, FLAT]), None),
    "another factor every date and its mirror": (np.stack([NOISE, 1 - NOISE, FLAT, FLAT]), None),
    "two factors and their mirrors": (np.stack([UP, 1 - UP, UP[::-1] ** 2, 1 - UP[::-1] ** 2]), None),
    "the same scores dealt to other archetypes": (np.concatenate([DEALT, FLAT[None]]), None),
    "all weight on a constant archetype": (np.stack([FLAT, UP, FLAT, 1 - UP]), np.array([1.0, 0.0, 0.0, 0.0])),
}
"""Scores and starts (None = equal weights) at which the mean ranks nothing."""


@pytest.mark.parametrize("kind", UNDEFINED)
def test_an_undefined_start_moves(search, window, kind):
    scores, start = UNDEFINED[kind]
    if start is not None and type(search).__name__ == "HillClimber":
        pytest.skip("it multiplies weights, and leaves those of 0 alone")
    panel = scores, np.ones((12, 3), bool), window[2]
    assert np.isnan(fitness(*panel, np.ones((1, 4)) if start is None else start[None], signal="mean"))
    found = search_window(*panel, search, key=jax.random.key(0), signal="mean", start=start)
    assert np.isfinite(found.chain_fitness).all(), "no chain stays where it is undefined"
    np.testing.assert_array_equal(fitness(*panel, found.chain_weights, signal="mean"), found.chain_fitness)
    assert found.fitness == found.chain_fitness.max()
    history = np.asarray(found.history)
    known = np.isfinite(history)
    assert known[np.argmax(known) :].all(), "once known, the best stays known"
    assert (np.diff(history[known]) >= 0).all()
    if kind == "a factor and its mirror":
        better = max(float(f) for f in fitness(*panel, np.eye(4)[:2], signal="mean"))
        assert float(found.fitness) == pytest.approx(better, abs=1e-6)


@pytest.mark.parametrize(
    "alone",
    [
        Annealing(chains=1, steps=12, restart_after=2, patience=3),
        GradientSearch(restarts=1, steps=12, spread=0.0, objective="ic"),
        DifferentialEvolution(chains=4, steps=12, restart_after=None),
    ],
)
def test_a_single_chain_leaves_an_undefined_start(window, alone):
    panel = DEALT, np.ones((12, 3), bool), window[2]
    assert np.isnan(fitness(*panel, np.ones((1, 3)), signal="disagreement"))
    assert np.isfinite(search_window(*panel, alone, key=jax.random.key(0), signal="disagreement").fitness)


def test_no_start_is_lost(search, window, result):
    for start in (result.weights, result.chain_weights):
        started = search_window(*window, search, key=jax.random.key(1), start=start)
        assert started.history[0] >= result.fitness - 1e-5


def test_other_windows_and_keys_do_not_compile_again(search, window, result):
    scores, member, returns = window
    with count_compilations() as compiled:
        for seed in (1, 2):
            search_window(1 - scores, ~member, -returns, search, key=jax.random.key(seed), alpha=0.1 * seed, start=np.arange(1, 6) + seed)
        assert compiled() == 0


def test_the_docs_use_their_search(own_module):
    names: dict[str, object] = {}
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        exec(compile(own_module[1], "own_search.md", "exec"), names)
    history = np.asarray(names["result"].history)
    assert history[-1] > history[0]


def test_every_method_has_bounded_sizes():
    for name, method in METHODS.items():
        size = "restarts" if name == "gradient" else "chains"
        with pytest.raises(ConfigError, match=size):
            settings_from_mapping({"method": name, size: 10**9})
        assert method().population == getattr(method(), size)


def test_a_single_archetype_leaves_nothing_to_search(window):
    scores, member, returns = window
    alone = search_window(scores[:1], member, returns, Annealing(chains=2, steps=3), key=jax.random.key(0))
    np.testing.assert_array_equal(alone.weights, [1.0])


@pytest.mark.parametrize(
    ("start", "message"),
    [(np.ones(3), "3 archetypes, the scores 5"), (np.ones((3, 5)), "start has 3 rows, the search 16 chains"), (-np.ones(5), "negative")],
)
def test_bad_starts_are_named(window, start, message):
    with pytest.raises(DataError, match=message):
        search_window(*window, Annealing(chains=16, steps=1), key=jax.random.key(0), start=start)


def test_settings_from_a_mapping():
    assert settings_from_mapping({"method": "annealing", "chains": 3}) == Annealing(chains=3)
    assert settings_from_mapping({"method": "gradient", "steps": 7}) == GradientSearch(steps=7)
    assert hash(Annealing()) == hash(Annealing())


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"steps": 3}, "'method' is missing"),
        ({"method": "aneal"}, "did you mean 'annealing'"),
        ({"method": "annealing", "chain": 3}, "did you mean 'chains'"),
        ({"method": "annealing", "cooling": 1.5}, "cooling"),
        ({"method": "gradient", "optimizer": "adm"}, "did you mean 'adam'"),
        ({"method": "gradient", "prior": [0.5, 0.0]}, "positive weight"),
        ({"method": "no_such_module:Search"}, "cannot be imported"),
        ({"method": "massjax.search:Anealing"}, "did you mean 'Annealing'"),
        ({"method": "massjax.search:search_window"}, "not a subclass"),
        ({"method": 3}, "not known"),
    ],
)
def test_bad_mappings_are_named(mapping, message):
    with pytest.raises(ConfigError, match=message):
        settings_from_mapping(mapping)


def test_a_prior_of_another_length_is_named(window):
    with pytest.raises(ConfigError, match="prior has 2 weights, the scores 5 archetypes"):
        search_window(*window, GradientSearch(restarts=2, steps=1, prior=(0.5, 0.5)), key=jax.random.key(0))
