"""What a setting takes, what bounds it has and what it is by default, in words, from its type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, time
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

TYPE_WORDS: dict[Any, tuple[str, str]] = {
    bool: ("true or false", "true or false"),
    int: ("whole number", "whole numbers"),
    float: ("number", "numbers"),
    str: ("text", "texts"),
    Path: ("path", "paths"),
    date: ("date", "dates"),
    time: ("time of day", "times of day"),
    Any: ("anything", "anything"),
}
"""A type in words: one of it, several of it."""

BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
LENGTHS = {"min_length": "at least", "max_length": "at most"}


def kind_of(field: FieldInfo) -> str:
    """What a setting takes, with its bounds: `whole number, 1 to 20, or null`."""
    kind, null = _kind(field.annotation), ""
    bounds = _bounds(field)
    if bounds and kind.endswith(" or null"):
        kind, null = kind.removesuffix(" or null"), ", or null"
    return f"{kind}{', ' + bounds if bounds else ''}{null}"


def _kind(annotation: Any, many: bool = False) -> str:
    members = tuple(_members(annotation))
    words = [str(value) for member in members if get_origin(member) is Literal for value in get_args(member)]
    said = [_one_of(words)] if words else []
    if {Path, str} <= set(members):
        said, members = ["path or URL"], tuple(member for member in members if member is NoneType)
    for member in members:
        origin, inner = get_origin(member), get_args(member)
        if origin is tuple:
            said.append(f"{'lists' if many else 'list'} of {_kind(inner[0], many=True)}")
        elif origin is dict and inner[1] is Any:
            said.append("mappings" if many else "mapping")
        elif origin is dict:
            said.append(f"{'mappings' if many else 'mapping'} of {_kind(inner[0], many=True)} to {_kind(inner[1], many=True)}")
        elif isinstance(member, type) and issubclass(member, BaseModel):
            said.append("mappings" if many else "mapping")
        elif member in TYPE_WORDS:
            said.append(TYPE_WORDS[member][many])
    return " or ".join([*said, *(["null"] if NoneType in members else [])])


def _members(annotation: Any) -> Iterator[Any]:
    """The alternatives of a type, without what is annotated."""
    if get_origin(annotation) is Annotated:
        yield from _members(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    else:
        yield annotation


def _one_of(words: list[str]) -> str:
    quoted = [f"`{word}`" for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _bounds(field: FieldInfo) -> str:
    """What a number, or a length, may be."""
    names = (*BOUNDS, *LENGTHS)
    limits = {name: value for bound in field.metadata for name in names if (value := getattr(bound, name, None)) is not None}
    counted = ("character", "characters") if str in _members(field.annotation) else ("entry", "entries")
    numbers = _between(limits, BOUNDS, "ge", "le")
    lengths = _between(limits, LENGTHS, "min_length", "max_length")
    if lengths:
        lengths = f"{lengths} {counted[0] if lengths == 'at least 1' else counted[1]}"
    return ", ".join(filter(None, [numbers, lengths]))


def _between(limits: dict[str, Any], words: dict[str, str], least: str, most: str) -> str:
    if least in limits and most in limits:
        return f"{_number(limits[least])} to {_number(limits[most])}"
    return " and ".join(f"{word} {_number(limits[name])}" for name, word in words.items() if name in limits)


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else str(value)


def default_of(field: FieldInfo) -> str:
    """The default as YAML writes it; `required` where there is none, empty where the settings of a section have their own."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        return ""
    if isinstance(value, time):
        return f'"{value:%H:%M}"'
    plain = to_jsonable_python(value)
    return plain if isinstance(plain, str) and plain else json.dumps(plain, ensure_ascii=False)
