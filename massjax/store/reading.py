"""Reading: what is in the chunks and in the journal at this moment."""

from __future__ import annotations

import os
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from massjax.models import probabilities
from massjax.store import chunks, journal, manifest
from massjax.store.folder import Folder
from massjax.store.journal import Entry
from massjax.store.layout import ARRAYS, Box, Layout, Unit
from massjax.store.selection import Axis, Selection


def records(
    root: Folder, layout: Layout, block: int, names: Collection[str] = tuple(ARRAYS)
) -> dict[Unit, tuple[Entry, dict[str, np.ndarray]]]:
    """The journaled units of a block with their arrays (those that are named)."""
    found = {unit: journal.read_unit(root, layout, unit, names) for unit in journal.units(root, layout, block)}
    return {unit: record for unit, record in found.items() if record is not None}


def entries(root: Folder, layout: Layout, block: int) -> dict[Unit, Entry]:
    """The finished units of a block, journaled or compacted. The journal is looked at first: what leaves it is in the manifest by then."""
    found = {unit: journal.read_entry(root, layout, unit) for unit in journal.units(root, layout, block)}
    journaled = {unit: entry for unit, entry in found.items() if entry is not None}
    return {**manifest.read_manifest(root, block, layout).entries, **journaled}


def entry(root: Folder, layout: Layout, unit: Unit) -> Entry | None:
    """What is known of one unit; None where it is not finished."""
    journaled = journal.read_entry(root, layout, unit)
    return manifest.read_manifest(root, layout.block(unit), layout).entries.get(unit) if journaled is None else journaled


def read_array(root: Folder, layout: Layout, name: str, where: Selection) -> np.ndarray:
    """An array [dates, archetypes, stocks(, choices)] at a selection; cells of unfinished units hold the fill value.

    Where it pays, several blocks are read and decompressed by a few threads at once, each into its place.
    """
    wanted = where.dates if where.dates.increases else Axis.of(np.unique(where.dates.positions))
    values = chunks.unfilled(layout, name, (len(wanted), len(where.archetypes), len(where.stocks)))
    read_array_into(root, layout, name, where._replace(dates=wanted), values)
    return values if wanted is where.dates else values[np.searchsorted(wanted.positions, where.dates.positions)]


def read_array_into(root: Folder, layout: Layout, name: str, where: Selection, out: np.ndarray, *, parallel: bool = True) -> None:
    """Read an array at a selection into `out`, by one thread or more; the dates of the selection must increase."""
    journaled = set(journal.blocks(root))
    whole = where.archetypes.span == slice(0, len(layout.archetypes)) and where.stocks.span == slice(0, len(layout.stocks))
    direct = whole and where.dates.whole and where.archetypes.whole and where.stocks.whole and chunks.is_direct(layout, name)

    def read_part(block: int, part: slice) -> None:
        if direct and block not in journaled and manifest.read_manifest(root, block, layout).complete:
            first = where.dates.span.start + part.start - block * layout.dates_per_unit
            chunks.read_dates(root, layout, name, block, first, out[part])
            return
        _read_block(root, layout, name, block, where._replace(dates=where.dates.part(part)), block in journaled, out[part])

    parts = _parts(where.dates, layout.dates_per_unit)
    if not parallel or len(parts) < 2 or out.nbytes < root.threads_from:
        for block, part in parts:
            read_part(block, part)
    else:
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(read_part, *zip(*parts, strict=True)))


def _parts(dates: Axis, step: int) -> list[tuple[int, slice]]:
    """The blocks that wanted dates lie in, and which of the dates lie in each."""
    if dates.whole:
        first, last = dates.span.start, dates.span.stop
        blocks = range(first // step, -(-last // step))
        return [(block, slice(max(block * step, first) - first, min((block + 1) * step, last) - first)) for block in blocks]
    block_of = dates.positions // step
    cuts = [0, *(np.flatnonzero(block_of[1:] != block_of[:-1]) + 1).tolist(), len(block_of)]
    return [(int(block_of[start]), slice(start, stop)) for start, stop in pairwise(cuts)]


_THREADS = min(8, os.cpu_count() or 1)


def read_probabilities(root: Folder, layout: Layout, where: Selection, *, calibrated: bool) -> np.ndarray:
    """Choice probabilities [dates, archetypes, stocks, choices], float32, divided by each unit's calibration where there is one."""
    values = read_array(root, layout, "probability", where).astype(np.float32)
    if not calibrated:
        return values
    dates, archetypes, stocks = (axis.positions for axis in where)
    for block in np.unique(dates // layout.dates_per_unit):
        for unit, entry in entries(root, layout, int(block)).items():
            rows = np.flatnonzero((dates >= unit.start) & (dates < unit.stop))
            levels = np.flatnonzero(archetypes == unit.archetype)
            columns = np.flatnonzero((stocks >= unit.first) & (stocks < unit.last))
            if entry.calibration is not None and rows.size and levels.size and columns.size:
                cells = np.ix_(rows, levels, columns)
                values[cells] = probabilities.calibrated(values[cells], entry.calibration, np.float32)
    return values


def _read_block(root: Folder, layout: Layout, name: str, block: int, where: Selection, journal_too: bool, out: np.ndarray) -> None:
    """Wanted dates of one block. The journal is read before the manifest, and that before the chunks: see `entries`."""
    box = (where.dates.span, where.archetypes.span, where.stocks.span)
    whole = where.dates.whole and where.archetypes.whole and where.stocks.whole
    values = out if whole else chunks.unfilled(layout, name, tuple(part.stop - part.start for part in box))
    journaled = records(root, layout, block, [name]) if journal_too else {}
    stored = manifest.read_manifest(root, block, layout)
    places, hidden = layout.places_in(box), []
    if not stored.complete:
        needed = [unit for unit in layout.units(block) if _overlaps(unit, box)]
        places = [place for unit in needed if unit in stored.entries for place in layout.places(unit)]
        hidden = [unit for unit in needed if unit not in stored.entries and set(places).intersection(layout.places(unit))]
    chunks.read_box(root, layout, name, block, places, box, values)
    for unit in hidden:
        values[_cells(unit, box)[0]] = chunks.fill_value(name)
    for unit, (_, content) in journaled.items():
        if _overlaps(unit, box):
            there, here = _cells(unit, box)
            values[there] = content[name][here]
    if not whole:
        out[:] = values[np.ix_(*(axis.positions - axis.span.start for axis in where))]


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
