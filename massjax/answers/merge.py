"""Merge and export: logs joined into one of few large files, and the answers of a log as one table."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl
from polars.io.plugins import register_io_source

from massjax.answers import durable, files
from massjax.answers.log import AnswerLog
from massjax.answers.places import LocalPlace, Where, open_place
from massjax.answers.verify import existing
from massjax.errors import StoreError

ROWS = 1 << 16
"""Of a merged file, at most."""
BYTES = 1 << 28
"""Of its rows in memory, about, at most."""


class Merged(NamedTuple):
    """What `merge` did.

    Attributes:
        copied: rows that were written now; `there` were in the target already.
        disagreements: answers that differ from another to the same question, which was kept.
    """

    copied: int
    there: int
    disagreements: int


def merge(sources: Sequence[Where], target: Where, progress: Callable[[int, int], None] | None = None) -> Merged:
    """Copy the answers of logs into another, sorted and in large files; the sources are only read.

    Of two answers to a question the one of the first log counts, and in a log the one that counts there; that of the target before all.
    Stopped at any moment, the same command goes on with it.

    Args:
        progress: called with (logs read, logs).

    Raises:
        StoreError: a source is damaged or no log, the target is one of them, or it cannot be written.
    """
    if _spelled(target) in map(_spelled, sources):
        raise StoreError(f"{target}: is one of the logs to merge; give another place for the merged one")
    logs = [AnswerLog(existing(source)) for source in sources]
    into = AnswerLog(target)
    for log in (*logs, into):
        for name, why in log.damaged:
            raise StoreError(f"{log.place}/{name}: {why}; nothing was merged: `python -m massjax.answers repair {log.place}` sets it aside")
    disagreements, copied, there = sum(log.disagreements() for log in logs), 0, 0
    for done, log in enumerate(logs):
        waiting: list[pl.DataFrame] = []
        size = rows = 0
        for frame in log.frames():
            known = into.known(files.key_words(frame["key"]))
            failed = frame["reason"].is_not_null().to_numpy()
            noted = into.asked(files.key_words(frame["key"]))
            disagreements += _disagreements(into, frame.filter(known & ~failed))
            left = frame.filter(~(known | (failed & noted)))
            there += len(frame) - len(left)
            copied += len(left)
            waiting.append(left)
            size, rows = size + int(left.estimated_size()), rows + len(left)
            if rows >= ROWS or size >= BYTES:
                _write(into, waiting)
                size = rows = 0
        _write(into, waiting)
        if progress is not None:
            progress(done + 1, len(logs))
    return Merged(copied, there, disagreements)


def _spelled(where: Where) -> str:
    """A place in one spelling: without links, and from the root of the file system."""
    place = open_place(where)
    return os.path.realpath(place.path) if isinstance(place, LocalPlace) else str(place).rstrip("/")


def _disagreements(log: AnswerLog, frame: pl.DataFrame) -> int:
    """How many rows say something else than the log does."""
    kept = log.answers(files.key_words(frame["key"]))
    said = [files.answer_of(row) for row in frame.iter_rows(named=True)]
    return sum(
        a is not None and (a.probability, a.picks, a.text) != (b.probability, b.picks, b.text) for a, b in zip(kept, said, strict=True)
    )


def _write(log: AnswerLog, frames: list[pl.DataFrame]) -> None:
    rows = pl.concat(frames) if frames else pl.DataFrame()
    frames.clear()
    if len(rows):
        rows = rows.sort("model", "system", "user", "form")
        for begin in range(0, len(rows), ROWS):
            log.write(rows[begin : begin + ROWS])


EXPORTED = ("key", *(name for name in files.SCHEMA if name != "key"))


def export(log: AnswerLog, path: Path, *, replace: bool = False, progress: Callable[[int, int], None] | None = None) -> int:
    """Write every question that counts, with its answer, into one parquet table, which appears whole or not at all.

    Args:
        replace: whether a file that is there already is replaced.
        progress: called with (files read, files).

    Returns:
        How many rows were written; their columns are those of the log's files, keys as hexadecimal text.

    Raises:
        StoreError: the file is there already or cannot be written, or a file of the log is damaged.
    """
    if path.exists() and not replace:
        raise StoreError(f"{path}: is there already; give another file, or --replace")
    if log.damaged:
        name, why = log.damaged[0]
        raise StoreError(f"{log.place}/{name}: {why}; `python -m massjax.answers repair {log.place}` sets it aside")
    rows, failed = 0, list[Exception]()

    def batches(columns: list[str] | None, predicate: object, limit: int | None, batch: int | None) -> object:
        nonlocal rows
        try:
            for done, frame in enumerate(log.frames()):
                rows += len(frame)
                shown = frame.with_columns(pl.col("key").bin.encode("hex"))
                yield shown if columns is None else shown.select(columns)
                if progress is not None:
                    progress(done + 1, len(log.files))
        except StoreError as error:
            failed.append(error)
            raise

    with durable.replacing(path.absolute()) as file:
        try:
            register_io_source(batches, schema={**files.SCHEMA, "key": pl.String}).sink_parquet(file)  # type: ignore[arg-type]
        except pl.exceptions.PolarsError as error:
            if failed:
                raise failed[0] from None
            number = re.search(r"os error (\d+)", str(error))
            raise OSError(int(number[1]) if number else 0, str(error)) from None
    return rows
