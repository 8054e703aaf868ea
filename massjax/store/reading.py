"""Reading: which cells are wanted, and what is in the chunks and in the journal at this moment."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from massjax.errors import StoreError, did_you_mean
from massjax.store import chunks, journal, manifest
from massjax.store.journal import Entry
from massjax.store.layout import Box, Layout, Unit


@dataclass(frozen=True)
class Selection:
    """Positions along the axes of the store, in the order wanted."""

    dates: np.ndarray
    archetypes: np.ndarray
    stocks: np.ndarray


def select(layout: Layout, dates: Any = None, archetypes: Any = None, stocks: Any = None) -> Selection:
    """Positions of labels; see `ScoreStore.scores` for what is accepted.

    Raises:
        StoreError: a label the store does not have.
    """
    return Selection(
        _date_positions(layout, dates),
        _label_positions("archetype", layout.archetypes, archetypes),
        _label_positions("stock", layout.stocks, stocks),
    )


def _date_positions(layout: Layout, dates: Any) -> np.ndarray:
    if dates is None:
        return np.arange(len(layout.dates))
    if isinstance(dates, slice):
        if all(part is None or isinstance(part, int | np.integer) for part in (dates.start, dates.stop, dates.step)):
            return np.arange(len(layout.dates))[dates]
        if dates.step is not None:
            raise StoreError(f"dates {dates}: a slice of days takes no step")
        dates = (layout.dates[0] if dates.start is None else dates.start, layout.dates[-1] if dates.stop is None else dates.stop)
    try:
        days = np.asarray(dates, dtype="datetime64[D]")
    except (TypeError, ValueError):
        raise StoreError(f"dates {dates!r}: expected days such as 2020-01-31: (first, last), a list, or a slice") from None
    if isinstance(dates, tuple) and days.shape == (2,):
        return np.flatnonzero((layout.dates >= days[0]) & (layout.dates <= days[1]))
    days = days.reshape(-1)
    positions = np.searchsorted(layout.dates, days)
    found = layout.dates[np.minimum(positions, len(layout.dates) - 1)] == days
    if not found.all():
        extent = f"{len(layout.dates)} dates from {layout.dates[0]} to {layout.dates[-1]}"
        raise StoreError(f"date {days[~found][0]} is not in this store; it has {extent}")
    return positions


def _label_positions(what: str, known: tuple[str, ...], labels: Any) -> np.ndarray:
    if labels is None:
        return np.arange(len(known))
    wanted = [labels] if isinstance(labels, str) else list(labels)
    places = {label: position for position, label in enumerate(known)}
    for label in wanted:
        if label not in places:
            raise StoreError(f"{what} {label!r} is not in this store{did_you_mean(str(label), known)}")
    return np.array([places[label] for label in wanted], dtype=np.intp)


def records(root: Path, layout: Layout, block: int) -> dict[Unit, tuple[Entry, dict[str, np.ndarray]]]:
    """The journaled units of a block with their arrays."""
    found = {unit: journal.read(root, layout, unit) for unit in journal.units(root, layout, block)}
    return {unit: record for unit, record in found.items() if record is not None}


def entries(root: Path, layout: Layout, block: int) -> dict[Unit, Entry]:
    """The finished units of a block, journaled or compacted. The journal is looked at first: what leaves it is in the manifest by then."""
    found = {unit: journal.read_entry(root, layout, unit) for unit in journal.units(root, layout, block)}
    journaled = {unit: entry for unit, entry in found.items() if entry is not None}
    return {**manifest.read(root, block, layout), **journaled}


def entry(root: Path, layout: Layout, unit: Unit) -> Entry | None:
    """What is known of one unit; None where it is not finished."""
    journaled = journal.read_entry(root, layout, unit)
    return manifest.read(root, layout.block(unit), layout).get(unit) if journaled is None else journaled


def read(root: Path, layout: Layout, name: str, where: Selection) -> np.ndarray:
    """An array [dates, archetypes, stocks(, choices)] at a selection; cells of unfinished units hold the fill value.

    Several blocks are read and decompressed by a few threads at once, each into its place.
    """
    wanted = np.unique(where.dates)
    blocks, starts = np.unique(wanted // layout.dates_per_unit, return_index=True)
    if len(blocks) == 1:
        values = _read_block(root, layout, name, int(blocks[0]), wanted, where)
    else:
        values = chunks.unfilled(layout, name, (len(wanted), len(where.archetypes), len(where.stocks)))

        def read_part(block: int, start: int, stop: int) -> None:
            values[start:stop] = _read_block(root, layout, name, block, wanted[start:stop], where)

        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(read_part, blocks.tolist(), starts, (*starts[1:], len(wanted))))
    return values if np.array_equal(wanted, where.dates) else values[np.searchsorted(wanted, where.dates)]


_THREADS = min(8, os.cpu_count() or 1)


def read_probabilities(root: Path, layout: Layout, where: Selection, *, calibrated: bool) -> np.ndarray:
    """Choice probabilities [dates, archetypes, stocks, choices], float32, divided by each unit's calibration where there is one."""
    values = read(root, layout, "probability", where).astype(np.float32)
    if not calibrated:
        return values
    for block in np.unique(where.dates // layout.dates_per_unit):
        for unit, entry in entries(root, layout, int(block)).items():
            rows = np.flatnonzero((where.dates >= unit.start) & (where.dates < unit.stop))
            levels = np.flatnonzero(where.archetypes == unit.archetype)
            columns = np.flatnonzero((where.stocks >= unit.first) & (where.stocks < unit.last))
            if entry.calibration is not None and rows.size and levels.size and columns.size:
                cells = np.ix_(rows, levels, columns)
                raised = values[cells] / np.asarray(entry.calibration, dtype=np.float32)
                values[cells] = raised / raised.sum(axis=-1, keepdims=True)
    return values


def _read_block(root: Path, layout: Layout, name: str, block: int, dates: np.ndarray, where: Selection) -> np.ndarray:
    """Wanted dates of one block. The journal is read before the manifest, and that before the chunks: see `entries`."""
    box = (_span(dates), _span(where.archetypes), _span(where.stocks))
    journaled = records(root, layout, block)
    stored = manifest.read(root, block, layout)
    needed = [unit for unit in layout.units(block) if _overlaps(unit, box)]
    places = {place for unit in needed if unit in stored for place in layout.places(unit)}
    values = chunks.read_box(root, layout, name, block, places, box)
    hidden = [unit for unit in needed if unit not in stored and places.intersection(layout.places(unit))]
    if hidden or journaled:
        values = np.array(values)
    for unit in hidden:
        values[_cells(unit, box)[0]] = 0 if name == "status" else np.nan
    for unit, (_, content) in journaled.items():
        if _overlaps(unit, box):
            there, here = _cells(unit, box)
            values[there] = content[name][here]
    for axis, positions in enumerate((dates, where.archetypes, where.stocks)):
        if len(positions) != values.shape[axis] or (np.diff(positions) != 1).any():
            values = np.take(values, positions - box[axis].start, axis=axis)
    return values


def _span(positions: np.ndarray) -> slice:
    return slice(int(positions.min()), int(positions.max()) + 1) if positions.size else slice(0, 0)


def _overlaps(unit: Unit, box: Box) -> bool:
    dates, archetypes, stocks = box
    return (
        unit.start < dates.stop
        and dates.start < unit.stop
        and archetypes.start <= unit.archetype < archetypes.stop
        and unit.first < stocks.stop
        and stocks.start < unit.last
    )


def _cells(unit: Unit, box: Box) -> tuple[tuple[slice, int, slice], tuple[slice, slice]]:
    """Where the part of a unit that lies in a box is: in the box, and in the unit."""
    dates, archetypes, stocks = box
    start, stop = max(unit.start, dates.start), min(unit.stop, dates.stop)
    first, last = max(unit.first, stocks.start), min(unit.last, stocks.stop)
    rows, columns = slice(start - dates.start, stop - dates.start), slice(first - stocks.start, last - stocks.start)
    return (rows, unit.archetype - archetypes.start, columns), (
        slice(start - unit.start, stop - unit.start),
        slice(first - unit.first, last - unit.first),
    )
