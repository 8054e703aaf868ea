"""What lies where: axes, blocks of dates, units of work, and the Zarr arrays that hold them.

    PATH/zarr.json                     the group: axes, provenance and a checksum over them, as attributes
    PATH/{probability,score,coverage,status}/zarr.json, c.B.I.J[.0]
    PATH/ledger/group.json             the group's zarr.json once more, from which `repair` restores a damaged one
    PATH/ledger/block-B.json           the manifest: which units of block B are in the chunks, under which keys, with content checksums
    PATH/ledger/journal/B/UNIT.rec     finished units of block B that are not yet in the chunks
    PATH/ledger/claims/NAME.json       who is working on a unit or a block right now
    PATH/ledger/runs/NAME.json         what a run of precompute reported at its end
    PATH/ledger/answers/, texts/       answers whose units are not whole yet, texts written before a score (see `massjax.store.log`)

A *block* is one row of chunks: `dates_per_unit` dates, all archetypes, all stocks. A *unit* is what is asked and written at once: the
dates of one block, one archetype, all stocks known when they were added. Axes only ever grow at their end; dates that are added to
a block already begun, and stocks that are added later, are units of their own, so that nothing is asked twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import numpy as np

from massjax.errors import StoreError

FORMAT = 2
"""The format of new stores. Format 1 differs in how scores are packed (see `ARRAYS_1`); its stores are read and written as they are."""
COMPRESSION_LEVEL = 5
CHUNK_CELLS = 4_000_000
"""Cells (date × archetype × stock) a chunk holds at most: 16 MB of scores."""


class Status(IntEnum):
    """Why a cell has a score or has none."""

    NOT_ASKED = 0
    SCORED = 1
    INVALID = 2
    FAILED = 3
    NOT_APPLICABLE = 4
    RULE = 5


class ArraySpec(NamedTuple):
    """How an array is stored.

    Attributes:
        dtype: data type.
        fill: what a cell holds that was never written, as in Zarr metadata.
        compressor, shuffle: of Blosc. None: not compressed, a date at a time (a Zarr shard of one chunk a date, each with its own CRC32C),
            so that a window of dates is read straight into memory and nothing beside it. So are scores, which are read again and again
            and hardly compress; the others are read once.
    """

    dtype: str
    fill: str | int
    compressor: str | None
    shuffle: bool


ARRAYS = {
    "probability": ArraySpec("float16", "NaN", "zstd", shuffle=True),
    "score": ArraySpec("float32", "NaN", None, shuffle=False),
    "coverage": ArraySpec("float16", "NaN", "zstd", shuffle=True),
    "status": ArraySpec("uint8", 0, "zstd", shuffle=False),
}
"""The arrays of a store, by name."""
ARRAYS_1 = {**ARRAYS, "score": ArraySpec("float32", "NaN", "lz4", shuffle=False)}
"""The arrays of a store of format 1, by name; scores are compressed in it."""


@dataclass(frozen=True, order=True)
class Unit:
    """A unit of work: positions of its dates `[start, stop)`, of its archetype, and of its stocks `[first, last)` on the store's axes."""

    start: int
    stop: int
    archetype: int
    first: int
    last: int

    @property
    def dates(self) -> slice:
        """Where its dates are on the date axis."""
        return slice(self.start, self.stop)

    @property
    def stocks(self) -> slice:
        """Where its stocks are on the stock axis."""
        return slice(self.first, self.last)

    @property
    def shape(self) -> tuple[int, int]:
        """(dates, stocks)."""
        return self.stop - self.start, self.last - self.first

    @property
    def name(self) -> str:
        """A file name that says which unit this is."""
        return f"d{self.start}-{self.stop}_a{self.archetype}_s{self.first}-{self.last}"


Box = tuple[slice, slice, slice]
"""Positions of dates, archetypes and stocks."""
Place = tuple[int, int]
"""(row, column) of a chunk in its block: along the archetypes and along the stocks."""


@dataclass(frozen=True)
class Layout:
    """The axes of a store and how they are cut.

    Attributes:
        dates: datetime64[D] [T], increasing.
        stocks, archetypes: labels along the other axes, distinct.
        choices: the answers, from worst to best; the last axis of `probability`.
        dates_per_unit: dates in a block.
        chunk: (archetypes, stocks) of one chunk.
        date_cuts, stock_cuts: where units begin and end along an axis, from 0 to its length.
        format: the version of what is on disk.
    """

    dates: np.ndarray
    stocks: tuple[str, ...]
    archetypes: tuple[str, ...]
    choices: tuple[str, ...]
    dates_per_unit: int
    chunk: tuple[int, int]
    date_cuts: tuple[int, ...]
    stock_cuts: tuple[int, ...]
    format: int = FORMAT

    @property
    def shape(self) -> tuple[int, int, int]:
        """(dates, archetypes, stocks)."""
        return len(self.dates), len(self.archetypes), len(self.stocks)

    @property
    def blocks(self) -> int:
        """How many blocks of dates there are."""
        return -(-len(self.dates) // self.dates_per_unit)

    def block(self, unit: Unit) -> int:
        """The block a unit lies in."""
        return unit.start // self.dates_per_unit

    def block_dates(self, block: int) -> slice:
        """Where the dates of a block are on the date axis."""
        start = block * self.dates_per_unit
        return slice(start, min(start + self.dates_per_unit, len(self.dates)))

    def units(self, block: int | None = None) -> Iterator[Unit]:
        """All units, of one block or of the store; archetype by archetype, so that prompts that begin alike are neighbours."""
        spans = list(pairwise(self.date_cuts)) if block is None else self._spans.get(block, [])
        for archetype in range(len(self.archetypes)):
            for first, last in pairwise(self.stock_cuts):
                for start, stop in spans:
                    yield Unit(start, stop, archetype, first, last)

    @cached_property
    def _spans(self) -> dict[int, list[tuple[int, int]]]:
        """Where units begin and end along the dates, by block."""
        return {block: list(spans) for block, spans in groupby(pairwise(self.date_cuts), key=lambda span: span[0] // self.dates_per_unit)}

    @cached_property
    def known(self) -> frozenset[Unit]:
        """The set of all units."""
        return frozenset(self.units())

    def describe(self, unit: Unit) -> str:
        """A unit in words: archetype, dates, stocks."""
        name = self.archetypes[unit.archetype] if 0 <= unit.archetype < len(self.archetypes) else f"number {unit.archetype}"
        stocks = "" if unit.shape[1] == len(self.stocks) else f", stocks {self.stocks[unit.first]} to {self.stocks[unit.last - 1]}"
        return f"archetype {name!r}, dates {self.dates[unit.start]} to {self.dates[unit.stop - 1]}{stocks}"

    def describe_block(self, block: int) -> str:
        """A block in words: its number and dates."""
        dates = self.dates[self.block_dates(block)]
        return f"block {block}" + (f" (dates {dates[0]} to {dates[-1]})" if len(dates) else "")

    def places(self, unit: Unit) -> list[Place]:
        """(row, column) of the chunks of its block in which a unit's cells lie: the same for every array."""
        along_k, along_n = self.chunk
        return [(unit.archetype // along_k, column) for column in range(unit.first // along_n, -(-unit.last // along_n))]

    def places_in(self, box: Box) -> list[Place]:
        """(row, column) of the chunks of a block that hold cells of a box."""
        (along_k, along_n), (_, archetypes, stocks) = self.chunk, box
        rows = range(archetypes.start // along_k, -(-archetypes.stop // along_k))
        return [(row, column) for row in rows for column in range(stocks.start // along_n, -(-stocks.stop // along_n))]

    def spec(self, name: str) -> ArraySpec:
        """How an array of this store is kept."""
        return (ARRAYS_1 if self.format == 1 else ARRAYS)[name]

    def unit_box(self, unit: Unit) -> Box:
        """Which dates, archetypes and stocks a unit holds."""
        return unit.dates, slice(unit.archetype, unit.archetype + 1), unit.stocks

    def chunk_box(self, block: int, row: int, column: int) -> Box:
        """Which dates, archetypes and stocks a chunk holds; empty slices where it is beyond the axes."""
        along_k, along_n = self.chunk
        _, archetypes, stocks = self.shape
        rows = slice(row * along_k, min((row + 1) * along_k, archetypes))
        return self.block_dates(block), rows, slice(column * along_n, min((column + 1) * along_n, stocks))


def chunk_name(array: str, block: int, row: int, column: int) -> str:
    """The file of a chunk, relative to its array."""
    return f"c.{block}.{row}.{column}" + (".0" if array == "probability" else "")


def new_layout(
    dates: Any,
    stocks: Sequence[str],
    archetypes: Sequence[str],
    choices: Sequence[str],
    dates_per_unit: int,
    chunk: tuple[int, int] | None = None,
) -> Layout:
    """The layout of a new store.

    Raises:
        StoreError: an axis is empty, has a label twice, or the dates do not increase.
    """
    if dates_per_unit < 1:
        raise StoreError(f"dates_per_unit is {dates_per_unit}; expected at least 1")
    if len(choices) < 2:
        raise StoreError(f"a score needs at least two choices; given: {list(choices)}")
    check_axis_labels("choice", choices)
    per_unit = min(dates_per_unit, 1000)
    along_n = max(1, min(len(stocks), 1000))
    along_k = max(1, min(len(archetypes), CHUNK_CELLS // (per_unit * along_n)))
    empty = Layout(as_days(()), (), (), tuple(choices), dates_per_unit, chunk or (along_k, along_n), (0,), (0,))
    return grow(empty, dates=dates, stocks=stocks, archetypes=archetypes)


def grow(layout: Layout, *, dates: Any = (), stocks: Sequence[str] = (), archetypes: Sequence[str] = ()) -> Layout:
    """The layout with labels appended to its axes.

    Raises:
        StoreError: a label is there already or given twice, a date is not later than those before it, or an axis stays empty.
    """
    all_dates = np.concatenate([layout.dates, as_days(dates)])
    late = np.flatnonzero(np.diff(all_dates) <= np.timedelta64(0, "D"))
    if late.size:
        before, after = all_dates[late[0]], all_dates[late[0] + 1]
        raise StoreError(f"date {after} comes after {before} on the date axis; dates must increase, and new ones be later than all stored")
    all_stocks, all_archetypes = (*layout.stocks, *stocks), (*layout.archetypes, *archetypes)
    check_axis_labels("stock", all_stocks)
    check_axis_labels("archetype", all_archetypes)
    for axis, labels in (("dates", all_dates), ("stocks", all_stocks), ("archetypes", all_archetypes)):
        if not len(labels):
            raise StoreError(f"a score store needs {axis}; none were given")
    date_cuts = layout.date_cuts
    if len(all_dates) > date_cuts[-1]:
        next_block = (date_cuts[-1] // layout.dates_per_unit + 1) * layout.dates_per_unit
        date_cuts = (*date_cuts, *range(next_block, len(all_dates), layout.dates_per_unit), len(all_dates))
    stock_cuts = layout.stock_cuts
    if len(all_stocks) > stock_cuts[-1]:
        stock_cuts = (*stock_cuts, len(all_stocks))
    return replace(layout, dates=all_dates, stocks=all_stocks, archetypes=all_archetypes, date_cuts=date_cuts, stock_cuts=stock_cuts)


def as_days(dates: Any) -> np.ndarray:
    """Days as datetime64[D] [T].

    Raises:
        StoreError: one of them is not a day.
    """
    try:
        result = np.asarray(dates, dtype="datetime64[D]").reshape(-1)
    except (TypeError, ValueError) as error:
        raise StoreError(f"dates must be days such as 2020-01-31: {error}") from None
    if np.isnat(result).any():
        raise StoreError("dates must be days such as 2020-01-31; one of them is missing (NaT)")
    return result


def check_axis_labels(what: str, labels: Sequence[str]) -> None:
    """Check the labels of an axis.

    Raises:
        StoreError: one is empty, or there twice.
    """
    seen: set[str] = set()
    for label in labels:
        if not isinstance(label, str) or not label:
            raise StoreError(f"{what} {label!r}: expected a name that is not empty")
        if label in seen:
            raise StoreError(f"{what} {label!r} is on its axis twice; names must be distinct")
        seen.add(label)
