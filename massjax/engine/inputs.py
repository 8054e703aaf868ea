"""What the public functions of the engine accept, checked once at the edge.

Values are checked only where they are known: under a `jax.jit` of the caller the arrays are tracers, and only their shapes are checked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Key

from massjax.errors import ConfigError, DataError, did_you_mean
from massjax.labels import plain


@dataclass(frozen=True)
class OwnSignal:
    """A signal of one's own; `massjax.engine.own_signal` checks and evaluates it.

    Attributes:
        name: of the signal in tables.
        function: from the scores [K, N] of one date, NaN where missing, and weights [K] that sum to 1, to a number a stock [N]; it runs
            under `jax.jit` and `jax.vmap`.
    """

    name: str
    function: Callable[..., Any]


SignalName: TypeAlias = Literal["combined", "mean", "disagreement"] | OwnSignal
"""What ranks the stocks: one of the signals of `massjax.aggregate`, or one of one's own."""
Missing: TypeAlias = Literal["renormalize", "zero"]
AnyArray: TypeAlias = Array | np.ndarray
"""JAX's, or numpy's: what lies on the host stays there until a compiled function takes it."""

SIGNALS: tuple[Literal["combined", "mean", "disagreement"], ...] = ("combined", "mean", "disagreement")
MISSING: tuple[Missing, ...] = ("renormalize", "zero")
LARGEST_SCORE = 1e15
"""Largest score in size: deviations are squared in float32."""
LARGEST_WEIGHT, SMALLEST_WEIGHT = 1e30, 1e-30
"""Bounds of a candidate's largest weight, beyond which its weights are scaled: float32 adds them up, and holds nothing below 1e-38."""


Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def in_float32(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Make a function compute in float32 even where the caller has set `jax_enable_x64`; the kernels are written for float32."""

    @wraps(function)
    def single(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if jax.dtypes.canonicalize_dtype(np.float64) == np.float32:
            return function(*args, **kwargs)
        with jax.enable_x64(False):
            return function(*args, **kwargs)

    return single


def check_choice(what: str, value: object, known: Collection[str]) -> None:
    """Refuse `value` unless it is one of `known`.

    Raises:
        ConfigError: naming the setting, what is known and the nearest of it.
    """
    if not isinstance(value, str) or value not in known:
        raise ConfigError(f"{what}={value!r} is not known{did_you_mean(str(value), known)}; expected one of {', '.join(map(repr, known))}")


def check_alpha(alpha: ArrayLike) -> Float[AnyArray, ""]:
    """`alpha` as a float32 scalar (always an array, so that changing it never recompiles).

    Raises:
        ConfigError: it is not a number in [0, 1].
    """
    array = as_array("alpha", alpha)
    single = array.ndim == 0 and _is_real(array.dtype)
    if not (single and (isinstance(array, jax.core.Tracer) or 0.0 <= float(array) <= 1.0)):
        raise ConfigError(f"alpha={alpha!r} is not a number between 0 and 1; it is the share of the mean in the combined signal")
    return as_float32(array)


def check_scores(
    scores: Float[ArrayLike, "K N D"], axes: str = "archetypes, stocks, dates", *, may_be_empty: bool = False
) -> Float[AnyArray, "K N D"]:
    """Scores as float32; NaN marks what is missing.

    Raises:
        DataError: not three axes, one of them empty (the first, if the others may be), or a score that is infinite or above
            `LARGEST_SCORE` (its place is named).
    """
    array = _floats("scores", scores, 3, axes, LARGEST_SCORE)
    if 0 in (array.shape[:1] if may_be_empty else array.shape):
        empty = axes.split(", ")[array.shape.index(0)]
        raise DataError(f"scores hold no {empty} (shape {array.shape}); expected [{axes}], one at least of each")
    return array


def check_probabilities(values: Float[ArrayLike, "K N D C"]) -> Float[AnyArray, "K N D C"]:
    """Choice probabilities as float32; NaN marks what is missing.

    Raises:
        DataError: fewer than two choices, or a number outside [0, 1], rounding aside.
    """
    array = _floats("choice probabilities", values, 4, "archetypes, stocks, dates, choices", 1.001)
    if array.shape[-1] < 2:
        raise DataError(f"choice probabilities have shape {array.shape}; expected at least two choices on the last axis")
    if not isinstance(array, jax.core.Tracer) and (np.asarray(array) < 0).any():
        place = [int(i) for i in np.argwhere(np.asarray(array) < 0)[0]]
        raise DataError(f"choice probabilities{place} are negative; expected numbers in [0, 1], NaN where missing")
    return array


def check_inputs(
    scores: Float[ArrayLike, "K N D"], member: Bool[ArrayLike, "N D"], forward_returns: Float[ArrayLike, "N D"]
) -> tuple[Float[AnyArray, "K N D"], Bool[AnyArray, "N D"], Float[AnyArray, "N D"]]:
    """What candidates are judged by: scores, membership and forward returns of the same stocks and dates, as float32 and booleans.

    Raises:
        DataError: an array is invalid (see `check_scores`, `check_member` and `check_returns`), or they do not fit together.
    """
    checked = check_scores(scores)
    return checked, check_member(member, checked), check_returns(forward_returns, checked)


def check_returns(forward_returns: Float[ArrayLike, "N D"], scores: Float[AnyArray, "K N D"]) -> Float[AnyArray, "N D"]:
    """Forward returns as float32, of the stocks and dates of `scores`; NaN marks what is unknown.

    Raises:
        DataError: another shape than the scores', or an infinite value.
    """
    array = _floats("forward_returns", forward_returns, 2, "stocks, dates")
    _check_like_scores("forward_returns", array.shape, scores)
    return array


def check_member(member: Bool[ArrayLike, "N D"], scores: Float[AnyArray, "K N D"]) -> Bool[AnyArray, "N D"]:
    """Membership as booleans, of the stocks and dates of `scores`.

    Raises:
        DataError: another shape than the scores', or not booleans.
    """
    array = as_array("member", member)
    if array.dtype != bool:
        raise DataError(f"member has dtype {array.dtype}; expected bool [stocks, dates], True where the stock is in the universe")
    _check_like_scores("member", array.shape, scores)
    return array


def check_weights(weights: Float[ArrayLike, "P K"], archetypes: int) -> Float[AnyArray, "P K"]:
    """Candidate agent distributions as float32.

    Raises:
        DataError: not [candidates, archetypes], or a candidate with a negative, non-finite or no positive weight (it is named).
    """
    array = as_array("weights", weights)
    if array.ndim != 2:
        raise DataError(f"weights have shape {array.shape}; expected [candidates, archetypes], weights[None] for a single candidate")
    if array.shape[1] != archetypes:
        raise DataError(f"weights have {array.shape[1]} archetypes, the scores {archetypes}; expected [candidates, {archetypes}]")
    _check_real("weights", array.dtype, "candidates, archetypes")
    if isinstance(array, jax.core.Tracer):
        return as_float32(array)
    sums = _check_weight_values(np.asarray(array))
    if sums.size and (sums.max() > LARGEST_WEIGHT or sums.min() < SMALLEST_WEIGHT):
        array = _scaled(np.asarray(array, np.float64))
    return as_float32(array)


def _check_weight_values(weights: np.ndarray) -> Float[np.ndarray, " P"]:
    """The sum of each candidate's weights, infinity where their type cannot hold it; raises DataError for weights that are invalid."""
    if weights.size and weights.min() >= 0:
        with np.errstate(over="ignore", invalid="ignore"):  # BLAS reads, and throws away, what lies behind rows shorter than its vectors
            sums = weights @ np.ones(weights.shape[1], weights.dtype if weights.dtype.kind == "f" else np.float64)
        if sums.max() < np.inf and sums.min() > 0:
            return sums
    faults = ((~np.isfinite(weights), "not finite"), (weights < 0, "negative"))
    for fault, words in faults:
        if fault.any():
            p, k = np.argwhere(fault)[0]
            raise DataError(f"weights[{p}, {k}] (candidate {p}, archetype {k}) = {weights[p, k]} is {words}; weights are finite and >= 0")
    empty = ~(weights > 0).any(axis=1)
    if empty.any():
        p = np.argmax(empty)
        raise DataError(f"weights[{p}] (candidate {p}) are all zero; give at least one archetype a positive weight")
    return np.full(len(weights), np.inf)


def _scaled(weights: Float[np.ndarray, "P K"]) -> Float[np.ndarray, "P K"]:
    """Weights of candidates that float32 cannot hold scaled by a power of two that brings the largest near 1; the others as they are."""
    largest = weights.max(axis=1, keepdims=True)
    lost = (largest > LARGEST_WEIGHT) | (largest < SMALLEST_WEIGHT)
    return np.ldexp(weights, np.where(lost, -np.frexp(largest)[1], 0))


def check_key(key: Key[Array, ""]) -> Key[Array, ""]:
    """A single key of `jax.random`: a typed key as it is, a raw one (`jax.random.PRNGKey`) wrapped.

    Raises:
        ConfigError: it is something else.
    """
    if isinstance(key, jax.Array) and key.dtype == jnp.uint32 and key.shape == jax.random.key_data(jax.random.key(0)).shape:
        return jax.random.wrap_key_data(key)
    if not isinstance(key, jax.Array) or not jnp.issubdtype(key.dtype, jax.dtypes.prng_key) or key.ndim:
        shown = f"{key.dtype}{list(key.shape)}" if isinstance(key, jax.Array) else repr(key)
        raise ConfigError(f"key={shown} is not a key of jax.random; expected one such as jax.random.key(0)")
    return key


def as_float32(values: Any) -> Float[AnyArray, "*shape"]:
    """Values as float32: arrays on the host are converted there, and move to a device when a compiled function takes them."""
    if not isinstance(values, jax.Array):
        return np.asarray(values, np.float32)
    return values if values.dtype == jnp.float32 else values.astype(jnp.float32)


def _floats(what: str, values: Any, axes: int, names: str, largest: float = np.inf) -> Float[AnyArray, "*shape"]:
    array = as_array(what, values)
    if array.ndim != axes:
        raise DataError(f"{what} have shape {array.shape}; expected {axes} axes [{names}]")
    _check_real(what, array.dtype, names)
    array = as_float32(array)
    if not isinstance(array, jax.core.Tracer):
        known = np.asarray(array)
        if known.size and max(np.fmax.reduce(known, axis=None), -np.fmin.reduce(known, axis=None)) >= largest:
            place = [int(i) for i in np.argwhere(np.abs(known) >= largest)[0]]
            size = abs(float(known[tuple(place)]))
            found = "infinite" if np.isinf(size) else f"{size:g} in size, more than {largest:g}"
            raise DataError(f"{what}{place} is {found}; expected finite numbers [{names}], NaN where missing")
    return array


def as_array(what: str, values: Any) -> jax.Array | np.ndarray:
    """Values as an array of JAX (as it is) or of numpy.

    Raises:
        DataError: lists of unequal lengths, or a masked array, whose masked numbers arithmetic would take for numbers.
    """
    if isinstance(values, jax.Array):
        return values
    if np.ma.isMaskedArray(values):
        raise DataError(f"{what} are a masked array; fill what is masked first, with .filled(np.nan) where it is missing")
    try:
        return np.asarray(plain(what, values))
    except ValueError as error:
        raise DataError(f"{what} are not an array: {error}") from None


def _check_real(what: str, dtype: Any, names: str) -> None:
    if not _is_real(dtype):
        raise DataError(f"{what} have dtype {dtype}; expected real numbers [{names}]")


def _is_real(dtype: Any) -> bool:
    return any(jnp.issubdtype(dtype, kind) for kind in (jnp.floating, jnp.integer, jnp.bool_)) and not jnp.issubdtype(dtype, np.timedelta64)


def _check_like_scores(what: str, shape: tuple[int, ...], scores: Float[AnyArray, "K N D"]) -> None:
    if shape != scores.shape[1:]:
        raise DataError(f"{what} has shape {shape}; expected {scores.shape[1:]} [stocks, dates], as the scores {scores.shape} have them")
