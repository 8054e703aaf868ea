"""One contract for every search, a user's own included."""

from __future__ import annotations

import itertools
import re
import sys

import jax
import numpy as np
import pytest

from massjax.engine import fitness
from massjax.engine.inputs import OwnSignal
from massjax.engine.own_signal import check_signal
from massjax.errors import ConfigError, DataError
from massjax.search import CMAES, METHODS, Annealing, DifferentialEvolution, GradientSearch, Search, search_window, settings_from_mapping
from massjax.testing import SearchContract
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def own_module(tmp_path_factory):
    """The search that the docs show, as its readers would save it, and the blocks that use and test it."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "own_search.md").read_text(encoding="utf-8"), re.DOTALL)
    folder = tmp_path_factory.mktemp("own")
    (folder / "climber.py").write_text(blocks[0], encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield blocks[1:]
    sys.path.remove(str(folder))
    sys.modules.pop("climber", None)


def block(code):
    """The names that a block of the docs defines."""
    names = {}
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        exec(compile(code, "own_search.md", "exec"), names)
    return names


@pytest.fixture(scope="module", params=["evolution", "annealing", "cmaes", "soft_rank_ic", "ic", "perturbed_rank_ic", "own"])
def search(request, own_module):
    return {
        "evolution": DifferentialEvolution(chains=16, steps=12),
        "annealing": Annealing(chains=16, steps=12),
        "cmaes": CMAES(chains=16, steps=12),
        "soft_rank_ic": GradientSearch(restarts=16, steps=12, kl_strength=0.01, entropy_strength=0.01),
        "ic": GradientSearch(restarts=16, steps=12, objective="ic", optimizer="sgd"),
        "perturbed_rank_ic": GradientSearch(restarts=16, steps=12, objective="perturbed_rank_ic", pairs=2),
        "own": block(own_module[1])["TestHillClimber"].search,
    }[request.param]


class TestContract(SearchContract):
    """Every search keeps the contract that ships with massjax."""

    @pytest.fixture(autouse=True)
    def _each(self, search):
        self.search = search


UP = np.linspace(0, 1, 12, dtype=np.float32)[:, None].repeat(3, axis=1)
FLAT = np.full_like(UP, 0.5)
DEALT = np.array(list(itertools.permutations([0.0, 0.5, 1.0])) * 2, np.float32).T[:, :, None].repeat(3, axis=2)


@pytest.fixture(scope="module")
def window():
    rng = np.random.default_rng(0)
    scores = rng.random((5, 12, 3)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.1] = np.nan
    return scores, rng.random((12, 3)) < 0.9, rng.normal(size=(12, 3)).astype(np.float32)


def test_a_factor_is_told_from_its_mirror(search, window):
    panel = np.stack([UP, 1 - UP, FLAT, FLAT]), np.ones((12, 3), bool), window[2]
    assert np.isnan(fitness(*panel, np.ones((1, 4)), signal="mean"))
    better = max(float(f) for f in fitness(*panel, np.eye(4)[:2], signal="mean"))
    assert float(search_window(*panel, search, key=jax.random.key(0), signal="mean").fitness) == pytest.approx(better, abs=1e-6)


def test_all_weight_on_a_constant_archetype_moves(search, window):
    if type(search).__name__ == "HillClimber":
        pytest.skip("it multiplies weights, and leaves those of 0 alone")
    panel, start = (np.stack([FLAT, UP, FLAT, 1 - UP]), np.ones((12, 3), bool), window[2]), np.array([1.0, 0.0, 0.0, 0.0])
    assert np.isnan(fitness(*panel, start[None], signal="mean"))
    found = search_window(*panel, search, key=jax.random.key(0), signal="mean", start=start)
    assert np.isfinite(found.chain_fitness).all(), "no chain stays where it is undefined"


@pytest.mark.parametrize(
    "alone",
    [
        Annealing(chains=1, steps=12, restart_after=2, patience=3),
        GradientSearch(restarts=1, steps=12, spread=0.0, objective="ic"),
        DifferentialEvolution(chains=4, steps=12, restart_after=None),
        CMAES(chains=4, steps=12, restart_after=2),
    ],
)
def test_a_single_chain_leaves_an_undefined_start(window, alone):
    panel = DEALT, np.ones((12, 3), bool), window[2]
    assert np.isnan(fitness(*panel, np.ones((1, 3)), signal="disagreement"))
    assert np.isfinite(search_window(*panel, alone, key=jax.random.key(0), signal="disagreement").fitness)


def test_the_docs_use_and_test_their_search(own_module):
    history = np.asarray(block(own_module[0])["result"].history)
    assert history[-1] > history[0]
    tests = block(own_module[1])["TestHillClimber"]
    assert issubclass(tests, SearchContract)
    assert settings_from_mapping({"method": "climber:HillClimber", "climbers": 16, "steps": 12}) == tests.search


def test_the_docs_maximise_their_objective_rank_by_their_signal_and_run_their_estimator(own_module):
    names = block(own_module[2])
    search = names["RatioAnnealing"](chains=8, steps=6)
    rng = np.random.default_rng(0)
    panel = rng.random((3, 12, 6)), np.ones((12, 6), bool), rng.normal(size=(12, 6))
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        found = search_window(*panel, search, key=jax.random.key(0))
    assert found.value > found.history[0]
    np.testing.assert_array_equal(found.fitness, fitness(*panel, found.weights[None])[0])
    assert found.value != found.fitness
    vote = block(own_module[3])["vote"]
    assert check_signal("signal", vote, 3) == OwnSignal("vote", vote)
    walk = block(own_module[4])["walk"]
    assert walk.searched.sum() == 90 - 32
    assert walk.chain_fitness.shape == (90, 0)
    assert walk.weights[-1].argmax() == 0
    np.testing.assert_allclose(walk.weights.sum(axis=1), 1, atol=1e-6)


def test_every_method_has_bounded_sizes():
    for name, method in METHODS.items():
        if not issubclass(method, Search):
            continue
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
