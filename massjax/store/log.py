"""Logs of answers and texts that are kept beside the scores: one small file for each call of a model, whole or absent after a kill."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

from massjax.store.folder import Folder, Where
from massjax.store.places import open_folder

ANSWERS, TEXTS = "ledger/answers", "ledger/texts"
"""Where answers wait for the rest of their unit, and where the texts that are written before a score stay."""
_DIGEST = 16
_THREADS = 16
"""That read from object storage, where a small file takes as long as a large one."""
_SUFFIX = ".log"


class Log:
    """The records in a folder of a store, on a file system or in an object store; each ends with a BLAKE2b of itself.

    Args:
        store: path, URL or folder of the store.
        name: of the folder, relative to the store.
    """

    def __init__(self, store: Where, name: str) -> None:
        self._folder: Folder = open_folder(store)
        self.name = name
        self._writer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._written = 0

    def records(self) -> Iterator[bytes]:
        """All sound records, in the order of their names; a damaged one is passed over, so that what it held is asked again."""
        with ThreadPoolExecutor(_THREADS if self._folder.threads_from == 0 else 1) as pool:
            for data in pool.map(self._folder.read, names(self._folder, self.name)):
                with contextlib.suppress(ValueError):
                    yield decode_record(data or b"")

    def append(self, body: bytes) -> None:
        """Add a record; when this returns, it survives a power cut.

        Raises:
            StoreError: the disk is full or the folder cannot be written to.
        """
        self._folder.write(f"{self.name}/{self._writer}-{self._written:08d}{_SUFFIX}", body + _checksum(body))
        self._written += 1

    def clear(self) -> None:
        """Delete all records."""
        for file in names(self._folder, self.name):
            self._folder.remove(file)
        self._folder.remove_folder(self.name)


def names(root: Folder, folder: str) -> list[str]:
    """The files of the records in a folder of a store."""
    return [f"{folder}/{name}" for name in root.names(folder) if name.endswith(_SUFFIX)]


def decode_record(data: bytes) -> bytes:
    """What a record holds.

    Raises:
        ValueError: it is truncated, or a bit of it has changed.
    """
    if len(data) < _DIGEST or _checksum(data[:-_DIGEST]) != data[-_DIGEST:]:
        raise ValueError("does not match its checksum")
    return data[:-_DIGEST]


def _checksum(body: bytes) -> bytes:
    return blake2b(body, digest_size=_DIGEST).digest()
