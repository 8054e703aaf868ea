"""A protocol of one's own: one file of Python, loaded where a configuration names it and nowhere else."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from massjax.agents.protocols.turns import Steps
from massjax.errors import ConfigError
from massjax.user_files import read_small

FUNCTION = "protocol"
ARGUMENTS = ("archetype", "facts", "member")
LONGEST_FILE = 2**20
"""Bytes of a file."""


@lru_cache(maxsize=64)
def own_protocol(path: Path) -> Callable[..., Steps]:
    """The function `protocol(archetype, facts, member)` of a file.

    Raises:
        ConfigError: the file cannot be read or run, or has no such generator.
    """
    try:
        source = read_small(path, LONGEST_FILE)
    except ValueError as error:
        raise ConfigError(f"{path}: the protocol {error}") from None
    spec = importlib.util.spec_from_loader(f"massjax_protocol_{path.stem}", loader=None, origin=str(path))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(path)
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
    except Exception as error:
        raise ConfigError(f"{path}: the protocol cannot be loaded ({type(error).__name__}: {error})") from error
    function: Any = module.__dict__.get(FUNCTION)
    if not callable(function) or not inspect.isgeneratorfunction(function):
        raise ConfigError(
            f"{path}: has no generator {FUNCTION}({', '.join(ARGUMENTS)}), which yields questions and returns how opinions are read"
        )
    if tuple(inspect.signature(function).parameters) != ARGUMENTS:
        raise ConfigError(f"{path}: {FUNCTION}{inspect.signature(function)}: expected the arguments {', '.join(ARGUMENTS)}")
    made: Callable[..., Steps] = function
    return made
