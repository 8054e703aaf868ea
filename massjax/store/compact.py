"""Compaction: finished units move from the journal into the chunks of their block.

Chunks first, then the manifest, then the records go. At every instant each finished unit is in the journal or promised by a manifest, and
the journal is believed before the manifest, so that a crash between two steps loses nothing and the same steps can be taken again.
"""

from __future__ import annotations

from massjax.store import chunks, claims, journal, manifest, reading
from massjax.store.folder import Folder
from massjax.store.layout import Layout, Unit
from massjax.store.provenance import read_group


def is_complete(root: Folder, layout: Layout, block: int) -> bool:
    """Whether every unit of a block is finished."""
    there = {*journal.units(root, layout, block), *manifest.read_manifest(root, block, layout).entries}
    return all(unit in there for unit in layout.units(block))


def compact_block(root: Folder, block: int) -> bool:
    """Move the journaled units of a block into its chunks.

    Returns:
        Whether there was anything to move.

    Raises:
        ClaimedError: another process is doing it.
        StoreError: the disk is full or read-only, or something damaged must be kept; nothing is lost.
    """
    with claims.claimed(root, claim_name(block), f"{root}: block {block}"):
        layout, _ = read_group(root)
        records = reading.records(root, layout, block)
        stored = manifest.read_manifest(root, block, layout).entries
        new = {unit: arrays for unit, (entry, arrays) in records.items() if stored.get(unit) != entry}
        if new:
            chunks.write_units(root, layout, block, new, stored)
            manifest.write_manifest(root, block, {**stored, **{unit: records[unit][0] for unit in new}})
        _forget(root, layout, block, {unit: entry for unit, (entry, _) in records.items()})
        return bool(records)


def claim_name(block: int) -> str:
    """The name under which a block is claimed."""
    return f"block-{block}"


def _forget(root: Folder, layout: Layout, block: int, entries: dict[Unit, journal.Entry]) -> None:
    """Delete the records that are in the manifest now; one that was written again in the meantime stays."""
    with root.mutex():
        for unit, entry in entries.items():
            if journal.read_entry(root, layout, unit) == entry:
                root.remove(journal.file(layout, unit))
        root.remove_folder(journal.folder(block))
        root.remove_folder(journal.FOLDER)
