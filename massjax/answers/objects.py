"""Logs in object storage (S3, Google Cloud Storage, Azure), through obstore; `pip install 'massjax[s3]'`.

Putting an object is atomic and durable there, and nothing is ever replaced by other content, so that no condition, lease or lock is needed.
Credentials come from the environment or the cloud's own means (see obstore's documentation), never from a URL, and stand in no message.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from massjax.errors import StoreError

if TYPE_CHECKING:
    from obstore.store import ObjectStore


class ObjectPlace:
    """The objects under one prefix of an object store; what its methods promise is what `massjax.answers.places.LocalPlace` says."""

    threads = 16
    patience = 5.0

    def __init__(self, store: ObjectStore, path: str, prefix: str = "") -> None:
        """`path` is what messages call it."""
        self._store, self._prefix, self.path = store, prefix, path

    @classmethod
    def open(cls, where: Any) -> ObjectPlace:
        """The place of a URL or of an obstore store.

        Raises:
            StoreError: obstore is not installed, or it knows no such URL.
        """
        return cls(object_store(where), where if isinstance(where, str) else str(where))

    def __str__(self) -> str:
        return self.path

    def exists(self) -> bool:
        """Whether there is any object."""
        return bool(self.names())

    def names(self) -> list[str]:
        """The names of the objects and folders here."""
        import obstore

        with self._told("list", ""):
            found = obstore.list_with_delimiter(self._store, self._prefix)
        paths = [*(str(prefix) for prefix in found["common_prefixes"]), *(item["path"] for item in found["objects"])]
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def read(self, name: str) -> bytes | None:
        """The bytes of an object."""
        import obstore

        with self._told("read", name):
            try:
                return obstore.get(self._store, self._prefix + name).bytes().to_bytes()
            except FileNotFoundError:
                return None

    def put(self, name: str, data: bytes) -> None:
        """Write an object, in one request."""
        import obstore

        with self._told("write", name):
            obstore.put(self._store, self._prefix + name, data, use_multipart=False)

    def remove(self, name: str) -> None:
        """Delete an object."""
        import obstore

        with self._told("delete", name), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, self._prefix + name)

    def below(self, name: str) -> ObjectPlace:
        """The objects under a longer prefix."""
        return ObjectPlace(self._store, f"{self.path.rstrip('/')}/{name}", f"{self._prefix}{name}/")

    def _told(self, action: str, name: str) -> contextlib.AbstractContextManager[None]:
        return told(action, f"{self}/{name}".rstrip("/"))


@contextlib.contextmanager
def told(action: str, where: object) -> Iterator[None]:
    """Turn an error of obstore under this block into a `StoreError` without its text, which may quote credentials."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError) as error:
        status = re.search(r"status code: (\d{3})", str(error))
        said = f"{type(error).__name__}{f', HTTP status {status[1]}' if status else ''}"
        advice = _ADVICE.get(type(error).__name__) or _ADVICE.get(status[1] if status else "") or _CONNECTION
        raise StoreError(f"{where}: cannot {action} ({said}): {advice}") from None


_DENIED = "check the credentials in the environment and the bucket's permissions"
_NO_BUCKET = "there is no such bucket: make it, or check the URL"
_ADVICE = {
    "PermissionDeniedError": _DENIED,
    "UnauthenticatedError": _DENIED,
    "PermissionError": _DENIED,
    "401": _DENIED,
    "403": _DENIED,
    "404": _NO_BUCKET,
}
_CONNECTION = "check the bucket's name and region and the connection; what was written before is intact, so start again"


def object_store(where: Any) -> ObjectStore:
    """The obstore store of a URL, or the one that is given.

    Raises:
        StoreError: obstore is not installed, or it knows no such URL.
    """
    try:
        import obstore.exceptions
        import obstore.store
    except ImportError:
        raise StoreError(f"{where}: object storage needs obstore: pip install 'massjax[s3]'") from None
    if not isinstance(where, str):
        if isinstance(where, obstore.store.ObjectStore):
            return where
        raise StoreError(f"{where!r}: expected a path, a URL such as s3://bucket/answers, or a store of obstore")
    scheme, _, rest = where.partition("://")
    if scheme == "memory":
        raise StoreError(f"{where}: two stores in memory share nothing; give an obstore.store.MemoryStore() itself")
    if "@" in rest.partition("/")[0] or "?" in rest:
        raise StoreError(f"{scheme}://…: gives more than a bucket and a path; credentials belong into the environment, not into a URL")
    if not rest.partition("/")[2].strip("/"):
        raise StoreError(f"{where}: is a whole bucket; name a folder in it, such as {where.rstrip('/')}/answers")
    try:
        return obstore.store.from_url(where)
    except (obstore.exceptions.BaseError, ValueError) as error:
        raise StoreError(f"{where}: is no URL that obstore can open ({type(error).__name__}); expected s3://, gs:// or az://") from None
