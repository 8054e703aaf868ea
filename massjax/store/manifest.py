"""The manifest of a block: which units are in its chunks, under which keys. Written after the chunks, it never promises too much."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from massjax.errors import StoreError
from massjax.store import files
from massjax.store.folder import Folder
from massjax.store.journal import Entry, entry_from
from massjax.store.layout import Layout, Unit

_NAME = re.compile(r"block-(\d+)\.json")


def file(block: int) -> str:
    """The file of a block's manifest."""
    return f"ledger/block-{block}.json"


def blocks(root: Folder) -> list[int]:
    """The blocks that have a manifest."""
    found = (_NAME.fullmatch(name) for name in root.names("ledger"))
    return sorted(int(match[1]) for match in found if match)


def encode_manifest(block: int, entries: Mapping[Unit, Entry]) -> bytes:
    """The bytes of a manifest, with a checksum over its content."""
    body = {"block": block, "units": {unit.name: entry.document() for unit, entry in entries.items()}}
    return files.canonical({**body, "checksum": files.digest(files.canonical(body))})


def decode_manifest(data: bytes, block: int, layout: Layout) -> dict[Unit, Entry]:
    """The entries of a manifest; those of units that `layout` does not have yet, because the store has grown since, are left out.

    Raises:
        ValueError: a byte of it has changed, or it is another block's.
    """
    body = _checked(data)
    document = json.loads(body)
    by_name = {unit.name: unit for unit in layout.units(block)}
    try:
        if document["block"] != block:
            raise ValueError(f"is the manifest of block {document['block']}")
        return {by_name[name]: entry_from(entry) for name, entry in document["units"].items() if name in by_name}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"lacks {error}") from None


def _checked(data: bytes) -> bytes:
    """The bytes of a manifest without its checksum, which they must match; what has no valid checksum is not even parsed."""
    head, found, rest = data.partition(_CHECKSUM)
    checksum, body = rest[:32], head + rest[32 + len(_AFTER_CHECKSUM) :]
    if not found or rest[32 : 32 + len(_AFTER_CHECKSUM)] != _AFTER_CHECKSUM or checksum != files.digest(body).encode():
        raise ValueError("does not match its checksum")
    return body


_CHECKSUM, _AFTER_CHECKSUM = b'"checksum":"', b'",'


class Manifest(NamedTuple):
    """The entries of a block's manifest, and whether these are all of its units."""

    entries: Mapping[Unit, Entry]
    complete: bool


_NONE = Manifest({}, False)
_REMEMBERED = 200_000
"""Entries that a store remembers at most, a few hundred bytes each."""


def read_manifest(root: Folder, block: int, layout: Layout) -> Manifest:
    """The manifest of a block; empty where it has none. One that was read before and has not been replaced since is remembered.

    Raises:
        StoreError: the manifest is damaged.
    """
    where = file(block)
    seen, known, held = root.memo.get(where, (None, None, _NONE))
    tag, data = root.read_new(where, seen if known is layout else None)
    if data is None:
        return _NONE if tag is None else held
    try:
        entries = decode_manifest(data, block, layout)
    except ValueError as error:
        raise StoreError(f"{root}/{where}: manifest of {layout.describe_block(block)} {error}; {files.REPAIR}") from None
    found = Manifest(entries, all(unit in entries for unit in layout.units(block)))
    root.memo.pop(where, None)
    if tag is not None:
        root.memo[where] = (tag, layout, found)
        _forget_some(root)
    return found


def _forget_some(root: Folder) -> None:
    """The oldest manifests go first."""
    total = sum(len(held.entries) for _, _, held in root.memo.values())
    for where in list(root.memo)[:-1]:
        if total <= _REMEMBERED:
            break
        total -= len(root.memo.pop(where)[2].entries)


def write_manifest(root: Folder, block: int, entries: Mapping[Unit, Entry]) -> None:
    """Replace the manifest of a block."""
    root.write(file(block), encode_manifest(block, entries))
