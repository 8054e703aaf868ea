"""Labelled inputs (frames of pandas and polars, arrays of xarray): the engine computes by position, so their labels must agree.

Nothing is imported for it: what has an index and columns, or dims and coords, is labelled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np

from massjax.errors import DataError

Labels: TypeAlias = Mapping[str, Sequence[Any]]
"""Labels by axis, of the axes that have some."""

_PANEL = ("stocks", "dates")
AXES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "scores": ("archetypes", *_PANEL, "choices"),
        **dict.fromkeys(("member", "forward_returns", "returns", "signal", "tradable", "fillable"), _PANEL),
        "weights": ("candidates", "archetypes"),
        "start": ("candidates", "archetypes"),
        "groups": ("stocks",),
        "agents_per_archetype": ("archetypes",),
        "dates": ("dates",),
    }
)
"""Axes of each argument of the public functions."""
DAY = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
"""A day as a number or a text of eight digits, such as 20240131."""
_SPELLINGS = {
    "archetypes": {"archetype", "archetypes", "agent", "agents", "k"},
    "stocks": {"n", "stock", "stocks", "asset", "assets", "ticker", "tickers", "symbol", "symbols", "instrument", "instruments"},
    "dates": {"t", "d", "date", "dates", "day", "days", "time", "datetime"},
}
"""How the axes are named in other people's arrays."""


class _Seen(NamedTuple):
    what: str
    labels: Sequence[Any]


def check_labels(**inputs: Any) -> None:
    """Refuse labelled inputs that are not in one order; what has no labels is taken by position, as always.

    Args:
        inputs: arguments of a public function, by the names of `AXES`.

    Raises:
        DataError: two inputs have other labels on the same axis, or the same in another order (the first place is named), or one has
            dates where stocks belong, or axes in another order.
    """
    seen: dict[tuple[str, bool], _Seen] = {}
    for what, values in inputs.items():
        for name, labels in _labelled(what, values):
            for axis, found in labels.items():
                _refuse_dates(name, axis, found)
                _compare(axis, seen.setdefault((axis, _counts(found)), _Seen(name, found)), _Seen(name, found))
    for axis in dict.fromkeys(axis for axis, _ in seen):
        if (axis, True) in seen and (axis, False) in seen and _same_names(seen[axis, True].labels, seen[axis, False].labels):
            _compare(axis, seen[axis, False], seen[axis, True])


def plain(what: str, values: Any) -> Any:
    """What numpy makes numbers or booleans of: frames without their labels, nullable and object columns as float64 or bool.

    Raises:
        DataError: a column holds something else, or booleans are missing.
    """
    if isinstance(values, np.ndarray | jax.Array):
        return values
    if _is_polars(values):
        for column, kind in values.schema.items():
            if not (kind.is_numeric() or str(kind) in ("Boolean", "Null")):
                raise DataError(f"{what} have a column {column!r} of type {kind}; give the numbers alone, as in frame.drop({column!r})")
        return values.to_numpy()
    if _is_pandas(values):
        return _numbers(what, values)
    if isinstance(values, list | tuple) and any(_has_labels(item) for item in values):
        return [plain(what, item) for item in values]
    return values


def _numbers(what: str, values: Any) -> np.ndarray:
    array = values.to_numpy()
    if array.dtype != object:
        return np.asarray(array)
    missing = np.asarray(values.isna())
    if not missing.all() and all(isinstance(value, bool | np.bool_) for value in array[~missing]):
        if missing.any():
            place = [int(i) for i in np.argwhere(missing)[0]]
            raise DataError(f"{what}{place} is neither True nor False; fill what is missing, as in frame.fillna(False)")
        return array.astype(bool)
    bad = [value for value in array[~missing] if isinstance(value, str | bytes | date) or not np.isscalar(value)]
    if bad:
        raise DataError(f"{what} have dtype object and hold {bad[0]!r}; expected real numbers")
    return np.where(missing, np.nan, np.where(missing, 0.0, array)).astype(np.float64)


def _labelled(what: str, values: Any) -> Iterable[tuple[str, Labels]]:
    """The labels of an input, and of each of its parts where it is a list of frames."""
    if isinstance(values, np.ndarray | jax.Array) and what != "dates":
        return
    axes = AXES[what]
    if what == "dates":
        if values is not None:
            yield what, {"dates": list(np.asarray(values))}
    elif _is_xarray(values):
        yield what, _of_xarray(what, values, axes)
    elif _is_pandas(values):
        axes = axes[-values.ndim :] if what in ("weights", "start") else axes
        sides = (values.index, values.columns) if values.ndim == 2 else (values.index,)
        yield what, {axis: list(side) for axis, side in zip(axes, sides, strict=False)}
    elif _is_polars(values):
        if len(axes) > 1:
            yield what, {axes[1]: list(values.columns)}
    elif isinstance(values, list | tuple):
        for number, item in enumerate(values):
            if _is_pandas(item) and item.ndim == 2 and len(axes) > 2:
                yield f"{what}[{number}]", {axes[1]: list(item.index), axes[2]: list(item.columns)}


def _of_xarray(what: str, values: Any, axes: tuple[str, ...]) -> Labels:
    axes = axes[-values.ndim :] if what in ("weights", "start") else axes
    for place, (dim, axis) in enumerate(zip(values.dims, axes, strict=False)):
        meant = next((known for known, names in _SPELLINGS.items() if str(dim).lower() in names), axis)
        if meant != axis:
            raise DataError(
                f"{what}: axis {place} is {dim!r}, expected {axis}; give it as {what}.transpose(...) in the order [{', '.join(axes)}]"
            )
    return {axis: list(values[dim].values) for dim, axis in zip(values.dims, axes, strict=False) if dim in values.coords}


def _refuse_dates(what: str, axis: str, labels: Sequence[Any]) -> None:
    if axis != "dates" and len(labels) and all(isinstance(label, date | np.datetime64) for label in labels):
        expected = ", ".join(AXES[what.partition("[")[0]][:3])
        raise DataError(f"{what} has dates ({_text(labels[0])}, ...) where {axis} belong; expected [{expected}], as in {what}.T")


def _compare(axis: str, first: _Seen, other: _Seen) -> None:
    if len(first.labels) != len(other.labels):
        return
    for place, (one, two) in enumerate(zip(map(_text, first.labels), map(_text, other.labels), strict=True)):
        if one != two:
            same = set(map(_text, first.labels)) == set(map(_text, other.labels))
            how = f"the same {axis} in another order" if same else f"other {axis}"
            side = {"dates": "columns"}.get(axis, "index")
            raise DataError(
                f"{first.what} and {other.what} have {how}: number {place + 1} is {one!r} in {first.what} and {two!r} in {other.what}. "
                f"Arrays are taken by position, so bring both to one order first, as in frame.reindex({side}=...)"
            )


def _counts(labels: Sequence[Any]) -> bool:
    """Whether the labels are whole numbers, as those of a frame that was given none, and no days: they are compared among each other."""
    return all(isinstance(label, int | np.integer) and not DAY.fullmatch(str(label)) for label in labels)


def _same_names(numbers: Sequence[Any], names: Sequence[Any]) -> bool:
    """Whether whole numbers are names after all, such as 600000 beside '600000': two of three are there in text too."""
    there = set(map(_text, names))
    return 3 * sum(_text(number) in there for number in numbers) >= 2 * len(numbers) > 0


def _text(label: Any) -> str:
    """A label as text: a date at midnight is that date, however it is held, 20240131 too."""
    if isinstance(label, np.datetime64):
        label = label.astype("datetime64[us]").item()
    if isinstance(label, datetime):
        return label.date().isoformat() if label.time() == datetime.min.time() else label.isoformat()
    text = str(label)
    if DAY.fullmatch(text):
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return text.removesuffix(" 00:00:00").removesuffix("T00:00:00")


def _has_labels(values: Any) -> bool:
    return _is_pandas(values) or _is_polars(values) or _is_xarray(values)


def _is_pandas(values: Any) -> bool:
    return all(hasattr(values, name) for name in ("index", "iloc", "to_numpy", "isna"))


def _is_polars(values: Any) -> bool:
    return all(hasattr(values, name) for name in ("columns", "schema", "to_numpy")) and not hasattr(values, "index")


def _is_xarray(values: Any) -> bool:
    return all(hasattr(values, name) for name in ("dims", "coords", "values"))
