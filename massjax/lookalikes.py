"""Values that YAML or pydantic would take for something else: `on` for true, `true` for 1, a number for a date counted in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, time
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import numpy as np

from massjax.errors import ConfigError

NUMBERS = {int, float}
EXPECTED: Mapping[type, str] = {date: "a date such as 2022-01-03", time: 'a time of day in quotes, such as "16:00"'}


def refuse_lookalikes(value: Any, annotation: Any, inside: str = "") -> None:
    """Refuse a boolean or a date where `annotation` wants text, a boolean where it wants a number, and a bare number where it wants a
    date or a time, in lists and mappings too.

    Args:
        value: as read from a file.
        annotation: the type of the field.
        inside: what of the field `value` is, for the message.

    Raises:
        ValueError: saying what was expected.
    """
    wanted = set(_alternatives(annotation))
    if isinstance(value, bool) and wanted & NUMBERS and not wanted & {bool, Any}:
        raise ValueError(f"{inside}expected a number, found {str(value).lower()}")
    if str in wanted and not wanted & {bool, Any}:
        if isinstance(value, bool):
            found = f"{str(value).lower()}: YAML takes yes, no, on, off, true and false for that"
            raise ValueError(f"{inside}expected text, found {found}; put it in quotes")
        if isinstance(value, date) and not wanted & {date}:
            raise ValueError(f"{inside}expected text, found the date {value}; put it in quotes")
    if _is_bare_number(value) and not wanted & NUMBERS:
        for kind in wanted & set(EXPECTED):
            raise ValueError(f"{inside}expected {EXPECTED[kind]}, found the number {value}")
    for alternative in wanted:
        origin, inner = get_origin(alternative), get_args(alternative)
        if origin is tuple and isinstance(value, list | tuple):
            for item in value:
                refuse_lookalikes(item, inner[0], inside)
        elif origin is dict and isinstance(value, Mapping):
            for key, item in value.items():
                refuse_lookalikes(key, inner[0], f"key {key!r}: ")
                refuse_lookalikes(item, inner[1], f"{key}: ")


def _alternatives(annotation: Any) -> Iterable[Any]:
    """The members of a union, without their metadata."""
    if get_origin(annotation) is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from _alternatives(member)
    else:
        yield annotation


def _is_bare_number(value: Any) -> bool:
    return value.isdecimal() if isinstance(value, str) else isinstance(value, int | float) and not isinstance(value, bool)


def check_whole(what: str, value: object, least: int) -> int:
    """`value` as an integer.

    Raises:
        ConfigError: it is no whole number, or below `least`.
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or int(value) < least:  # type: ignore[call-overload]
        raise ConfigError(f"{what}={value!r}: expected a whole number >= {least}")
    return int(value)  # type: ignore[call-overload]


def check_flag(what: str, value: object) -> bool:
    """`value` as True or False.

    Raises:
        ConfigError: it is something that Python merely takes for one of them, such as the text "false".
    """
    if not isinstance(value, bool | np.bool_):
        raise ConfigError(f"{what}={value!r}: expected True or False")
    return bool(value)
