"""Which massjax this is."""

from __future__ import annotations

from importlib import metadata


def massjax_version() -> str:
    """The installed version, `unknown` from a bare checkout."""
    try:
        return metadata.version("massjax")
    except metadata.PackageNotFoundError:
        return "unknown"
