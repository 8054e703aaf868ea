"""Where each question of a log is answered: 16 bytes of key and 8 of place for each, sorted, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, UInt64

ABSENT = np.uint64(2**64 - 1)
"""The place of a question that is not in the log."""
FAILED = np.uint64(1 << 63)
"""This bit of a place says that what is there is no answer, but why there is none."""
_ROW = np.uint64(2**32 - 1)
_FILE_BITS = np.uint64(32)
_AT_ONCE = 1 << 21
"""Keys that are looked up at once: more would need more memory, fewer more time."""


class Segment(NamedTuple):
    """Sorted keys, as two words, and their places."""

    first: UInt64[np.ndarray, " keys"]
    second: UInt64[np.ndarray, " keys"]
    place: UInt64[np.ndarray, " keys"]


def place_of(file: int, rows: int, failed: Bool[np.ndarray, " rows"]) -> UInt64[np.ndarray, " rows"]:
    """The places of the first `rows` rows of a file of this number."""
    places = np.arange(rows, dtype=np.uint64) | (np.uint64(file) << _FILE_BITS)
    places[failed] |= FAILED
    return places


def file_and_row(places: UInt64[np.ndarray, " keys"]) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of files and rows of places."""
    return ((places & ~FAILED) >> _FILE_BITS).astype(np.int64), (places & _ROW).astype(np.int64)


class Index:
    """Finds keys. Each key has one place: of an answer rather than of a failure, then in the file whose name is first.

    Attributes:
        doubles: pairs of places [n, 2] of answers to the same question: the one that counts, and one that does not.
    """

    def __init__(self) -> None:
        self._segments: list[Segment] = []
        self.doubles: list[UInt64[np.ndarray, "n 2"]] = []

    def __len__(self) -> int:
        return sum(len(segment.first) for segment in self._segments)

    def keys(self) -> UInt64[np.ndarray, "keys 2"]:
        """All keys."""
        parts = [np.stack([segment.first, segment.second], axis=1) for segment in self._segments]
        return np.concatenate(parts) if parts else np.empty((0, 2), dtype=np.uint64)

    def answered(self) -> int:
        """How many keys have an answer."""
        return sum(int(((segment.place & FAILED) == 0).sum()) for segment in self._segments)

    def find(self, keys: UInt64[np.ndarray, "keys 2"]) -> UInt64[np.ndarray, " keys"]:
        """The place of each key, `ABSENT` where there is none."""
        places = np.full(len(keys), ABSENT)
        for begin in range(0, len(keys), _AT_ONCE):
            part = keys[begin : begin + _AT_ONCE]
            order = np.argsort(part[:, 0])
            first, second = part[order, 0], part[order, 1]
            for segment in self._segments:
                hits, at = _locate(segment, first, second)
                places[begin + order[hits]] = segment.place[at]
        return places

    def add(self, keys: UInt64[np.ndarray, "keys 2"], places: UInt64[np.ndarray, " keys"], names: Sequence[str]) -> None:
        """Add rows of files, in the order of their names.

        Args:
            names: of all files, by number; which of two answers to a question counts is decided by them.
        """
        fresh = self._settle(_ordered(keys[:, 0], keys[:, 1], places, kind="quicksort"), names)
        if len(fresh.first):
            self._segments.append(fresh)
        while len(self._segments) > 1 and len(self._segments[-2].first) < 2 * len(self._segments[-1].first):
            last, before = self._segments.pop(), self._segments.pop()
            both = (np.concatenate(pair) for pair in zip(before, last, strict=True))
            self._segments.append(_ordered(*both, kind="stable"))

    def _settle(self, new: Segment, names: Sequence[str]) -> Segment:
        """Those of the new keys that are in no segment yet; where a known key is better answered by a new row, its place is changed."""
        new = self._without_doubles(new)
        left = np.ones(len(new.first), dtype=bool)
        for segment in self._segments:
            rows, at = _locate(segment, new.first, new.second)
            if not len(rows):
                continue
            left[rows] = False
            old, found = segment.place[at], new.place[rows]
            earlier = np.array([names[b] < names[a] for a, b in zip(file_and_row(old)[0], file_and_row(found)[0], strict=True)])
            was, is_now = (old & FAILED) == 0, (found & FAILED) == 0
            better = np.where(was == is_now, earlier, is_now)
            segment.place[at[better]] = found[better]
            self._doubled(np.where(better, found, old), np.where(better, old, found))
        return Segment(*(column[left] for column in new))

    def _without_doubles(self, new: Segment) -> Segment:
        """Of rows with the same key, which stand in order of their files, the first answer, else the first."""
        if not len(new.first):
            return new
        begins = np.ones(len(new.first), dtype=bool)
        begins[1:] = (new.first[1:] != new.first[:-1]) | (new.second[1:] != new.second[:-1])
        if begins.all():
            return new
        run = np.cumsum(begins) - 1
        rows = np.arange(len(run))
        rank = rows + np.where(new.place & FAILED, len(rows), 0)
        best = np.full(run[-1] + 1, 2 * len(rows))
        np.minimum.at(best, run, rank)
        best %= len(rows)
        others = np.setdiff1d(rows, best, assume_unique=True)
        self._doubled(new.place[best[run[others]]], new.place[others])
        return Segment(*(column[best] for column in new))

    def _doubled(self, kept: np.ndarray, lost: np.ndarray) -> None:
        both = ((kept | lost) & FAILED) == 0
        if both.any():
            self.doubles.append(np.stack([kept[both], lost[both]], axis=1))


def _ordered(first: np.ndarray, second: np.ndarray, place: np.ndarray, *, kind: Literal["stable", "quicksort"]) -> Segment:
    """Sorted by both words, rows with the same key in the order in which they came; the second word is hardly ever needed.

    Args:
        kind: of sorting by the first word: `stable` is fast for two sorted halves, `quicksort` for keys in no order.
    """
    order = np.argsort(first, kind=kind)
    ordered = first[order]
    if (ordered[1:] == ordered[:-1]).any():
        order = np.lexsort((second, first))
        ordered = first[order]
    return Segment(ordered, second[order], place[order])


def _locate(segment: Segment, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of some keys, given as two words, are in a segment, and where there."""
    at = np.searchsorted(segment.first, first)
    rows = np.flatnonzero(at < len(segment.first))
    hits, places = [], []
    while len(rows):
        rows = rows[segment.first[at[rows]] == first[rows]]
        same = segment.second[at[rows]] == second[rows]
        hits.append(rows[same])
        places.append(at[rows[same]])
        rows = rows[~same]
        at[rows] += 1
        rows = rows[at[rows] < len(segment.first)]
    empty = np.empty(0, dtype=np.int64)
    return np.concatenate([empty, *hits]), np.concatenate([empty, *places])
