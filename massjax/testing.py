"""The contract of a search as tests, to be run on one of your own.

```python
from climber import HillClimber
from massjax.testing import SearchContract

class TestHillClimber(SearchContract):
    search = HillClimber(climbers=16, steps=12)
```

pytest runs every promise as a test of its own. Nothing here imports pytest: `SearchContract.check(HillClimber(climbers=16, steps=12))` runs
the same tests anywhere.
"""

from __future__ import annotations

import itertools
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from massjax.engine import fitness, prepare_window
from massjax.engine.devices import over_devices
from massjax.engine.inputs import AnyArray
from massjax.errors import ConfigError
from massjax.search.base import Search
from massjax.search.loop import run_search, search_window
from massjax.search.objectives import MeanRankIC, Objective
from massjax.search.result import SearchResult

ARCHETYPES, STOCKS, DATES = 4, 12, 3
"""Size of every window of the contract: settings that hold a number an archetype, such as a prior, must hold four."""
ROUNDING = 1e-5
"""How far a fitness may lie below the one expected where weights are scaled once more on the way."""

Arrays: TypeAlias = tuple[Float[np.ndarray, "K N D"], Bool[np.ndarray, "N D"], Float[np.ndarray, "N D"]]


class SearchContract:
    """Tests that every `massjax.Search` must pass; a subclass sets `search`, small enough to be quick (16 chains, 12 steps).

    Searched are a random window of 4 archetypes, 12 stocks and 3 dates with missing scores, of which the first archetype knows something,
    and windows of the same size in which equal weights rank nothing. A test that fails is an `AssertionError` whose message names the
    promise that is broken; the rules behind the tests are those of docs/own_search.md. A test over several devices skips where JAX has one.

    Attributes:
        search: settings of the search under test, with one step at least.
    """

    search: Search

    @classmethod
    def check(cls, search: Search) -> list[str]:
        """Run every test on one search.

        Args:
            search: the settings to test, in place of those of the class.

        Returns:
            The names of the tests that ran and passed.

        Raises:
            AssertionError: the first promise that is broken.
        """
        contract, passed = cls(), []
        contract.search = search
        for name in sorted(name for name in dir(cls) if name.startswith("test_")):
            try:
                getattr(contract, name)()
            except unittest.SkipTest:
                continue
            passed.append(name.removeprefix("test_"))
        return passed

    def test_settings_are_values(self) -> None:
        """Equal settings are equal and hash alike: JAX compiles once for each value of them, and a run is written down by its fields."""
        again = type(self.search)(**self.search.model_dump())
        assert again == self.search, "settings made again of their own fields are not equal to what they were"
        assert hash(again) == hash(self.search), "equal settings have different hashes, so that JAX would compile each of them anew"

    def test_the_fitness_is_exact(self) -> None:
        """`chain_fitness` is what `massjax.fitness` gives `chain_weights`, bit by bit, and the winner is the first of the best."""
        found = self._found()
        _equal(found.chain_fitness, fitness(*_window(), found.chain_weights), "a chain's fitness is not the exact one of its weights")
        _equal(found.fitness, fitness(*_window(), found.weights[None])[0], "the fitness found is not the exact one of the weights found")
        if self.search.average is None:
            assert found.value == found.chain_value.max(), "the value found is not that of the best chain"
            best = int(np.argmax(found.chain_value))
            _equal(found.weights, found.chain_weights[best], "the weights found are not those of the best chain")

    def test_the_value_is_that_of_the_objective(self) -> None:
        """`chain_value` is what the objective gives `chain_weights`; the two are the exact fitness where it is what is maximised."""
        found = self._found()
        advice = "hand `best` what `objective.judge` returns"
        np.testing.assert_allclose(found.chain_value, self._value(found.chain_weights), atol=ROUNDING, err_msg=f"a chain's value: {advice}")
        np.testing.assert_allclose(found.value, self._value(found.weights[None])[0], atol=ROUNDING, err_msg=f"the value found: {advice}")
        if type(self._objective()) is MeanRankIC:
            _equal(found.chain_value, found.chain_fitness, "a chain's value is not its fitness, which is what is maximised")

    def test_weights_are_distributions(self) -> None:
        """The weights of each chain are positive and sum to 1."""
        found = self._found()
        assert found.chain_weights.shape == (self.search.population, ARCHETYPES), "`best` must hold one row of weights a chain"
        _distributions(found)

    def test_the_history_never_falls(self) -> None:
        """The best of all chains has no less a value after a step than before it."""
        history = np.asarray(self._found().history)
        assert history.shape == (self.search.steps + 1,)
        assert (np.diff(history) >= 0).all(), "the best fitness fell: `best` must keep the best of each chain, not the last"
        assert history[-1] == self._found().chain_value.max(), "the value of the best chain is not the last of the history"

    def test_the_search_improves_on_its_start(self) -> None:
        """The first step judges the start, here equal weights, and the steps find something better."""
        history, equal = np.asarray(self._found().history), self._value(np.ones((1, ARCHETYPES), np.float32))[0]
        assert history[0] >= equal - ROUNDING, "the first step must judge the start before it moves"
        assert history[-1] > history[0], "nothing better than the start was found, although one archetype knows something"

    def test_no_start_is_lost(self) -> None:
        """What is found is no worse than the weights that a search is given to start from, for all chains or for each."""
        found = self._found()
        for start, value in ((found.weights, found.value), (found.chain_weights, found.chain_value.max())):
            history = self._search(key=jax.random.key(1), start=start).history
            assert history[0] >= value - ROUNDING, "the start weights that were given are lost: the first step must judge them"

    def test_the_same_key_gives_the_same_result(self) -> None:
        """A search run twice finds the same, bit by bit, and so it does where it is traced again: all randomness is in the key."""
        jax.tree.map(lambda one, other: _equal(one, other, "the same key gave another result"), self._found(), self._search())
        assert self._program() == self._program(), "traced twice, the search is another program: take all randomness from `key`"

    def test_no_steps_judge_the_start(self) -> None:
        """With `steps=0` the result is where the chains began, judged."""
        found = search_window(*_window(), self.search.replace(steps=0), key=jax.random.key(0))
        assert int(found.steps) == 0
        assert found.history.shape == (1,)
        _equal(found.chain_fitness, fitness(*_window(), found.chain_weights), "with steps=0 a chain's fitness is not that of its weights")

    def test_unknown_returns_have_no_winner(self) -> None:
        """Where no date can be judged every fitness is NaN, and the weights are distributions all the same."""
        scores, member, returns = _window()
        nothing = self._search((scores, member, np.full_like(returns, np.nan)))
        assert np.isnan(nothing.chain_fitness).all(), "a fitness was made up where no return is known"
        assert np.isnan(nothing.fitness), "a fitness was made up where no return is known"
        _distributions(nothing)

    def test_an_undefined_start_moves(self) -> None:
        """From a start whose fitness is NaN every chain finds one that is defined, and no NaN ever beats a number."""
        for kind, scores in _undefined().items():
            window = scores, np.ones((STOCKS, DATES), bool), _window()[2]
            found = self._search(window, signal="mean")
            history = np.asarray(found.history)
            known = np.isfinite(history)
            assert np.isfinite(found.chain_value).all(), f"{kind}: a chain stays where its fitness is undefined"
            _equal(found.chain_fitness, fitness(*window, found.chain_weights, signal="mean"), f"{kind}: a chain's fitness is not exact")
            if self.search.average is None:
                assert found.value == found.chain_value.max(), f"{kind}: the value found is not that of the best chain"
            assert known[np.argmax(known) :].all(), f"{kind}: NaN took the place of a fitness that was known"
            assert (np.diff(history[known]) >= 0).all(), f"{kind}: the best fitness fell"

    def test_other_windows_and_keys_do_not_compile_again(self) -> None:
        """Another window of the same size, key, start or alpha runs what is compiled; settings that are equal do too."""
        scores, member, returns = _window()
        self._found()
        with count_compilations() as compiled:
            for turn in (1, 2):
                again = type(self.search)(**self.search.model_dump())
                start = np.arange(1, ARCHETYPES + 1, dtype=np.float32) + turn
                search_window(1 - scores, ~member, -returns, again, key=jax.random.key(turn), alpha=0.1 * turn, start=start)
            assert compiled() == 0, f"{compiled()} compilations for windows, keys and starts of sizes that were compiled before"

    def test_searches_run_side_by_side(self) -> None:
        """`jax.vmap` over keys traces the whole search: every part of it can be batched. Nothing is computed."""
        keys = jax.random.split(jax.random.key(0), 2)
        together = jax.eval_shape(jax.vmap(lambda key: search_window(*_window(), self.search, key=key)), keys)
        assert together.chain_weights.shape == (2, self.search.population, ARCHETYPES), "under jax.vmap the chains have another shape"

    def test_devices_do_not_matter(self) -> None:
        """Spread over two devices, a search finds the same, bit by bit."""
        if jax.device_count() < 2:
            raise unittest.SkipTest(
                'JAX has one device; jax.config.update("jax_num_cpu_devices", 2) before the first computation makes two'
            )
        with over_devices(2):
            spread = self._search()
        jax.tree.map(lambda one, other: _equal(one, other, "two devices gave another result than one"), self._found(), spread)

    def _found(self) -> SearchResult:
        return self._search()

    def _search(self, window: Arrays | None = None, **options: Any) -> SearchResult:
        arrays = _window() if window is None else window
        try:
            return search_window(*arrays, self.search, **{"key": jax.random.key(0), **options})
        except (jax.errors.JAXTypeError, jax.errors.JAXIndexError) as error:
            raise AssertionError(
                "`init` and `step` run under jax.jit: shapes, branches and Python numbers cannot depend on values (jnp.where chooses "
                f"between values); {type(error).__name__}: {_first_line(error)}"
            ) from error
        except ConfigError as error:
            raise AssertionError(str(error)) from error

    def _program(self) -> str:
        """The text of the search as XLA is given it, traced anew."""
        objective, start = self._objective(), jnp.full((self.search.population, ARCHETYPES), 1 / ARCHETYPES)
        return jax.jit(lambda key: run_search(objective, self.search, start, key)).lower(jax.random.key(0)).as_text()

    def _objective(self) -> Objective:
        scores, member, returns = map(jnp.asarray, _window())
        return self.search.make_objective(prepare_window(scores, member, returns, "renormalize"), jnp.float32(0.5), "combined")

    def _value(self, weights: Float[AnyArray, "P K"]) -> Float[Array, " P"]:
        """The value of candidates."""
        return self._objective().judge(jnp.asarray(weights)).fitness


@contextmanager
def count_compilations() -> Iterator[Callable[[], int]]:
    """Count what XLA compiles within a `with` block.

    Yields:
        A function that gives the number of compilations so far.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from massjax.testing import count_compilations
        >>> one, two = jnp.ones(1), jnp.ones(2)
        >>> with count_compilations() as compiled:
        ...     double = jax.jit(lambda x: x + x)
        ...     results = double(one), double(one), double(two)
        ...     compiled()
        2
    """
    seen: list[str] = []

    def listen(event: str, duration_secs: float, **_: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield lambda: len(seen)
    finally:
        if hasattr(jax.monitoring, "unregister_event_duration_listener"):  # jax 0.8.0 has it not: there the listener stays, unheard
            jax.monitoring.unregister_event_duration_listener(listen)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


@cache
def _window() -> Arrays:
    rng = np.random.default_rng(0)
    returns = rng.normal(size=(STOCKS, DATES)).astype(np.float32)
    scores = rng.random((ARCHETYPES, STOCKS, DATES)).astype(np.float32)
    scores[0] = (scores[0] + (returns.argsort(axis=0).argsort(axis=0) / STOCKS).astype(np.float32)) / 2
    scores[rng.random(scores.shape) < 0.1] = np.nan
    return scores, rng.random((STOCKS, DATES)) < 0.9, returns


@cache
def _undefined() -> dict[str, Float[np.ndarray, "K N D"]]:
    """Scores whose mean under equal weights is the same for every stock."""
    up = np.linspace(0, 1, STOCKS, dtype=np.float32)[:, None].repeat(DATES, axis=1)
    noise = np.random.default_rng(1).integers(0, 256, (STOCKS, DATES)).astype(np.float32) / 256
    flat = np.full_like(up, 0.5)
    dealt = np.array(list(itertools.permutations([0.0, 0.5, 1.0])) * 2, np.float32).T[:, :, None].repeat(DATES, axis=2)
    return {
        "a factor and its mirror": np.stack([up, 1 - up, flat, flat]),
        "another factor every date and its mirror": np.stack([noise, 1 - noise, flat, flat]),
        "two factors and their mirrors": np.stack([up, 1 - up, up[::-1] ** 2, 1 - up[::-1] ** 2]),
        "the same scores dealt to other archetypes": np.concatenate([dealt, flat[None]]),
    }


def _distributions(found: SearchResult) -> None:
    weights, advice = np.asarray(found.chain_weights), "hand `best` what `objective.judge` returns"
    assert (weights > 0).all(), f"weights must be positive; {advice}"
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6, err_msg=f"weights must sum to 1; {advice}")


def _equal(found: Array, expected: Array, promise: str) -> None:
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected), err_msg=promise)
