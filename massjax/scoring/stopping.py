"""Ctrl-C and SIGTERM end a command cleanly: at once while modules are imported, through an exception once there is work to put down."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPPED = "stopped; what is scored is stored, and the same command goes on from there"
EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
Handler = Callable[[int, FrameType | None], None]


class Terminated(KeyboardInterrupt):
    """SIGTERM was received: a scheduler wants the process to end."""


@contextmanager
def clean_stop() -> Iterator[None]:
    """Raise `KeyboardInterrupt` on Ctrl-C and `Terminated` on SIGTERM within the block; a second SIGTERM is ignored."""

    def stop(number: int, _: FrameType | None) -> None:
        if number == signal.SIGTERM:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            raise Terminated
        raise KeyboardInterrupt

    with _handled(stop):
        yield


@contextmanager
def quick_stop() -> Iterator[None]:
    """End the process at once on either signal within the block: an import that is interrupted by an exception may report another one."""

    def stop(number: int, _: FrameType | None) -> None:
        os.write(2, f"{STOPPED}\n".encode())
        os._exit(EXIT_CODES[signal.Signals(number)])

    with _handled(stop):
        yield


@contextmanager
def _handled(handler: Handler) -> Iterator[None]:
    """Signals can be handled in the main thread only; in another one nothing changes."""
    try:
        before = {number: signal.signal(number, handler) for number in EXIT_CODES}
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
