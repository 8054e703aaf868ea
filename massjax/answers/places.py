"""Where the files of an answer log are: a local folder, or a prefix in an object store.

All that the log relies on: a put is whole or absent after a crash at any instant, and durable when it returns.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from massjax.answers import durable
from massjax.answers.objects import ObjectPlace
from massjax.errors import StoreError

T = TypeVar("T")
R = TypeVar("R")
_SCHEME = re.compile(r"([a-z][a-z0-9]+):/{1,2}")
"""One slash is enough, because a `Path` made of a URL has lost the other one."""


class LocalPlace:
    """A folder on a local (or mounted) file system; `str(place)` is its path.

    Attributes:
        threads: reads at once that are worth it.
        patience: seconds after which another look at the names is worth it.
    """

    patience = 0.0

    def __init__(self, path: Path) -> None:
        self.path = path
        self.threads = min(8, os.cpu_count() or 1)

    def __str__(self) -> str:
        return str(self.path)

    def exists(self) -> bool:
        """Whether there is a folder.

        Raises:
            StoreError: something else is there.
        """
        with durable.told("read", self.path):
            if self.path.is_dir():
                return True
            if os.path.lexists(self.path) and not self.path.is_dir():  # which another process may have made between the two looks
                raise StoreError(f"{self.path}: is not a folder; give another path")
            return self.path.is_dir()

    def names(self) -> list[str]:
        """The names in the folder, sorted, hidden ones included; empty where there is no folder."""
        with durable.told("list", self.path), contextlib.suppress(FileNotFoundError):
            return sorted(os.listdir(self.path)) if self.exists() else []
        return []

    def read(self, name: str) -> bytes | None:
        """The bytes of a file, None where there is none.

        Raises:
            ValueError: it is no regular file.
            StoreError: it cannot be read.
        """
        return durable.read(self.path / name)

    def put(self, name: str, data: bytes) -> None:
        """Write a file: a synced temporary one takes its name.

        Raises:
            StoreError: it could not be written.
        """
        with durable.replacing(self.path / name, self.path) as file:
            file.write(data)

    def remove(self, name: str) -> None:
        """Delete a file."""
        with durable.told("delete", self.path / name), contextlib.suppress(FileNotFoundError):
            (self.path / name).unlink()

    def below(self, name: str) -> LocalPlace:
        """The place of a folder in this one."""
        return LocalPlace(self.path / name)


Place: TypeAlias = LocalPlace | ObjectPlace
Where: TypeAlias = "str | os.PathLike[str] | Place | Any"
"""A path, a URL such as `s3://bucket/answers`, an `obstore` store, or a `Place`."""


def open_place(where: Where) -> Place:
    """The place of a path, a `file://` URL, the URL of an object store, an obstore store, or a `Place` itself.

    Raises:
        StoreError: it is none of these, or the library for object stores is not installed.
    """
    if isinstance(where, LocalPlace | ObjectPlace):
        return where
    if isinstance(where, str | os.PathLike):
        text = os.fspath(where)
        scheme = _SCHEME.match(text)
        if scheme is None:
            return LocalPlace(Path(text))
        if scheme[1] == "file":
            return LocalPlace(Path("/" + text[scheme.end() :].lstrip("/")))
        where = f"{scheme[1]}://{text[scheme.end() :]}"
    return ObjectPlace.open(where)


def each(threads: int, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """What `work` makes of each item, in order, a few of them at once."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[R]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
