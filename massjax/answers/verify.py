"""Verify and repair: every file of a log is read, hashed, and each key worked out again from its question."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from massjax.answers import durable, files
from massjax.answers.log import AnswerLog
from massjax.answers.places import Place, Where, open_place
from massjax.errors import StoreError
from massjax.models.question import Prompt, question_keys

DAMAGED = "damaged"
"""The folder, in that of the log, where `repair` puts what is no file of it."""


class Problem(NamedTuple):
    """A file that does not count, or should not."""

    file: str
    fault: str

    def __str__(self) -> str:
        return f"{self.file}: {self.fault}"


class Report(NamedTuple):
    """What `verify` found.

    Attributes:
        problems: files that `repair` would put right or set aside.
        notes: harmless: what is no file of a log, leftovers of killed writers.
        files: that were read.
        answers, failures: distinct questions with and without an answer, in sound files.
        disagreements: answers that differ from another to the same question, which counts.
    """

    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    files: int
    answers: int
    failures: int
    disagreements: int

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


class Repair(NamedTuple):
    """What `repair` did.

    Attributes:
        problems: what it found.
        renamed: files that had the name of another that is there, and have their own again.
        aside: files that are in the folder `damaged` now; their questions are open again.
        swept: unfinished files of killed writers, deleted.
    """

    problems: tuple[Problem, ...]
    renamed: tuple[str, ...]
    aside: tuple[str, ...]
    swept: tuple[str, ...]


def verify(where: Where, progress: Callable[[int, int], None] | None = None) -> Report:
    """Read and check every file of a log.

    Args:
        progress: called with (files checked, files).

    Raises:
        StoreError: there is no log, or it cannot be read.
    """
    place = existing(where)
    log = AnswerLog(place)
    problems = [Problem(name, why) for name, why in log.damaged]
    for done, name in enumerate(log.files):
        if (fault := _fault(place, name)) is not None:
            problems.append(Problem(name, fault))
        if progress is not None:
            progress(done + 1, len(log.files))
    notes = [
        f"{name}: {'was left by a killed writer' if name.startswith(durable.TEMPORARY) else 'is no file of a log; left alone'}"
        for name in place.names()
        if name != DAMAGED and not files.NAME.fullmatch(name) and (not name.startswith(durable.TEMPORARY) or durable.is_abandoned(name))
    ]
    return Report(tuple(sorted(problems)), tuple(notes), len(log.files), len(log), log.failed, log.disagreements())


def existing(where: Where) -> Place:
    """The place of a log that must be there.

    Raises:
        StoreError: it is not.
    """
    place = open_place(where)
    if not place.exists():
        raise StoreError(f"{place}: there is no answer log here; `python -m massjax.precompute` makes one, or check the path")
    return place


def _fault(place: Place, name: str) -> str | None:
    """What is wrong with a file; every key is worked out again."""
    try:
        data = place.read(name)
        if data is None:
            return None
        frame = files.decode(name, data)
        wrong = wrong_keys(frame)
    except ValueError as error:
        return str(error)
    return f"{wrong:,} of its {len(frame):,} rows have not the key of their question" if wrong else None


def wrong_keys(frame: pl.DataFrame) -> int:
    """Rows of a file whose key is not that of their question.

    Raises:
        ValueError: a question cannot be read.
    """
    wrong = 0
    for _, rows in frame.group_by("model", "form"):
        first = files.recorded(rows.row(0, named=True)).question
        prompts = [Prompt(*row) for row in rows.select("system", "user").iter_rows()]
        wrong += int((question_keys(first.model, first.form, prompts) != files.key_words(rows["key"])).any(axis=1).sum())
    return wrong


def repair(where: Where, progress: Callable[[int, int], None] | None = None) -> Repair:
    """Make a log sound: files that bear each other's names get their own, what is damaged goes into the folder `damaged` in it.

    Only a name that is there vouches for a content. A file whose content no name of the log fits may have been renamed or be damaged where
    its questions are not, so that its answers would be wrong; it is set aside.

    Raises:
        StoreError: there is no log, or it cannot be written.
    """
    place = existing(where)
    problems = verify(place, progress).problems
    lost = {problem.file for problem in problems}
    renamed, aside = [], []
    found = {problem.file: data for problem in problems if (data := _read(place, problem.file)) is not None}
    digests = {name: durable.digest(data) for name, data in found.items()}
    for name, data in found.items():
        proper = f"{digests[name]}.parquet"
        if proper != name and proper in lost:
            place.put(proper, data)
            renamed.append(proper)
    for name in sorted(found.keys() - set(renamed)):
        if f"{digests[name]}.parquet" not in renamed:
            place.below(DAMAGED).put(f"{digests[name]}-{name}", found[name])
            aside.append(name)
        place.remove(name)
    swept = [name for name in place.names() if durable.is_abandoned(name)]
    for name in swept:
        place.remove(name)
    return Repair(problems, tuple(sorted(renamed)), tuple(aside), tuple(swept))


def _read(place: Place, name: str) -> bytes | None:
    """None for what is no file (a folder, a pipe), which is left alone."""
    try:
        return place.read(name)
    except ValueError:
        return None
