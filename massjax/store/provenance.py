"""Where the scores of a store come from: the group's attributes, checked against their own checksum and against what a caller expects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from massjax.errors import StoreError
from massjax.store import files
from massjax.store.documents import array_document, layout_document, layout_from
from massjax.store.folder import Folder
from massjax.store.layout import ARRAYS, FORMAT, Layout


@dataclass(frozen=True)
class Provenance:
    """What determined the answers in a store.

    Attributes:
        run_key: everything that holds for the whole store (what runs the model, model and hash of its weights, tokenizer, chat template,
            prompt template, choices, prefill, sampling, dtype, head dtype, compile mode, calibration); text, numbers, lists, mappings.
        archetypes: the full definition of every archetype, in the order of the axis, each with its `name`.
        panel: description and fingerprint of the market data.
        example_prompt: one prompt as it was sent.
        created: when, UTC.
        version: of massjax.
    """

    run_key: Mapping[str, Any]
    archetypes: Sequence[Mapping[str, Any]]
    panel: Mapping[str, Any] = field(default_factory=dict)
    example_prompt: str = ""
    created: str = ""
    version: str = ""


LEDGER = files.canonical({"zarr_format": 3, "node_type": "group", "attributes": {}})
"""The zarr.json of the ledger: a group without arrays, so that Zarr passes over its files."""


COPY = "ledger/group.json"
"""The second copy of the group's metadata."""


def encode_group(layout: Layout, provenance: Provenance) -> bytes:
    """The bytes of the group's zarr.json."""
    body = {
        "format": layout.format,
        "layout": layout_document(layout),
        "run_key": provenance.run_key,
        "archetypes": list(provenance.archetypes),
        "panel": provenance.panel,
        "example_prompt": provenance.example_prompt,
        "created": provenance.created,
        "version": provenance.version,
    }
    return files.canonical(_group_document(body), indent=1)


def _group_document(body: Mapping[str, Any]) -> dict[str, Any]:
    attributes = {"massjax": body, "checksum": files.digest(files.canonical(body))}
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}


def decode_group(data: bytes) -> tuple[Layout, Provenance]:
    """What `encode_group` wrote.

    Raises:
        ValueError: a byte has changed, or it is not a massjax score store, or a newer one.
    """
    document = files.parse_canonical(data, indent=1)
    attributes = document.get("attributes")
    if not isinstance(attributes, dict) or not isinstance(body := attributes.get("massjax"), dict):
        raise ValueError("is not that of a massjax score store")
    if document != _group_document(body):
        raise ValueError("does not match its checksum")
    version = body.get("format")
    if type(version) is not int or not 1 <= version <= FORMAT:
        raise ValueError(f"has format {version}, this massjax reads up to {FORMAT}: use the massjax that wrote it ({body.get('version')})")
    if set(body) != _BODY or not all(isinstance(body[name], kind) for name, kind in _KINDS.items()):
        raise ValueError(f"does not have the fields {', '.join(sorted(_BODY))} of their types")
    layout = layout_from(body["layout"], version)
    if [_name_of(definition) for definition in body["archetypes"]] != list(layout.archetypes):
        raise ValueError("does not define the archetypes of its axis")
    provenance = Provenance(
        run_key=body["run_key"],
        archetypes=tuple(body["archetypes"]),
        panel=body["panel"],
        example_prompt=body["example_prompt"],
        created=body["created"],
        version=body["version"],
    )
    return layout, provenance


_KINDS = {"layout": dict, "run_key": dict, "archetypes": list, "panel": dict, "example_prompt": str, "created": str, "version": str}
_BODY = {"format", *_KINDS}


def _name_of(definition: Any) -> Any:
    return definition.get("name") if isinstance(definition, Mapping) else None


def read_group(root: Folder) -> tuple[Layout, Provenance]:
    """Axes and provenance of the store at `root`.

    Raises:
        StoreError: there is no store, or its metadata is damaged.
    """
    data = root.read("zarr.json")
    if data is None and root.read(COPY) is None:
        raise StoreError(f"{root}: there is no score store here; make one with `python -m massjax.precompute`, or check the path")
    try:
        if data is None:
            raise ValueError("is missing")
        return decode_group(data)
    except ValueError as error:
        raise StoreError(
            f"{root}/zarr.json: metadata {error}; if it is damaged, `python -m massjax.store repair PATH` restores it"
        ) from None


def write_group(root: Folder, layout: Layout, provenance: Provenance) -> None:
    """Write the arrays' metadata, the copy of the group's, then the group's. That is the truth: until it is there, nothing has changed."""
    for name in ARRAYS:
        root.write(f"{name}/zarr.json", files.canonical(array_document(layout, name)))
    data = encode_group(layout, provenance)
    root.write("ledger/zarr.json", LEDGER)
    root.write(COPY, data)
    root.write("zarr.json", data)


def differences(stored: Any, expected: Any, field_name: str = "", sides: tuple[str, str] = ("the store", "this run")) -> list[str]:
    """One line for every field in which two documents differ, with both values; `sides` is what they are called."""
    if isinstance(stored, Mapping) and isinstance(expected, Mapping):
        lines = []
        for name in sorted({*stored, *expected}, key=str):
            inner = f"{field_name}.{name}" if field_name else str(name)
            lines += differences(stored.get(name, _ABSENT), expected.get(name, _ABSENT), inner, sides)
        return lines
    same = _plain(stored) == _plain(expected)
    return [] if same else [f"{field_name}: {sides[0]} has {_show(stored)}, {sides[1]} has {_show(expected)}"]


def check_expected(
    root: Folder, provenance: Provenance, expect: Mapping[str, Any] | None, archetypes: Sequence[Mapping[str, Any]] | None
) -> None:
    """Refuse a store whose run key or archetype definitions are not the expected ones.

    Archetypes that the store does not have are no difference: they can be added.

    Raises:
        StoreError: naming every field that differs, with both values.
    """
    lines = [] if expect is None else differences(provenance.run_key, expect)
    stored = {definition["name"]: definition for definition in provenance.archetypes}
    for definition in archetypes or ():
        name = definition["name"]
        if name in stored:
            lines += differences(stored[name], definition, f"archetype {name!r}")
    if lines:
        listed = "\n  ".join(lines)
        raise StoreError(f"{root}: holds the scores of something else; use another --store, or the settings it was made with:\n  {listed}")


class _Absent:
    def __repr__(self) -> str:
        return "nothing"


_ABSENT = _Absent()


def _plain(value: Any) -> Any:
    """A value as it comes back from JSON."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return (type(value), value) if isinstance(value, bool) else value


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:120]}… ({len(text)} characters)"
