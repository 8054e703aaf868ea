"""What lies where: axes, blocks of dates, units of work, and the Zarr arrays that hold them.

    PATH/zarr.json                     the group: axes, provenance and a checksum over them, as attributes
    PATH/{probability,score,coverage,status}/zarr.json, c.B.I.J[.0]
    PATH/ledger/group.json             the group's zarr.json once more, from which `repair` restores a damaged one
    PATH/ledger/block-B.json           the manifest: which units of block B are in the chunks, under which keys, with content checksums
    PATH/ledger/journal/B/UNIT.rec     finished units of block B that are not yet in the chunks
    PATH/ledger/claims/NAME.json       who is working on a unit or a block right now

A *block* is one row of chunks: `dates_per_unit` dates, all archetypes, all stocks. A *unit* is what is asked and written at once: the
dates of one block, one archetype, all stocks known when they were added. Axes only ever grow at their end; dates that are added to
a block already begun, and stocks that are added later, are units of their own, so that nothing is asked twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from massjax.errors import StoreError
from massjax.store.files import canonical, digest

FORMAT = 1
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
        compressor, shuffle: of Blosc. Scores are read again and again and hardly compress: lz4 without shuffling keeps their bytes as they
            are, at the speed of a copy, and still folds runs of NaN and of repeated scores. The others are read once, so zstd.
    """

    dtype: str
    fill: str | int
    compressor: str
    shuffle: bool


ARRAYS = {
    "probability": ArraySpec("float16", "NaN", "zstd", shuffle=True),
    "score": ArraySpec("float32", "NaN", "lz4", shuffle=False),
    "coverage": ArraySpec("float16", "NaN", "zstd", shuffle=True),
    "status": ArraySpec("uint8", 0, "zstd", shuffle=False),
}
"""The arrays of a store, by name."""


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
    """

    dates: np.ndarray
    stocks: tuple[str, ...]
    archetypes: tuple[str, ...]
    choices: tuple[str, ...]
    dates_per_unit: int
    chunk: tuple[int, int]
    date_cuts: tuple[int, ...]
    stock_cuts: tuple[int, ...]

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
        spans = [
            span
            for span in zip(self.date_cuts, self.date_cuts[1:], strict=False)
            if block is None or span[0] // self.dates_per_unit == block
        ]
        for archetype in range(len(self.archetypes)):
            for first, last in zip(self.stock_cuts, self.stock_cuts[1:], strict=False):
                for start, stop in spans:
                    yield Unit(start, stop, archetype, first, last)

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
    _check_labels("choice", choices)
    per_unit = min(dates_per_unit, 1000)
    along_n = max(1, min(len(stocks), 1000))
    along_k = max(1, min(len(archetypes), CHUNK_CELLS // (per_unit * along_n)))
    empty = Layout(_as_dates(()), (), (), tuple(choices), dates_per_unit, chunk or (along_k, along_n), (0,), (0,))
    return grow(empty, dates=dates, stocks=stocks, archetypes=archetypes)


def grow(layout: Layout, *, dates: Any = (), stocks: Sequence[str] = (), archetypes: Sequence[str] = ()) -> Layout:
    """The layout with labels appended to its axes.

    Raises:
        StoreError: a label is there already or given twice, a date is not later than those before it, or an axis stays empty.
    """
    all_dates = np.concatenate([layout.dates, _as_dates(dates)])
    late = np.flatnonzero(np.diff(all_dates) <= np.timedelta64(0, "D"))
    if late.size:
        before, after = all_dates[late[0]], all_dates[late[0] + 1]
        raise StoreError(f"date {after} comes after {before} on the date axis; dates must increase, and new ones be later than all stored")
    all_stocks, all_archetypes = (*layout.stocks, *stocks), (*layout.archetypes, *archetypes)
    _check_labels("stock", all_stocks)
    _check_labels("archetype", all_archetypes)
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


def _as_dates(dates: Any) -> np.ndarray:
    try:
        result = np.asarray(dates, dtype="datetime64[D]").reshape(-1)
    except (TypeError, ValueError) as error:
        raise StoreError(f"dates must be days such as 2020-01-31: {error}") from None
    if np.isnat(result).any():
        raise StoreError("dates must be days such as 2020-01-31; one of them is missing (NaT)")
    return result


def _check_labels(what: str, labels: Sequence[str]) -> None:
    seen: set[str] = set()
    for label in labels:
        if not isinstance(label, str) or not label:
            raise StoreError(f"{what} {label!r}: expected a name that is not empty")
        if label in seen:
            raise StoreError(f"{what} {label!r} is on its axis twice; names must be distinct")
        seen.add(label)


def layout_document(layout: Layout) -> dict[str, Any]:
    """The layout as JSON."""
    return {
        "dates": np.datetime_as_string(layout.dates).tolist(),
        "stocks": list(layout.stocks),
        "archetypes": list(layout.archetypes),
        "choices": list(layout.choices),
        "dates_per_unit": layout.dates_per_unit,
        "chunk": list(layout.chunk),
        "date_cuts": list(layout.date_cuts),
        "stock_cuts": list(layout.stock_cuts),
    }


def layout_from(document: dict[str, Any]) -> Layout:
    """The layout that `layout_document` wrote."""
    return Layout(
        dates=_as_dates(document["dates"]),
        stocks=tuple(document["stocks"]),
        archetypes=tuple(document["archetypes"]),
        choices=tuple(document["choices"]),
        dates_per_unit=document["dates_per_unit"],
        chunk=(document["chunk"][0], document["chunk"][1]),
        date_cuts=tuple(document["date_cuts"]),
        stock_cuts=tuple(document["stock_cuts"]),
    )


def array_document(layout: Layout, name: str) -> dict[str, Any]:
    """The Zarr v3 metadata of an array: Blosc under a CRC32C, which sees any flipped bit of a chunk."""
    spec = ARRAYS[name]
    last = (len(layout.choices),) if name == "probability" else ()
    size = np.dtype(spec.dtype).itemsize
    shuffle = "shuffle" if spec.shuffle else "noshuffle"
    blosc = {"typesize": size, "cname": spec.compressor, "clevel": COMPRESSION_LEVEL, "shuffle": shuffle, "blocksize": 0}
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [*layout.shape, *last],
        "data_type": spec.dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [layout.dates_per_unit, *layout.chunk, *last]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": spec.fill,
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}} if size > 1 else {"name": "bytes"},
            {"name": "blosc", "configuration": blosc},
            {"name": "crc32c"},
        ],
        "dimension_names": ["date", "archetype", "stock", *(["choice"] if last else [])],
    }
    return {**document, "attributes": {"checksum": digest(canonical(document))}}
