"""The signals that settings name: those of massjax, and functions of one's own as `module:function`."""

from __future__ import annotations

import hashlib
import inspect
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from massjax.engine.inputs import OwnSignal, SignalName
from massjax.engine.own_signal import check_signal
from massjax.errors import ConfigError
from massjax.evaluate.settings import EvaluateSettings
from massjax.search.own_code import load_named


@lru_cache(maxsize=64)
def named_signal(name: str) -> SignalName:
    """A signal as settings name it; a function is imported once.

    Args:
        name: `combined`, `mean`, `disagreement`, or `package.module:function`.

    Raises:
        ConfigError: the module cannot be imported, has no such name, or it is no function.
    """
    if ":" not in name:
        known: Any = name
        return known
    found = load_named(f"signal {name!r}", name)
    if not callable(found) or isinstance(found, type):
        raise ConfigError(f"signal {name!r} is no function; expected one from the scores and weights of a date to a number a stock")
    return OwnSignal(name.rpartition(":")[2], found)


def own_signal(name: str) -> OwnSignal | None:
    """The function that settings name; None for a signal of massjax."""
    signal = named_signal(name)
    return signal if isinstance(signal, OwnSignal) else None


def signal_name(signal: SignalName) -> str:
    """What a signal is called in tables."""
    return signal.name if isinstance(signal, OwnSignal) else signal


def check_signals(settings: EvaluateSettings, archetypes: int) -> None:
    """Refuse a function that is no signal, before anything is computed.

    Args:
        settings: of the evaluation.
        archetypes: of the scores.

    Raises:
        ConfigError: naming the setting, and what is wrong with the function (see `massjax.engine.own_signal.check_own_signal`).
    """
    for field in ("signal", "fit_signal"):
        name = getattr(settings, field)
        if name is not None:
            check_signal(f"evaluate.{field}", named_signal(name), archetypes)


def own_code(settings: EvaluateSettings) -> dict[str, str]:
    """SHA-256 of the file of each function that settings name, by its name; empty text where it comes from no file.

    Of an object that is called like a function it is the file of the module that is named.
    """
    found = {}
    for name in {settings.signal, settings.fit_signal} - {None}:
        own = own_signal(str(name))
        if own is not None:
            plain = inspect.unwrap(own.function)
            written = plain if inspect.isfunction(plain) else sys.modules[str(name).partition(":")[0]]
            file = getattr(written, "__file__", None) if inspect.ismodule(written) else inspect.getsourcefile(written)
            found[str(name)] = "" if file is None else hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return dict(sorted(found.items()))
