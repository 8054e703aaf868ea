"""Repair: restore what can be restored, and drop what cannot, so that exactly that is asked again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from massjax.errors import StoreError
from massjax.store import claims, files, journal, manifest
from massjax.store.compact import claim_name
from massjax.store.layout import Layout, Unit
from massjax.store.provenance import copy_path, write_group
from massjax.store.verify import Problem, read_metadata, verify


@dataclass(frozen=True)
class Repair:
    """What `repair` did.

    Attributes:
        problems: what was found.
        restored: metadata files that were written again from what is known.
        dropped: finished units that were lost and will be asked again.
    """

    problems: tuple[Problem, ...]
    restored: tuple[str, ...]
    dropped: tuple[Unit, ...]


def repair(root: Path, progress: Callable[[int, int], None] | None = None) -> Repair:
    """Make a store sound again; units in damaged chunks, manifests and records are dropped, all else is kept.

    Raises:
        StoreError: there is no store, its metadata and their copy are both damaged, or another process is at work in it.
    """
    read_metadata(root)
    _refuse_while_busy(root)
    report = verify(root, progress)
    restored = tuple(problem.file for problem in report.problems if problem.block is None)
    with files.mutex(claims.lock_path(root)):
        layout, provenance = read_metadata(root)
        if restored or files.read(root / "zarr.json") != files.read(copy_path(root)):
            write_group(root, layout, provenance)
    dropped: set[Unit] = set()
    for block in sorted({problem.block for problem in report.problems if problem.block is not None}):
        here = [problem for problem in report.problems if problem.block == block]
        with claims.claimed(root, claim_name(block), f"{root}: {layout.describe_block(block)}"):
            dropped |= _repair_block(root, layout, block, here)
    return Repair(report.problems, restored, tuple(sorted(dropped)))


def _refuse_while_busy(root: Path) -> None:
    """Also deletes what killed writers left unfinished."""
    claims.sweep(root)
    for name, holder in claims.living(root).items():
        raise StoreError(f"{root}: process {holder['pid']} on {holder['host']} is working on {name}; repair the store when it is done")


def _repair_block(root: Path, layout: Layout, block: int, problems: Iterable[Problem]) -> set[Unit]:
    """The manifest is corrected before damaged chunks go, so that it never promises what is not there."""
    damaged_files = {problem.file for problem in problems}
    lost = {unit for problem in problems for unit in problem.units}
    ledger = manifest.path(root, block)
    if any(problem.file == ledger.relative_to(root).as_posix() and not problem.units for problem in problems):
        files.remove(ledger)
        lost |= set(layout.units(block)) - set(journal.units(root, layout, block))
    stored = manifest.read(root, block, layout)
    kept = {unit: entry for unit, entry in stored.items() if unit not in lost}
    if kept != stored:
        if kept:
            manifest.write(root, block, kept)
        else:
            files.remove(ledger)
    for file in damaged_files - {ledger.relative_to(root).as_posix()}:
        files.remove(root / file)
    return lost - set(journal.units(root, layout, block))
