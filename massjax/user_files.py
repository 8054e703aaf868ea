"""Files that a user names: nothing but regular ones are opened, and small ones are read up to a limit."""

from __future__ import annotations

import os
import stat
from pathlib import Path

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def special(path: Path) -> str | None:
    """What stands at a path in place of a regular file, such as `a named pipe`; None for a regular file and where nothing is there.

    Nothing is opened: a pipe that nobody writes to would wait for ever, and `/dev/zero` never ends.
    """
    try:
        return KINDS.get(stat.S_IFMT(path.stat().st_mode))
    except OSError:
        return None


def read_small(path: Path, limit: int) -> str:
    """The text of a small file in UTF-8, its lines ended by a newline alone.

    Args:
        path: a regular file, or a link to one.
        limit: the number of bytes it may have.

    Raises:
        ValueError: it is missing, unreadable, no regular file, longer than `limit`, or not UTF-8. The message follows the path.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ValueError(f"cannot be read ({f'is {special(path)}' if special(path) else error.strerror})") from None
    try:
        kind = stat.S_IFMT(os.fstat(handle).st_mode)
        if kind != stat.S_IFREG:
            raise ValueError(f"cannot be read (is {KINDS.get(kind, 'no regular file')})")
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    finally:
        os.close(handle)
    if len(data) > limit:
        raise ValueError(f"is longer than {limit:,} bytes, more than a file of this kind needs")
    try:
        return data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise ValueError("is not a text file in UTF-8") from None
