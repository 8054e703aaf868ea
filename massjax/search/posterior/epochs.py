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


def map_epochs(function: Callable[..., Any], starts: Int[Array, " E"], by_epoch: Any, by_date: Any) -> Any:
    """Apply a function to each epoch and join what it gives for the dates.

    Args:
        function: takes the values of one epoch and those of `LONGEST` dates from its start on, and returns arrays with these dates first.
        starts: first date of each epoch, the first being 0.
        by_epoch: a pytree of arrays with the epochs along the first axis.
        by_date: a pytree of arrays with the dates along the first axis; beyond the last date zeros are passed.
    """
    dates = jax.tree.leaves(by_date)[0].shape[0]

    def padded(values: Array) -> Array:
        return jnp.concatenate([values, jnp.zeros((LONGEST, *values.shape[1:]), values.dtype)])

    extended = jax.tree.map(padded, by_date)

    def some(start: Array) -> Any:
        return jax.tree.map(lambda values: lax.dynamic_slice_in_dim(values, start, LONGEST), extended)

    def write(joined: Any, inputs: tuple[Array, Any]) -> tuple[Any, None]:
        start, epoch = inputs
        found = function(epoch, some(start))
        return jax.tree.map(lambda old, new: lax.dynamic_update_slice_in_dim(old, new, start, axis=0), joined, found), None

    shapes = jax.eval_shape(lambda first: function(jax.tree.map(lambda values: values[0], by_epoch), some(first)), starts[0])
    empty = jax.tree.map(lambda shape: jnp.zeros((dates + LONGEST, *shape.shape[1:]), shape.dtype), shapes)
    joined = lax.scan(write, empty, (starts, by_epoch))[0]
    return jax.tree.map(lambda values: values[:dates], joined)
