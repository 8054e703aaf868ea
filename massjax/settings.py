"""What every settings object shares: frozen, typed, no unknown keys, and errors that name the key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails

from massjax.errors import ConfigError, did_you_mean
from massjax.lookalikes import refuse_lookalikes

S = TypeVar("S", bound="Settings")
LONGEST_SHOWN = 100
"""Characters of a wrong value that a message repeats."""


if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)


class _Named(ModelMetaclass):
    """Settings made in Python name their faults as those of a file do; pydantic's own `model_validate` and its like are left alone."""

    def __call__(cls, *args: Any, **values: Any) -> Any:
        try:
            return super().__call__(*args, **values)
        except ValidationError as error:
            raise ConfigError(describe(error, cls, cls.__name__)) from None  # type: ignore[arg-type]


class Settings(BaseModel, metaclass=_Named):
    """Base of all settings: immutable, hashable, unknown keys refused, and nothing taken for what it is not."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True, protected_namespaces=())

    @field_validator("*", mode="before")
    @classmethod
    def _no_lookalikes(cls, value: Any, info: ValidationInfo) -> Any:
        refuse_lookalikes(value, cls.model_fields[str(info.field_name)].annotation)
        return value

    def __hash__(self) -> int:
        return hash((type(self), self.model_dump_json()))

    def replace(self: S, **changes: Any) -> S:
        """A validated copy with some fields changed."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return validate(type(self), {**fields, **changes}, source=type(self).__name__)


def resolve_path(value: Any, info: ValidationInfo) -> Any:
    """A path as given in a file, made absolute relative to the folder of that file; URLs are left alone."""
    if not isinstance(value, str | Path) or "://" in str(value):
        return value
    folder = (info.context or {}).get("folder")
    try:
        path = Path(value).expanduser()
    except RuntimeError:
        raise ValueError(f"{value}: there is no such home directory") from None
    return path if folder is None or path.is_absolute() else (Path(folder) / path).resolve()


ConfigPath = Annotated[Path, BeforeValidator(resolve_path)]
"""A path; a relative one in a file is relative to the folder of that file."""


def resolve_store(value: Any, info: ValidationInfo) -> Path | str:
    """As `resolve_path`, but a URL stays the text it is: a `Path` would lose one of its slashes."""
    if not isinstance(value, str | Path) or value == "":
        raise ValueError("expected a path, or a URL such as s3://bucket/scores.zarr")
    return str(value) if is_url(value) else Path(resolve_path(value, info))


def is_url(place: Path | str | None) -> bool:
    """Whether a place is given as a URL; one slash is enough, because a `Path` made of a URL has lost the other one."""
    return place is not None and re.match(r"[a-z][a-z0-9]+:/", str(place)) is not None


def absolute(place: Path | str) -> Path | str:
    """A place named on a command line: relative to the current folder, unless it is a URL."""
    return str(place) if is_url(place) else Path(place).absolute()


StorePlace = Annotated[Path | str, PlainValidator(resolve_store)]
"""Where a store is: a path, as `ConfigPath`, or the URL of an object store."""


def validate(cls: type[S], values: Mapping[str, Any], source: str, folder: Path | None = None) -> S:
    """Build settings of type `cls` from plain values.

    Args:
        values: the mapping read from `source` (a file name, used in error messages).
        folder: what relative paths in `values` are relative to.

    Raises:
        ConfigError: naming every key at fault, its value and the nearest known key.
    """
    try:
        return cls.model_validate(dict(values), context={"folder": folder})
    except ValidationError as error:
        raise ConfigError(describe(error, cls, source)) from None


def describe(error: ValidationError, cls: type[BaseModel], source: str) -> str:
    """One line a fault: where, what was given, what was expected, the nearest known key."""
    lines = [_line(fault, cls) for fault in error.errors(include_url=False)]
    return f"{source}: " + lines[0] if len(lines) == 1 else f"{source}: {len(lines)} settings are wrong:\n  " + "\n  ".join(lines)


def _line(fault: ErrorDetails, cls: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in fault["loc"]).removesuffix(".[key]")
    if fault["type"] == "extra_forbidden":
        known = _known_keys(cls, fault["loc"][:-1])
        hint = did_you_mean(str(fault["loc"][-1]), known)
        return f"unknown key {where!r}{hint}; known here: {', '.join(known)}" if known else f"unknown key {where!r}"
    if fault["type"] == "missing":
        return f"{where!r} is missing; it has no default"
    if fault["type"] == "tuple_type":
        return f"{where}: expected a list, found {_shown(fault['input'])}"
    if fault["type"] in ("model_type", "dict_type"):
        return f"{where}: expected a mapping, found {_shown(fault['input'])}"
    message = fault["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = message.removeprefix(f"{where}: ")
    given = "" if isinstance(fault["input"], Mapping | BaseModel) else f" (given: {_shown(fault['input'])})"
    return f"{where + ': ' if where else ''}{message}{given}"


def _shown(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _known_keys(cls: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    current: Any = cls
    for part in loc:
        if isinstance(part, int):
            continue
        fields = getattr(current, "model_fields", {})
        if part in fields:
            current = _model_in(fields[part].annotation)
    return sorted(getattr(current, "model_fields", {}))


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found is not None:
            return found
    return None
