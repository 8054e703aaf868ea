"""Verify: every file of a store is read and checked, and every fault is named with the block, dates and archetypes it touches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from massjax.errors import StoreError
from massjax.store import chunks, claims, files, journal, log, manifest, runs
from massjax.store.folder import LOCK, Folder, Where
from massjax.store.journal import Entry
from massjax.store.layout import ARRAYS, Layout, Place, Unit, chunk_name
from massjax.store.places import open_folder
from massjax.store.provenance import COPY, LEDGER, Provenance, decode_group
from massjax.store.scores import content_checksum


@dataclass(frozen=True)
class Problem:
    """One fault.

    Attributes:
        file: relative to the store.
        fault: what is wrong, in words.
        block: the block of dates it touches; None for metadata.
        units: the finished units that are lost by it.
        dates, archetypes: the same in labels; first and last date.
    """

    file: str
    fault: str
    block: int | None = None
    units: tuple[Unit, ...] = ()
    dates: tuple[str, str] | None = None
    archetypes: tuple[str, ...] = ()

    def __str__(self) -> str:
        dates = "" if self.dates is None else f"; dates {self.dates[0]} to {self.dates[1]}"
        lost = f"; archetypes {', '.join(self.archetypes)}" if self.archetypes else ""
        return f"{self.file}: {self.fault}" + (f" (block {self.block}{dates}{lost})" if self.block is not None else "")


@dataclass(frozen=True)
class Report:
    """What `verify` found.

    Attributes:
        problems: what `repair` would drop or restore; empty for a sound store.
        notes: harmless: files that are not a store's, leftovers of killed writers.
        chunks, units, records: how many were checked.
    """

    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    chunks: int
    units: int
    records: int

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


@dataclass
class _Findings:
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    chunks: int = 0
    units: int = 0
    records: int = 0

    def report(self) -> Report:
        return Report(tuple(self.problems), tuple(self.notes), self.chunks, self.units, self.records)


def verify(path: Where, progress: Callable[[int, int], None] | None = None) -> Report:
    """Read and check every file of the store at `path`; `progress` is called with (blocks done, blocks).

    Raises:
        StoreError: there is no store, or so little is left of its metadata that nothing else can be checked.
    """
    root, findings = open_folder(path), _Findings()
    layout, _ = read_metadata(root, findings)
    _check_array_metadata(root, layout, findings)
    _check_runs(root, findings)
    _check_logs(root, findings)
    present = {name: frozenset(root.names(name)) for name in ARRAYS}
    for block in range(layout.blocks):
        _check_block(root, layout, block, present, findings)
        if progress is not None:
            progress(block + 1, layout.blocks)
    _check_strays(root, layout, findings)
    return findings.report()


def read_metadata(root: Folder, findings: _Findings | None = None) -> tuple[Layout, Provenance]:
    """Axes and provenance from the group or, where that is damaged, from its copy.

    Raises:
        StoreError: both are damaged, or there is no store.
    """
    found = findings or _Findings()
    data, spare = root.read("zarr.json"), root.read(COPY)
    if data is None and spare is None:
        raise StoreError(f"{root}: there is no score store here; make one with `python -m massjax.precompute`, or check the path")
    first, second = _try_group(data), _try_group(spare)
    if isinstance(first, str):
        found.problems.append(Problem("zarr.json", f"metadata {first}"))
    if isinstance(second, str):
        found.problems.append(Problem(COPY, f"copy of the metadata {second}"))
    elif not isinstance(first, str) and data != spare:
        found.notes.append(f"{COPY}: is of an extension that was not finished")
    if root.read("ledger/zarr.json") != LEDGER:
        found.problems.append(Problem("ledger/zarr.json", "metadata of the ledger is damaged"))
    if not isinstance(first, str):
        return first
    if not isinstance(second, str):
        return second
    raise StoreError(f"{root}/zarr.json: metadata {first}, and its copy {second}; restore either file from a backup")


def _try_group(data: bytes | None) -> tuple[Layout, Provenance] | str:
    if data is None:
        return "is missing"
    try:
        return decode_group(data)
    except ValueError as error:
        return str(error)


def _check_array_metadata(root: Folder, layout: Layout, findings: _Findings) -> None:
    for name in ARRAYS:
        try:
            chunks.check_metadata(root.read(f"{name}/zarr.json"), layout, name)
        except ValueError as error:
            findings.problems.append(Problem(f"{name}/zarr.json", f"metadata of the array {error}"))


def _check_runs(root: Folder, findings: _Findings) -> None:
    for name in runs.names(root):
        data = root.read(name)
        try:
            runs.decode_run(data or b"")
        except ValueError as error:
            findings.problems.append(Problem(name, f"record of a run {error}"))


def _check_logs(root: Folder, findings: _Findings) -> None:
    """A run that ends meanwhile deletes the answers that are in its units."""
    for folder, what in _LOGS.items():
        for name in log.names(root, folder):
            data = root.read(name)
            try:
                if data is not None:
                    log.decode_record(data)
            except ValueError as error:
                findings.problems.append(Problem(name, f"record of {what} {error}"))


_LOGS = {log.ANSWERS: "answers to be asked again", log.TEXTS: "texts to be written again"}


def _check_block(root: Folder, layout: Layout, block: int, present: Mapping[str, Collection[str]], findings: _Findings) -> None:
    """Records first, then the manifest, then the chunks: whatever a writer moves meanwhile is met on its way."""
    journaled = _check_records(root, layout, block, findings)
    stored = _check_manifest(root, layout, block, findings)
    content, damaged = _check_chunks(root, layout, block, stored, present, findings)
    for unit, entry in stored.items():
        if unit not in journaled and not damaged.intersection(layout.places(unit)):
            _check_unit(layout, block, unit, entry, content, findings)


def _check_records(root: Folder, layout: Layout, block: int, findings: _Findings) -> set[Unit]:
    sound = set()
    for unit in journal.units(root, layout, block):
        where = journal.file(layout, unit)
        data = root.read(where)
        if data is None:
            continue
        findings.records += 1
        try:
            entry, sizes, begin = journal.decode_entry(data, unit)
            if content_checksum(journal.decode_arrays(data, sizes, begin)) != entry.content:
                raise ValueError("holds arrays that do not match their checksum")
            sound.add(unit)
        except (ValueError, RuntimeError, KeyError, TypeError) as error:
            findings.problems.append(_problem(layout, where, f"record {error}", block, [unit]))
    return sound


def _check_manifest(root: Folder, layout: Layout, block: int, findings: _Findings) -> Mapping[Unit, Entry]:
    where = manifest.file(block)
    data = root.read(where)
    try:
        stored = {} if data is None else manifest.decode_manifest(data, block, layout)
    except ValueError as error:
        findings.problems.append(_problem(layout, where, f"manifest {error}", block))
        return {}
    findings.units += len(stored)
    return stored


def _check_chunks(
    root: Folder, layout: Layout, block: int, stored: Mapping[Unit, Entry], present: Mapping[str, Collection[str]], findings: _Findings
) -> tuple[dict[str, np.ndarray], set[Place]]:
    """The arrays of a block [dates, archetypes, stocks(, choices)], and which chunks are not as the manifest promises."""
    dates, (_, archetypes, stocks) = layout.block_dates(block), layout.shape
    content, damaged = {}, set()
    for name in ARRAYS:
        values = chunks.empty(layout, name, (dates.stop - dates.start, archetypes, stocks))
        for place in sorted({place for unit in stored for place in layout.places(unit)} | _present(layout, name, block, present[name])):
            _, rows, columns = layout.chunk_box(block, *place)
            file = f"{name}/{chunk_name(name, block, *place)}"
            findings.chunks += 1
            try:
                chunk = chunks.decode_chunk(root.read(file), layout, name)
                values[:, rows, columns] = chunk[: dates.stop - dates.start, : rows.stop - rows.start, : columns.stop - columns.start]
            except ValueError as error:
                damaged.add(place)
                lost = [unit for unit in stored if place in layout.places(unit)]
                findings.problems.append(_problem(layout, file, f"chunk {error}", block, lost))
        content[name] = values
    return content, damaged


def _present(layout: Layout, name: str, block: int, names: Collection[str]) -> set[Place]:
    """The chunks of a block that are among the files of an array."""
    rows, columns = (-(-size // step) for size, step in zip(layout.shape[1:], layout.chunk, strict=True))
    every = {(row, column) for row in range(rows) for column in range(columns)}
    return {place for place in every if chunk_name(name, block, *place) in names}


def _check_unit(layout: Layout, block: int, unit: Unit, entry: Entry, content: Mapping[str, np.ndarray], findings: _Findings) -> None:
    start = layout.block_dates(block).start
    arrays = {name: values[unit.start - start : unit.stop - start, unit.archetype, unit.stocks] for name, values in content.items()}
    if content_checksum(arrays) != entry.content:
        fault = f"chunks do not hold what the manifest says of {layout.describe(unit)}"
        findings.problems.append(_problem(layout, f"ledger/block-{block}.json", fault, block, [unit]))


def _check_strays(root: Folder, layout: Layout, findings: _Findings) -> None:
    """Note files that are not part of the store; a writer's unfinished ones only once it is gone."""
    known = _known_files(root, layout)
    for name in sorted(root.sizes()):
        last = name.rpartition("/")[2]
        unfinished = last.startswith(files.TEMPORARY) and not files.is_abandoned(last)
        if name not in known and not unfinished and not name.startswith(_OTHERS):
            findings.notes.append(f"{name}: is not a part of the store (left by a killed writer, or put there)")


_OTHERS = (f"{claims.FOLDER}/", f"{runs.FOLDER}/", f"{log.ANSWERS}/", f"{log.TEXTS}/")
"""Folders of files without fixed names: claims, records of runs, logs of answers and texts."""


def _known_files(root: Folder, layout: Layout) -> set[str]:
    known = {"zarr.json", "ledger/zarr.json", *(f"{name}/zarr.json" for name in ARRAYS)}
    known |= {COPY, LOCK, *(manifest.file(block) for block in range(layout.blocks))}
    known |= {journal.file(layout, unit) for unit in layout.known}
    for name in ARRAYS:
        names = frozenset(root.names(name))
        for block in range(layout.blocks):
            known |= {f"{name}/{chunk_name(name, block, *place)}" for place in _present(layout, name, block, names)}
    return known


def _problem(layout: Layout, file: str, fault: str, block: int, units: Iterable[Unit] = ()) -> Problem:
    lost = tuple(sorted(units))
    dates = layout.dates[layout.block_dates(block)]
    if lost:
        dates = layout.dates[min(unit.start for unit in lost) : max(unit.stop for unit in lost)]
    names = tuple(dict.fromkeys(layout.archetypes[unit.archetype] for unit in lost))
    return Problem(file, fault, block, lost, (str(dates[0]), str(dates[-1])), names)
