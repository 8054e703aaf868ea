"""Searches of one's own that find no weights are refused by name, by the walk and through a configuration."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from massjax.errors import ConfigError
from massjax.evaluate.searches import listed_searches
from massjax.evaluate.settings import EvaluateSettings
from massjax.evaluate.walk_forward import WalkForward, walk_forward
from massjax.search import Evaluated, Search, unevaluated
from massjax.timing import Timing

K, N, T = 3, 6, 40
TIMING = Timing(lookback=10, horizon=1, execution_lag=1)
RNG = np.random.default_rng(0)
SCORES, MEMBER, RETURNS = RNG.random((K, N, T)), np.ones((N, T), bool), RNG.normal(size=(N, T))


class State(NamedTuple):
    best: Any


class Wrong(Search):
    """Judges its start, and spoils what it hands on in one way."""

    how: Literal["nan", "negative", "sum", "fitness", "columns", "type", "none", "init", "undefined", "not"] = "not"

    @property
    def population(self) -> int:
        return 2

    def init(self, objective: Any, start: Any, key: Any) -> Any:
        best = unevaluated(start)
        return State(Evaluated(best.weights[:1], best.fitness[:1]) if self.how == "init" else best)

    def step(self, objective: Any, state: Any, key: Any) -> Any:
        weights, fitness = objective.judge(state.best.weights)
        spoilt = {
            "nan": (weights.at[:, 1].set(jnp.nan), fitness),
            "negative": (weights + jnp.array([[0.5, -0.5, 0.0]]), fitness),
            "sum": (2 * weights, fitness),
            "fitness": (weights, fitness + 3),
            "columns": (weights[:, :2], fitness),
            "type": (weights, fitness.astype(jnp.float16)),
            "undefined": (jnp.nan * weights, jnp.nan * fitness),
        }
        return None if self.how == "none" else State(Evaluated(*spoilt.get(self.how, (weights, fitness))))


def walked(how: Any) -> WalkForward:
    return walk_forward(SCORES, MEMBER, RETURNS, Wrong(how=how, steps=0), TIMING, key=jax.random.key(0))


WRONG = [
    ("nan", r"Wrong: on 29 dates of 29 its weights are not finite, first on the date of index 11: \[.*nan.*\]; a search hands `best`"),
    ("negative", r"Wrong: on 29 dates of 29 its weights are negative, first on the date of index 11"),
    ("sum", r"Wrong: on 29 dates of 29 its weights do not sum to 1, first on the date of index 11"),
    ("fitness", r"Wrong: on the date of index 11 its fitness is [23]\.\d+, which is no mean RankIC"),
    ("columns", r"Wrong\.step must give a state of the shapes and types that it was given: `best\.weights` is float32\[2, 2\] after"),
    ("type", r"Wrong\.step must give a state .*: `best\.fitness` is float16\[2\] after a step, float32\[2\] before"),
    ("none", r"Wrong\.step must give a state .*: it gives a NoneType of other parts than the State before"),
    ("init", r"Wrong\.init gives a `best` of weights \(1, 3\) and fitness \(1,\); expected .*: \(2, 3\) and \(2,\)"),
]


@pytest.mark.parametrize(("how", "message"), WRONG)
def test_what_is_no_result_of_a_search_is_refused_by_name(how: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        walked(how)


def test_the_place_in_the_configuration_is_named() -> None:
    method = f"{__name__}:Wrong"
    _, listed = listed_searches([{"method": "annealing"}, {"method": method, "how": "nan", "steps": 0}])
    settings = EvaluateSettings(horizon=1, lookback=10)
    with pytest.raises(ConfigError, match=r"^search\.1: Wrong: on 29 dates of 29 its weights are not finite"):
        listed.walk(SCORES, MEMBER, {1: RETURNS}, settings, execution_lag=1, seed=0, dates=np.arange(T))


def test_weights_that_mean_nothing_are_not_used_where_the_value_is_undefined() -> None:
    found = walked("undefined")
    assert not found.searched.any()
    np.testing.assert_allclose(found.weights, 1 / K, rtol=1e-6)
    assert walked("not").searched[12:].all()
