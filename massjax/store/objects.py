"""Stores in object storage (S3, Google Cloud Storage, Azure), through obstore; `pip install 'massjax[s3]'`.

Replacing an object is atomic and durable there, so that records, chunks and manifests need nothing more. The mutex of a store is a lease:
an object that is created only if it is absent (a conditional put), deleted when it is given back, and taken over, again conditionally,
where the same lease has stood for `LEASE_SECONDS` by the watch of whoever waits for it: its holder is gone then. No clocks are compared.

Credentials come from the environment or the cloud's own means (see obstore's documentation), never from a URL, and stand in no message.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import secrets
import socket
import time
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massjax.errors import StoreError
from massjax.store.folder import LOCK, Folder, check_size

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_HALF_MADE = re.compile(r"\w+/zarr\.json|ledger/group\.json|ledger/\.lock|ledger/\.probe-\w+")
"""What is there before the group's metadata, which are written last: until then there is no store, and it is made anew."""
LEASE_SECONDS = 30.0
"""A lease that has stood unchanged for this long belongs to a process that died; work under a lease takes a fraction of a second."""
_POLL_SECONDS = 0.05


class ObjectFolder:
    """A `massjax.store.folder.Folder` of all objects under one prefix of an object store."""

    threads_from = 0

    def __init__(self, store: ObjectStore, path: str, lease_seconds: float = LEASE_SECONDS) -> None:
        """`path` is what messages call it."""
        self._store = store
        self._lease_seconds = lease_seconds
        self._conditional = False
        self.path: Path | str = path
        self.memo: dict[str, Any] = {}

    @classmethod
    def open(cls, where: Any) -> ObjectFolder:
        """The folder of a URL or of an obstore store.

        Raises:
            StoreError: obstore is not installed, or it knows no such URL.
        """
        try:
            import obstore.exceptions
            import obstore.store
        except ImportError:
            raise StoreError(f"{where}: stores in object storage need obstore: pip install 'massjax[s3]'") from None
        if not isinstance(where, str):
            if isinstance(where, obstore.store.ObjectStore):
                return cls(where, str(where))
            raise StoreError(f"{where!r}: expected a path, a URL such as s3://bucket/scores.zarr, or a store of obstore")
        scheme, _, rest = where.partition("://")
        if scheme == "memory":
            raise StoreError(f"{where}: two stores in memory share nothing; give an obstore.store.MemoryStore() itself")
        if "@" in rest.partition("/")[0] or "?" in rest:
            raise StoreError(f"{scheme}://…: gives more than a bucket and a path; credentials belong into the environment, not into a URL")
        if not rest.partition("/")[2].strip("/"):
            raise StoreError(f"{where}: is a whole bucket; name a folder in it, such as {where.rstrip('/')}/scores.zarr")
        try:
            return cls(obstore.store.from_url(where), where)
        except (obstore.exceptions.BaseError, ValueError) as error:
            raise StoreError(f"{where}: is no URL that obstore can open ({type(error).__name__}); expected s3://, gs:// or az://") from None

    def __str__(self) -> str:
        return str(self.path)

    def exists(self) -> bool:
        """Whether there is any object under this prefix, other than those of a store that is being made, or whose maker was killed.

        See `Folder`, also for what follows.
        """
        return self.read("zarr.json") is not None or any(not _HALF_MADE.fullmatch(name) for name in self.sizes())

    def read(self, name: str) -> bytes | None:
        """The bytes of an object."""
        return self.read_new(name, None)[1]

    def read_new(self, name: str, seen: Hashable) -> tuple[Hashable, bytes | None]:
        """The entity tag and bytes of an object, where it has changed: a conditional get."""
        import obstore
        from obstore.exceptions import NotModifiedError

        with self._told("read", name):
            try:
                found = obstore.get(self._store, name, options={"if_none_match": str(seen)} if seen is not None else None)
                return found.meta["e_tag"], found.bytes().to_bytes()
            except NotModifiedError:
                return seen, None
            except FileNotFoundError:
                return None, None

    def fill(self, name: str, start: int, buffers: list[Any], size: int) -> None:
        """Read a range of an object into buffers: one request."""
        import obstore

        length = sum(map(len, buffers))
        with self._told("read", name):
            try:
                found = obstore.get(self._store, name, options={"range": (start, min(start + length, max(size, start + 1)))})
            except FileNotFoundError:
                raise ValueError("is missing") from None
            check_size(found.meta["size"], size)
            data = memoryview(found.bytes())
        check_size(len(data), length)
        for buffer in buffers:
            memoryview(buffer)[:] = data[: len(buffer)]
            data = data[len(buffer) :]

    def write(self, name: str, data: bytes) -> None:
        """Replace an object, in one request."""
        import obstore

        with self._told("write", name):
            obstore.put(self._store, name, data, use_multipart=False)

    def remove(self, name: str) -> None:
        """Delete an object."""
        import obstore

        with self._told("delete", name), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, name)

    def remove_folder(self, name: str) -> None:
        """There are no folders to delete."""

    def names(self, folder: str) -> list[str]:
        """The names in a folder, those of folders in it included."""
        import obstore

        with self._told("list", folder):
            found = obstore.list_with_delimiter(self._store, folder)
        paths = [*(str(prefix) for prefix in found["common_prefixes"]), *(item["path"] for item in found["objects"])]
        return sorted(name for path in paths if not (name := path.rpartition("/")[2]).startswith("."))

    def sizes(self) -> dict[str, int]:
        """Every object with its size."""
        import obstore

        with self._told("list", ""):
            return {item["path"]: item["size"] for batch in obstore.list(self._store) for item in batch}

    def sweep(self) -> None:
        """There are no unfinished objects to delete."""

    @contextlib.contextmanager
    def mutex(self) -> Iterator[None]:
        """A lease on an object of the store, held for as long as the block runs."""
        self._check_conditional()
        lease = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(8)}".encode()
        tag = self._take(lease)
        try:
            yield
        finally:
            if self.read_new(LOCK, None) == (tag, lease):
                self.remove(LOCK)

    def _take(self, lease: bytes) -> str | None:
        seen, since = None, time.monotonic()
        while True:
            tag = self._put_new(LOCK, lease)
            if tag is not None:
                return tag
            standing, holder = self.read_new(LOCK, None)
            if holder == lease:
                return str(standing)
            if standing != seen:
                seen, since = standing, time.monotonic()
            elif standing is not None and time.monotonic() - since > self._lease_seconds:
                tag = self._put_new(LOCK, lease, over=str(standing))
                if tag is not None:
                    return tag
            time.sleep(_POLL_SECONDS * random.uniform(0.5, 1.5))

    def _put_new(self, name: str, data: bytes, over: str | None = None) -> str | None:
        """Put an object only if there is none (or one with the tag `over`); its tag, None where another was there first."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self._told("write", name):
            try:
                mode: Any = "create" if over is None else {"e_tag": over}
                return obstore.put(self._store, name, data, mode=mode, use_multipart=False)["e_tag"]
            except (AlreadyExistsError, PreconditionError, FileNotFoundError):
                return None

    def _check_conditional(self) -> None:
        """Make sure, once, that the store minds conditions: some servers pass over them, and two writers would both win.

        Raises:
            StoreError: it does not.
        """
        if self._conditional:
            return
        probe = f"ledger/.probe-{secrets.token_hex(8)}"
        try:
            if self._put_new(probe, b"1") is None or self._put_new(probe, b"2") is not None:
                raise StoreError(f"{self}: this object storage has no conditional writes to keep writers apart; write elsewhere")
        finally:
            self.remove(probe)
        self._conditional = True

    @contextlib.contextmanager
    def create(self) -> Iterator[Folder]:
        """The group's metadata are written last, and while they are not there, there is no store."""
        with self.mutex():
            if self.read("zarr.json") is not None:
                raise StoreError(f"{self}: is there already; open it to go on with it, or give another path")
            yield self

    @contextlib.contextmanager
    def _told(self, action: str, name: str) -> Iterator[None]:
        """Turn an error of obstore into a `StoreError` without its text, which may quote credentials."""
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError:
            raise
        except (BaseError, OSError) as error:
            status = re.search(r"status code: (\d{3})", str(error))
            said = f"{type(error).__name__}{f', HTTP status {status[1]}' if status else ''}"
            advice = _ADVICE.get(type(error).__name__) or _ADVICE.get(status[1] if status else "") or _CONNECTION
            raise StoreError(f"{f'{self}/{name}'.rstrip('/')}: cannot {action} ({said}): {advice}") from None


_DENIED = "check the credentials in the environment and the bucket's permissions"
_ADVICE = {
    "PermissionDeniedError": _DENIED,
    "UnauthenticatedError": _DENIED,
    "PermissionError": _DENIED,
    "401": _DENIED,
    "403": _DENIED,
    "404": "there is no such bucket: make it, or check the URL",
}
_CONNECTION = "check the bucket's name and region and the connection; what was written before is intact, so start again"
