"""From a path or a URL to the folder of a store."""

from __future__ import annotations

import os
import re
from pathlib import Path

from massjax.store.folder import Folder, LocalFolder, Where
from massjax.store.objects import ObjectFolder

_SCHEME = re.compile(r"([a-z][a-z0-9]+):/{1,2}")
"""One slash is enough, because a `Path` made of a URL has lost the other one."""


def open_folder(where: Where) -> Folder:
    """The folder of a store: a path, a `file://` URL, the URL of an object store, an obstore store, or a `Folder` itself.

    Raises:
        StoreError: it is none of these, or the library for object stores is not installed.
    """
    if isinstance(where, Folder):
        return where
    if isinstance(where, str | os.PathLike):
        text = os.fspath(where)
        scheme = _SCHEME.match(text)
        if scheme is None:
            return LocalFolder(Path(text))
        url = f"{scheme[1]}://{text[scheme.end() :]}"
        if scheme[1] == "file":
            return LocalFolder(Path("/" + text[scheme.end() :].lstrip("/")))
        where = url
    return ObjectFolder.open(where)


def exists(where: Where) -> bool:
    """Whether there is anything at a path or URL."""
    return open_folder(where).exists()
