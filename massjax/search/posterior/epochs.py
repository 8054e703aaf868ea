"""Epochs: stretches of dates over which the correlations of their first date hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Int

FIRST, GROWTH, LONGEST = 5, 2.0**0.5, 125
"""Dates before the second epoch, factor between the lengths of epochs, and dates of the longest."""
TOGETHER = 25
"""Dates whose weights are solved for together."""


def epoch_starts(dates: int) -> Int[np.ndarray, " E"]:
    """First date of each epoch: 0, 5, 7, 10, 14, 20, ..., longer by a factor of 1.41 each, up to 125 dates.

    Young correlations change fast and are estimated often; a long history costs a few epochs a year.

    Example:
        >>> epoch_starts(60).tolist()
        [0, 5, 7, 10, 14, 20, 28, 40, 57]
    """
    starts, following = [0], float(FIRST)
    while round(following) < dates:
        starts.append(round(following))
        following = min(following * GROWTH, following + LONGEST)
    return np.array(starts)


def pieces(dates: int) -> tuple[Int[np.ndarray, " C"], Int[np.ndarray, " C"]]:
    """Each epoch cut into pieces of `TOGETHER` dates: the epoch and the first date of each piece.

    Example:
        >>> epochs, first = pieces(60)
        >>> epochs[-3:].tolist(), first[-3:].tolist()
        ([6, 7, 8], [28, 40, 57])
    """
    starts = epoch_starts(dates)
    cut = [np.arange(start, stop, TOGETHER) for start, stop in zip(starts, [*starts[1:], dates], strict=True)]
    return np.repeat(np.arange(len(starts)), [len(first) for first in cut]), np.concatenate(cut)


def map_epochs(function: Callable[..., Any], by_epoch: Any, by_date: Any) -> Any:
    """Apply a function to pieces of each epoch and join what it gives for the dates.

    Args:
        function: takes the values of one epoch and those of `TOGETHER` of its dates, and returns arrays with these dates first.
        by_epoch: a pytree of arrays with the epochs along the first axis.
        by_date: a pytree of arrays with the T dates along the first axis; beyond the last of an epoch others or zeros are passed.
    """
    dates = jax.tree.leaves(by_date)[0].shape[0]

    def padded(values: Array) -> Array:
        return jnp.concatenate([values, jnp.zeros((TOGETHER, *values.shape[1:]), values.dtype)])

    extended = jax.tree.map(padded, by_date)

    def evaluate(epoch: Array, first: Array) -> Any:
        some = jax.tree.map(lambda values: lax.dynamic_slice_in_dim(values, first, TOGETHER), extended)
        return function(jax.tree.map(lambda values: values[epoch], by_epoch), some)

    def write(joined: Any, piece: tuple[Array, Array]) -> tuple[Any, None]:
        found = evaluate(*piece)
        return jax.tree.map(lambda old, new: lax.dynamic_update_slice_in_dim(old, new, piece[1], axis=0), joined, found), None

    shapes = jax.eval_shape(evaluate, jnp.int32(0), jnp.int32(0))
    empty = jax.tree.map(lambda shape: jnp.zeros((dates + TOGETHER, *shape.shape[1:]), shape.dtype), shapes)
    epochs, first = (jnp.asarray(places, jnp.int32) for places in pieces(dates))
    return jax.tree.map(lambda values: values[:dates], lax.scan(write, empty, (epochs, first))[0])
