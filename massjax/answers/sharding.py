"""Cutting work into parts for independent workers: every worker computes the same cut, so that none needs to be told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from jaxtyping import Bool, UInt64

from massjax.errors import ConfigError


def parse_shard(text: str) -> tuple[int, int]:
    """`3/8` as (3, 8).

    Raises:
        ConfigError: it is not of that form, or the first number is not from 1 to the second.
    """
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    number, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not is_shard(number, count):
        raise ConfigError(f"--shard {text}: expected I/N with I from 1 to N, such as 1/8 for the first of eight workers")
    return number, count


def is_shard(number: int, count: int) -> bool:
    """Whether there is such a part of so many: parts are counted from 1."""
    return 1 <= number <= count


def own(keys: UInt64[np.ndarray, "Q 2"], number: int, count: int, groups: Sequence[str] | None = None) -> Bool[np.ndarray, " Q"]:
    """Which questions belong to a part of so many: by key, so that every worker finds the same ones without being told.

    Args:
        keys: of the questions; a question's part is the first word of its key, modulo `count`.
        number: of the part, from 1 to `count`.
        groups: names by which questions stay together, in one part, such as those whose prompts begin alike.

    >>> own(np.array([[6, 0], [7, 0], [8, 0]], dtype=np.uint64), 2, 3)
    array([False,  True, False])
    """
    if groups is None:
        return keys[:, 0] % np.uint64(count) == number - 1
    parts = {name: int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little") % count for name in set(groups)}
    return np.array([parts[name] == number - 1 for name in groups], dtype=bool)
