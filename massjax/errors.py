"""Errors that a user can act on: the command lines print their message and exit with code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class MassjaxError(Exception):
    """Something outside the code is wrong: a setting, the data, a store or a model; the base of all errors that massjax raises on purpose.

    The message names the file, field, date, stock or archetype at fault, what was expected, and what to do. Its kinds are in
    `massjax.errors`: `ConfigError` and, below it, `LeakageError`; `DataError`; `StoreError`; `ModelError`. The command lines print the
    message alone and exit with code 2.

    Example:
        >>> import massjax as mj
        >>> try:
        ...     mj.Annealing(chain=64)
        ... except mj.MassjaxError as error:
        ...     print(type(error).__name__)
        ...     print(error)
        ConfigError
        Annealing: unknown key 'chain' (did you mean 'chains'?); known here: average, chains, ...
    """


class ConfigError(MassjaxError):
    """A setting is unknown, of the wrong type or out of range, or two settings contradict each other."""


class DataError(MassjaxError):
    """The market data is missing, malformed or too short; the message names file, column, date and stock."""


class StoreError(MassjaxError):
    """A score store is missing, damaged, or holds the scores of something else."""


class ModelError(MassjaxError):
    """A language model cannot be loaded or cannot answer in the form that was asked for."""


class LeakageError(ConfigError):
    """A setting would let a decision see returns that are not yet known on its date."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`" (did you mean 'momentum'?)"`, or the empty string where nothing known is close to `name`."""
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


@contextmanager
def error_context(source: object) -> Iterator[None]:
    """Begin the message of a ConfigError that passes through with where the setting comes from: a file, or a place in one."""
    try:
        yield
    except ConfigError as error:
        raise type(error)(f"{source}: {error}") from error
