"""The chunks of the Zarr arrays, one file each: Blosc under a CRC32C, as the arrays' metadata say, so that any Zarr v3 library reads them.

They are encoded and decoded here rather than through Zarr's pipeline for three reasons. A chunk that is replaced may hold the only copy of
other units, so the new one is synced before it takes the old one's name. A chunk that is gone is an error, not one that was never written.
And a window of dates is read in half the time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import google_crc32c
import numcodecs.blosc
import numpy as np
from numcodecs import Blosc

from massjax.errors import StoreError
from massjax.store import files
from massjax.store.layout import (
    ARRAYS,
    COMPRESSION_LEVEL,
    Box,
    Layout,
    Place,
    Unit,
    array_document,
    chunk_name,
)

numcodecs.blosc.use_threads = False
"""One thread a chunk, as Zarr sets it on its import: on a busy machine Blosc waits many milliseconds for threads of its own."""


def check_metadata(data: bytes | None, layout: Layout, name: str) -> None:
    """Check the zarr.json of an array.

    Raises:
        ValueError: it is missing, a byte of it has changed, or it describes another array. Longer axes are allowed: while a store grows,
            its arrays are ahead of its group.
    """
    if data is None:
        raise ValueError("is missing")
    document, expected = files.parse_canonical(data), array_document(layout, name)
    body = {key: value for key, value in document.items() if key != "attributes"}
    if document.get("attributes") != {"checksum": files.digest(files.canonical(body))}:
        raise ValueError("does not match its checksum")
    if any(document.get(key) != expected[key] for key in expected if key not in ("shape", "attributes")):
        raise ValueError("describes an array that is not this store's")
    if any(there < needed for there, needed in zip(document["shape"], expected["shape"], strict=True)):
        raise ValueError(f"says the shape is {document['shape']}, less than the store's {expected['shape']}")


def check_all_metadata(root: Path, layout: Layout) -> None:
    """Check the zarr.json of every array.

    Raises:
        StoreError: one of them is damaged.
    """
    for name in ARRAYS:
        where = root / name / "zarr.json"
        try:
            check_metadata(files.read(where), layout, name)
        except ValueError as error:
            raise StoreError(f"{where}: metadata {error}; `python -m massjax.store repair PATH` writes it again") from None


def unfilled(layout: Layout, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array [*shape(, choices)] of whatever is in memory."""
    last = (len(layout.choices),) if name == "probability" else ()
    return np.empty((*shape, *last), dtype=np.dtype(ARRAYS[name].dtype).newbyteorder("<"))


def empty(layout: Layout, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array [*shape(, choices)] of cells that were never written."""
    values = unfilled(layout, name, shape)
    values.fill(0 if name == "status" else np.nan)
    return values


_RESIDUE = 0x48674BC7
"""The CRC32C of any bytes followed by their own CRC32C, little-endian."""


def decode(data: bytes | None, layout: Layout, name: str) -> np.ndarray:
    """The whole array [dates_per_unit, archetypes, stocks(, choices)] of a chunk file, what is beyond the axes included.

    Raises:
        ValueError: the chunk is missing, truncated, or a bit of it has changed.
    """
    if data is None:
        raise ValueError("is missing")
    if google_crc32c.value(data) != _RESIDUE:
        raise ValueError("is damaged: its bytes do not match their CRC32C")
    values = unfilled(layout, name, (layout.dates_per_unit, *layout.chunk))
    try:
        Blosc().decode(memoryview(data)[:-4], out=values)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"does not hold an array of the shape {values.shape} ({error})") from None
    return values


def encode(values: np.ndarray, layout: Layout, name: str) -> bytes:
    """The bytes of a chunk file; `values` may be smaller than a chunk, at the end of an axis."""
    whole = empty(layout, name, (layout.dates_per_unit, *layout.chunk))
    whole[tuple(map(slice, values.shape))] = values
    body = bytes(blosc(name).encode(whole))
    return body + google_crc32c.value(body).to_bytes(4, "little")


def blosc(name: str) -> Blosc:
    """The compressor of an array."""
    spec = ARRAYS[name]
    return Blosc(cname=spec.compressor, clevel=COMPRESSION_LEVEL, shuffle=Blosc.SHUFFLE if spec.shuffle else Blosc.NOSHUFFLE)


def read_box(root: Path, layout: Layout, name: str, block: int, places: Collection[Place], box: Box) -> np.ndarray:
    """A box (positions of dates, archetypes and stocks) of an array within one block.

    Only the chunks at `places`, in which finished units lie, are read; the cells of others hold the fill value.

    Raises:
        StoreError: one of these chunks is missing or damaged; names it, its block and dates.
    """
    wanted = [(place, cells) for place in sorted(places) if (cells := _overlap(layout.chunk_box(block, *place), box)) is not None]
    values = None
    for place, cells in wanted:
        where = root / name / chunk_name(name, block, *place)
        try:
            chunk = decode(files.read(where), layout, name)
        except ValueError as error:
            raise StoreError(f"{where}: chunk of {layout.describe_block(block)} {error}; {files.REPAIR}") from None
        content = chunk[_shift(cells, layout.chunk_box(block, *place))]
        if cells == box and len(wanted) == 1:
            return content
        values = empty(layout, name, _shape(box)) if values is None else values
        values[_shift(cells, box)] = content
    return empty(layout, name, _shape(box)) if values is None else values


def write_units(root: Path, layout: Layout, block: int, units: Mapping[Unit, Mapping[str, np.ndarray]], keep: Collection[Unit]) -> None:
    """Put units into the chunks of a block and make them durable.

    The units to `keep`, those of the block's manifest, keep their content; chunks in which none of them lies are written unread.

    Raises:
        StoreError: the disk is full or read-only, or a chunk that must be kept is damaged. Of each chunk the old or the new one is there.
    """
    check_all_metadata(root, layout)
    for name in ARRAYS:
        for place in sorted({place for unit in units for place in layout.places(unit)}):
            box = layout.chunk_box(block, *place)
            kept = any(place in layout.places(unit) for unit in keep if unit not in units)
            values = np.array(read_box(root, layout, name, block, [place] if kept else [], box))
            for unit, content in units.items():
                cells = _overlap(layout.unit_box(unit), box)
                if cells is not None:
                    values[_shift(cells, box)] = content[name][:, None][_shift(cells, layout.unit_box(unit))]
            files.write(root / name / chunk_name(name, block, *place), encode(values, layout, name))


def _shape(box: Box) -> tuple[int, int, int]:
    dates, archetypes, stocks = (part.stop - part.start for part in box)
    return dates, archetypes, stocks


def _overlap(one: Box, other: Box) -> Box | None:
    starts = [max(a.start, b.start) for a, b in zip(one, other, strict=True)]
    stops = [min(a.stop, b.stop) for a, b in zip(one, other, strict=True)]
    if any(start >= stop for start, stop in zip(starts, stops, strict=True)):
        return None
    dates, archetypes, stocks = map(slice, starts, stops)
    return dates, archetypes, stocks


def _shift(cells: Box, origin: Box) -> Box:
    """Cells on the axes as cells of an array that begins at `origin`."""
    dates, archetypes, stocks = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(cells, origin, strict=True))
    return dates, archetypes, stocks
