"""Repair: restore what can be restored, and drop what cannot, so that exactly that is asked again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from massjax.errors import StoreError
from massjax.store import claims, journal, log, manifest, runs
from massjax.store.compact import claim_name
from massjax.store.folder import Folder, Where
from massjax.store.layout import Layout, Unit
from massjax.store.places import open_folder
from massjax.store.provenance import COPY, write_group
from massjax.store.verify import Problem, read_metadata, verify


@dataclass(frozen=True)
class Repair:
    """What `repair` did.

    Attributes:
        problems: what was found.
        restored: metadata files that were written again from what is known.
        forgotten: damaged records of runs, of which only statistics are lost, and of answers and texts, which will be asked for again.
        dropped: finished units that were lost and will be asked again.
    """

    problems: tuple[Problem, ...]
    restored: tuple[str, ...]
    forgotten: tuple[str, ...]
    dropped: tuple[Unit, ...]


def repair(path: Where, progress: Callable[[int, int], None] | None = None) -> Repair:
    """Make a store sound again; units in damaged chunks, manifests and records are dropped, all else is kept.

    Raises:
        StoreError: there is no store, its metadata and their copy are both damaged, or another process is at work in it.
    """
    root = open_folder(path)
    read_metadata(root)
    _refuse_while_busy(root)
    report = verify(root, progress)
    metadata = [problem.file for problem in report.problems if problem.block is None]
    forgotten = tuple(file for file in metadata if file.startswith((f"{runs.FOLDER}/", f"{log.ANSWERS}/", f"{log.TEXTS}/")))
    restored = tuple(file for file in metadata if file not in forgotten)
    with root.mutex():
        layout, provenance = read_metadata(root)
        if restored or root.read("zarr.json") != root.read(COPY):
            write_group(root, layout, provenance)
        for file in forgotten:
            root.remove(file)
    dropped: set[Unit] = set()
    for block in sorted({problem.block for problem in report.problems if problem.block is not None}):
        here = [problem for problem in report.problems if problem.block == block]
        with claims.claimed(root, claim_name(block), f"{root}: {layout.describe_block(block)}"):
            dropped |= _repair_block(root, layout, block, here)
    return Repair(report.problems, restored, forgotten, tuple(sorted(dropped)))


def _refuse_while_busy(root: Folder) -> None:
    """Also deletes what killed writers left unfinished."""
    claims.sweep(root)
    for name, holder in claims.living(root).items():
        raise StoreError(f"{root}: process {holder['pid']} on {holder['host']} is working on {name}; repair the store when it is done")


def _repair_block(root: Folder, layout: Layout, block: int, problems: Iterable[Problem]) -> set[Unit]:
    """The manifest is corrected before damaged chunks go, so that it never promises what is not there."""
    damaged_files = {problem.file for problem in problems}
    lost = {unit for problem in problems for unit in problem.units}
    ledger = manifest.file(block)
    if any(problem.file == ledger and not problem.units for problem in problems):
        root.remove(ledger)
        lost |= set(layout.units(block)) - set(journal.units(root, layout, block))
    stored = manifest.read_manifest(root, block, layout).entries
    kept = {unit: entry for unit, entry in stored.items() if unit not in lost}
    if kept != stored:
        if kept:
            manifest.write_manifest(root, block, kept)
        else:
            root.remove(ledger)
    for file in damaged_files - {ledger}:
        root.remove(file)
    return lost - set(journal.units(root, layout, block))
