"""What every settings object shares: frozen, typed, no unknown keys, and errors that name the key."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from massjax.errors import ConfigError, did_you_mean
from massjax.lookalikes import refuse_lookalikes

S = TypeVar("S", bound="Settings")
LONGEST_SHOWN = 100
"""Characters of a wrong value that a message repeats."""
DOCSTRING_WIDTH = 100


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
    """Base of all settings: immutable, hashable, unknown keys refused, and nothing taken for what it is not.

    What a setting means is said once, in its `Field(description=...)`: pydantic's other way, docstrings below the fields, needs the source
    file, which a class made in a notebook has not. `help`, `--help-settings`, `docs/settings.md`, `configs/schema.json` and error
    messages are made from it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True, protected_namespaces=())

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """List the settings in the docstring, for `help`, unless it lists them itself."""
        super().__pydantic_init_subclass__(**options)
        own = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
        if cls.model_fields and "Attributes:" not in own:
            cls.__doc__ = f"{own}\n\n{_attributes(cls)}".strip()

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


def _attributes(cls: type[BaseModel]) -> str:
    """The section of a docstring that says of every setting what it is."""
    lines = [f"{name}: {field.description}" if field.description else name for name, field in cls.model_fields.items()]
    wrapped = [textwrap.fill(line, DOCSTRING_WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 8) for line in lines]
    return "\n".join(["Attributes:", *wrapped])


def purpose(field: FieldInfo) -> str:
    """What a setting is, in half a sentence: its description up to the first colon, semicolon or full stop outside of backquotes."""
    said = re.match(r"(?:`[^`]*`|[^`.;:]|[.;:](?!\s|$))*", field.description or "")
    text = " ".join(said[0].split()) if said else ""
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


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
    """A store's place: a path, made absolute relative to the folder of its file, or a URL as text, of which a `Path` would lose a slash."""
    if not isinstance(value, str | Path) or value == "":
        raise ValueError("expected a path, or a URL such as s3://bucket/scores")
    return str(value) if is_url(value) else Path(resolve_path(value, info))


def is_url(place: Path | str | None) -> bool:
    """Whether a place is given as a URL; one slash is enough, because a `Path` made of a URL has lost the other one."""
    return place is not None and re.match(r"[a-z][a-z0-9]+:/", str(place)) is not None


def absolute(place: Path | str) -> Path | str:
    """A place named on a command line: relative to the current folder, unless it is a URL."""
    return str(place) if is_url(place) else Path(place).absolute()


StorePlace = Annotated[Path | str, PlainValidator(resolve_store, json_schema_input_type=str)]
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
        known = sorted(getattr(_place(cls, fault["loc"][:-1])[0], "model_fields", {}))
        hint = did_you_mean(str(fault["loc"][-1]), known)
        return f"unknown key {where!r}{hint}; known here: {', '.join(known)}" if known else f"unknown key {where!r}"
    meaning = _meaning(cls, fault["loc"])
    if fault["type"] == "missing":
        return f"{where!r} is missing; it has no default{meaning}"
    if fault["type"] == "tuple_type":
        return f"{where}: expected a list, found {_shown(fault['input'])}{meaning}"
    if fault["type"] in ("model_type", "dict_type"):
        return f"{where}: expected a mapping, found {_shown(fault['input'])}{meaning}"
    message = fault["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = message.removeprefix(f"{where}: ")
    given = "" if isinstance(fault["input"], Mapping | BaseModel) else f" (given: {_shown(fault['input'])})"
    own_words = fault["type"] in ("value_error", "assertion_error")
    return f"{where + ': ' if where else ''}{message}{given}{'' if own_words else meaning}"


def _meaning(cls: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """What the setting at a place is, as the end of a message; empty where it does not say."""
    name, field = _place(cls, loc)[1:]
    return f"; {name}: {purpose(field)}" if field is not None and field.description else ""


def _shown(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _place(cls: type[BaseModel], loc: tuple[int | str, ...]) -> tuple[Any, str, FieldInfo | None]:
    """The settings that stand at a place, if any do, and the last setting on the way there, with its name."""
    current: Any = cls
    name, field, key_of_mapping = "", None, False
    for part in loc:
        fields = getattr(current, "model_fields", {})
        if key_of_mapping or part not in fields:
            key_of_mapping = False
            continue
        name, field = str(part), fields[part]
        key_of_mapping = get_origin(field.annotation) is dict
        current = model_within(field.annotation)[0]
    return current, name, field


def model_within(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The settings that a field holds, if any: alone, in a list, or by a key of one's own; and the steps to them, `.N` and `.NAME`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    step = {tuple: ".N", dict: ".NAME"}.get(get_origin(annotation), "")
    for part in get_args(annotation):
        model, steps = model_within(part)
        if model is not None:
            return model, step + steps
    return None, ""
