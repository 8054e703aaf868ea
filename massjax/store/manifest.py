"""The manifest of a block: which units are in its chunks, under which keys. Written after the chunks, it never promises too much."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from massjax.errors import StoreError
from massjax.store import files
from massjax.store.journal import Entry, entry_from
from massjax.store.layout import Layout, Unit

_NAME = re.compile(r"block-(\d+)\.json")


def path(root: Path, block: int) -> Path:
    """Where the manifest of a block is."""
    return root / "ledger" / f"block-{block}.json"


def blocks(root: Path) -> list[int]:
    """The blocks that have a manifest."""
    found = (_NAME.fullmatch(name) for name in files.names(root / "ledger"))
    return sorted(int(match[1]) for match in found if match)


def encode(block: int, entries: Mapping[Unit, Entry]) -> bytes:
    """The bytes of a manifest, with a checksum over its content."""
    body = {"block": block, "units": {unit.name: entry.document() for unit, entry in entries.items()}}
    return files.canonical({**body, "checksum": files.digest(files.canonical(body))})


def decode(data: bytes, block: int, layout: Layout) -> dict[Unit, Entry]:
    """The entries of a manifest; those of units that `layout` does not have yet, because the store has grown since, are left out.

    Raises:
        ValueError: a byte of it has changed, or it is another block's.
    """
    body = _checked(data)
    document = json.loads(body)
    if document["block"] != block:
        raise ValueError(f"is the manifest of block {document['block']}")
    by_name = {unit.name: unit for unit in layout.units(block)}
    return {by_name[name]: entry_from(entry) for name, entry in document["units"].items() if name in by_name}


def _checked(data: bytes) -> bytes:
    """The bytes of a manifest without its checksum, which they must match; what has no valid checksum is not even parsed."""
    head, found, rest = data.partition(_CHECKSUM)
    checksum, body = rest[:32], head + rest[32 + len(_AFTER_CHECKSUM) :]
    if not found or rest[32 : 32 + len(_AFTER_CHECKSUM)] != _AFTER_CHECKSUM or checksum != files.digest(body).encode():
        raise ValueError("does not match its checksum")
    return body


_CHECKSUM, _AFTER_CHECKSUM = b'"checksum":"', b'",'


def read(root: Path, block: int, layout: Layout) -> dict[Unit, Entry]:
    """The entries of a block's manifest; empty where it has none.

    Raises:
        StoreError: the manifest is damaged.
    """
    where = path(root, block)
    data = files.read(where)
    if data is None:
        return {}
    try:
        return decode(data, block, layout)
    except ValueError as error:
        raise StoreError(f"{where}: manifest of {layout.describe_block(block)} {error}; {files.REPAIR}") from None


def write(root: Path, block: int, entries: Mapping[Unit, Entry]) -> None:
    """Replace the manifest of a block."""
    files.write(path(root, block), encode(block, entries))
