"""Early stopping and progress, with a search that is quick to compile; what is the same for every method is in `test_contract`."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings as hypothesis_settings, strategies as st

from massjax.errors import ConfigError
from massjax.search import Evaluated, Search, search_window, unevaluated

RNG = np.random.default_rng(0)
PANEL = RNG.random((4, 10, 2)).astype(np.float32), np.ones((10, 2), bool), RNG.normal(size=(10, 2)).astype(np.float32)


class DiceState(NamedTuple):
    throws: jax.Array
    best: Evaluated


class Dice(Search):
    """Throws dice: the fitness of a chain is the highest of `sides` it has thrown, so that it soon stops improving."""

    sides: int = 30

    @property
    def population(self) -> int:
        return 3

    def init(self, objective, start, key):
        return DiceState(jnp.zeros((), jnp.int32), unevaluated(start))

    def step(self, objective, state, key):
        thrown = jax.random.randint(key, (3,), 0, self.sides).astype(jnp.float32)
        return DiceState(state.throws + 1, state.best.improved(jax.random.dirichlet(key, jnp.ones(4), (3,)), thrown))


def search(settings, **options):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        return search_window(*PANEL, settings, **{"key": jax.random.key(0), **options})


class Bestless(Dice):
    """Keeps no best."""

    def init(self, objective, start, key):
        return (start,)


def test_a_state_without_a_best_is_named():
    with pytest.raises(ConfigError, match=r"Bestless\.init gives a tuple without a field `best`, a massjax\.search\.Evaluated"):
        search(Bestless(steps=1))


@hypothesis_settings(max_examples=8)
@given(seed=st.integers(0, 2**31), patience=st.sampled_from([1, 2, 5]))
def test_an_early_stop_is_what_the_whole_search_had_then(seed, patience):
    key = jax.random.key(seed)
    whole, stopped = search(Dice(steps=40), key=key), search(Dice(steps=40, patience=patience), key=key)
    history, taken = np.asarray(whole.history), int(stopped.steps)
    stalled, expected = 0, 40
    for step in range(1, 41):
        stalled = 0 if history[step] > history[step - 1] else stalled + 1
        if stalled == patience:
            expected = step
            break
    assert taken == expected
    np.testing.assert_array_equal(stopped.history[: taken + 1], history[: taken + 1])
    np.testing.assert_array_equal(stopped.history[taken:], history[taken])
    assert stopped.fitness == history[taken]


def test_an_early_stop_is_the_shorter_search():
    stopped = search(Dice(steps=60, patience=4))
    shorter = search(Dice(steps=int(stopped.steps)))
    assert stopped.steps < 60
    for name in ("weights", "fitness", "chain_weights", "chain_fitness", "steps"):
        np.testing.assert_array_equal(getattr(stopped, name), getattr(shorter, name))


@pytest.mark.parametrize(("steps", "patience"), [(0, None), (7, None), (250, None), (250, 6)])
def test_progress_is_told_and_changes_nothing(steps, patience):
    told = []
    settings = Dice(steps=steps, patience=patience, sides=10**6)
    heard = search(settings, progress=lambda *facts: told.append(facts))
    jax.tree.map(np.testing.assert_array_equal, heard, search(settings))
    taken, totals, best = zip(*told, strict=True)
    assert taken[-1] == heard.steps
    assert set(totals) == {steps}
    assert (np.diff(taken) > 0).all()
    assert len(told) <= 130
    np.testing.assert_array_equal(best, np.asarray(heard.history)[list(taken)])


def test_many_windows_stop_each_in_its_own_time():
    settings, keys = Dice(steps=60, patience=4), jax.random.split(jax.random.key(1), 5)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        together = jax.vmap(lambda key: search_window(*PANEL, settings, key=key))(keys)
    assert len(set(np.asarray(together.steps).tolist())) > 1
    for number, key in enumerate(keys):
        alone = search(settings, key=key)
        assert together.steps[number] == alone.steps
        np.testing.assert_array_equal(together.history[number], alone.history)


def test_a_result_prints_a_line():
    found = search(Dice(steps=3))
    assert repr(found) == f"SearchResult(fitness {float(found.fitness):.4f}, 3 steps, 3 chains, 4 archetypes)"
    told = []
    jax.jit(lambda key: told.append(repr(search(Dice(steps=3), key=key))))(jax.random.key(0))
    assert told == ["SearchResult(3 chains, 4 archetypes)"]
