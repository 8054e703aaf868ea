"""Logs of finished answers and texts in a store: one small file for each call of an engine, whole or absent after a kill."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from hashlib import blake2b

from massjax.store.folder import Folder, Where, open_folder

_DIGEST = 16


class Log:
    """The records in a folder of a store, on a file system or in an object store; each ends with a BLAKE2b of itself.

    Args:
        store: path or URL of the store.
        name: of the folder, relative to the store.
    """

    def __init__(self, store: Where, name: str) -> None:
        self._folder: Folder = open_folder(store)
        self.name = name
        self._writer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._written = 0

    def records(self) -> Iterator[bytes]:
        """All sound records, in the order of their names; a damaged one is passed over, so that what it held is asked again."""
        for file in self._folder.names(self.name):
            data = self._folder.read(f"{self.name}/{file}") or b""
            if file.endswith(_SUFFIX) and len(data) >= _DIGEST and _checksum(data[:-_DIGEST]) == data[-_DIGEST:]:
                yield data[:-_DIGEST]

    def append(self, body: bytes) -> None:
        """Add a record; when this returns, it survives a power cut.

        Raises:
            StoreError: the disk is full or the folder cannot be written to.
        """
        self._folder.write(f"{self.name}/{self._writer}-{self._written:08d}{_SUFFIX}", body + _checksum(body))
        self._written += 1

    def clear(self) -> None:
        """Delete all records."""
        for file in self._folder.names(self.name):
            if file.endswith(_SUFFIX):
                self._folder.remove(f"{self.name}/{file}")
        self._folder.remove_folder(self.name)


_SUFFIX = ".log"


def _checksum(body: bytes) -> bytes:
    return blake2b(body, digest_size=_DIGEST).digest()
