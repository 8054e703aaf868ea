"""A protocol of one's own: one file of Python, loaded where a configuration names it and nowhere else."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from massjax.agents.protocols.turns import Ask, Last, Replies, Steps
from massjax.errors import ConfigError, MassjaxError
from massjax.user_files import read_small

FUNCTION = "protocol"
ARGUMENTS = ("archetype", "facts", "member")
LONGEST_FILE = 2**20
"""Bytes of a file."""


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


def guarded(path: Path, steps: Steps, models: Sequence[str | None]) -> Steps:
    """A protocol of one's own at work, whose faults are told with its file.

    Args:
        path: of the file.
        steps: what its function returns.
        models: that it may ask.

    Raises:
        ConfigError: it fails, yields or returns what it should not, or asks another model.
    """
    replies: tuple[Replies, ...] | None = None
    last: Last | None = None
    while True:
        try:
            asks = next(steps) if replies is None else steps.send(replies)
        except StopIteration as stopped:
            if not isinstance(stopped.value, Last):
                raise ConfigError(f"{path}: the protocol returned {type(stopped.value).__name__} in the place of a Last") from None
            asks, last = tuple(vote.ask for vote in stopped.value.votes), stopped.value
        except MassjaxError:
            raise
        except Exception as error:
            raise ConfigError(f"{path}: the protocol failed ({type(error).__name__}: {error})") from error
        if not isinstance(asks, tuple) or not all(isinstance(ask, Ask) for ask in asks):
            raise ConfigError(f"{path}: the protocol yielded {type(asks).__name__}, expected a tuple of Ask")
        for ask in asks:
            if ask.model not in models:
                named = ", ".join(sorted(str(name) for name in models if name is not None)) or "none"
                raise ConfigError(f"{path}: the protocol asks the model {ask.model!r}, which its `models` do not name (there: {named})")
        if last is not None:
            return last
        replies = yield asks
