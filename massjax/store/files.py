"""Durable files: every write is complete or absent after a crash, and every failure is a `StoreError` that says what to do."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from massjax.errors import StoreError

REPAIR = "`python -m massjax.store repair PATH` drops what is lost, so that it is asked again"
"""What to do about damage."""
TEMPORARY = ".tmp-"
"""Prefix of files that are not yet complete; a reader never looks at them."""

_ADVICE = {
    errno.ENOSPC: "the disk is full: free some space and start again; what was written before is intact",
    errno.EDQUOT: "the disk quota is used up: free some space and start again; what was written before is intact",
    errno.EROFS: "the file system is read-only: use a store in a folder you can write to",
    errno.EACCES: "permission denied: use a store in a folder you can write to, or change its permissions",
    errno.EPERM: "the operation is not permitted: use a store in a folder you can write to, or change its permissions",
    errno.EEXIST: "a part of the path is a file, not a folder: give another path",
    errno.ENOTDIR: "a part of the path is a file, not a folder: give another path",
    errno.ENOTEMPTY: "something else was put there in the meantime: give another path",
    errno.ENOENT: "it does not exist: check the path",
    errno.ELOOP: "a link is where a file should be: remove it",
}


def digest(*parts: bytes | memoryview) -> str:
    """Hexadecimal 128-bit BLAKE2b of the parts, one after the other."""
    state = blake2b(digest_size=16)
    for part in parts:
        state.update(part)
    return state.hexdigest()


def canonical(document: Any, *, indent: int | None = None) -> bytes:
    """The one way a JSON document is written here, so that any changed byte is seen by writing it again.

    Raises:
        StoreError: the document holds something JSON does not have (NaN, an object, text that is not Unicode).
    """
    try:
        separators = (",", ":") if indent is None else None
        text = json.dumps(document, sort_keys=True, indent=indent, separators=separators, ensure_ascii=False, allow_nan=False)
        return (text + "\n").encode()
    except (TypeError, ValueError) as error:
        raise StoreError(f"cannot be stored as JSON: {error}; give only text, finite numbers, true/false, lists and mappings") from None


def parse_canonical(data: bytes, *, indent: int | None = None) -> dict[str, Any]:
    """The mapping in bytes that `canonical` wrote.

    Raises:
        ValueError: the bytes are not exactly what `canonical` writes for any mapping.
    """
    document = json.loads(data.decode())
    if not isinstance(document, dict):
        raise ValueError("is not a JSON mapping")
    try:
        same = canonical(document, indent=indent) == data
    except StoreError as error:
        raise ValueError(str(error)) from None
    if not same:
        raise ValueError("not in canonical form")
    return document


@contextlib.contextmanager
def told(action: str, path: Path) -> Iterator[None]:
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
    host, _, rest = name.removeprefix(TEMPORARY).rpartition("-")[0].rpartition("-")
    return name.startswith(TEMPORARY) and host == socket.gethostname() and rest.isdecimal() and not process_exists(int(rest))


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


def write(path: Path, data: bytes, shown: Path | None = None) -> None:
    """Replace a file at once: after a crash at any instant it holds the old bytes or the new ones; an error calls it `shown`.

    Raises:
        StoreError: the disk is full, the folder read-only or not permitted; the old bytes are still there.
    """
    temporary = path.parent / temporary_name()
    with told("write", shown or path):
        make_folder(path.parent)
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def read(path: Path | str) -> bytes | None:
    """The bytes of a file, None where there is none."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error


def names(folder: Path | str) -> list[str]:
    """The names in a folder, sorted, without unfinished files; empty where there is no folder."""
    if not os.access(folder, os.F_OK):
        return []
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreError(f"{folder}: cannot be listed: {error.strerror}") from error


def remove(path: Path) -> None:
    """Delete a file if it is there."""
    with told("delete", path):
        path.unlink(missing_ok=True)


def remove_tree(path: Path) -> None:
    """Delete a folder with all that is in it, as far as that is possible."""
    shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def mutex(path: Path, shown: Path | None = None) -> Iterator[None]:
    """Exclude every other process (and thread) that takes the mutex of the same path, for a short while; an error calls it `shown`.

    The kernel lets go of it when its holder dies, so none can be left behind. The file exists only while it is held.
    """
    with told("write", shown or path):
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                if _names_same_file(path, handle):
                    break
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(handle)


def _names_same_file(path: Path, handle: int) -> bool:
    try:
        there, held = os.stat(path), os.fstat(handle)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)
