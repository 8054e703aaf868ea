"""Merge: stores whose units complete one another become one store; what does not fit together is refused before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from massjax.errors import StoreError
from massjax.store import claims, files, journal, provenance as prov, reading, runs
from massjax.store.documents import check_layout, layout_document
from massjax.store.folder import Folder, LocalFolder, Where
from massjax.store.journal import Entry
from massjax.store.layout import ARRAYS, FORMAT, Layout, Unit
from massjax.store.places import open_folder
from massjax.store.provenance import Provenance
from massjax.store.scores import content_checksum
from massjax.store.selection import select
from massjax.store.store import ScoreStore
from massjax.version import massjax_version

_LISTED = 10
"""Conflicts that an error lists."""


@dataclass(frozen=True)
class Merged:
    """What `merge` did.

    Attributes:
        store: the merged store.
        copied: units that were copied now.
        there: units that it had already, from a merge that was stopped or from before.
    """

    store: ScoreStore
    copied: int
    there: int


@dataclass(frozen=True)
class _Source:
    """A store to merge: its finished units, and where its axes lie on those of the merged store."""

    store: ScoreStore
    entries: Mapping[Unit, Entry]
    dates: np.ndarray
    archetypes: np.ndarray
    stocks: np.ndarray


def merge(path: Where, sources: Sequence[Where], progress: Callable[[int, int], None] | None = None) -> Merged:
    """Join stores of disjoint units, such as those that the shards of a run wrote, or of further dates, stocks or archetypes.

    A new store appears at `path` whole: it is put together beside it, under a name that ends in `.merging`, and the same command goes on
    with that after a stop (in object storage, it is put together in place). Into a store that is there already, unit after unit is written,
    under its mutex: other processes may write into it meanwhile, as long as none extends it.

    Args:
        path: the merged store.
        sources: the stores to join; they are only read.
        progress: called with (units done, units).

    Raises:
        StoreError: a source is damaged; run keys, choices, blocks or archetypes differ; or two stores hold different answers for a unit.
            Every conflict is named, and nothing is written. Also where another process extended the target since, or wrote other answers.
    """
    target = open_folder(path)
    there = target.exists()
    stores = [ScoreStore.open(source) for source in ([target, *sources] if there else sources)]
    if not stores:
        raise StoreError(f"{target}: nothing to merge; name the stores to join")
    _check_same(stores)
    layout = _joined_layout(stores, fixed=there)
    found = [_place(store, layout) for store in stores]
    _check_units(found, layout)
    joined = _joined_provenance(stores, layout)
    place = _prepare(target, layout, joined, stores[0].layout if there else None)
    merged = _copy(ScoreStore.open(place, mode="r+"), [s for s in found if str(s.store.path) != str(target)], progress)
    if place is not target:
        _take_name(place, target)
    return replace(merged, store=ScoreStore.open(target, mode="r+"))


def _check_same(stores: Sequence[ScoreStore]) -> None:
    first, lines = stores[0], []
    definitions = {definition["name"]: (first, definition) for definition in first.provenance.archetypes}
    for store in stores[1:]:
        sides = (str(first.path), "this store")
        lines += [f"{store.path}: {line}" for line in prov.differences(_shape(first), _shape(store), sides=sides)]
        lines += [f"{store.path}: {line}" for line in prov.differences(first.provenance.run_key, store.provenance.run_key, sides=sides)]
        for definition in store.provenance.archetypes:
            known, other = definitions.setdefault(definition["name"], (store, definition))
            sides = (str(known.path), "this store")
            named = f"archetype {definition['name']!r}"
            lines += [f"{store.path}: {line}" for line in prov.differences(other, definition, named, sides)]
    _refuse("the stores hold the scores of different things, and cannot be one store", lines)


def _shape(store: ScoreStore) -> dict[str, Any]:
    return {"choices": list(store.choices), "dates_per_unit": store.layout.dates_per_unit}


def _refuse(what: str, lines: Sequence[str]) -> None:
    if lines:
        more = [f"and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
        raise StoreError(f"{what}; nothing was written:\n  " + "\n  ".join([*lines[:_LISTED], *more]))


def _joined_layout(stores: Sequence[ScoreStore], fixed: bool) -> Layout:
    """The axes of all stores; where the first one is the target itself (`fixed`), they only grow at their ends.

    Raises:
        StoreError: a unit of one store would be in several pieces, or across two blocks.
    """
    first = stores[0].layout
    dates = np.unique(np.concatenate([store.dates for store in stores]))
    if fixed and not np.array_equal(dates[: len(first.dates)], first.dates):
        early = np.setdiff1d(dates, first.dates)[0]
        raise StoreError(f"{stores[0].path}: a store grows only at its end, but {early} is before its last date; merge into a new store")
    step = first.dates_per_unit
    stocks = tuple(dict.fromkeys(name for store in stores for name in store.stocks))
    archetypes = tuple(dict.fromkeys(name for store in stores for name in store.archetypes))
    date_cuts, stock_cuts = {*range(0, len(dates), step), len(dates)}, {0, len(stocks)}
    for store in stores:
        date_cuts |= _cuts(store, np.searchsorted(dates, store.dates), store.layout.date_cuts, "dates", step)
        places = {name: place for place, name in enumerate(stocks)}
        stock_cuts |= _cuts(store, np.array([places[name] for name in store.stocks]), store.layout.stock_cuts, "stocks", None)
    chunk = first.chunk if fixed else (max(len(archetypes), first.chunk[0]), max(min(len(stocks), 1000), first.chunk[1]))
    chunk = chunk if fixed or chunk[0] * chunk[1] * step <= _WIDEST else first.chunk
    layout = Layout(dates, stocks, archetypes, first.choices, step, chunk, tuple(sorted(date_cuts)), tuple(sorted(stock_cuts)))
    check_layout(layout)
    return replace(layout, format=first.format if fixed else FORMAT)


_WIDEST = 4_000_000
"""Cells of a chunk, at most, where merging makes them wider."""


def _cuts(store: ScoreStore, places: np.ndarray, cuts: Sequence[int], what: str, step: int | None) -> set[int]:
    """Where a store's units begin and end on the joined axis."""
    found = set()
    for start, stop in pairwise(cuts):
        first, last = int(places[start]), int(places[stop - 1])
        if last - first != stop - 1 - start or (np.diff(places[start:stop]) != 1).any():
            raise StoreError(
                f"{store.path}: its {what} number {start + 1} to {stop}, asked as one unit, do not stand together in the merged store"
            )
        if step is not None and first // step != last // step:
            span = f"{store.dates[start]} to {store.dates[stop - 1]}"
            raise StoreError(
                f"{store.path}: its unit of the dates {span} would lie across two blocks of {step} dates in the merged store; "
                "the dates of each store must begin a whole number of blocks after those before"
            )
        found |= {first, last + 1}
    return found


def _place(store: ScoreStore, layout: Layout) -> _Source:
    archetypes = {name: place for place, name in enumerate(layout.archetypes)}
    stocks = {name: place for place, name in enumerate(layout.stocks)}
    return _Source(
        store,
        store.entries(),
        np.searchsorted(layout.dates, store.dates),
        np.array([archetypes[name] for name in store.archetypes]),
        np.array([stocks[name] for name in store.stocks]),
    )


def _moved(source: _Source, unit: Unit) -> Unit:
    """A unit of a source on the axes of the merged store."""
    start, first = int(source.dates[unit.start]), int(source.stocks[unit.first])
    return Unit(start, start + unit.shape[0], int(source.archetypes[unit.archetype]), first, first + unit.shape[1])


def _check_units(sources: Sequence[_Source], layout: Layout) -> None:
    held: dict[Unit, tuple[_Source, Entry]] = {}
    lines = []
    for source in sources:
        for unit, entry in source.entries.items():
            moved = _moved(source, unit)
            if moved not in layout.known:
                lines.append(f"{source.store.path}: {layout.describe(moved)} was asked as one unit, which another store has cut up")
                continue
            other, there = held.setdefault(moved, (source, entry))
            if (there.key, there.content) != (entry.key, entry.content):
                what = (
                    "answers under another key (other prompts or data)" if there.key != entry.key else "other answers to the same prompts"
                )
                lines.append(f"{layout.describe(moved)}: {source.store.path} has {what} than {other.store.path}")
    _refuse("the stores contradict one another; drop the units of one of them, or merge fewer", lines)


def _joined_provenance(stores: Sequence[ScoreStore], layout: Layout) -> Provenance:
    definitions = {definition["name"]: definition for store in reversed(stores) for definition in store.provenance.archetypes}
    made = [store.provenance for store in stores]
    panel: dict[str, Any] = {}
    for name in dict.fromkeys(name for provenance in made for name in provenance.panel):
        values = [provenance.panel[name] for provenance in made if name in provenance.panel]
        distinct = [value for place, value in enumerate(values) if value not in values[:place]]
        panel[name] = distinct[0] if len(distinct) == 1 else distinct
    return Provenance(
        run_key=made[0].run_key,
        archetypes=tuple(definitions[name] for name in layout.archetypes),
        panel=panel,
        example_prompt=next((provenance.example_prompt for provenance in made if provenance.example_prompt), ""),
        created=min(provenance.created for provenance in made),
        version=massjax_version(),
    )


def _prepare(target: Folder, layout: Layout, provenance: Provenance, compared: Layout | None) -> Folder:
    """The place where the merged store is put together, with its axes.

    Args:
        compared: the axes of the target, as they were when all stores were compared; None where it was not there.

    Raises:
        StoreError: what is there is of another merge, or has grown since, or a process is compacting it.
    """
    if compared is not None:
        with target.mutex():
            known, there = prov.read_group(target)
            if prov.encode_group(known, there) == prov.encode_group(layout, provenance):
                return target
            if layout_document(known) != layout_document(compared):
                raise StoreError(f"{target}: was extended by another process while the merge began; start the merge again")
            busy = [name for name in claims.living(target) if name.startswith("block-")]
            if busy:
                raise StoreError(f"{target}: {busy[0]} is being compacted by another process; merge into it when that is done")
            prov.write_group(target, layout, provenance)
        return target
    place: Folder = target
    if isinstance(target, LocalFolder):
        place = LocalFolder(Path(target.path).with_name(f"{Path(target.path).name}.merging"))
    if place.exists():
        known, _ = prov.read_group(place)
        if prov.encode_group(known, provenance) != prov.encode_group(layout, provenance):
            raise StoreError(f"{place}: was begun by a merge of other stores; delete it, or finish that merge")
        return place
    with place.create() as new:
        prov.write_group(new, layout, provenance)
    return place


def _copy(merged: ScoreStore, sources: Sequence[_Source], progress: Callable[[int, int], None] | None) -> Merged:
    """Copy what the merged store lacks, block after block of each source."""
    held, total = merged.entries(), sum(len(source.entries) for source in sources)
    copied = there = 0
    for source in sources:
        for block in range(source.store.layout.blocks):
            units = {unit: _moved(source, unit) for unit in source.entries if source.store.layout.block(unit) == block}
            wanted = {unit: moved for unit, moved in units.items() if moved not in held}
            for unit in units.keys() - wanted.keys():
                _check_same_answers(merged, units[unit], held[units[unit]], source, source.entries[unit])
            _copy_units(merged, source, block, wanted)
            held |= {moved: source.entries[unit] for unit, moved in wanted.items()}
            copied, there = copied + len(wanted), there + len(units) - len(wanted)
            if wanted:
                merged.compact()
            if progress is not None:
                progress(copied + there, total)
        known = set(runs.names(merged.root))
        for name in runs.names(source.store.root):
            data = source.store.root.read(name)
            if name not in known and data is not None:
                merged.root.write(name, data)
    merged.compact(partial=True)
    return Merged(merged, copied, there)


def _copy_units(merged: ScoreStore, source: _Source, block: int, wanted: Mapping[Unit, Unit]) -> None:
    """Journal units of a source's block as they are: keys, statistics and times included.

    Raises:
        StoreError: the source does not hold what it says.
    """
    if not wanted:
        return
    store, dates = source.store, source.store.layout.block_dates(block)
    where = select(store.layout, dates)
    values = {name: reading.read_array(store.root, store.layout, name, where) for name in ARRAYS}
    for unit, moved in wanted.items():
        span, entry = slice(unit.start - dates.start, unit.stop - dates.start), source.entries[unit]
        arrays = {name: content[span, unit.archetype, unit.stocks] for name, content in values.items()}
        if content_checksum(arrays) != entry.content:
            raise StoreError(f"{store.path}: {store.layout.describe(unit)} is damaged; {files.REPAIR.replace('PATH', str(store.path))}")
        record = journal.encode_unit(moved, entry, arrays)
        with merged.root.mutex():
            there = reading.entry(merged.root, merged.layout, moved)
            if there is None:
                merged.root.write(journal.file(merged.layout, moved), record)
            else:
                _check_same_answers(merged, moved, there, source, entry)


def _check_same_answers(merged: ScoreStore, moved: Unit, there: Entry, source: _Source, entry: Entry) -> None:
    """Refuse a unit that came into the merged store since its answers were compared, and has others.

    Raises:
        StoreError: naming the unit and the source.
    """
    if (there.key, there.content) != (entry.key, entry.content):
        raise StoreError(
            f"{merged.path}: {merged.layout.describe(moved)} was written by another process during the merge, with other answers than "
            f"{source.store.path} has; it was left as it is"
        )


def _take_name(place: Folder, target: Folder) -> None:
    with files.told("rename", Path(target.path)):
        Path(place.path).rename(target.path)
        files.sync_folder(Path(target.path).absolute().parent)
