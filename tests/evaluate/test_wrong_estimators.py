"""Estimators of one's own that return no weights are refused by name; a look-back of a method is its own in `walk_forward` too."""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from massjax.errors import ConfigError
from massjax.evaluate.walk_forward import WalkForward, walk_forward
from massjax.search import Annealing, Method
from massjax.search.base import Estimator
from massjax.timing import Timing

K, N, T = 3, 6, 40
TIMING = Timing(lookback=10, horizon=1, execution_lag=1)


class Wrong(Estimator):
    """Equal weights, spoilt in one way."""

    how: Literal["nan", "negative", "sum", "shape", "not"] = "not"

    def prepare(self, scores: Any, member: Any, timing: Timing, **given: Any) -> Any:
        return scores

    def weights(self, prepared: Any, forward_returns: Any, timing: Timing, daily_returns: Any = None) -> Any:
        archetypes, _, dates = prepared.shape
        equal = jnp.full((dates, archetypes), 1.0 / archetypes, jnp.float32)
        spoilt = {
            "nan": equal.at[20, 1].set(jnp.nan),
            "negative": equal.at[20].set(jnp.array([1.5, -0.5, 0.0])),
            "sum": 2 * equal,
            "shape": equal[:, :2],
            "not": equal,
        }
        return spoilt[self.how]


def walked(method: Method, timing: Timing | None = TIMING, **more: Any) -> WalkForward:
    rng = np.random.default_rng(0)
    scores, returns = rng.random((K, N, T)), rng.normal(size=(N, T))
    return walk_forward(scores, np.ones((N, T), bool), returns, method, timing, key=jax.random.key(0), **more)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("nan", r"Wrong: on 1 date of 40 its weights are not finite, first on the date of index 20"),
        ("negative", r"Wrong: on 1 date of 40 its weights are negative, first on the date of index 20: \[1.5, -0.5, 0.0\]"),
        ("sum", r"Wrong: on 40 dates of 40 its weights do not sum to 1"),
        ("shape", r"Wrong: its weights have shape \(40, 2\); .* \(40, 3\)"),
    ],
)
def test_what_is_no_weights_is_refused_by_name(how: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        walked(Wrong(how=how))


def test_equal_weights_are_weights() -> None:
    np.testing.assert_allclose(walked(Wrong()).weights, 1 / K, rtol=1e-6)


def test_the_look_back_of_a_method_is_its_own() -> None:
    own = Annealing(chains=4, steps=2, lookback=20)
    plain = walked(Annealing(chains=4, steps=2), Timing(lookback=20, horizon=1, execution_lag=1))
    for found in (walked(own), walked(own, None, horizon=1, execution_lag=1), walked(own, None, lookback=5, horizon=1, execution_lag=1)):
        np.testing.assert_array_equal(found.weights, plain.weights)
        assert int(found.searched.argmax()) == 22


@pytest.mark.parametrize("given", [{"delay": 3}, {"leakage_ablation": True}, {"gap": 5}])
def test_nothing_of_a_timing_is_given_twice(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="give the timing alone"):
        walked(Annealing(chains=4, steps=2), **given)
