"""Claims: who is working on a unit or a block right now, so that of two writers one wins and the other is told."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from massjax.errors import StoreError
from massjax.store import files
from massjax.store.folder import Folder

STALE_SECONDS = 6 * 3600.0
"""A claim from where processes cannot be seen from here (another machine, another container) counts for this long after it was made."""


_FIELDS = frozenset({"host", "boot", "processes", "pid", "started", "time"})


class ClaimedError(StoreError):
    """Another live process is working on this unit or block."""


FOLDER = "ledger/claims"


def _file(name: str) -> str:
    return f"{FOLDER}/{name}.json"


def acquire(root: Folder, name: str, what: str) -> None:
    """Claim `name` (`what`, in words) for this process.

    Raises:
        ClaimedError: a live process holds it; says which, where and since when.
    """
    with root.mutex():
        holder = read_claim(root, name)
        if holder is not None and alive(holder):
            raise ClaimedError(
                f"{what} is being worked on by process {holder['pid']} on {holder['host']} since {time.ctime(holder['time'])}; "
                f"leave it to that process, or wait until it ends"
            )
        root.write(_file(name), files.canonical(_self()))


def release(root: Folder, name: str) -> None:
    """Give a claim back."""
    with root.mutex():
        holder, own = read_claim(root, name), _self()
        if holder is not None and all(holder[key] == own[key] for key in _FIELDS - {"time"}):
            root.remove(_file(name))
        root.remove_folder(FOLDER)


@contextlib.contextmanager
def claimed(root: Folder, name: str, what: str) -> Iterator[None]:
    """Hold a claim within a block of code."""
    acquire(root, name, what)
    try:
        yield
    finally:
        release(root, name)


def read_claim(root: Folder, name: str) -> dict[str, Any] | None:
    """Who holds a claim; None where nobody does or the claim is unreadable (a claim is a courtesy, not data)."""
    data = root.read(_file(name))
    try:
        holder = None if data is None else json.loads(data)
        return holder if isinstance(holder, dict) and set(holder) >= _FIELDS else None
    except ValueError:
        return None


def living(root: Folder) -> dict[str, dict[str, Any]]:
    """The claims of live processes, by name."""
    found = {}
    for file in root.names(FOLDER):
        holder = read_claim(root, file.removesuffix(".json"))
        if holder is not None and alive(holder):
            found[file.removesuffix(".json")] = holder
    return found


def sweep(root: Folder) -> None:
    """Delete the claims and the unfinished files that killed processes of this machine left."""
    with root.mutex():
        live = living(root)
        for file in root.names(FOLDER):
            if file.removesuffix(".json") not in live:
                root.remove(f"{FOLDER}/{file}")
        root.remove_folder(FOLDER)
        root.sweep()


def alive(holder: dict[str, Any]) -> bool:
    """Whether the process that made a claim still runs; where that cannot be seen, whether the claim is recent."""
    own = _self()
    if holder["host"] == own["host"] and holder["boot"] != own["boot"]:
        return False
    if any(holder[field] != own[field] for field in ("host", "processes")):
        return bool(time.time() - holder["time"] < STALE_SECONDS)
    started = _started(holder["pid"])
    return started is not None and started == holder["started"]


def _self() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "boot": _boot(),
        "processes": _process_namespace(),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
        "time": time.time(),
    }


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def _process_namespace() -> str:
    """Within which pids mean the same: containers on one machine may share its name."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return "unknown"


def _started(pid: int) -> str | None:
    """When a process began, in clock ticks (pids are used again); None if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        pass
    if Path("/proc/self").exists():
        return None
    return "running" if files.process_exists(pid) else None
