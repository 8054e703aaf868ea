"""What the public functions refuse, each with the argument named; and odd input that must give what ordinary input gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import massjax as mj
from massjax.engine import evaluation
from massjax.errors import ConfigError, DataError
from tests.engine import slow_reference as slow

PANEL = slow.panel(0, archetypes=3, stocks=8, dates=3, candidates=4)
SCORES, MEMBER, RETURNS, WEIGHTS = PANEL
KEY = jax.random.key(0)
SMALL = mj.Annealing(chains=2, steps=1)


@pytest.fixture(scope="class", params=["compiled", "traced"])
def kernel(request: pytest.FixtureRequest) -> Iterator[None]:
    """The compiled kernel, where numba is, and XLA's own loops; what one test of a class compiled serves the next."""
    if request.param == "compiled":
        pytest.importorskip("numba", reason="numba is not installed: pip install 'massjax[numba]'")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "traced":
            patch.setattr(evaluation, "available", lambda: False)
        jax.clear_caches()
        yield
    jax.clear_caches()


def search(**changes: Any) -> Any:
    return mj.search_window(**{"scores": SCORES, "member": MEMBER, "forward_returns": RETURNS, "settings": SMALL, "key": KEY} | changes)


def walk(**changes: Any) -> Any:
    panel = {"scores": SCORES, "member": MEMBER, "forward_returns": RETURNS, "settings": SMALL, "key": KEY}
    return mj.walk_forward(**panel | {"lookback": 1, "gap": 0} | changes)


def agents(**changes: Any) -> Any:
    how = {"agents_per_archetype": 3, "watchlist": 3, "picks": 1, "temperature": 0.1, "key": KEY}
    return mj.sample_agents(**{"probabilities_or_scores": SCORES, "member": MEMBER} | how | changes)


@pytest.mark.parametrize(
    "weights",
    [
        [["a", "b", "c"]],
        [[1, 2], [3]],
        [[None, 1, 2]],
        np.ones((1, 3), "m8[s]"),
        np.ones((1, 3), complex),
        np.ma.masked_equal(np.ones((1, 3)), 0),
        np.ones(3),
        np.ones((1, 2)),
        [[-1.0, 1, 1]],
        [[np.nan, 1, 1]],
        [[np.inf, 1, 1]],
        np.zeros((1, 3)),
    ],
)
def test_weights_that_are_none(weights: Any) -> None:
    for call in (lambda: mj.fitness(SCORES, MEMBER, RETURNS, weights), lambda: mj.aggregate(SCORES, MEMBER, weights)):
        with pytest.raises(DataError, match=r"^weights"):
            call()


@pytest.mark.parametrize("alpha", ["0.5", None, 1j, [0.5], np.nan, -0.1, 1.1])
def test_an_alpha_that_is_no_share(alpha: Any) -> None:
    with pytest.raises(ConfigError, match=r"^alpha=.*not a number between 0 and 1"):
        mj.fitness(*PANEL, alpha=alpha)


def test_an_alpha_a_candidate_is_refused_while_tracing() -> None:
    with pytest.raises(ConfigError, match=r"alpha=.*not a number"):
        jax.jit(lambda alpha: mj.fitness(*PANEL, alpha=alpha))(np.array([0.5, 0.2]))


@pytest.mark.parametrize("name", [np.array(["mean", "combined"]), None, "average"])
def test_a_signal_that_is_none(name: Any) -> None:
    with pytest.raises(ConfigError, match=r"signal=.*expected one of"):
        mj.fitness(*PANEL, signal=name)


@pytest.mark.parametrize("scores", [np.float32(2e15) * SCORES, np.where(np.arange(3)[:, None, None] == 1, np.inf, SCORES)])
def test_scores_that_float32_cannot_square(scores: Any) -> None:
    with pytest.raises(DataError, match=r"^scores\[\d, \d, \d\] is .*expected finite numbers"):
        mj.fitness(scores, MEMBER, RETURNS, WEIGHTS)


@pytest.mark.parametrize(("axis", "name"), [(0, "archetypes"), (1, "stocks"), (2, "dates")])
def test_an_empty_axis_is_named(axis: int, name: str) -> None:
    scores = np.take(SCORES, [], axis=axis)
    _, stocks, dates = scores.shape
    member, returns = MEMBER[:stocks, :dates], RETURNS[:stocks, :dates]
    for call in (
        lambda: mj.fitness(scores, member, returns, WEIGHTS),
        lambda: mj.aggregate(scores, member, WEIGHTS),
        lambda: search(scores=scores, member=member, forward_returns=returns),
        lambda: walk(scores=scores, member=member, forward_returns=returns),
    ):
        with pytest.raises(DataError, match=f"scores hold no {name}"):
            call()


@pytest.mark.parametrize("archetypes", [3, 64])
def test_no_candidates_have_no_fitness(archetypes: int) -> None:
    scores = np.ones((archetypes, 8, 3), np.float32)
    assert mj.fitness(scores, MEMBER, RETURNS, np.ones((0, archetypes))).shape == (0,)


@pytest.mark.parametrize("key", [0, None, "a", jnp.ones(2), jax.random.split(KEY)])
@pytest.mark.parametrize("call", [search, walk, agents])
def test_a_key_that_is_none(call: Any, key: Any) -> None:
    with pytest.raises(ConfigError, match=r"is not a key of jax\.random"):
        call(key=key)


def test_a_key_of_the_old_make_is_the_same_key() -> None:
    np.testing.assert_array_equal(search(key=jax.random.PRNGKey(7)).weights, search(key=jax.random.key(7)).weights)


@pytest.mark.parametrize("settings", [None, {}, "annealing", mj.Annealing])
@pytest.mark.parametrize("call", [search, walk])
def test_settings_of_no_search(call: Any, settings: Any) -> None:
    with pytest.raises(ConfigError, match="is no search"):
        call(settings=settings)


@pytest.mark.parametrize(
    ("call", "changes"),
    [(walk, {name: value}) for name in ("lookback", "gap", "delay") for value in (2.5, None, "2", np.nan, True, -1)]
    + [(walk, {"horizon": value}) for value in (2.5, "2", 0)]
    + [(agents, {name: value}) for name in ("picks", "watchlist") for value in (1.5, None, 0)]
    + [(agents, {"temperature": value}) for value in ("a", None, -1.0, np.inf)]
    + [(agents, {"agents_per_archetype": value}) for value in (1.5, "3", -1, np.uint64(2**63), [1, 2])],
)
def test_numbers_that_are_none_are_named(call: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(changes))}="):
        call(**changes)


@pytest.mark.parametrize("value", [5.0, -1.0, np.inf])
def test_choice_probabilities_that_are_none(value: float) -> None:
    with pytest.raises(DataError, match="choice probabilities"):
        agents(probabilities_or_scores=np.full((3, 8, 3, 2), value))


def test_the_mean_of_small_scores_is_theirs() -> None:
    mean = mj.aggregate([[[1e-14]], [[3e-14]]], np.ones((1, 1), bool), [[3.0, 1.0]]).mean
    np.testing.assert_allclose(mean, 1.5e-14, rtol=1e-6)


@pytest.mark.usefixtures("kernel")
class TestWithEachKernel:
    """Odd input, whichever kernel ranks."""

    def test_only_ratios_of_weights_matter(self) -> None:
        units = (1e-300, 1e-39, 1e-32, 1e32, 1e300)
        found = mj.fitness(SCORES, MEMBER, RETURNS, np.concatenate([WEIGHTS, *(WEIGHTS.astype(float) * unit for unit in units)]))
        np.testing.assert_allclose(found, np.tile(slow.fitness(*PANEL), 6), atol=1e-5)

    def test_a_start_of_any_size_is_judged(self) -> None:
        for start in (np.full(3, 1e-300), [1e39, 1, 1], np.full(3, 3e38, np.float32)):
            found = search(start=start)
            assert np.isfinite(found.weights).all()
            np.testing.assert_allclose(found.fitness, slow.fitness(SCORES, MEMBER, RETURNS, np.asarray(found.weights)[None])[0], atol=1e-5)

    def test_weights_that_are_only_known_when_traced_have_no_fitness(self) -> None:
        fitness = jax.jit(lambda weights: mj.fitness(SCORES, MEMBER, RETURNS, weights))
        expected = np.asarray(fitness(WEIGHTS))
        for weight in (0.0, np.nan, np.inf):
            others = WEIGHTS.copy()
            others[2] = weight
            found = np.asarray(fitness(others))
            assert np.isnan(found[2])
            np.testing.assert_array_equal(np.delete(found, 2), np.delete(expected, 2))

    def test_a_search_whose_chains_break_down_keeps_weights_that_are_numbers(self) -> None:
        wild = mj.GradientSearch(restarts=4, steps=20, kl_strength=1.0, learning_rate=10.0)
        found = search(settings=wild)
        assert np.isfinite(found.chain_weights).all()
        np.testing.assert_allclose(found.fitness, slow.fitness(SCORES, MEMBER, RETURNS, np.asarray(found.weights)[None])[0], atol=1e-5)

    @pytest.mark.parametrize("signal", ["mean", "disagreement", "combined"])
    def test_the_unit_of_the_scores_does_not_matter(self, signal: Any) -> None:
        expected = slow.fitness(*PANEL, signal=signal)
        for unit in (1e-14, 1e14):
            np.testing.assert_allclose(mj.fitness(SCORES.astype(float) * unit, *PANEL[1:], signal=signal), expected, atol=1e-5)

    def test_a_caller_in_float64_gets_the_same(self) -> None:
        expected = np.asarray(mj.fitness(*PANEL)), np.asarray(search().weights), np.asarray(mj.aggregate(SCORES, MEMBER, WEIGHTS).combined)
        jax.clear_caches()
        with jax.enable_x64(True):
            found = np.asarray(mj.fitness(*PANEL)), np.asarray(search().weights), np.asarray(mj.aggregate(SCORES, MEMBER, WEIGHTS).combined)
            assert walk().rank_ic.dtype == np.float32
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
