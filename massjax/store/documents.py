"""The layout as documents: in the group's attributes, and as the Zarr metadata of every array."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from massjax.errors import StoreError
from massjax.store.files import canonical, digest
from massjax.store.layout import COMPRESSION_LEVEL, FORMAT, ArraySpec, Layout, as_days, check_axis_labels, grow


def layout_document(layout: Layout) -> dict[str, Any]:
    """The layout as JSON."""
    return {
        "dates": np.datetime_as_string(layout.dates).tolist(),
        "stocks": list(layout.stocks),
        "archetypes": list(layout.archetypes),
        "choices": list(layout.choices),
        "dates_per_unit": layout.dates_per_unit,
        "chunk": list(layout.chunk),
        "date_cuts": list(layout.date_cuts),
        "stock_cuts": list(layout.stock_cuts),
    }


def layout_from(document: Mapping[str, Any], format: int = FORMAT) -> Layout:
    """The layout that `layout_document` wrote.

    Raises:
        ValueError: the document is not one that it could have written; nothing in it may be taken for a path or a size.
    """
    if set(document) != set(_FIELDS):
        raise ValueError(f"has a layout of the fields {sorted(document)}")
    for name, kind in _FIELDS.items():
        values = document[name] if isinstance(document[name], list) else [document[name]]
        if isinstance(document[name], list) == (name == "dates_per_unit") or not all(type(value) is kind for value in values):
            raise ValueError(f"has a layout whose {name} are not of the type {kind.__name__}")
    try:
        layout = Layout(
            dates=as_days(document["dates"]),
            stocks=tuple(document["stocks"]),
            archetypes=tuple(document["archetypes"]),
            choices=tuple(document["choices"]),
            dates_per_unit=document["dates_per_unit"],
            chunk=tuple(document["chunk"]),
            date_cuts=tuple(document["date_cuts"]),
            stock_cuts=tuple(document["stock_cuts"]),
            format=format,
        )
        check_layout(layout)
    except StoreError as error:
        raise ValueError(f"has a layout that makes no sense: {error}") from None
    return layout


_FIELDS = {
    "dates": str,
    "stocks": str,
    "archetypes": str,
    "choices": str,
    "dates_per_unit": int,
    "chunk": int,
    "date_cuts": int,
    "stock_cuts": int,
}
"""The fields of a stored layout, with the type of what they hold."""


def check_layout(layout: Layout) -> None:
    """Refuse what `new_layout` and `grow` cannot have made.

    Raises:
        StoreError: saying what is wrong.
    """
    check_axis_labels("choice", layout.choices)
    if layout.dates_per_unit < 1 or len(layout.chunk) != 2 or min(layout.chunk) < 1:
        raise StoreError(f"blocks of {layout.dates_per_unit} dates, in chunks of {layout.chunk}")
    for what, cuts, length in (("dates", layout.date_cuts, len(layout.dates)), ("stocks", layout.stock_cuts, len(layout.stocks))):
        if len(cuts) < 2 or (cuts[0], cuts[-1]) != (0, length) or any(first >= last for first, last in pairwise(cuts)):
            raise StoreError(f"{length} {what} cut at {cuts}")
    step = layout.dates_per_unit
    across = [span for span in pairwise(layout.date_cuts) if span[0] // step != (span[1] - 1) // step]
    if across:
        raise StoreError(f"a unit of the dates {across[0]}, across blocks of {step}")
    grow(layout)


def array_document(layout: Layout, name: str) -> dict[str, Any]:
    """The Zarr v3 metadata of an array; every chunk is under a CRC32C, which sees any flipped bit of it."""
    spec = layout.spec(name)
    last = (len(layout.choices),) if name == "probability" else ()
    size = np.dtype(spec.dtype).itemsize
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [*layout.shape, *last],
        "data_type": spec.dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [layout.dates_per_unit, *layout.chunk, *last]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": spec.fill,
        "codecs": _by_date(layout) if spec.compressor is None else _compressed(spec, size),
        "dimension_names": ["date", "archetype", "stock", *(["choice"] if last else [])],
    }
    return {**document, "attributes": {"checksum": digest(canonical(document))}}


_LITTLE, _CRC = {"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}


def _compressed(spec: ArraySpec, size: int) -> list[dict[str, Any]]:
    shuffle = "shuffle" if spec.shuffle else "noshuffle"
    blosc = {"typesize": size, "cname": spec.compressor, "clevel": COMPRESSION_LEVEL, "shuffle": shuffle, "blocksize": 0}
    return [_LITTLE if size > 1 else {"name": "bytes"}, {"name": "blosc", "configuration": blosc}, _CRC]


def _by_date(layout: Layout) -> list[dict[str, Any]]:
    inner = {"chunk_shape": [1, *layout.chunk], "codecs": [_LITTLE, _CRC], "index_codecs": [_LITTLE, _CRC], "index_location": "end"}
    return [{"name": "sharding_indexed", "configuration": inner}]
