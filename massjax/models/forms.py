"""The four forms of an answer: the choice among ordered or named ones, some of a list, and a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, TypeAlias


@dataclass(frozen=True)
class Rate:
    """One of some choices, ordered from worst to best."""

    kind: ClassVar[str] = "rate"
    choices: tuple[str, ...]
    prefill: str = ""


@dataclass(frozen=True)
class Decide:
    """One of some named decisions."""

    kind: ClassVar[str] = "decide"
    choices: tuple[str, ...]
    prefill: str = ""


@dataclass(frozen=True)
class Pick:
    """Some of a list; label i denotes `items[order[i]]`."""

    kind: ClassVar[str] = "pick"
    items: tuple[str, ...]
    order: tuple[int, ...]
    count: int
    method: Literal["plackett-luce", "exact"] = "plackett-luce"
    temperature: float = 0.0
    seed: int = 0
    prefill: str = ""


@dataclass(frozen=True)
class Write:
    """A text, or JSON of a schema."""

    kind: ClassVar[str] = "write"
    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    schema: str | None = None


Form: TypeAlias = Rate | Decide | Pick | Write
_KINDS: dict[str, type[Any]] = {form.kind: form for form in (Rate, Decide, Pick, Write)}


def form_document(form: Form) -> dict[str, Any]:
    """A form as plain values."""
    return {"kind": form.kind, **asdict(form)}


def form_of(document: Mapping[str, Any]) -> Form:
    """The form of plain values."""
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in document.items() if name != "kind"}
    return _KINDS[document["kind"]](**values)
