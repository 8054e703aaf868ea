"""Programs that JAX has compiled, kept in the user's cache folder, so that the next run of a command need not compile them again.

JAX keys a program by its code, its shapes, the versions of JAX and XLA, the compiler's options, and the kind and number of devices; an
entry that does not fit is not found, and one that cannot be read is compiled anew. Kernels of massjax that XLA calls (those compiled by
numba) stand in an entry by their name, not by an address, and are registered in every process before the program is asked for.

A command says `use_compile_cache` before the first computation; the library never does.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from pathlib import Path

from massjax.errors import ConfigError

OFF = "off"
"""In place of a folder: keep nothing."""
MOST_BYTES = 1 << 30
"""What the folder holds at most when a command begins; the demo's programs take half a megabyte."""
VARIABLES = ("JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE")
"""JAX's own settings in the environment; where one is set, it alone counts unless a folder is asked for."""


def use_compile_cache(asked: str | None = None) -> Path | None:
    """Let JAX keep what it compiles from now on, and find what is kept; to be called before the first computation of a process.

    Args:
        asked: a folder, or `OFF`; None takes what JAX's variables in the environment say, else a folder of massjax in the user's cache.

    Returns:
        The folder; None where nothing is kept, or where JAX's variables decide.

    Raises:
        ConfigError: the folder that is asked for cannot be written to. The user's cache is done without, where it cannot.
    """
    import jax

    if asked == OFF:
        jax.config.update("jax_enable_compilation_cache", False)
        return None
    if asked is None and any(name in os.environ for name in VARIABLES):
        return None
    place = user_cache() if asked is None else Path(asked).absolute()
    fault = "there is no home folder" if place is None else _fault(place)
    if place is None or fault:
        if asked is None:
            return None
        raise ConfigError(f"--compile-cache {asked}: {fault}; name a folder that can be written to, or off")
    prune(place, MOST_BYTES)
    jax.config.update("jax_enable_compilation_cache", True)
    jax.config.update("jax_compilation_cache_dir", str(place))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache entry")
    return place


def user_cache() -> Path | None:
    """Where compiled programs are kept by default: `massjax/compiled` in the user's folder for caches; None without a home folder."""
    try:
        if sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            named = os.environ.get("XDG_CACHE_HOME", "")
            base = Path(named) if os.path.isabs(named) else Path.home() / ".cache"
    except RuntimeError:
        return None
    return base / "massjax" / "compiled"


def prune(folder: Path, most: int) -> None:
    """Delete the oldest entries until no more than `most` bytes are left; what another process deletes meanwhile is gone as well."""
    entries = []
    for file in folder.glob("*-cache"):
        try:
            about = file.stat()
        except OSError:
            continue
        entries.append((about.st_mtime, about.st_size, file))
    total = sum(size for _, size, _ in entries)
    for _, size, file in sorted(entries):
        if total <= most:
            return
        total -= size
        try:
            file.unlink(missing_ok=True)
        except OSError:
            return


def _fault(place: Path) -> str:
    """Why nothing can be kept in a folder, which is made for this user alone where it is not there; empty where it can."""
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if hasattr(os, "getuid") and place.stat().st_uid != os.getuid():
            return "it belongs to another user, whose programs would be run"
        with tempfile.TemporaryFile(dir=place):
            return ""
    except OSError as error:
        return error.strerror or str(error)
