"""Where the bytes of a store are: the seam between the layout and a local folder or an object store.

All of a store's files have names relative to it, such as `score/c.0.0.0`. What a `Folder` promises is all that the rest of the room
relies on: a write is whole or absent, a name holds the old bytes or the new ones, and one writer at a time is within `mutex`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

from massjax.errors import StoreError
from massjax.store import files

LOCK = "ledger/.lock"
"""The file that is there while a writer holds the store's mutex."""

Where: TypeAlias = "str | os.PathLike[str] | Folder | Any"
"""A path, a URL such as `s3://bucket/scores.zarr`, an `obstore` store, or a `Folder`."""


@runtime_checkable
class Folder(Protocol):
    """The files of one store.

    Attributes:
        path: a `Path`, or the URL of an object store; `str(folder)` is the same as text.
        memo: for parsed files, by name, with the tag they were read under.
        threads_from: bytes from which on a read is worth several threads.
    """

    path: Path | str
    memo: dict[str, Any]
    threads_from: int

    def exists(self) -> bool:
        """Whether there is anything at this place other than an empty folder, or the beginnings of a store that was never made."""
        ...

    def read(self, name: str) -> bytes | None:
        """The bytes of a file, None where there is none."""
        ...

    def read_new(self, name: str, seen: Hashable) -> tuple[Hashable, bytes | None]:
        """The tag and bytes of a file; no bytes where the tag is `seen`; (None, None) where there is no file.

        A tag changes whenever the file is replaced. It is None beside bytes that are too young to be told apart from a later replacement.
        """
        ...

    def fill(self, name: str, start: int, buffers: list[Any], size: int) -> None:
        """Read the bytes of a file from `start` on into arrays or views of bytes.

        Raises:
            ValueError: there is no such file, or it is not `size` bytes long.
        """
        ...

    def write(self, name: str, data: bytes) -> None:
        """Replace a file, durably: after a crash at any instant it holds the old bytes or the new ones.

        Raises:
            StoreError: it could not be written; the old bytes are still there.
        """
        ...

    def remove(self, name: str) -> None:
        """Delete a file if it is there."""
        ...

    def remove_folder(self, name: str) -> None:
        """Delete a folder if it is there and empty."""
        ...

    def names(self, folder: str) -> list[str]:
        """The names in a folder, sorted, without unfinished files; empty where there is no folder."""
        ...

    def sizes(self) -> dict[str, int]:
        """Every file with its size in bytes, unfinished ones included."""
        ...

    def sweep(self) -> None:
        """Delete unfinished files of processes that are gone."""
        ...

    def mutex(self) -> AbstractContextManager[None]:
        """Exclude every other writer that takes the mutex of this store, for a short while."""
        ...

    def create(self) -> AbstractContextManager[Folder]:
        """A folder to write a new store into, which appears here whole, or not at all where the block under it fails.

        Raises:
            StoreError: something is here already.
        """
        ...


class LocalFolder:
    """A `Folder` on a local (or mounted) file system."""

    threads_from = 1 << 25

    def __init__(self, path: Path, shown: Path | None = None) -> None:
        """`shown` is what messages call it, where that is not `path`."""
        self._place = path
        self._prefix = f"{path}{os.sep}"
        self.path: Path | str = path if shown is None else shown
        self.memo: dict[str, Any] = {}

    def __str__(self) -> str:
        return str(self.path)

    def exists(self) -> bool:
        """Whether there is anything at this place other than an empty folder."""
        if self._place.is_dir() and not self._place.is_symlink():
            with contextlib.suppress(OSError), os.scandir(self._place) as found:
                return next(found, None) is not None
        return self._place.exists() or self._place.is_symlink()

    def read(self, name: str) -> bytes | None:
        """The bytes of a file."""
        return files.read(self._prefix + name)

    def read_new(self, name: str, seen: Hashable) -> tuple[Hashable, bytes | None]:
        """The tag and bytes of a file, where it has changed."""
        path = self._prefix + name
        try:
            there = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None, None
        tag = (there.st_ino, there.st_size, there.st_mtime_ns, there.st_ctime_ns)
        if tag == seen:
            return tag, None
        data = files.read(path)
        young = time.time_ns() - max(there.st_mtime_ns, there.st_ctime_ns) < _YOUNG
        return None if young or data is None else tag, data

    def fill(self, name: str, start: int, buffers: list[Any], size: int) -> None:
        """Read into buffers with as few copies as there can be: one."""
        try:
            handle = os.open(self._prefix + name, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise ValueError("is missing") from None
        except OSError as error:
            raise StoreError(f"{self}/{name}: cannot be read: {error.strerror}") from error
        try:
            check_size(os.fstat(handle).st_size, size)
            for first in range(0, len(buffers), _VECTORS):
                group = buffers[first : first + _VECTORS]
                if os.preadv(handle, group, start) != (wanted := sum(map(len, group))):
                    raise ValueError("ends early")
                start += wanted
        except OSError as error:
            raise StoreError(f"{self}/{name}: cannot be read: {error.strerror}") from error
        finally:
            os.close(handle)

    def write(self, name: str, data: bytes) -> None:
        """Replace a file durably: a synced temporary file takes its name."""
        files.write(self._inside(name), data, Path(self.path) / (name if self.path == self._place else ""))

    def remove(self, name: str) -> None:
        """Delete a file."""
        with files.told("delete", Path(self.path) / name):
            self._inside(name).unlink(missing_ok=True)

    def remove_folder(self, name: str) -> None:
        """Delete an empty folder."""
        with contextlib.suppress(OSError):
            self._inside(name).rmdir()

    def names(self, folder: str) -> list[str]:
        """The names in a folder."""
        return files.names(self._prefix + folder)

    def sizes(self) -> dict[str, int]:
        """Every file with its size."""
        found = {}
        for path in sorted(path for path in self._place.rglob("*") if path.is_symlink() or not path.is_dir()):
            with contextlib.suppress(FileNotFoundError):
                found[path.relative_to(self._place).as_posix()] = path.lstat().st_size
        return found

    def sweep(self) -> None:
        """Delete unfinished files of this machine's dead processes."""
        for path in self._place.rglob(f"{files.TEMPORARY}*"):
            if files.is_abandoned(path.name):
                self.remove(path.relative_to(self._place).as_posix())

    def mutex(self) -> AbstractContextManager[None]:
        """A lock that the kernel frees when its holder dies."""
        return files.mutex(self._inside(LOCK), Path(self.path))

    @contextlib.contextmanager
    def create(self) -> Iterator[Folder]:
        """Written under a temporary name beside it, then renamed."""
        if self.exists():
            raise StoreError(f"{self}: is there already; open it to go on with it, or give another path")
        temporary = self._place.parent / files.temporary_name()
        with files.told("create", Path(self.path)):
            files.make_folder(self._place.parent)
            try:
                yield LocalFolder(temporary, shown=Path(self.path))
                temporary.rename(self._place)
            except BaseException:
                files.remove_tree(temporary)
                raise
            files.sync_folder(self._place.parent)

    def _inside(self, name: str) -> Path:
        """The path of a file that is to be changed.

        Raises:
            StoreError: a link would lead out of the store.
        """
        path = self._place / name
        root, parent = os.path.realpath(self._place), os.path.realpath(path.parent)
        if parent != root and not parent.startswith(root + os.sep):
            raise StoreError(f"{self}/{name}: a link leads out of the store, {parent}; nothing was written: put a folder in its place")
        return path


_YOUNG = 2_000_000_000
"""Nanoseconds within which two versions of a file may bear the same times."""

_VECTORS = 1000
"""Buffers of one read; the systems' limit is 1024."""


def check_size(there: int, expected: int) -> None:
    """Raise a `ValueError` where a file does not have the bytes it should have."""
    if there != expected:
        raise ValueError(f"is damaged: it has {there} bytes, {expected} are expected")
