"""An estimator at work: what it makes of the scores, and the weights of every date that it reads off returns."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from massjax.engine.blocks import AnyScores, MovedStocks
from massjax.engine.inputs import Missing, SignalName
from massjax.mapped import room_beside
from massjax.search.base import Estimator
from massjax.timing import Timing


def prepare_estimator(
    method: Estimator,
    scores: AnyScores,
    member: Bool[np.ndarray, "N T"],
    timing: Timing,
    alpha: Float[Any, ""],
    signal: SignalName,
    missing: Missing,
    key: Key[Array, ""],
) -> Any:
    """What an estimator makes of the scores alone: compiled, unless it reads them by blocks."""
    given = {"alpha": jnp.asarray(alpha, jnp.float32), "signal": signal, "missing": missing, "key": key}
    if method.by_blocks:
        prepare: Any = method.prepare
        return prepare(scores, member, timing, **given, room=room_beside(scores.scores if isinstance(scores, MovedStocks) else scores))
    whole = scores.scores[:, scores.stocks] if isinstance(scores, MovedStocks) else scores
    return _prepared(method, *jax.device_put((whole, member)), timing, **given)


@partial(jax.jit, static_argnames=("method", "timing", "signal", "missing"))
def _prepared(
    method: Estimator,
    scores: Float[Array, "K N T"],
    member: Bool[Array, "N T"],
    timing: Timing,
    *,
    alpha: Float[Array, ""],
    signal: SignalName,
    missing: Missing,
    key: Key[Array, ""],
) -> Any:
    return method.prepare(scores, member, timing, alpha=alpha, signal=signal, missing=missing, key=key)


def estimated_weights(
    method: Estimator,
    prepared: Any,
    forward_returns: Float[np.ndarray, "N T"],
    timing: Timing,
    daily_returns: Float[Any, "N T"] | None,
) -> Float[Any, "T K"]:
    """The weights that an estimator finds on each date: compiled, unless it reads scores by blocks."""
    if method.by_blocks:
        return method.weights(prepared, forward_returns, timing, daily_returns)
    return _weights(method, prepared, jax.device_put(forward_returns), timing, daily_returns)


@partial(jax.jit, static_argnames=("method", "timing"))
def _weights(
    method: Estimator, prepared: Any, forward_returns: Float[Array, "N T"], timing: Timing, daily_returns: Float[Array, "N T"] | None
) -> Float[Array, "T K"]:
    return method.weights(prepared, forward_returns, timing, daily_returns)
