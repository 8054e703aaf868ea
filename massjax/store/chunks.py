"""The chunks of the Zarr arrays, one file each, as the arrays' metadata say, so that any Zarr v3 library reads them.

They are encoded and decoded here rather than through Zarr's pipeline for three reasons. A chunk that is replaced may hold the only copy of
other units, so the new one is synced before it takes the old one's name. A chunk that is gone is an error, not one that was never written.
And a window of dates is read several times faster: scores go straight from the file into the array that is given out, and of a chunk only
the wanted dates are read, each checked against a CRC32C of its own.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Collection, Mapping

import google_crc32c
import numcodecs.blosc
import numpy as np
from numcodecs import Blosc

from massjax.errors import StoreError
from massjax.store import files
from massjax.store.documents import array_document
from massjax.store.folder import Folder, check_size
from massjax.store.layout import ARRAYS, COMPRESSION_LEVEL, Box, Layout, Place, Unit, chunk_name

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


def check_all_metadata(root: Folder, layout: Layout) -> None:
    """Check the zarr.json of every array.

    Raises:
        StoreError: one of them is damaged.
    """
    for name in ARRAYS:
        where = f"{name}/zarr.json"
        try:
            check_metadata(root.read(where), layout, name)
        except ValueError as error:
            raise StoreError(f"{root}/{where}: metadata {error}; `python -m massjax.store repair PATH` writes it again") from None


def unfilled(layout: Layout, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array [*shape(, choices)] of whatever is in memory."""
    last = (len(layout.choices),) if name == "probability" else ()
    dtype = np.dtype(ARRAYS[name].dtype).newbyteorder("<")
    size = math.prod((*shape, *last)) * dtype.itemsize
    memory = np.empty(size + _PAGE, np.uint8)
    start = (_WITHIN_PAGE - memory.__array_interface__["data"][0]) % _PAGE
    return memory[start : start + size].view(dtype).reshape(*shape, *last)


_PAGE, _WITHIN_PAGE = 4096, 2304
"""Arrays begin this many bytes into a page. Numpy's begin 16 bytes into one, and a file's copy into memory that lies up to 128 bytes
behind it, seen modulo the page, takes up to four times as long on some processors (they take a store for one that a load must wait for)."""


def fill_value(name: str) -> float:
    """What a cell holds that was never written."""
    return 0 if name == "status" else np.nan


def empty(layout: Layout, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array [*shape(, choices)] of cells that were never written."""
    values = unfilled(layout, name, shape)
    values.fill(fill_value(name))
    return values


_RESIDUE = 0x48674BC7
"""The CRC32C of any bytes followed by their own CRC32C, little-endian."""


def decode_chunk(data: bytes | None, layout: Layout, name: str) -> np.ndarray:
    """The whole array [dates_per_unit, archetypes, stocks(, choices)] of a chunk file, what is beyond the axes included.

    Raises:
        ValueError: the chunk is missing, truncated, or a bit of it has changed.
    """
    if data is None:
        raise ValueError("is missing")
    if layout.spec(name).compressor is None:
        return _decode_rows(data, layout, name)
    if google_crc32c.value(data) != _RESIDUE:
        raise ValueError("is damaged: its bytes do not match their CRC32C")
    values = unfilled(layout, name, (layout.dates_per_unit, *layout.chunk))
    try:
        Blosc().decode(memoryview(data)[:-4], out=values)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"does not hold an array of the shape {values.shape} ({error})") from None
    return values


def encode_chunk(values: np.ndarray, layout: Layout, name: str) -> bytes:
    """The bytes of a chunk file; `values` may be smaller than a chunk, at the end of an axis."""
    whole = empty(layout, name, (layout.dates_per_unit, *layout.chunk))
    whole[tuple(map(slice, values.shape))] = values
    if layout.spec(name).compressor is None:
        rows = (row.tobytes() for row in whole)
        return b"".join([part for row in rows for part in (row, _crc(row))]) + _index(layout, name)
    body = bytes(blosc(layout, name).encode(whole))
    return body + _crc(body)


def blosc(layout: Layout, name: str) -> Blosc:
    """The compressor of an array."""
    spec = layout.spec(name)
    return Blosc(cname=spec.compressor, clevel=COMPRESSION_LEVEL, shuffle=Blosc.SHUFFLE if spec.shuffle else Blosc.NOSHUFFLE)


def _crc(data: bytes) -> bytes:
    return google_crc32c.value(data).to_bytes(4, "little")


def _row_bytes(layout: Layout, name: str) -> int:
    """Bytes of one date of a chunk, without its CRC32C."""
    return layout.chunk[0] * layout.chunk[1] * np.dtype(ARRAYS[name].dtype).itemsize


def _file_bytes(layout: Layout, name: str) -> int:
    """Bytes of a chunk that is kept by date: its dates, each with a CRC32C and an entry in the index, and the CRC32C of that."""
    return layout.dates_per_unit * (_row_bytes(layout, name) + 4 + 16) + 4


def _index(layout: Layout, name: str) -> bytes:
    """The end of a chunk that is kept by date: where each date begins and how long it is, as Zarr's shards say it."""
    stride = _row_bytes(layout, name) + 4
    starts = np.arange(layout.dates_per_unit, dtype="<u8") * stride
    body = np.stack([starts, np.full_like(starts, stride)], axis=1).tobytes()
    return body + _crc(body)


def _decode_rows(data: bytes, layout: Layout, name: str) -> np.ndarray:
    stride, index = _row_bytes(layout, name) + 4, _index(layout, name)
    check_size(len(data), _file_bytes(layout, name))
    if data[-len(index) :] != index:
        raise ValueError("is damaged: its index is not that of its dates")
    rows = np.frombuffer(data, np.uint8, layout.dates_per_unit * stride).reshape(-1, stride)
    return _checked(rows, layout, name, 0)


def _checked(rows: np.ndarray, layout: Layout, name: str, first: int) -> np.ndarray:
    """The values [dates, archetypes, stocks] in rows of bytes, each with its CRC32C behind it; the first is date `first` of its block."""
    for position, row in enumerate(rows):
        if google_crc32c.value(row) != _RESIDUE:
            raise ValueError(_damaged_date(first + position))
    dtype = np.dtype(ARRAYS[name].dtype).newbyteorder("<")
    return rows[:, :-4].view(dtype).reshape(len(rows), *layout.chunk)


def _damaged_date(position: int) -> str:
    return f"is damaged: the bytes of its date number {position + 1} do not match their CRC32C"


def read_box(root: Folder, layout: Layout, name: str, block: int, places: Collection[Place], box: Box, out: np.ndarray) -> None:
    """Read a box (positions of dates, archetypes and stocks) of an array within one block into `out`.

    Only the chunks at `places`, in which finished units lie, are read; the cells of others get the fill value.

    Raises:
        StoreError: one of these chunks is missing or damaged; names it, its block and dates.
    """
    wanted = {place: cells for place in layout.places_in(box) if (cells := _overlap(layout.chunk_box(block, *place), box)) is not None}
    if not places or not wanted.keys() <= set(places):
        out.fill(fill_value(name))
    read = _read_dates if layout.spec(name).compressor is None else _read_whole
    for place, cells in wanted.items():
        if place not in places:
            continue
        file = f"{name}/{chunk_name(name, block, *place)}"
        try:
            read(root, file, layout, name, layout.chunk_box(block, *place), cells, out[_shift(cells, box)])
        except ValueError as error:
            raise StoreError(f"{root}/{file}: chunk of {layout.describe_block(block)} {error}; {files.REPAIR}") from None


def _read_whole(root: Folder, file: str, layout: Layout, name: str, origin: Box, cells: Box, out: np.ndarray) -> None:
    """Cells of a compressed chunk; all of it must be read and unpacked."""
    out[:] = decode_chunk(root.read(file), layout, name)[_shift(cells, origin)]


def _read_dates(root: Folder, file: str, layout: Layout, name: str, origin: Box, cells: Box, out: np.ndarray) -> None:
    """Cells of a chunk that is kept by date; only the wanted dates are read."""
    inside = _shift(cells, origin)
    if out.shape[1:] == layout.chunk and out.flags.c_contiguous:
        _fill_dates(root, file, layout, name, inside[0].start, out)
        return
    first, count, stride = inside[0].start, inside[0].stop - inside[0].start, _row_bytes(layout, name) + 4
    rows = np.empty((count, stride), np.uint8)
    root.fill(file, first * stride, [rows.reshape(-1)], _file_bytes(layout, name))
    out[:] = _checked(rows, layout, name, first)[:, inside[1], inside[2]]


def read_dates(root: Folder, layout: Layout, name: str, block: int, first: int, out: np.ndarray) -> None:
    """Read whole dates of a block, from its date number `first` on, into `out` in one go; for arrays that `is_direct`.

    Raises:
        StoreError: the chunk is missing or damaged; names it, its block and dates.
    """
    file = f"{name}/{chunk_name(name, block, 0, 0)}"
    try:
        _fill_dates(root, file, layout, name, first, out)
    except ValueError as error:
        raise StoreError(f"{root}/{file}: chunk of {layout.describe_block(block)} {error}; {files.REPAIR}") from None


def is_direct(layout: Layout, name: str) -> bool:
    """Whether an array is kept by date, and a block of it is one chunk without room to grow."""
    return layout.spec(name).compressor is None and layout.chunk == (len(layout.archetypes), len(layout.stocks))


def _fill_dates(root: Folder, file: str, layout: Layout, name: str, first: int, out: np.ndarray) -> None:
    """Dates as wide as their chunk, from the file into `out` itself; each is checked where it lies."""
    width, count = _row_bytes(layout, name), len(out)
    rows, crcs = list(out.view(np.uint8).reshape(count, width)), memoryview(bytearray(4 * count))
    buffers = [part for row, values in enumerate(rows) for part in (values, crcs[4 * row : 4 * row + 4])]
    root.fill(file, first * (width + 4), buffers, _file_bytes(layout, name))
    for row, crc in enumerate(struct.unpack(f"<{count}I", crcs)):
        if google_crc32c.value(rows[row]) != crc:
            raise ValueError(_damaged_date(first + row))


def write_units(root: Folder, layout: Layout, block: int, units: Mapping[Unit, Mapping[str, np.ndarray]], keep: Collection[Unit]) -> None:
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
            values = unfilled(layout, name, _shape(box))
            read_box(root, layout, name, block, [place] if kept else [], box, values)
            for unit, content in units.items():
                cells = _overlap(layout.unit_box(unit), box)
                if cells is not None:
                    values[_shift(cells, box)] = content[name][:, None][_shift(cells, layout.unit_box(unit))]
            root.write(f"{name}/{chunk_name(name, block, *place)}", encode_chunk(values, layout, name))


def _shape(box: Box) -> tuple[int, int, int]:
    dates, archetypes, stocks = (part.stop - part.start for part in box)
    return dates, archetypes, stocks


def _overlap(one: Box, other: Box) -> Box | None:
    (a, b, c), (x, y, z) = one, other
    dates = slice(max(a.start, x.start), min(a.stop, x.stop))
    archetypes = slice(max(b.start, y.start), min(b.stop, y.stop))
    stocks = slice(max(c.start, z.start), min(c.stop, z.stop))
    if dates.start >= dates.stop or archetypes.start >= archetypes.stop or stocks.start >= stocks.stop:
        return None
    return dates, archetypes, stocks


def _shift(cells: Box, origin: Box) -> Box:
    """Cells on the axes as cells of an array that begins at `origin`."""
    (a, b, c), (x, y, z) = cells, (part.start for part in origin)
    return slice(a.start - x, a.stop - x), slice(b.start - y, b.stop - y), slice(c.start - z, c.stop - z)
