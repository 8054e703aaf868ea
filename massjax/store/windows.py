"""Windows of dates, one after the other, from a store that need not fit into memory: while one is searched, the next ones are read."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from massjax.errors import StoreError
from massjax.store import chunks, reading
from massjax.store.folder import Folder
from massjax.store.layout import Layout
from massjax.store.selection import Selection

BUDGET = 1 << 30
"""Bytes that a walk holds at once, by default."""
_HELD = 3
"""Stretches of dates at once: the one that the caller may still hold, the one that windows are cut from, the one that is being read."""


@dataclass(frozen=True)
class ScoreWindow:
    """The scores of some successive dates.

    Attributes:
        dates: datetime64[D] [D].
        scores: [K, N, D], NaN = missing; read-only, and date-major in memory. Neighbouring windows share memory.
    """

    dates: np.ndarray
    scores: Float[np.ndarray, "K N D"]


@dataclass(frozen=True)
class _Walk:
    root: Folder
    layout: Layout
    where: Selection
    lookback: int
    step: int
    stretch: int

    def read_stretch(self, start: int, before: tuple[int, np.ndarray] | None) -> np.ndarray:
        """Scores [dates, K, N] from date `start` of the walk on; dates that are in the stretch `before` are copied from there."""
        stop = min(start + self.stretch, len(self.where.dates))
        values = chunks.unfilled(self.layout, "score", (stop - start, len(self.where.archetypes), len(self.where.stocks)))
        known = 0
        if before is not None:
            known = max(0, before[0] + len(before[1]) - start)
            values[:known] = before[1][len(before[1]) - known :]
        rest = self.where._replace(dates=self.where.dates.part(slice(start + known, stop)))
        reading.read_array_into(self.root, self.layout, "score", rest, values[known:], parallel=False)
        values.flags.writeable = False
        return values


def walk(root: Folder, layout: Layout, where: Selection, lookback: int, step: int, budget: int) -> Iterator[ScoreWindow]:
    """Every window of `lookback` dates, `step` dates apart, holding `budget` bytes at once at most.

    Raises:
        StoreError: the budget is too small for a window, or the dates of the selection do not increase.
    """
    if lookback < 1 or step < 1:
        raise StoreError(f"{root}: windows of {lookback} dates, {step} apart; both must be at least 1")
    if not where.dates.increases:
        raise StoreError(f"{root}: the dates of windows must increase")
    a_date = max(1, len(where.archetypes) * len(where.stocks)) * np.dtype(np.float32).itemsize
    scratch = _scratch(layout, where)
    stretch = (budget - scratch) // (_HELD * a_date)
    if stretch < lookback:
        needed = _HELD * lookback * a_date + scratch
        shape = f"{len(where.archetypes)} archetypes × {len(where.stocks)} stocks × {lookback} dates"
        raise StoreError(f"{root}: windows of {shape} need a budget of {needed:,} bytes; given: {budget:,}; raise it, or read fewer")
    return _windows(_Walk(root, layout, where, lookback, step, stretch), len(where.dates))


def _windows(walk: _Walk, dates: int) -> Iterator[ScoreWindow]:
    if dates < walk.lookback:
        return
    with ThreadPoolExecutor(1, thread_name_prefix="massjax-windows") as pool:
        start, values = 0, walk.read_stretch(0, None)
        following = _follow(walk, 0, values, pool, dates)
        while True:
            for first in range(0, len(values) - walk.lookback + 1, walk.step):
                span = slice(start + first, start + first + walk.lookback)
                scores = np.moveaxis(values[first : first + walk.lookback], 0, 2)
                yield ScoreWindow(walk.layout.dates[walk.where.dates.positions[span]], scores)
                del scores
            if following is None:
                return
            start += _advance(walk, len(values))
            values = following.result()
            following = _follow(walk, start, values, pool, dates)


def _advance(walk: _Walk, length: int) -> int:
    """How many dates after the beginning of a stretch of this length the next one begins."""
    return ((length - walk.lookback) // walk.step + 1) * walk.step


def _follow(walk: _Walk, start: int, values: np.ndarray, pool: ThreadPoolExecutor, dates: int) -> Future[np.ndarray] | None:
    """The stretch after the one at `start`, being read; None where no window is left."""
    later = start + _advance(walk, len(values))
    return None if later + walk.lookback > dates else pool.submit(walk.read_stretch, later, (start, values))


def _scratch(layout: Layout, where: Selection) -> int:
    """Bytes that are needed beside the values: none where whole chunks are read straight into them, else a packed and an unpacked chunk."""
    spans = (where.archetypes.span, where.stocks.span)
    whole = where.archetypes.whole and where.stocks.whole and spans == tuple(slice(0, size) for size in layout.shape[1:])
    if whole and layout.spec("score").compressor is None and layout.chunk == layout.shape[1:]:
        return 0
    return 3 * layout.dates_per_unit * max(layout.chunk[0] * layout.chunk[1], layout.shape[1] * layout.shape[2]) * 4
