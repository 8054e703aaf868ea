"""Cutting work into parts for independent workers: every worker computes the same cut, so that none needs to be told."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Bool, UInt64

from massjax.errors import ConfigError

P = TypeVar("P")


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


class Bundle(NamedTuple, Generic[P]):
    """Pieces of work that are better done by one worker, because their questions repeat and begin alike.

    Attributes:
        weight: of all of them together, such as how many questions they ask.
        pieces: what can be told apart and sorted.
        whole: whether they must stay together, however heavy they are.
    """

    weight: float
    pieces: Sequence[P]
    whole: bool = False


def split(bundles: Iterable[Bundle[P]], count: int) -> list[list[P]]:
    """The pieces of all bundles in `count` parts of about the same weight; a bundle is cut only if it is more than a part's share.

    Greedy: the heaviest cut first, each to the part that is lightest so far. The result depends on its arguments alone.

    >>> split([Bundle(4.0, [1, 2, 3, 4]), Bundle(1.0, [5]), Bundle(1.0, [6])], 2)
    [[1, 2, 5], [3, 4, 6]]
    """
    given = list(bundles)
    share = sum(bundle.weight for bundle in given) / count
    cut: list[tuple[float, list[Any]]] = []
    for weight, pieces, whole in given:
        ordered: list[Any] = sorted(pieces)
        parts = 1 if whole else min(len(ordered), math.ceil(weight / share - 1e-9))
        for part in range(parts):
            piece = ordered[part * len(ordered) // parts : (part + 1) * len(ordered) // parts]
            if piece:
                cut.append((weight * len(piece) / len(ordered), piece))
    shards: list[list[P]] = [[] for _ in range(count)]
    loads = [0.0] * count
    for weight, piece in sorted(cut, key=lambda item: (-item[0], item[1])):
        lightest = loads.index(min(loads))
        loads[lightest] += weight
        shards[lightest] += piece
    return shards
