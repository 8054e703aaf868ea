"""Long commands that can be stopped at any moment: by Ctrl-C, by a closed terminal, or by whatever manages processes."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn, TypeVar

Result = TypeVar("Result")

EXIT_CODE_OF_A_SIGNAL = 128
"""Added to the number of the signal that ended a process, as shells do: 130 for Ctrl-C, 143 for SIGTERM."""

RESUMABLE = "stopped; what is scored is stored, and the same command goes on from there"
"""What precompute says when it is stopped."""

POLL_SECONDS = 0.5
"""How often a waiting main thread looks up, where signals do not wake it (Windows)."""


class Stopped(KeyboardInterrupt):
    """The process was asked to end by the signal of this number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def exit_code(stop: KeyboardInterrupt) -> int:
    """What the process should end with."""
    return EXIT_CODE_OF_A_SIGNAL + (stop.number if isinstance(stop, Stopped) else signal.SIGINT)


@contextmanager
def stoppable() -> Iterator[None]:
    """Within the block, SIGTERM and SIGHUP raise `Stopped` as Ctrl-C raises KeyboardInterrupt, so that `finally` blocks run.

    They do so once: a second one does not disturb these. A signal that someone handles or ignores already (as `nohup` does) is left
    alone, and so are all outside the main thread.
    """
    with _handled(_stop, [number for number in _ENDING if signal.getsignal(number) is signal.SIG_DFL]):
        yield


@contextmanager
def ending_at_once(message: str) -> Iterator[None]:
    """Within the block, Ctrl-C and the same signals end the process on the spot, telling `message`, where nothing has to be put down.

    An import that an exception interrupts may report another error. What is ignored stays so.
    """

    def end(number: int, frame: FrameType | None) -> NoReturn:
        os.write(2, f"{message}\n".encode())
        os._exit(EXIT_CODE_OF_A_SIGNAL + number)

    with _handled(end, [number for number in (signal.SIGINT, *_ENDING) if signal.getsignal(number) not in (signal.SIG_IGN, None)]):
        yield


def interruptible(work: Callable[[], Result]) -> Result:
    """Call `work` in another thread, so that a signal is heard at once also while a compiled search of many minutes runs.

    After a signal the thread runs on until it ends by itself; a command that is to end before that must not wait for it.
    """
    future: Future[Result] = Future()

    def call() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    while not future.done():
        wait([future], timeout=POLL_SECONDS)
    return future.result()


def end_process(code: int) -> NoReturn:
    """Exit with `code`; after a signal at once, not waiting for a thread that may still be searching."""
    if code <= EXIT_CODE_OF_A_SIGNAL:
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)
    raise Stopped(number)


_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""What a scheduler and a closed terminal send; Windows has not both."""


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], NoReturn], numbers: Iterable[int]) -> Iterator[None]:
    """Handle signals within the block; they can be handled in the main thread only, in another one nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
