"""Functions compiled by numba as operations of XLA on a CPU, through XLA's foreign function interface.

XLA hands such a function one address, of a call frame that says where arguments and results lie. The frame is part of a stable binary
interface (`xla/ffi/api/c_api.h`, major version 0), of which the few words needed are read here by their offsets.
"""

from __future__ import annotations

import ctypes
from typing import Any

import jax
import numba
import numpy as np
from numba import carray, types
from numba.extending import intrinsic

ARGUMENTS, RESULTS = 72, 112
"""Offsets in a call frame, in bytes, of the pointers to its table of arguments and to its table of results."""
_EXTENSION, _EXTENSION_TYPE, _METADATA = 8, 8, 24
_VERSION, _TRAITS = 24, 32
_DATA, _SHAPE = 24, 40
_IS_METADATA, _MINOR_VERSION = 1, 1

SIGNATURE = types.int64(types.int64)
"""Signature of a handler: it takes the address of the call frame and returns 0 for success."""


def register(name: str, handler: Any) -> None:
    """Register a numba `cfunc` of `SIGNATURE` with XLA as the operation `name` on a CPU; the process must keep it alive."""
    capsule = ctypes.pythonapi.PyCapsule_New
    capsule.restype, capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    jax.ffi.register_ffi_target(name, capsule(handler.address, None, None), platform="cpu", api_version=1)


@intrinsic
def _pointer(typing: Any, address: Any) -> Any:
    """An integer address as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), generate


@numba.njit(cache=True)
def _word(address: int) -> int:
    """The 64-bit integer at an address."""
    return carray(_pointer(address), 1, np.int64)[0]


@numba.njit(cache=True)
def buffer(frame: int, table: int, position: int) -> Any:
    """Pointer to the values of the argument or result at a position of a table (`ARGUMENTS` or `RESULTS`)."""
    return _pointer(_word(_word(_word(frame + table) + 8 * position) + _DATA))


@numba.njit(cache=True)
def size(frame: int, table: int, position: int, axis: int) -> int:
    """Length of an axis of the argument or result at a position of a table (`ARGUMENTS` or `RESULTS`)."""
    return _word(_word(_word(_word(frame + table) + 8 * position) + _SHAPE) + 8 * axis)


@numba.njit(cache=True)
def asks_version(frame: int) -> bool:
    """Whether XLA asks for the version of the interface that the handler is made for, as it does once on registration; answers it if so."""
    extension = _word(frame + _EXTENSION)
    if extension == 0 or carray(_pointer(extension + _EXTENSION_TYPE), 1, np.int32)[0] != _IS_METADATA:
        return False
    metadata = _word(extension + _METADATA)
    version = carray(_pointer(metadata + _VERSION), 2, np.int32)
    version[0], version[1] = 0, _MINOR_VERSION
    carray(_pointer(metadata + _TRAITS), 1, np.int32)[0] = 0
    return True
