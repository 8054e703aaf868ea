"""The journal: finished units that are not yet in the chunks, one self-checking record each.

A record is: magic, length of the header (4 bytes), header (JSON), the compressed arrays, and a BLAKE2b of all that. It is written to a
temporary name, synced, and renamed, so it is there whole or not at all.
"""

from __future__ import annotations

import datetime
import re
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numcodecs import Blosc

from massjax.errors import StoreError
from massjax.store import files
from massjax.store.folder import Folder
from massjax.store.layout import ARRAYS, COMPRESSION_LEVEL, Layout, Unit

MAGIC = b"MJUNIT1\n"
_DIGEST = 16
_NAME = re.compile(r"d(\d+)-(\d+)_a(\d+)_s(\d+)-(\d+)\.rec")


@dataclass(frozen=True)
class Entry:
    """What is known of a finished unit, apart from its arrays.

    Attributes:
        key: the caller's hash of everything that determines the answers.
        content: checksum of the arrays.
        counts: cells by status.
        stats: what the caller counted: prompts asked, seconds, reasons.
        calibration: choice probabilities of the content-free prompt, None if not calibrated.
        written: when, UTC.
    """

    key: str
    content: str
    counts: Mapping[str, int]
    stats: Mapping[str, Any]
    calibration: tuple[float, ...] | None
    written: str

    def answers(self, key: str) -> bool:
        """Whether it is what would be asked under `key`, without a failed request."""
        return self.key == key and not self.counts.get("failed", 0)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        calibration = None if self.calibration is None else list(self.calibration)
        return {
            "key": self.key,
            "content": self.content,
            "counts": dict(self.counts),
            "stats": dict(self.stats),
            "calibration": calibration,
            "written": self.written,
        }


def entry_from(document: Mapping[str, Any]) -> Entry:
    """The entry that `Entry.document` wrote."""
    calibration = document["calibration"]
    return Entry(
        key=document["key"],
        content=document["content"],
        counts=document["counts"],
        stats=document["stats"],
        calibration=None if calibration is None else tuple(calibration),
        written=document["written"],
    )


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


FOLDER = "ledger/journal"


def folder(block: int) -> str:
    """Where the records of a block are."""
    return f"{FOLDER}/{block}"


def file(layout: Layout, unit: Unit) -> str:
    """The file of a unit's record."""
    return f"{folder(layout.block(unit))}/{unit.name}.rec"


def encode_unit(unit: Unit, entry: Entry, arrays: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of a record."""
    payloads = []
    sizes = {}
    for name, spec in ARRAYS.items():
        codec = Blosc(cname="zstd", clevel=COMPRESSION_LEVEL, shuffle=Blosc.SHUFFLE if spec.shuffle else Blosc.NOSHUFFLE)
        payloads.append(bytes(codec.encode(np.ascontiguousarray(arrays[name]))))
        sizes[name] = [list(arrays[name].shape), len(payloads[-1])]
    header = files.canonical({"unit": unit.name, "entry": entry.document(), "arrays": sizes})
    body = b"".join([MAGIC, struct.pack("<I", len(header)), header, *payloads])
    return body + blake2b(body, digest_size=_DIGEST).digest()


def decode_entry(data: bytes, unit: Unit) -> tuple[Entry, dict[str, Any], int]:
    """The entry of a unit's record, the sizes of its arrays and where they begin.

    Raises:
        ValueError: the record is truncated, a bit of it has changed, or it is another unit's.
    """
    if len(data) < len(MAGIC) + 4 + _DIGEST or not data.startswith(MAGIC):
        raise ValueError("is not a whole unit record")
    if blake2b(data[:-_DIGEST], digest_size=_DIGEST).digest() != data[-_DIGEST:]:
        raise ValueError("does not match its checksum")
    (length,) = struct.unpack_from("<I", data, len(MAGIC))
    begin = len(MAGIC) + 4 + length
    header = files.parse_canonical(data[len(MAGIC) + 4 : begin])
    if header.get("unit") != unit.name:
        raise ValueError(f"holds another unit, {header.get('unit')}")
    try:
        return entry_from(header["entry"]), header["arrays"], begin
    except (KeyError, TypeError) as error:
        raise ValueError(f"lacks {error}") from None


def decode_arrays(data: bytes, sizes: Mapping[str, Any], begin: int, names: Collection[str] = tuple(ARRAYS)) -> dict[str, np.ndarray]:
    """The arrays of a record, or those among them that are named."""
    arrays = {}
    for name, spec in ARRAYS.items():
        shape, size = sizes[name]
        if name in names:
            raw = Blosc().decode(data[begin : begin + size])
            arrays[name] = np.frombuffer(raw, dtype=np.dtype(spec.dtype).newbyteorder("<")).reshape(shape)
        begin += size
    return arrays


def units(root: Folder, layout: Layout, block: int) -> list[Unit]:
    """The units of a block that have a record, by file name."""
    found = []
    for name in root.names(folder(block)):
        match = _NAME.fullmatch(name)
        unit = Unit(*map(int, match.groups())) if match else None
        if unit is not None and unit in layout.known and layout.block(unit) == block:
            found.append(unit)
    return found


def blocks(root: Folder) -> list[int]:
    """The blocks that have a journal folder."""
    return sorted(int(name) for name in root.names(FOLDER) if name.isdecimal())


def read_unit(
    root: Folder, layout: Layout, unit: Unit, names: Collection[str] = tuple(ARRAYS)
) -> tuple[Entry, dict[str, np.ndarray]] | None:
    """The record of a unit with its arrays (those that are named), None where there is none (any more).

    Raises:
        StoreError: the record is damaged.
    """
    found = _read(root, layout, unit)
    return None if found is None else (found[0], decode_arrays(*found[1:], names))


def read_entry(root: Folder, layout: Layout, unit: Unit) -> Entry | None:
    """The record of a unit without its arrays, None where there is none (any more).

    Raises:
        StoreError: the record is damaged.
    """
    found = _read(root, layout, unit)
    return None if found is None else found[0]


def _read(root: Folder, layout: Layout, unit: Unit) -> tuple[Entry, bytes, dict[str, Any], int] | None:
    where = file(layout, unit)
    data = root.read(where)
    if data is None:
        return None
    try:
        entry, sizes, begin = decode_entry(data, unit)
    except ValueError as error:
        raise StoreError(f"{root}/{where}: record of {layout.describe(unit)} {error}; {files.REPAIR}") from None
    return entry, data, sizes, begin
