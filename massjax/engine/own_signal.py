"""A signal of one's own: a function of the scores and weights of one date, tried beforehand and evaluated for many candidates."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from massjax.engine.inputs import SIGNALS, OwnSignal, SignalName, check_choice
from massjax.errors import ConfigError

PROBED_STOCKS, PROBED_CANDIDATES = 7, 2
"""Stocks of the made scores on which a function is tried, and cross-sections that it is given at once."""
TAKEN = {*SIGNALS, "date", "evaluated", "stock", "method"}
"""Names that are others' in the files of a run."""


def own_values(
    own: OwnSignal, scores: Float[Array, "K N"], present: Float[Array, "K N"], weights: Float[Array, "K P"]
) -> Float[Array, "N P"]:
    """A signal of one's own for each stock of a date and each candidate; NaN where no weighted archetype has a score.

    The function is given weights that sum to 1, and NaN for scores that are missing.

    Args:
        own: the function.
        scores: of one date.
        present: 1 where the score is there and the stock is a member, else 0.
        weights: of the candidates, of any scale.
    """
    known = jnp.where(present > 0, scores, jnp.nan)

    def of_one(weight: Float[Array, " K"]) -> Float[Array, " N"]:
        values = own.function(known, weight / weight.sum())
        return jnp.where((present * weight[:, None] > 0).any(axis=0), values.astype(jnp.float32), jnp.nan)

    return jax.vmap(of_one, in_axes=1, out_axes=1)(weights)


def check_signal(what: str, signal: Any, archetypes: int) -> SignalName:
    """The name of a signal as it is, or a function as a signal of one's own that has passed the checks.

    Args:
        what: the setting, for messages.
        signal: a name, a function, or an `OwnSignal`.
        archetypes: of the scores.

    Raises:
        ConfigError: an unknown name; or a function that is no signal: see `check_own_signal`.
    """
    if callable(signal) and not isinstance(signal, OwnSignal):
        signal = OwnSignal(getattr(signal, "__name__", type(signal).__name__), signal)
    if isinstance(signal, OwnSignal):
        check_own_signal(what, signal, archetypes)
        return signal
    check_choice(what, signal, SIGNALS)
    found: SignalName = signal
    return found


@lru_cache(maxsize=64)
def check_own_signal(what: str, own: OwnSignal, archetypes: int) -> None:
    """Try a function on made scores of one date.

    Args:
        what: the setting, for messages.
        own: the function and its name.
        archetypes: of the scores that it will be given.

    Raises:
        ConfigError: its name is taken; it does not run under jit on scores [K, N] and weights [K] of one date; it gives another shape or
            other than real numbers, another program when it is traced again, NaN or infinity where there are scores (under some weights or
            under equal ones), or values that depend on the order of the stocks or on stocks that nobody has scored.
    """
    said = f"{what}: the function {own.name!r}"
    if own.name in TAKEN:
        raise ConfigError(f"{said} cannot have this name, which has a meaning of its own in a run; rename it")
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        _check_program(said, own.function, archetypes)
        _check_values(said, jax.jit(own.function), archetypes)


def _check_program(said: str, function: Callable[..., Any], archetypes: int) -> None:
    """It is traceable, pure as far as two traces show, and gives a number a stock."""
    shapes = jax.ShapeDtypeStruct((archetypes, PROBED_STOCKS), jnp.float32), jax.ShapeDtypeStruct((archetypes,), jnp.float32)
    try:
        programs = [jax.make_jaxpr(lambda *given: function(*given), return_shape=True)(*shapes) for _ in range(2)]
        many = (jax.ShapeDtypeStruct((PROBED_CANDIDATES, *shape.shape), jnp.float32) for shape in shapes)
        jax.eval_shape(jax.vmap(lambda *given: function(*given)), *many)
    except (jax.errors.JAXTypeError, jax.errors.JAXIndexError) as error:
        raise ConfigError(
            f"{said} does not run under jax.jit: use jax.numpy, and no branches or Python numbers that depend on values "
            f"({type(error).__name__}: {_first_line(error)})"
        ) from error
    except Exception as error:
        raise ConfigError(
            f"{said} fails on what it is given, the scores [{archetypes} archetypes, {PROBED_STOCKS} stocks] and the weights "
            f"[{archetypes}] of one date: {type(error).__name__}: {_first_line(error)}"
        ) from error
    given = programs[0][1]
    if getattr(given, "shape", None) != (PROBED_STOCKS,):
        shown = f"shape {given.shape}" if hasattr(given, "shape") else f"a {type(given).__name__}"
        raise ConfigError(
            f"{said} gives {shown} from the scores [{archetypes}, {PROBED_STOCKS}] of one date; expected one number a stock, "
            f"({PROBED_STOCKS},). It sees one date at a time"
        )
    if not jnp.issubdtype(given.dtype, jnp.floating) and not jnp.issubdtype(given.dtype, jnp.integer):
        raise ConfigError(f"{said} gives {given.dtype}; expected real numbers, higher where a stock is liked better")
    if str(programs[0][0]) != str(programs[1][0]):
        raise ConfigError(f"{said} is another program each time that it is traced; its result may depend on scores and weights alone")


def _check_values(said: str, function: Callable[..., Any], archetypes: int) -> None:
    """On made scores, of which some are missing and of one stock all: finite values that depend on no order and on no absent stock."""
    rng = np.random.default_rng(0)
    scores = rng.random((archetypes, PROBED_STOCKS)).astype(np.float32)
    weights = rng.dirichlet(np.ones(archetypes)).astype(np.float32)
    some = np.where(rng.random(scores.shape) < 0.25, np.nan, scores).astype(np.float32)
    some[0, :-1], some[:, -1] = scores[0, :-1], np.nan
    equal = np.full(archetypes, 1.0 / archetypes, np.float32)
    for given, weighed, seen in ((scores, weights, slice(None)), (some, weights, slice(-1)), (scores, equal, slice(None))):
        values = np.asarray(function(given, weighed), np.float32)[seen]
        if not np.isfinite(values).all():
            where = "where some scores are missing (NaN)" if given is some else "where all scores are there"
            where += " and all weights are equal" if weighed is equal else ""
            raise ConfigError(
                f"{said} gives {values[~np.isfinite(values)][0]} {where}; expected a finite number for every stock that has a score, "
                "as jnp.nansum or jnp.where(jnp.isnan(scores), ...) give"
            )
    order = rng.permutation(PROBED_STOCKS - 1)
    values = np.asarray(function(some, weights), np.float32)[:-1]
    moved = some.copy()
    moved[:, :-1] = some[:, order]
    if not np.allclose(np.asarray(function(moved, weights), np.float32)[:-1], values[order], rtol=1e-4, atol=1e-6):
        raise ConfigError(f"{said} depends on the order of the stocks, which means nothing")
    fewer = np.asarray(function(some[:, :-1], weights), np.float32)
    if not np.allclose(fewer, values, rtol=1e-4, atol=1e-6):
        raise ConfigError(f"{said} depends on stocks that nobody has scored (a column of NaN), such as those outside the universe")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0]
