"""Which cells are wanted: labels along the axes of a store as positions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from massjax.errors import StoreError, did_you_mean
from massjax.store.layout import Layout


class Axis(NamedTuple):
    """Wanted positions along an axis, in the order wanted.

    Attributes:
        positions: the positions.
        span: from the first to the last of them.
        whole: whether they are all of their span, in order.
    """

    positions: np.ndarray
    span: slice
    whole: bool

    @classmethod
    def between(cls, start: int, stop: int) -> Axis:
        """All positions from `start` to before `stop`."""
        stop = max(start, stop)
        return cls(np.arange(start, stop), slice(start, stop), True)

    @classmethod
    def of(cls, positions: np.ndarray) -> Axis:
        """Any positions."""
        if not positions.size:
            return cls.between(0, 0)
        if (positions[1:] - positions[:-1] == 1).all():
            return cls(positions, slice(int(positions[0]), int(positions[-1]) + 1), True)
        return cls(positions, slice(int(positions.min()), int(positions.max()) + 1), False)

    def __len__(self) -> int:
        return len(self.positions)

    def part(self, part: slice) -> Axis:
        """Some of the positions, which follow one another."""
        if not self.whole:
            return Axis.of(self.positions[part])
        start = self.span.start
        return Axis(self.positions[part], slice(start + part.start, start + part.stop), True)

    @property
    def increases(self) -> bool:
        """Whether each position is after the one before."""
        return self.whole or bool((self.positions[1:] > self.positions[:-1]).all())


class Selection(NamedTuple):
    """Positions along the axes of the store."""

    dates: Axis
    archetypes: Axis
    stocks: Axis


def select(layout: Layout, dates: Any = None, archetypes: Any = None, stocks: Any = None) -> Selection:
    """Positions on all three axes: of labels, of slices of positions, of first and last date; None takes a whole axis.

    Raises:
        StoreError: a label the store does not have.
    """
    return Selection(_dates(layout, dates), _labels("archetype", layout.archetypes, archetypes), _labels("stock", layout.stocks, stocks))


def _dates(layout: Layout, dates: Any) -> Axis:
    if dates is None:
        return Axis.between(0, len(layout.dates))
    if isinstance(dates, slice):
        if all(part is None or isinstance(part, int | np.integer) for part in (dates.start, dates.stop, dates.step)):
            start, stop, step = dates.indices(len(layout.dates))
            return Axis.between(start, stop) if step == 1 else Axis.of(np.arange(start, stop, step))
        if dates.step is not None:
            raise StoreError(f"dates {dates}: a slice of days takes no step")
        dates = (layout.dates[0] if dates.start is None else dates.start, layout.dates[-1] if dates.stop is None else dates.stop)
    try:
        days = np.asarray(dates, dtype="datetime64[D]")
    except (TypeError, ValueError):
        raise StoreError(f"dates {dates!r}: expected days such as 2020-01-31: (first, last), a list, or a slice") from None
    if isinstance(dates, tuple) and days.shape == (2,):
        return Axis.between(int(np.searchsorted(layout.dates, days[0])), int(np.searchsorted(layout.dates, days[1], side="right")))
    days = days.reshape(-1)
    positions = np.searchsorted(layout.dates, days)
    found = layout.dates[np.minimum(positions, len(layout.dates) - 1)] == days
    if not found.all():
        extent = f"{len(layout.dates)} dates from {layout.dates[0]} to {layout.dates[-1]}"
        raise StoreError(f"date {days[~found][0]} is not in this store; it has {extent}")
    return Axis.of(positions)


def _labels(what: str, known: tuple[str, ...], labels: Any) -> Axis:
    if labels is None:
        return Axis.between(0, len(known))
    wanted = [labels] if isinstance(labels, str) else list(labels)
    places = {label: position for position, label in enumerate(known)}
    for label in wanted:
        if label not in places:
            raise StoreError(f"{what} {label!r} is not in this store{did_you_mean(str(label), known)}")
    return Axis.of(np.array([places[label] for label in wanted], dtype=np.intp))
