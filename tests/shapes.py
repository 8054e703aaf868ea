"""Shapes and types of arrays, checked in tests: arguments and results are held to what their jaxtyping annotations say.

`tests/conftest.py` lays the check on the rooms of `CHECKED` before they are imported; users' programs never meet it.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from beartype import beartype
from jaxtyping import AbstractArray, Array, Key, install_import_hook

MASSJAX = Path(__file__).resolve().parents[1] / "massjax"
CHECKED = ("calibrate", "engine", "evaluate", "market", "portfolio", "search", "simulator", "statistics")
"""Rooms that compute with arrays."""
COMPILED = "cpu"
"""Functions that numba compiles must stay plain."""


def check_shapes() -> None:
    """Check the functions of `CHECKED` that are imported from now on."""
    files = (file for room in CHECKED for file in (MASSJAX / room).rglob("*.py") if file.stem != "__init__" and COMPILED not in file.parts)
    install_import_hook([".".join(file.relative_to(MASSJAX.parent).with_suffix("").parts) for file in files], "tests.shapes.checked")


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, its arrays checked, but for arguments that come from users: it refuses those itself, in words of its own.

    So does a dataclass what it is made of.
    """
    hints = function.__annotations__.items()
    shapes = {name: hint for name, hint in hints if _has_shape(hint) and (name == "return" or not _is_users(hint))}
    if not shapes or function.__name__ == "__init__":
        return function
    function.__annotations__ = shapes
    return beartype(function)


def _has_shape(hint: Any) -> bool:
    return (isinstance(hint, type) and issubclass(hint, AbstractArray)) or any(map(_has_shape, typing.get_args(hint)))


def _is_users(hint: Any) -> bool:
    """Whether it is annotated `ArrayLike`, or as a key of `jax.random`, which may be of the old make."""
    kinds = {getattr(kind, "array_type", None) for kind in typing.get_args(hint)}
    return {np.ndarray, Array} <= kinds or getattr(hint, "dtype", None) is Key
