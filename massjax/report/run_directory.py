"""The run directory: made under a temporary name beside its place, and moved there whole when everything is in it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import polars as pl
import yaml
from polars.exceptions import PolarsError

from massjax.errors import ConfigError, MassjaxError
from massjax.report.html import render_report
from massjax.report.run import RunResult
from massjax.report.series import holdings_frame, luck_frame, rank_ic_frame, returns_frame
from massjax.report.tables import metrics_document, signals_frame, weights_frame
from massjax.row_words import first_few
from massjax.settings import Settings

CONFIG, METRICS, WEIGHTS, SIGNALS, REPORT = "config.yaml", "metrics.json", "weights.parquet", "signals.parquet", "report.html"
RETURNS, RANK_IC, HOLDINGS, LUCK = "returns.parquet", "rank_ic.parquet", "holdings.parquet", "luck.parquet"
OWN_FILES = frozenset({CONFIG, METRICS, WEIGHTS, SIGNALS, RETURNS, RANK_IC, HOLDINGS, LUCK, REPORT})
"""What a run may hold; a run of an older version lacks some."""
MOST_NAMED = 5
"""Foreign files named in a message at most."""


class Kind(NamedTuple):
    """What a folder of results of one kind holds.

    Attributes:
        noun: with its article, as messages call it.
        own: the files that it may hold.
        always: files without which it is none.
        either: files of which it holds at least one.
        option: of the command line, which names its place.
    """

    noun: str
    own: frozenset[str]
    always: frozenset[str]
    either: frozenset[str]
    option: str = "--out"


RUN = Kind("a run", OWN_FILES, frozenset({CONFIG, METRICS}), frozenset({WEIGHTS, SIGNALS}))
"""A run of `massjax.optimize`."""


@contextmanager
def run_directory(path: Path, *, overwrite: bool = False, kind: Kind = RUN) -> Iterator[Path]:
    """A temporary folder that becomes `path` when the block ends without an error, and disappears otherwise.

    Opened before a long run it finds out early that the result could not be kept. Readers see the old run, or none, until the
    new one is complete; a killed process leaves at most a hidden `.NAME.*.partial` folder.

    Args:
        path: the run directory to be.
        overwrite: replace a run that is there; a folder with anything else in it is left alone.
        kind: of the results; a folder of another kind is left alone too.

    Raises:
        ConfigError: a run is there and `overwrite` is off, or what is there is no run, or a run with other files beside its own.
        MassjaxError: the disk is full, read-only or out of reach.
    """
    path = path.absolute()
    with disk_told(path, kind):
        _refuse(path, overwrite, kind)
        path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with disk_told(path, kind):
            partial.mkdir()
        yield partial
        with disk_told(path, kind):
            _refuse(path, overwrite, kind)
            _sync(partial)
            _replace(partial, path, kind)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_run(result: RunResult, folder: Path) -> None:
    """Write the files of a run into `folder`.

    Raises:
        MassjaxError: the disk is full or read-only.
    """
    frames: dict[str, Callable[[RunResult], pl.DataFrame]] = {
        WEIGHTS: weights_frame,
        SIGNALS: signals_frame,
        RETURNS: returns_frame,
        RANK_IC: rank_ic_frame,
        HOLDINGS: holdings_frame,
        LUCK: luck_frame,
    }
    report = render_report(result)
    metrics = json.dumps(metrics_document(result), indent=2, allow_nan=False) + "\n"
    with disk_told(folder.parent):
        (folder / CONFIG).write_text(settings_text(result.config), encoding="utf-8")
    for name, frame_of in frames.items():
        frame = frame_of(result)
        with disk_told(folder.parent):
            frame.write_parquet(folder / name)
        del frame
    with disk_told(folder.parent):
        (folder / METRICS).write_text(metrics, encoding="utf-8")
        (folder / REPORT).write_text(report, encoding="utf-8")


def settings_text(config: Settings) -> str:
    """A configuration as YAML that is read back to an equal one; paths are absolute."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)


def _refuse(path: Path, overwrite: bool, kind: Kind) -> None:
    noun, option = kind.noun, kind.option
    if not path.exists() and not path.is_symlink():
        return
    if not path.is_dir() or path.is_symlink():
        raise ConfigError(f"{path}: is there and is not a folder; name another place with {option} DIR")
    held = {entry.name for entry in path.iterdir()}
    if not held:
        return
    if not (kind.always <= held and held & kind.either):
        raise ConfigError(
            f"{path}: is there and holds something other than {noun}, so it is left alone; name another place with {option} DIR"
        )
    if foreign := sorted(entry.name for entry in path.iterdir() if not _own(entry, kind)):
        raise ConfigError(
            f"{path}: holds {noun}, and beside its files what is none of them: {first_few(foreign, MOST_NAMED)}. Nothing here is replaced; "
            f"move that elsewhere, or name another place with {option} DIR"
        )
    if not overwrite:
        raise ConfigError(f"{path}: already holds {noun}; replace it with --overwrite, or name another place with {option} DIR")


def _own(entry: Path, kind: Kind) -> bool:
    """A file that a run of this kind writes: by its name, and no folder or link of that name."""
    return entry.name in kind.own and entry.is_file() and not entry.is_symlink()


def _replace(partial: Path, path: Path, kind: Kind) -> None:
    """Move `partial` to `path`; the run that was there is moved aside first, and its files are removed when the new run is in place.

    What somebody else has put into the folder since it was looked at is moved into the new one, or stays in the one moved aside where
    the new run has a file of its name.
    """
    aside = partial.with_name(partial.name.removesuffix(".partial") + ".replaced")
    there = path.exists()
    if there:
        path.rename(aside)
    try:
        partial.rename(path)
    except OSError:
        if there:
            aside.rename(path)
        raise
    if not there:
        return
    with suppress(OSError):
        for entry in aside.iterdir():
            if _own(entry, kind):
                entry.unlink()
            elif not (path / entry.name).exists():
                entry.rename(path / entry.name)
        aside.rmdir()


def _sync(folder: Path) -> None:
    for entry in [*folder.iterdir(), folder]:
        handle = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def disk_told(path: Path, kind: Kind = RUN) -> Iterator[None]:
    """Within the block, a disk that is full, read-only or out of reach is told in words that say what to do."""
    try:
        yield
    except (OSError, PolarsError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise MassjaxError(
            f"{path}: {kind.noun.replace('a ', 'the ', 1)} cannot be written ({reason}); free some space or make the folder writable, "
            f"or name another place with {kind.option} DIR"
        ) from error
