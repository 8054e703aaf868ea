"""Work on many dates, or draws, that lie on the host: some at a time by one compiled function, a share of them on each device."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import jax
import numpy as np
from jax import lax
from jaxtyping import Float, Int

from massjax.engine.devices import device_count, spread_items
from massjax.mapped import Room

BLOCK_CELLS = 4_000_000
"""Archetypes times stocks times dates worked on together at most; what is made of them holds some ten numbers for each."""


@dataclass(frozen=True, eq=False)
class MovedStocks:
    """Scores of which each stock has those of another, made for some dates at a time.

    Attributes:
        scores: as they are.
        stocks: the stock whose scores each stock gets.
    """

    scores: Float[np.ndarray, "K N T"]
    stocks: Int[np.ndarray, " N"]

    @property
    def shape(self) -> tuple[int, ...]:
        """Archetypes, stocks and dates, as of an array of scores."""
        return self.scores.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the numbers."""
        return self.scores.dtype


AnyScores: TypeAlias = Float[np.ndarray, "K N T"] | MovedStocks
"""Scores of a whole history on the host."""


@dataclass(frozen=True, eq=False)
class _MovedByDate:
    """`MovedStocks` with the dates first."""

    moved: MovedStocks

    @property
    def shape(self) -> tuple[int, ...]:
        archetypes, stocks, dates = self.moved.shape
        return dates, archetypes, stocks

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.moved.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, dates: slice | Int[np.ndarray, " B"]) -> Float[np.ndarray, "B K N"]:
        return np.moveaxis(self.moved.scores, 2, 0)[dates][..., self.moved.stocks]


def by_date(scores: Any) -> Any:
    """Scores [K, N, T] with the dates first, to take some of them."""
    return _MovedByDate(scores) if isinstance(scores, MovedStocks) else scores.transpose(2, 0, 1)


def together_of(cells: int, items: int) -> int:
    """How many of some items of so many cells each make a block: as many on each device."""
    devices = device_count()
    return devices * max(1, min(-(-items // devices), BLOCK_CELLS // max(cells, 1) // devices))


def is_traced(tree: Any) -> bool:
    """Whether a caller's `jax.jit`, `jax.vmap` or loop is under way, in which there is no host to keep anything on."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))


def map_items(
    function: Callable[..., Any],
    items: Any,
    *shared: Any,
    options: tuple[Hashable, ...] = (),
    together: int,
    at_once: bool = False,
    room: Room = np.empty,
) -> Any:
    """`function(*item, *shared, *options)` for each item, its results joined on the host; of what is traced, by one loop over all.

    Args:
        function: pure, of the top level of a module: each compiles once.
        items: a tuple of trees of arrays with the items along their first axis.
        shared: trees of arrays that all items share.
        options: what is static.
        together: items of a block.
        at_once: whether a device works on its items together (`jax.vmap`), not on one after another.
        room: makes the arrays that hold the results.
    """
    if is_traced((items, shared)):
        return _of_block(function, options, at_once, items, shared)
    joined: Any = None
    for rows, found in blocks_of_items(function, items, *shared, options=options, together=together, at_once=at_once):
        if joined is None:
            joined = jax.tree.map(lambda some: room((_length(items), *some.shape[1:]), some.dtype), found)
        for whole, some in zip(jax.tree.leaves(joined), jax.tree.leaves(found), strict=True):
            whole[rows] = some
    return joined


def blocks_of_items(
    function: Callable[..., Any],
    items: Any,
    *shared: Any,
    options: tuple[Hashable, ...] = (),
    together: int,
    at_once: bool = False,
) -> Iterator[tuple[slice, Any]]:
    """What `map_items` joins, block by block: which items, and their results on the host.

    The last block overlaps the one before it, so that all are of one size; a block is on its way while the one before is yielded.
    """
    count, waiting = _length(items), None
    for start in range(0, count, together):
        first = max(0, min(start, count - together))
        block = jax.tree.map(partial(_some, first=first, together=together), items)
        found = _compiled_block(function, options, at_once, block, shared)
        if waiting is not None:
            yield _fetched(*waiting)
        waiting = slice(start, min(start + together, count)), first, found
    if waiting is not None:
        yield _fetched(*waiting)


def _some(values: Any, first: int, together: int) -> np.ndarray:
    some = np.asarray(values[first : first + together])
    return some if len(some) == together else some[np.minimum(np.arange(together), len(some) - 1)]


def _fetched(rows: slice, first: int, found: Any) -> tuple[slice, Any]:
    return rows, jax.tree.map(lambda values: np.asarray(values)[rows.start - first : rows.stop - first], found)


def _length(items: Any) -> int:
    return len(jax.tree.leaves(items)[0])


def map_on_devices(function: Callable[..., Any], items: Any, *shared: Any, at_once: bool = False) -> Any:
    """`function(item, *shared)` for each item, a share of them on each device where they can be shared out; to be traced.

    Args:
        function: pure.
        items: a tree of arrays with the items along their first axis.
        shared: trees of arrays that all items share.
        at_once: whether a device works on its items together (`jax.vmap`), not on one after another.
    """

    def apart(items: Any, *shared: Any) -> Any:
        if at_once:
            return jax.vmap(lambda item: function(item, *shared))(items)
        return lax.map(lambda item: function(item, *shared), items)

    return apart(items, *shared) if _length(items) % device_count() else spread_items(apart, items, *shared)


def _of_block(function: Callable[..., Any], options: tuple[Hashable, ...], at_once: bool, items: Any, shared: Any) -> Any:
    return map_on_devices(lambda item, *shared: function(*item, *shared, *options), items, *shared, at_once=at_once)


_compiled_block = jax.jit(_of_block, static_argnames=("function", "options", "at_once"))
