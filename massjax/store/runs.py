"""Records of runs: what precompute reported at the end of each, for whoever asks what a store has cost."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

from massjax.errors import StoreError
from massjax.store import files
from massjax.store.folder import Folder
from massjax.store.journal import now

FOLDER = "ledger/runs"
_NAME = re.compile(r"[0-9TZ]+-[0-9a-f]{8}\.json")


def add(root: Folder, statistics: Mapping[str, Any]) -> None:
    """Keep the statistics of a run.

    Raises:
        StoreError: they cannot be stored as JSON, or the store cannot be written to.
    """
    ended = now()
    body = {"ended": ended, "statistics": dict(statistics)}
    name = re.sub(r"[^0-9T]", "", ended.partition("+")[0]) + f"Z-{secrets.token_hex(4)}.json"
    root.write(f"{FOLDER}/{name}", files.canonical({**body, "checksum": files.digest(files.canonical(body))}))


def names(root: Folder) -> list[str]:
    """The files of the records, oldest first."""
    return [f"{FOLDER}/{name}" for name in root.names(FOLDER) if _NAME.fullmatch(name)]


def decode_run(data: bytes) -> dict[str, Any]:
    """The record in a file: `ended` (UTC) and `statistics`.

    Raises:
        ValueError: a byte of it has changed.
    """
    document = files.parse_canonical(data)
    body = {"ended": document.get("ended"), "statistics": document.get("statistics")}
    if document != {**body, "checksum": files.digest(files.canonical(body))} or not isinstance(body["statistics"], dict):
        raise ValueError("does not match its checksum")
    return body


def read_runs(root: Folder) -> list[dict[str, Any]]:
    """All records, oldest first.

    Raises:
        StoreError: one of them is damaged.
    """
    found = []
    for name in names(root):
        data = root.read(name)
        try:
            found += [] if data is None else [decode_run(data)]
        except ValueError as error:
            raise StoreError(f"{root}/{name}: record of a run {error}; {files.REPAIR}") from None
    return found
