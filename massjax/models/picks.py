"""Some of a list: its items under labels in a shuffled order, and which labels are taken or drawn."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

LABELS = string.ascii_uppercase + string.ascii_lowercase
"""Labels in order; a list longer than this cannot be asked for."""

SEPARATOR = ","
"""What stands between labels that a model is taken to have said; the next label follows it with or without a blank."""


class Labelled(NamedTuple):
    """A list as a prompt shows it.

    Attributes:
        lines: one line an item, its label first, in the order shown.
        order: label i denotes item `order[i]`.
    """

    lines: tuple[str, ...]
    order: tuple[int, ...]


def shuffled(count: int, seed: int) -> tuple[int, ...]:
    """An order of `count` items, the same for a seed on every machine and version."""
    return tuple(sorted(range(count), key=lambda item: hashlib.blake2b(f"{seed} {item}".encode(), digest_size=16).digest()))


def labelled(texts: Sequence[str], seed: int) -> Labelled:
    """Items' texts under labels A, B, C, ... (then a, b, c, ...), shuffled by `seed`, so that no item always stands first.

    Raises:
        ModelError: there are more items than labels (by the form that the order is for, `massjax.models.forms.Pick`).
    """
    order = shuffled(len(texts), seed)
    return Labelled(tuple(f"{label}. {texts[item]}" for label, item in zip(LABELS, order, strict=False)), order)


def generator(key: bytes) -> np.random.Generator:
    """Random numbers of one question: of its key, which its seed is part of."""
    return np.random.Generator(np.random.PCG64(int.from_bytes(key, "little")))


def taken(
    logprobs: Float[np.ndarray, " L"], count: int, temperature: float, random: np.random.Generator, *, left: Sequence[int] | None = None
) -> tuple[int, ...]:
    """Places of `count` different labels: the likeliest, or drawn one after the other without replacement (Plackett–Luce).

    Drawn by Gumbel-top-k (Kool et al. 2019, arXiv 1903.06059): the largest of log-probability / temperature plus Gumbel noise, in order.
    Equal values keep the order of the labels; labels without any probability come last.

    Args:
        left: places that may be taken; None = all.
    """
    values = np.asarray(logprobs, dtype=np.float64)
    if temperature > 0:
        noise = random.gumbel(size=len(values))
        values = np.where(np.isneginf(values), -np.inf, values / temperature + noise)
    places = np.arange(len(values)) if left is None else np.asarray(left, dtype=np.int64)
    best = places[np.argsort(-values[places], kind="stable")[:count]]
    return tuple(int(place) for place in best)
