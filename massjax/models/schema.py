"""JSON schemas of texts: the keywords that are understood, and what about a value does not fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from massjax.errors import ModelError, did_you_mean

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_SAID = frozenset({"title", "description", "default", "examples", "$schema", "$id", "$comment"})
"""Keywords that say something to people."""
_KNOWN = _SAID | {
    *("type", "enum", "const", "anyOf", "oneOf", "$ref", "$defs", "definitions"),
    *("properties", "required", "additionalProperties", "items", "minItems", "maxItems"),
    *("minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
}
_SHAPES: Mapping[frozenset[str], type | tuple[type, ...]] = {
    frozenset(("properties", "$defs", "definitions")): dict,
    frozenset(("required", "enum", "anyOf", "oneOf")): list,
    frozenset(("minItems", "maxItems", "minLength", "maxLength")): int,
    frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")): (int, float),
}
"""What stands at a keyword."""
_BOUNDS = (("minItems", "maxItems"), ("minLength", "maxLength"), ("minimum", "maximum"))
_NOT_EMPTY = frozenset(("enum", "anyOf", "oneOf"))
_DEEPEST = 64


def check_schema(schema: Any) -> None:
    """Refuse a schema with a keyword that is not understood here, since nothing could tell whether a text fits it.

    Raises:
        ModelError: naming the keyword and where it stands.
    """
    _check(schema, schema, "$", 0)
    if _is_endless(schema, schema, frozenset()):
        raise ModelError("the schema of a text: a $ref leads back to itself, so that nothing finite fits; let it end somewhere")


def is_strict(schema: Any) -> bool:
    """Whether every object of a schema wants all its properties and no others, which hosted servers demand of schemas that they follow."""
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, dict):
        return True
    known = schema.get("properties")
    whole = schema.get("additionalProperties") is False and set(schema.get("required", [])) == set(known or {})
    is_object = "object" in _kinds(schema) or isinstance(known, dict)
    return (not is_object or whole) and all(is_strict(inner) for name, inner in schema.items() if name not in ("enum", "const", "required"))


def _check(schema: Any, root: Any, where: str, depth: int) -> None:
    if not isinstance(schema, dict) or depth > _DEEPEST:
        raise ModelError(f"the schema of a text at {where}: expected a JSON object of keywords, at most {_DEEPEST} deep")
    for name in schema:
        if name not in _KNOWN:
            raise ModelError(f"the schema of a text at {where}: the keyword {name!r} is not known{did_you_mean(name, _KNOWN)}")
    for names, expected in _SHAPES.items():
        for name in names & schema.keys():
            if not isinstance(schema[name], expected) or isinstance(schema[name], bool) or not (schema[name] or name not in _NOT_EMPTY):
                raise ModelError(f"the schema of a text at {where}: {name!r} cannot be {json.dumps(schema[name])[:40]}")
    for least, most in _BOUNDS:
        if least in schema and most in schema and schema[least] > schema[most]:
            raise ModelError(f"the schema of a text at {where}: nothing fits {least} {schema[least]} and {most} {schema[most]}")
    for kind in _kinds(schema):
        if not isinstance(kind, str) or kind not in _TYPES:
            raise ModelError(f"the schema of a text at {where}: no JSON type is called {kind!r}{did_you_mean(str(kind), _TYPES)}")
    if "$ref" in schema:
        referred(schema["$ref"], root, where)
    for group in ("properties", "$defs", "definitions"):
        for name, inner in schema.get(group, {}).items():
            _check(inner, root, f"{where}.{name}", depth + 1)
    for name in ("items", "additionalProperties"):
        if name in schema and not isinstance(schema[name], bool):
            _check(schema[name], root, f"{where}.{name}", depth + 1)
    for name in ("anyOf", "oneOf"):
        for number, inner in enumerate(schema.get(name, [])):
            _check(inner, root, f"{where}.{name}[{number}]", depth + 1)


def _is_endless(schema: Any, root: Any, passed: frozenset[str]) -> bool:
    """Whether every value that fits would have to hold another one of the same kind, without an end."""
    if "$ref" in schema:
        name = str(schema["$ref"])
        return name in passed or _is_endless(referred(name, root), root, passed | {name})
    if "enum" in schema or "const" in schema:
        return False
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return all(_is_endless(one, root, passed) for one in schema[name])
    if _kinds(schema) == ["array"]:
        return schema.get("minItems", 0) > 0 and isinstance(schema.get("items"), dict) and _is_endless(schema["items"], root, passed)
    if not set(_kinds(schema)) <= {"object"}:
        return False
    known = schema.get("properties", {})
    return any(_is_endless(known[name], root, passed) for name in schema.get("required", []) if name in known)


def _kinds(schema: Mapping[str, Any]) -> list[Any]:
    kinds = schema.get("type", [])
    return kinds if isinstance(kinds, list) else [kinds]


def referred(reference: str, root: Any, where: str = "$") -> Any:
    """What a `$ref` names within its schema."""
    found = root
    for step in str(reference).removeprefix("#/").split("/"):
        found = found.get(step) if isinstance(found, dict) else None
    if not str(reference).startswith("#/") or not isinstance(found, dict):
        raise ModelError(f"the schema of a text at {where}: $ref {reference!r} names nothing in it (expected '#/$defs/NAME')")
    return found


def misfit(text: str, schema: str) -> str | None:
    """What about a text does not fit a schema, in a few words; None where it is JSON that fits."""
    try:
        value = json.loads(text, parse_constant=no_number)
    except ValueError as error:
        return f"it is not JSON ({error})"
    except RecursionError:
        return "it is not JSON of any sensible depth"
    root = json.loads(schema)
    return _misfit(value, root, root, "$", 0)


def no_number(name: str) -> Any:
    """Refuse NaN and Infinity, which Python reads and JSON has not."""
    raise ValueError(f"{name} is no JSON number")


def _misfit(value: Any, schema: Any, root: Any, where: str, depth: int) -> str | None:
    if depth > _DEEPEST:
        return f"{where}: deeper than {_DEEPEST}"
    if "$ref" in schema:
        return _misfit(value, referred(schema["$ref"], root, where), root, where, depth + 1)
    kinds = _kinds(schema)
    if kinds and not any(_is(value, kind) for kind in kinds):
        return f"{where}: expected {' or '.join(kinds)}, found {json.dumps(value)[:40]}"
    if "enum" in schema and not any(_same(value, one) for one in schema["enum"]):
        return f"{where}: {json.dumps(value)[:40]} is none of {json.dumps(schema['enum'])[:120]}"
    if "const" in schema and not _same(value, schema["const"]):
        return f"{where}: expected {json.dumps(schema['const'])[:40]}, found {json.dumps(value)[:40]}"
    for name, fits in (("anyOf", lambda number: number >= 1), ("oneOf", lambda number: number == 1)):
        if name in schema:
            number = sum(_misfit(value, one, root, where, depth + 1) is None for one in schema[name])
            if not fits(number):
                return f"{where}: fits {number} of the {len(schema[name])} schemas in {name}"
    if isinstance(value, dict):
        return _object(value, schema, root, where, depth)
    if isinstance(value, list):
        return _array(value, schema, root, where, depth)
    if isinstance(value, str):
        return _size(len(value), schema.get("minLength"), schema.get("maxLength"), where, "characters")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value, schema, where)
    return None


def _object(value: dict[str, Any], schema: Any, root: Any, where: str, depth: int) -> str | None:
    missing = [name for name in schema.get("required", []) if name not in value]
    if missing:
        return f"{where}: {missing[0]!r} is missing"
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name, inner in value.items():
        if name not in known and others is False:
            return f"{where}: {name[:40]!r} is not wanted"
        rule = known.get(name, others if isinstance(others, dict) else {})
        if fault := _misfit(inner, rule, root, f"{where}.{name[:40]}", depth + 1):
            return fault
    return None


def _array(value: list[Any], schema: Any, root: Any, where: str, depth: int) -> str | None:
    if fault := _size(len(value), schema.get("minItems"), schema.get("maxItems"), where, "items"):
        return fault
    rule = schema.get("items", {})
    if rule is False and value:
        return f"{where}: no items are wanted"
    rules = enumerate(value) if isinstance(rule, dict) else ()
    return next((fault for number, one in rules if (fault := _misfit(one, rule, root, f"{where}[{number}]", depth + 1))), None)


def _size(size: int, least: int | None, most: int | None, where: str, what: str) -> str | None:
    if least is not None and size < least:
        return f"{where}: {size} {what} are fewer than {least}"
    if most is not None and size > most:
        return f"{where}: {size} {what} are more than {most}"
    return None


def _number(value: float, schema: Any, where: str) -> str | None:
    bounds = {
        "minimum": lambda bound: value >= bound,
        "maximum": lambda bound: value <= bound,
        "exclusiveMinimum": lambda bound: value > bound,
        "exclusiveMaximum": lambda bound: value < bound,
    }
    broken = [name for name, holds in bounds.items() if name in schema and not holds(schema[name])]
    return f"{where}: {value} breaks {broken[0]} {schema[broken[0]]}" if broken else None


def _is(value: Any, kind: str) -> bool:
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
