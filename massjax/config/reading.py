"""From a YAML file and assignments on a command line to plain values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from massjax.config.yaml_text import parse_yaml
from massjax.errors import ConfigError
from massjax.user_files import read_small

LONGEST_CONFIG = 2**20
"""Bytes of a configuration file."""


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigError: the file is missing, no regular file, too long, not YAML, or does not hold a mapping.
    """
    try:
        text = read_small(path, LONGEST_CONFIG)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}; give the path of a config file, as in --config configs/demo.yaml") from None
    try:
        values = parse_yaml(text)
    except ValueError as error:
        raise ConfigError(f"{path}: is not valid YAML: {error}") from None
    if not isinstance(values, dict):
        found = "nothing" if values is None else f"a {type(values).__name__}"
        raise ConfigError(f"{path}: expected a mapping of settings such as configs/demo.yaml, found {found}")
    return values


def override(values: dict[str, Any], assignments: list[str]) -> dict[str, Any]:
    """Apply `section.key=value` assignments (values are YAML; `search.0.steps=50` reaches into lists).

    Raises:
        ConfigError: an assignment is not of that form or names a place that is not there.
    """
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {assignment!r}: expected section.key=value, as in --set evaluate.lookback=20")
        *parents, last = key.split(".")
        try:
            value = parse_yaml(text)
        except ValueError as error:
            raise ConfigError(f"--set {assignment!r}: the value is not valid YAML: {error}") from None
        target: Any = values
        try:
            for parent in parents:
                target = target[int(parent)] if isinstance(target, list) else target.setdefault(parent, {})
            if isinstance(target, list):
                target[int(last)] = value
            else:
                target[last] = value
        except (ValueError, IndexError, TypeError, AttributeError):
            raise ConfigError(f"--set {assignment!r}: there is no place {key!r} in this config") from None
    return values
