"""What is small is computed draw by draw of the returns: one alone as it is, many on all devices."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Shaped

from massjax.engine.blocks import is_traced, map_items
from massjax.engine.devices import device_count

TOGETHER_NUMBERS = 200_000
"""Dates times archetypes, or stocks, times draws that a device works on together."""
MOST_TOGETHER = 16
"""Draws that a device estimates together."""
HELD_NUMBERS = 1 << 26
"""Numbers of many draws that are held on the host at once: a quarter of a gigabyte."""


def each_draw(function: Callable[..., Any], draws: Any, *shared: Any, options: tuple[Hashable, ...] = (), numbers: int) -> Any:
    """`function(*of a draw, *shared, *options)` for each draw.

    Args:
        function: pure, of the top level of a module.
        draws: a tuple of trees of arrays with the draws first.
        shared: by all draws.
        options: what is static.
        numbers: that a draw is about.
    """
    if len(jax.tree.leaves(draws)[0]) == 1:
        first = _alone(function, options, jax.tree.map(lambda values: values[0], draws), shared)
        return jax.tree.map(lambda values: values[None] if is_traced(values) else np.asarray(values)[None], first)
    together = device_count() * max(1, min(MOST_TOGETHER, TOGETHER_NUMBERS // numbers))
    return map_items(function, draws, *shared, options=options, together=together, at_once=True)


def draws_held(archetypes: int, stocks: int, dates: int) -> int:
    """Draws whose numbers by date, archetype and stock are held at once: as many for each device."""
    devices = device_count()
    return devices * max(1, HELD_NUMBERS // numbers_of_a_draw(archetypes, stocks, dates) // devices)


def numbers_of_a_draw(archetypes: int, stocks: int, dates: int) -> int:
    """Numbers that are held of a draw while its weights are found."""
    return dates * (8 * archetypes + 4 * stocks)


def dates_first(values: Shaped[Any, "G T ..."]) -> Shaped[Any, "T G ..."]:
    """By draw and date as by date and draw."""
    return numpy_of(values).swapaxes(values, 0, 1)


draws_first = dates_first


def numpy_of(values: Any) -> Any:
    """The module that computes with such arrays: numpy on the host."""
    return np if isinstance(values, np.ndarray) else jnp


def _of_one(function: Callable[..., Any], options: tuple[Hashable, ...], draw: Any, shared: Any) -> Any:
    return function(*draw, *shared, *options)


_alone = jax.jit(_of_one, static_argnames=("function", "options"))
