"""Durable files: every write is complete or absent after a crash, and every failure is a `StoreError` that says what to do."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import socket
import stat
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from massjax.errors import StoreError
from massjax.user_files import KINDS

TEMPORARY = ".tmp-"
"""Prefix of files that are not yet complete; a reader never looks at them."""

_INTACT = "free some space and start again; what was written before is intact"
_ELSEWHERE = "use a folder you can write to"
_OTHER_PATH = "a part of the path is a file, not a folder: give another path"
_ADVICE = {
    errno.ENOSPC: f"the disk is full: {_INTACT}",
    errno.EDQUOT: f"the disk quota is used up: {_INTACT}",
    errno.EROFS: f"the file system is read-only: {_ELSEWHERE}",
    errno.EACCES: f"permission denied: {_ELSEWHERE}, or change its permissions",
    errno.EPERM: f"the operation is not permitted: {_ELSEWHERE}, or change its permissions",
    errno.EEXIST: _OTHER_PATH,
    errno.ENOTDIR: _OTHER_PATH,
    errno.EISDIR: "a folder is in the place of a file: give another path",
    errno.ENOENT: "it does not exist: check the path",
    errno.ELOOP: "links lead in a circle: give another path",
}


def digest(data: bytes | memoryview) -> str:
    """Hexadecimal 128-bit BLAKE2b."""
    return blake2b(data, digest_size=16).hexdigest()


@contextlib.contextmanager
def told(action: str, path: object) -> Iterator[None]:
    """Turn an `OSError` under this block into a `StoreError` that names `action`, `path` and what to do."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, error.strerror or type(error).__name__)
        raise StoreError(f"{path}: cannot {action}: {advice}") from error


def temporary_name() -> str:
    """A name for an unfinished file that says who writes it."""
    return f"{TEMPORARY}{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(6)}"


def is_abandoned(name: str) -> bool:
    """Whether an unfinished file belongs to a process of this machine that is gone."""
    host, _, process = name.removeprefix(TEMPORARY).rpartition("-")[0].rpartition("-")
    return name.startswith(TEMPORARY) and host == socket.gethostname() and process.isdecimal() and not process_exists(int(process))


def process_exists(pid: int) -> bool:
    """Whether a process of this machine has this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(path: Path) -> None:
    """Create a folder and its missing parents, durably."""
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


@contextlib.contextmanager
def replacing(path: Path, shown: Path | None = None) -> Iterator[BinaryIO]:
    """A file to write, which takes its name, durably, when the block ends without an error; else nothing of it is left.

    Args:
        shown: what an error calls it, where that is not the path.

    Raises:
        StoreError: the disk is full, the folder read-only or not permitted; what was at the path is still there.
    """
    temporary = path.parent / temporary_name()
    with told("write", shown or path):
        make_folder(path.parent)
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def read(path: Path) -> bytes | None:
    """The bytes of a regular file, None where there is none.

    Raises:
        ValueError: it is a folder, a pipe or a device. Nothing is waited for.
        StoreError: it cannot be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        kind = stat.S_IFMT(os.fstat(handle).st_mode)
        if kind != stat.S_IFREG:
            raise ValueError(f"is {KINDS.get(kind, 'no regular file')}, not a file")
        with os.fdopen(handle, "rb", buffering=0, closefd=False) as file:
            return file.readall()
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    finally:
        os.close(handle)
