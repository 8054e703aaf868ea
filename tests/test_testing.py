"""The contract of a search catches searches that break it, each by the test of the promise that it breaks."""

from __future__ import annotations

import subprocess
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from massjax.engine.devices import device_count
from massjax.search import Evaluated, Search, unevaluated
from massjax.testing import SearchContract
from tests.conftest import ROOT


class State(NamedTuple):
    weights: jax.Array
    fitness: jax.Array
    evaluated: jax.Array
    best: Evaluated


class Sound(Search):
    """A hill climber that keeps the contract; each search below changes one thing."""

    climbers: int = 12
    steps: int = 10

    @property
    def population(self):
        return self.climbers

    def init(self, objective, start, key):
        best = unevaluated(start)
        return State(best.weights, best.fitness, jnp.zeros((), bool), best)

    def step(self, objective, state, key):
        tried = jnp.where(self.moves(state), state.weights * self.nudge(state, key), state.weights)
        weights, fitness = self.judge(objective, tried)
        moved = self.accept(state, fitness)
        weights, fitness = jnp.where(moved[:, None], weights, state.weights), jnp.where(moved, fitness, state.fitness)
        return State(weights, fitness, jnp.ones((), bool), self.keep(state.best, weights, fitness))

    def moves(self, state):
        return state.evaluated

    def nudge(self, state, key):
        return jnp.exp(0.5 * jax.random.normal(key, state.weights.shape))

    def judge(self, objective, tried):
        return objective.judge(tried)

    def accept(self, state, fitness):
        return jnp.isnan(state.fitness) | (fitness >= state.fitness)

    def keep(self, best, weights, fitness):
        return best.improved(weights, fitness)


class Flattering(Sound):
    """Adds a bonus for spread-out weights to the fitness that it reports."""

    def judge(self, objective, tried):
        weights, fitness = objective.judge(tried)
        return Evaluated(weights, fitness + 0.01 * jnp.exp(-jnp.sum(weights**2, axis=1)))


class Unscaled(Sound):
    """Keeps weights as they were tried."""

    def judge(self, objective, tried):
        return Evaluated(2 * tried, objective.judge(tried).fitness)


class Forgetful(Sound):
    """Keeps the last candidates as the best."""

    def accept(self, state, fitness):
        return jnp.ones_like(fitness, bool)

    def keep(self, best, weights, fitness):
        return Evaluated(weights, fitness)


class Hasty(Sound):
    """Moves before the start is judged."""

    def moves(self, state):
        return jnp.ones((), bool)


class Headstrong(Sound):
    """Begins at random, whatever the start."""

    def init(self, objective, start, key):
        return super().init(objective, jax.random.dirichlet(key, jnp.ones(start.shape[1]), (start.shape[0],)), key)


class Stuck(Sound):
    """Accepts no move from a fitness that is undefined: every comparison with NaN is false."""

    def accept(self, state, fitness):
        return ~state.evaluated | (fitness >= state.fitness)


class Lucky(Sound):
    """Draws from numpy while it is traced, so that the key does not tell what it does."""

    def nudge(self, state, key):
        return jnp.asarray(np.exp(np.random.default_rng().normal(size=state.weights.shape)), jnp.float32)


class Scheduled(Sound):
    """Makes its strides shorter by the share of its steps that it has taken, of none where it takes none."""

    def nudge(self, state, key):
        return super().nudge(state, key) ** (1 / self.steps)


class Identified(Sound):
    """Equals itself alone, so that every object of the same settings is compiled anew."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__


class Hopeful(Sound):
    """Takes an undefined fitness for 0."""

    def judge(self, objective, tried):
        weights, fitness = objective.judge(tried)
        return Evaluated(weights, jnp.nan_to_num(fitness))


class Idle(Sound):
    """Never moves."""

    def nudge(self, state, key):
        return jnp.ones_like(state.weights)


class Unbatched(Sound):
    """Asks the host for its strides, by a callback that cannot be batched."""

    def nudge(self, state, key):
        strides = super().nudge(state, key)
        return jax.pure_callback(np.asarray, jax.ShapeDtypeStruct(strides.shape, strides.dtype), strides)


class Picky(Sound):
    """Takes the accepted weights out by a mask, as numpy allows."""

    def accept(self, state, fitness):
        return super().accept(state, fitness) if fitness[fitness > 0].size else jnp.zeros_like(state.evaluated)


class Widening(Sound):
    """Keeps the fitness in half precision from the first step on."""

    def step(self, objective, state, key):
        after = super().step(objective, state, key)
        return after._replace(fitness=after.fitness.astype(jnp.float16))


class Crowded(Sound):
    """Strides further where there are more devices."""

    def nudge(self, state, key):
        return super().nudge(state, key) ** device_count()


BROKEN = {
    Flattering: ("the_value_is_that_of_the_objective", "a chain's value"),
    Unscaled: ("weights_are_distributions", "must sum to 1"),
    Forgetful: ("the_history_never_falls", "the best fitness fell"),
    Hasty: ("no_start_is_lost", "must judge them"),
    Headstrong: ("no_start_is_lost", "are lost"),
    Stuck: ("an_undefined_start_moves", "a factor and its mirror: a chain stays"),
    Lucky: ("the_same_key_gives_the_same_result", "take all randomness from `key`"),
    Scheduled: ("no_steps_judge_the_start", "division by zero"),
    Identified: ("settings_are_values", "not equal"),
    Hopeful: ("unknown_returns_have_no_winner", "made up"),
    Idle: ("the_search_improves_on_its_start", "nothing better than the start"),
    Unbatched: ("searches_run_side_by_side", "vmap"),
    Picky: ("the_fitness_is_exact", "cannot depend on values.*NonConcreteBooleanIndexError"),
    Widening: ("the_fitness_is_exact", "must give a state of the shapes and types that it was given"),
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_search_is_caught_by_the_promise_it_breaks(broken):
    promise, message = BROKEN[broken]
    contract = SearchContract()
    contract.search = broken()
    with pytest.raises((AssertionError, ArithmeticError, NotImplementedError, ValueError), match=message):
        getattr(contract, f"test_{promise}")()


def test_settings_that_are_compiled_anew_are_counted():
    contract = SearchContract()
    contract.search = Identified()
    with pytest.raises(AssertionError, match=r"\d compilations"):
        contract.test_other_windows_and_keys_do_not_compile_again()


def test_a_sound_search_passes():
    passed = SearchContract.check(Sound())
    tests = [name.removeprefix("test_") for name in dir(SearchContract) if name.startswith("test_")]
    assert sorted({*passed, "devices_do_not_matter"}) == sorted(tests)
    assert {promise for promise, _ in BROKEN.values()} | {"devices_do_not_matter", "other_windows_and_keys_do_not_compile_again"} == set(
        tests
    )


def test_the_contract_needs_no_pytest():
    code = "import sys, massjax.testing; assert 'pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.slow
def test_a_search_that_depends_on_the_devices_is_caught():
    """In a process of its own, which has two."""
    code = """
import jax
jax.config.update("jax_num_cpu_devices", 2)
from tests.test_testing import Crowded, Sound, SearchContract
contract = SearchContract()
contract.search = Sound()
contract.test_devices_do_not_matter()
contract.search = Crowded()
try:
    contract.test_devices_do_not_matter()
except AssertionError as error:
    assert "two devices gave another result than one" in str(error)
else:
    raise SystemExit("Crowded was not caught")
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
