"""Filters and methods of text whose result may outgrow their operands: each measures it first."""

from __future__ import annotations

import re
from collections.abc import Callable
from string import Formatter
from typing import Any

from jinja2 import filters
from jinja2.exceptions import SecurityError
from markupsafe import escape

LONGEST_TEXT = 2**20
"""Characters of a prompt, and of any text made on the way to it."""
WIDEST = 1_000
"""Characters that a text may be padded or indented by, and rows or columns that a list may be cut into."""
LONGEST_WRAPPED = 10_000
"""Characters of a text that may be wrapped, whose cost grows with the square of its length."""
MOST_DIGITS = 30

_CONVERSION = re.compile(r"%(?:\([^)]*\))?[#0\- +]*(\*|\d*)(?:\.(\*|\d*))?")


def check_percent(form: str, values: Any) -> None:
    """Refuse `"%1000000000d" % 1`, and widths that are given as values.

    Raises:
        SecurityError: a width or precision is too large or not in the text itself.
    """
    for width, precision in _CONVERSION.findall(form):
        _check_widths((width, precision))
    conversions = form.count("%")
    widths = sum(int(width or 0) + int(precision or 0) for width, precision in _CONVERSION.findall(form))
    filled = (conversions if isinstance(values, dict) else 4) * len(repr(values))
    _check_length(LONGEST_TEXT, len(form) + widths + filled)


def _check_widths(widths: tuple[str, ...]) -> None:
    for width in widths:
        if width == "*" or len(width) > 4 or int(width or 0) > WIDEST:
            raise SecurityError(f"formats with the width {width[:20]!r}; at most {WIDEST:,} characters are allowed")


def _check_count(what: str, count: Any) -> None:
    if isinstance(count, str):
        _check_length(WIDEST, len(count))
    elif not isinstance(count, int) or abs(count) > WIDEST:
        raise SecurityError(f"{what}: expected a whole number of at most {WIDEST:,}")


def _check_length(longest: int, length: int) -> None:
    if length > longest:
        raise SecurityError(f"makes a text of more than {longest:,} characters")


def _replaced(text: str, old: str, new: str, count: int = -1) -> str:
    times = text.count(old) if count is None or count < 0 else min(text.count(old), count)
    _check_length(LONGEST_TEXT, len(text) + times * max(0, len(new) - len(old)))
    return text.replace(old, new, -1 if count is None else count)


def _joined(glue: str, parts: Any) -> str:
    found = list(parts)
    _check_length(LONGEST_TEXT, len(glue) * len(found) + sum(map(len, found)))
    return glue.join(found)


def _formatted(form: str, *args: Any, **kwargs: Any) -> str:
    for _, field, spec, _ in Formatter().parse(form):
        if field is not None and re.search(r"[.\[]", field):
            raise SecurityError(f"format: the field {field[:50]!r} reaches into a value; give the value itself")
        if "{" in (spec or ""):
            raise SecurityError("format: a width must stand in the text itself")
        _check_widths(tuple(re.findall(r"\d+", spec or "")))
    room = sum(len(str(value)) for value in (*args, *kwargs.values()))
    _check_length(LONGEST_TEXT, len(form) + form.count("{") * (room + WIDEST))
    return form.format(*args, **kwargs)


def _padded(method: str, text: str, width: int, *fill: str) -> str:
    _check_count(method, width)
    return str(getattr(text, method)(width, *fill))


def _expanded(text: str, tabsize: int = 8) -> str:
    _check_count("expandtabs", tabsize)
    _check_length(LONGEST_TEXT, len(text) + text.count("\t") * abs(tabsize))
    return text.expandtabs(tabsize)


def _method(name: str) -> Callable[..., str]:
    return lambda text, width, *fill: _padded(name, text, width, *fill)


GUARDED_METHODS: dict[str, Callable[..., str]] = {
    "replace": _replaced,
    "join": _joined,
    "format": _formatted,
    "expandtabs": _expanded,
    **{name: _method(name) for name in ("center", "ljust", "rjust", "zfill")},
}
"""Methods of a text; each takes the text first."""


def _center(value: str, width: int = 80) -> str:
    _check_count("center", width)
    return filters.do_center(value, width)


def _indent(text: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    _check_count("indent", width)
    _check_length(LONGEST_TEXT, len(text) + (text.count("\n") + 1) * (len(width) if isinstance(width, str) else width))
    return filters.do_indent(text, width, first, blank)


def _join(eval_ctx: Any, value: Any, d: str = "", attribute: str | int | None = None) -> str:
    reach = filters.make_attrgetter(eval_ctx.environment, attribute)
    parts = list(value) if attribute is None else [reach(part) for part in value]
    if any(callable(part) for part in parts):
        raise SecurityError("join: a part is a method, which is no text, number, list or mapping")
    _check_length(LONGEST_TEXT, len(str(d)) * len(parts))
    return filters.sync_do_join(eval_ctx, parts, d)


def _replace(eval_ctx: Any, text: str, old: str, new: str, count: int | None = None) -> str:
    return _replaced(str(text), str(old), str(new), -1 if count is None else count)


def _format(form: str, *args: Any, **kwargs: Any) -> str:
    check_percent(form, kwargs or args)
    return filters.do_format(form, *args, **kwargs)


def _batch(value: Any, linecount: int, fill_with: Any = None) -> Any:
    _check_count("batch", linecount)
    return filters.do_batch(value, linecount, fill_with)


def _slice(value: Any, slices: int, fill_with: Any = None) -> Any:
    _check_count("slice", slices)
    return filters.sync_do_slice(value, slices, fill_with)


def _round(value: float, precision: int = 0, method: Any = "common") -> float:
    if not isinstance(precision, int) or abs(precision) > MOST_DIGITS:
        raise SecurityError(f"round: expected at most {MOST_DIGITS} digits")
    return filters.do_round(value, precision, method)


def _sum(environment: Any, iterable: Any, attribute: str | int | None = None, start: float = 0) -> Any:
    if not isinstance(start, int | float):
        raise SecurityError("sum: adds numbers; use join for texts")
    return filters.sync_do_sum(environment, iterable, attribute, start)


def _wordwrap(environment: Any, s: str, *args: Any, **kwargs: Any) -> str:
    _check_length(LONGEST_WRAPPED, len(s))
    return filters.do_wordwrap(environment, s, *args, **kwargs)


def _tojson(eval_ctx: Any, value: Any, indent: int | None = None) -> str:
    _check_count("tojson", indent or 0)
    return str(filters.do_tojson(eval_ctx, value, indent))


def _escape(value: Any) -> str:
    return str(escape(str(value)))


_UNGUARDED = (
    *("abs", "capitalize", "count", "d", "default", "dictsort", "filesizeformat", "first", "float", "groupby", "int", "items", "last"),
    *("length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse", "select", "selectattr", "sort", "string"),
    *("title", "trim", "truncate", "unique", "upper", "urlencode", "wordcount"),
)
SAFE_FILTERS: dict[str, Callable[..., Any] | None] = {
    **dict.fromkeys(_UNGUARDED),
    "batch": _batch,
    "center": _center,
    "e": _escape,
    "escape": _escape,
    "format": _format,
    "indent": _indent,
    "join": _join,
    "replace": _replace,
    "round": _round,
    "safe": str,
    "slice": _slice,
    "sum": _sum,
    "tojson": _tojson,
    "wordwrap": _wordwrap,
}
"""Filters of a prompt template, with the guarded form where one is needed; those left out give markup, chance, or Python's attributes."""
