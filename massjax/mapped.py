"""Arrays that are too large for memory, in files without a name that are mapped into it."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Shaped

from massjax.errors import ConfigError

Room: TypeAlias = Callable[[tuple[int, ...], Any], Shaped[np.ndarray, "..."]]
"""Makes an array of a shape and a type, whose numbers are not set."""


def mapped_array(shape: tuple[int, ...], dtype: Any) -> Shaped[np.ndarray, " ..."]:
    """An array in a file that vanishes with it, in the folder for temporary files (TMPDIR).

    Raises:
        ConfigError: the folder has no room for it.
    """
    size = np.dtype(dtype).itemsize * math.prod(shape)
    try:
        with tempfile.TemporaryFile() as file:
            os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, dtype, "r+", shape=shape)
    except OSError as error:
        raise ConfigError(
            f"the scores, or their ranks, take {size / 1e9:,.1f} GB, more than memory has, and "
            f"{tempfile.tempdir or 'the folder for temporary files'} has no room for such a file ({error.strerror}); set TMPDIR to a "
            "folder that has"
        ) from None


def is_mapped(array: object) -> bool:
    """Whether an array, or what it is a view of, lies in a file."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False


def room_beside(array: object) -> Room:
    """Room for what is made of an array: in a file where it lies in one, else in memory."""
    return mapped_array if is_mapped(array) else np.empty
