"""What a long command says of itself on stderr while it works: a bar on a terminal; else plain lines, one a stage and one every 30 s."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from massjax.flags import Loudness
from massjax.terminal import escaped_text

if TYPE_CHECKING:
    from rich.console import Console

Tell = Callable[[str, int, int], None]
"""Called with what is being done, and with how much of how much of it is done; 0 of 0 where that cannot be told."""

NO_TERMINAL = ("dumb", "unknown")
"""Values of TERM under which nothing can be drawn over."""
INTERVAL = 30.0
"""Seconds between two lines of one stage."""
FIRST_PART = 16
PARTS = 20
"""A first part smaller than this, and than one in so many parts of the whole, tells too little of the speed."""
BEAT = 1.0
"""Seconds between two looks at the clock while nothing is told."""


def _nothing(*told: object) -> None:
    """What a quiet command says."""


class Speaker(NamedTuple):
    """How long work speaks while it is done.

    Attributes:
        tell: of its progress.
        say: a remark, a line of its own.
        detail: a remark for `--verbose` only.
        warn: of what belongs to the result, and is told by a quiet command too.
    """

    tell: Tell
    say: Callable[[str], None]
    detail: Callable[[str], None]
    warn: Callable[[str], None] = _nothing


SILENT = Speaker(_nothing, _nothing, _nothing)
"""Says nothing."""


@dataclass(frozen=True)
class StageProgress:
    """A stage that is under way; times are seconds of any one clock.

    Attributes:
        what: what is being done.
        began: when.
        done, total: how much of how much is done, 0 of 0 where that cannot be told.
        first: when something of it was first done, and how much. The speed is taken from there on, because what comes before (loading a
            model, compiling a search) is done once.
        latest: when more of it was last done.
    """

    what: str
    began: float
    done: int = 0
    total: int = 0
    first: tuple[float, int] | None = None
    latest: float = 0.0

    def advanced(self, done: int, total: int, now: float) -> StageProgress:
        """The stage when so much of it is done; one of which less is done than before has begun anew, and the old speed tells nothing."""
        if done < self.done:
            return StageProgress(self.what, now, done, total)
        if done == self.done:
            return replace(self, total=total)
        return replace(self, done=done, total=total, first=self.first or (now, done), latest=now)

    def rate(self) -> float | None:
        """How much is done in a second; None while too little is. While there is no more than the first part, its own time counts."""
        if self.first is None:
            return None
        when, before = self.first
        if self.done == before and before < FIRST_PART and before * PARTS < self.total:
            return None
        seconds, done = (self.latest - when, self.done - before) if self.done > before else (self.latest - self.began, self.done)
        return done / seconds if seconds > 0 else None

    def left(self, now: float) -> float | None:
        """Seconds that the rest will take; None where that cannot be told, or nothing is left."""
        rate = self.rate()
        return None if rate is None or self.done >= self.total else max(0.0, (self.total - self.done) / rate - (now - self.latest))

    def line(self, now: float) -> str:
        """How far it is, how fast it goes, and how long the rest will take."""
        elapsed = duration(now - self.began)
        if not self.total:
            return f"{self.what}: {elapsed} so far"
        text = f"{self.what}: {self.done:,} of {self.total:,} in {elapsed}"
        rate, left = self.rate(), self.left(now)
        if rate is None or left is None:
            return text
        speed = f"{rate:,.0f}" if rate >= 100 else f"{rate:.2g}"
        return f"{text}, {speed} a second, about {duration(left)} left"


class Lines:
    """Turns progress into lines; may be called from several threads.

    Args:
        write: takes a line.
        clock: seconds.
        verbose: also tell how long each stage took.
        interval: seconds between two lines of one stage.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        *,
        verbose: bool = False,
        interval: float = INTERVAL,
    ) -> None:
        self._write, self._clock, self._verbose, self._interval = write, clock, verbose, interval
        self._stage: StageProgress | None = None
        self._spoke, self._last = clock(), ""
        self._lock = threading.Lock()

    def tell(self, what: str, done: int, total: int) -> None:
        """Progress: a new stage has its line, the present one has another when the last is `interval` seconds old."""
        with self._lock:
            now = self._clock()
            if self._stage is None or self._stage.what != what:
                self._close(now)
                self._stage = StageProgress(what, now)
                self._say(f"{what} ({total:,})" if total and not done else what, now)
            self._stage = self._stage.advanced(done, total, now)
            self._speak_when_due(now)

    def beat(self) -> None:
        """Time has passed; called now and then, so that a long call which tells nothing is not silent."""
        with self._lock:
            self._speak_when_due(self._clock())

    def say(self, text: str) -> None:
        """A remark."""
        with self._lock:
            self._say(text, self._clock())

    def close(self) -> None:
        """The last stage is over."""
        with self._lock:
            self._close(self._clock())
            self._stage = None

    def _speak_when_due(self, now: float) -> None:
        if self._stage is not None and now - self._spoke >= self._interval:
            self._say(self._stage.line(now), now)

    def _close(self, now: float) -> None:
        if self._verbose and self._stage is not None:
            self._say(f"{self._stage.what}: done in {duration(now - self._stage.began)}", now)

    def _say(self, text: str, now: float) -> None:
        self._spoke = now
        if text != self._last:
            self._last = text
            self._write(escaped_text(text))


def duration(seconds: float) -> str:
    """In the unit a reader would choose: `8 s`, `4 min 10 s`, `35 min`, `2.5 h`, `3.1 days`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 600:
        return f"{seconds // 60:.0f} min {seconds % 60 // 1:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


class StageTimes:
    """Tells of each stage as it begins, and keeps how long it took.

    Attributes:
        seconds: of the stages that are over, by what was done.

    Args:
        progress: told of each stage, and within one of how much of it is done.
    """

    def __init__(self, progress: Tell | None = None) -> None:
        self.progress = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """Within the block `what` is being done; calling what is given tells how much of how much of it is done."""

        def tell(done: int, total: int) -> None:
            if self.progress is not None:
                self.progress(what, done, total)

        tell(0, 0)
        begin = time.perf_counter()
        yield tell
        self.seconds[what] = time.perf_counter() - begin


def correcting(speaker: Speaker, what: str, clock: Callable[[], float] = time.monotonic) -> Tell:
    """Tell as `speaker` does; once the first part of the stage `what` shows its real speed, say that, where the rest takes a while."""
    stages: list[StageProgress] = []
    said: list[str] = []

    def tell(told: str, done: int, total: int) -> None:
        speaker.tell(told, done, total)
        if told != what or said:
            return
        now = clock()
        stages[:] = [(stages[0] if stages else StageProgress(what, now)).advanced(done, total, now)]
        left = stages[0].left(now)
        if done >= FIRST_PART and left is not None:
            said.append(stages[0].line(now))
            if left >= INTERVAL:
                speaker.say(said[0])

    return tell


@contextmanager
def speaking(loudness: Loudness) -> Iterator[Speaker]:
    """Within the block, what is told appears on stderr: on a terminal as a bar, else as lines; nothing where the command is to be quiet."""
    if loudness is Loudness.QUIET:
        yield SILENT
        return
    verbose = loudness is Loudness.VERBOSE
    if sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") not in NO_TERMINAL:
        with _bar(verbose) as speaker:
            yield speaker
        return
    lines = Lines(_stamped(_to_stderr) if verbose else _to_stderr, verbose=verbose)
    with _beating(lines.beat):
        yield Speaker(lines.tell, lines.say, lines.say if verbose else _nothing)
        lines.close()


def _to_stderr(line: str) -> None:
    if sys.stderr is not None:  # as it is where it was closed
        with suppress(OSError, ValueError):  # whoever read it is gone
            print(line, file=sys.stderr, flush=True)


def _stamped(write: Callable[[str], None]) -> Callable[[str], None]:
    return lambda line: write(f"{datetime.now():%H:%M:%S} {line}")


@contextmanager
def _beating(beat: Callable[[], None]) -> Iterator[None]:
    """Call `beat` every `BEAT` seconds from another thread."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(BEAT):
            beat()

    threading.Thread(target=run, daemon=True).start()
    try:
        yield
    finally:
        over.set()


@contextmanager
def _bar(verbose: bool) -> Iterator[Speaker]:
    """One bar for the stage that is under way; with `verbose`, the lines of what is done above it."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    say = _printer(console)
    lines = Lines(_stamped(say) if verbose else _nothing, verbose=verbose)
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as progress:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                for earlier in tasks.values():
                    progress.update(earlier, total=1, completed=1, visible=False)
                tasks[what] = progress.add_task(what, total=None)
            if total:
                progress.update(tasks[what], completed=done, total=total)
            lines.tell(what, done, total)

        yield Speaker(tell, _stamped(say) if verbose else say, _stamped(say) if verbose else _nothing)
        lines.close()


def _printer(console: Console) -> Callable[[str], None]:
    return lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True)
