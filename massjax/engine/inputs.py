"""What the public functions of the engine accept, checked once at the edge.

Values are checked only where they are known: under a `jax.jit` of the caller the arrays are tracers, and only their shapes are checked.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from massjax.errors import ConfigError, DataError, did_you_mean

SignalName: TypeAlias = Literal["combined", "mean", "disagreement"]
Missing: TypeAlias = Literal["renormalize", "zero"]

SIGNALS: tuple[SignalName, ...] = ("combined", "mean", "disagreement")
MISSING: tuple[Missing, ...] = ("renormalize", "zero")


def check_choice(what: str, value: object, known: Collection[str]) -> None:
    """Refuse `value` unless it is one of `known`.

    Raises:
        ConfigError: naming the setting, what is known and the nearest of it.
    """
    if value not in known:
        raise ConfigError(f"{what}={value!r} is not known{did_you_mean(str(value), known)}; expected one of {', '.join(map(repr, known))}")


def check_alpha(alpha: ArrayLike) -> Float[Array, ""]:
    """`alpha` as a float32 scalar (always an array, so that changing it never recompiles).

    Raises:
        ConfigError: it is not a number in [0, 1].
    """
    if not isinstance(alpha, jax.core.Tracer) and not (np.ndim(alpha) == 0 and 0.0 <= float(np.asarray(alpha)) <= 1.0):
        raise ConfigError(f"alpha={alpha!r} is not a number between 0 and 1; it is the share of the mean in the combined signal")
    return as_float32(alpha)


def check_scores(scores: Float[ArrayLike, "K N D"], axes: str = "archetypes, stocks, dates") -> Float[Array, "K N D"]:
    """Scores as float32; NaN marks what is missing.

    Raises:
        DataError: not three axes, no archetype, or an infinite score (its place is named).
    """
    array = _floats("scores", scores, 3, axes)
    if array.shape[0] == 0:
        raise DataError(f"scores hold no archetype (shape {array.shape}); expected [{axes}] with at least one archetype")
    return array


def check_panel(what: str, values: Float[ArrayLike, "N D"], scores: Float[Array, "K N D"]) -> Float[Array, "N D"]:
    """Values by stock and date as float32, of the stocks and dates of `scores`; NaN marks what is missing.

    Raises:
        DataError: another shape than the scores', or an infinite value.
    """
    array = _floats(what, values, 2, "stocks, dates")
    _check_like_scores(what, array.shape, scores)
    return array


def check_member(member: Bool[ArrayLike, "N D"], scores: Float[Array, "K N D"]) -> Bool[Array, "N D"]:
    """Membership as booleans, of the stocks and dates of `scores`.

    Raises:
        DataError: another shape than the scores', or not booleans.
    """
    array = member if isinstance(member, jax.Array) else np.asarray(member)
    if array.dtype != bool:
        raise DataError(f"member has dtype {array.dtype}; expected bool [stocks, dates], True where the stock is in the universe")
    _check_like_scores("member", array.shape, scores)
    return array  # type: ignore[return-value]


def check_weights(weights: Float[ArrayLike, "P K"], archetypes: int) -> Float[Array, "P K"]:
    """Candidate agent distributions as float32.

    Raises:
        DataError: not [candidates, archetypes], or a candidate with a negative, non-finite or no positive weight (it is named).
    """
    if np.ndim(weights) != 2:
        raise DataError(f"weights have shape {np.shape(weights)}; expected [candidates, archetypes], weights[None] for a single candidate")
    if np.shape(weights)[1] != archetypes:
        raise DataError(f"weights have {np.shape(weights)[1]} archetypes, the scores {archetypes}; expected [candidates, {archetypes}]")
    if not isinstance(weights, jax.core.Tracer):
        _check_weight_values(np.asarray(weights))
    return as_float32(weights)


def _check_weight_values(weights: np.ndarray) -> None:
    if weights.size and weights.min() >= 0:
        sums = weights @ np.ones(weights.shape[1], weights.dtype)
        if sums.max() < np.inf and sums.min() > 0:
            return
    faults = ((~np.isfinite(weights), "not finite"), (weights < 0, "negative"))
    for fault, words in faults:
        if fault.any():
            p, k = np.argwhere(fault)[0]
            raise DataError(f"weights[{p}, {k}] (candidate {p}, archetype {k}) = {weights[p, k]} is {words}; weights are finite and >= 0")
    empty = ~(weights > 0).any(axis=1)
    if empty.any():
        p = np.argmax(empty)
        raise DataError(f"weights[{p}] (candidate {p}) are all zero; give at least one archetype a positive weight")


def as_float32(values: Any) -> Float[Array, "*shape"]:
    """float32 without a device computation: what lies on the host is converted there and moves when a compiled function takes it."""
    if not isinstance(values, jax.Array):
        return np.asarray(values, np.float32)  # type: ignore[return-value]
    return values if values.dtype == jnp.float32 else values.astype(jnp.float32)


def _floats(what: str, values: Any, axes: int, names: str) -> Float[Array, "*shape"]:
    if np.ndim(values) != axes:
        raise DataError(f"{what} have shape {np.shape(values)}; expected {axes} axes [{names}]")
    dtype = values.dtype if hasattr(values, "dtype") else np.asarray(values).dtype
    if not (jnp.issubdtype(dtype, jnp.number) or jnp.issubdtype(dtype, jnp.bool_)):
        raise DataError(f"{what} have dtype {dtype}; expected numbers [{names}], NaN where missing")
    array = as_float32(values)
    if not isinstance(array, jax.core.Tracer):
        infinite = np.isinf(np.asarray(array))
        if infinite.any():
            raise DataError(
                f"{what}{[int(i) for i in np.argwhere(infinite)[0]]} is infinite; expected finite numbers [{names}], NaN where missing"
            )
    return array


def _check_like_scores(what: str, shape: tuple[int, ...], scores: Float[Array, "K N D"]) -> None:
    if shape != scores.shape[1:]:
        raise DataError(f"{what} has shape {shape}; expected {scores.shape[1:]} [stocks, dates], as the scores {scores.shape} have them")
