"""A sorting network that sorts every column of an array at once, compiled by numba (and kept in its cache) when it is first used."""

from __future__ import annotations

import numba
import numpy as np
from jaxtyping import Int32

from massjax.engine.cpu.columns import load_row, maximum, minimum, store_row

NEAR = 8
"""Distance in rows above which one layer of a merge at a time is faster than two (measured): its rows are read in order."""


@numba.njit(nogil=True, cache=True)
def sort(keys: Int32[np.ndarray, "n columns"], stocks: int) -> None:
    """Sort each column of the first `stocks` rows in place, ascending, by Batcher's odd-even merge sort (1968).

    A merge of two sorted runs compares rows that are `run` apart, then `run / 2`, and so on down to 1; `stocks` may be any number. Two
    such layers are done at a time while their rows are still in registers, as the time of the sort is that of reading memory.
    """
    _sort_fours(keys, stocks)
    run = 4
    while run < stocks:
        for start in range(0, stocks - run, 2 * run):
            end = min(start + 2 * run, stocks)
            _first_layers(keys, start, end, run)
            apart = run // 4
            while apart > NEAR:
                _one_layer(keys, start, end, apart)
                apart //= 2
            while apart > 1:
                _two_layers(keys, start, end, apart)
                apart //= 4
            if apart:
                _one_layer(keys, start, end, apart)
        run *= 2


@numba.njit(nogil=True, cache=True, inline="always")
def _exchange(keys: Int32[np.ndarray, "n columns"], upper: int, lower: int) -> None:
    """Compare two rows and leave the smaller key of each column in row `upper`, the larger in row `lower`."""
    one, other = load_row(keys, upper), load_row(keys, lower)
    store_row(keys, upper, minimum(one, other))
    store_row(keys, lower, maximum(one, other))


@numba.njit(nogil=True, cache=True)
def _sort_fours(keys: Int32[np.ndarray, "n columns"], stocks: int) -> None:
    """Sort every run of four rows by five comparisons, and the last one to three rows by insertion."""
    last = stocks - stocks % 4
    for n in range(0, last, 4):
        a, b, c, d = load_row(keys, n), load_row(keys, n + 1), load_row(keys, n + 2), load_row(keys, n + 3)
        a, b, c, d = minimum(a, b), maximum(a, b), minimum(c, d), maximum(c, d)
        a, c, b, d = minimum(a, c), maximum(a, c), minimum(b, d), maximum(b, d)
        store_row(keys, n, a)
        store_row(keys, n + 1, minimum(b, c))
        store_row(keys, n + 2, maximum(b, c))
        store_row(keys, n + 3, d)
    for n in range(last + 1, stocks):
        for lower in range(n, last, -1):
            _exchange(keys, lower - 1, lower)


@numba.njit(nogil=True, cache=True)
def _first_layers(keys: Int32[np.ndarray, "n columns"], start: int, end: int, run: int) -> None:
    """The first two layers of merging rows `start` to `end`, two sorted runs: rows `run` apart, then rows `run / 2` apart."""
    half = run // 2
    whole = min(half, max(0, end - start - run - half))
    for n in range(start, start + whole):
        a, b, c, d = load_row(keys, n), load_row(keys, n + half), load_row(keys, n + run), load_row(keys, n + run + half)
        a, b, c, d = minimum(a, c), minimum(b, d), maximum(a, c), maximum(b, d)
        store_row(keys, n, a)
        store_row(keys, n + half, minimum(b, c))
        store_row(keys, n + run, maximum(b, c))
        store_row(keys, n + run + half, d)
    for n in range(start + whole, min(start + half, end - run)):
        _exchange(keys, n, n + run)
        _exchange(keys, n + half, n + run)


@numba.njit(nogil=True, cache=True)
def _one_layer(keys: Int32[np.ndarray, "n columns"], start: int, end: int, apart: int) -> None:
    """One layer of merging rows `start` to `end`: rows that are `apart` from each other."""
    for first in range(start + apart, end - apart, 2 * apart):
        for n in range(first, min(first + apart, end - apart)):
            _exchange(keys, n, n + apart)


@numba.njit(nogil=True, cache=True)
def _two_layers(keys: Int32[np.ndarray, "n columns"], start: int, end: int, apart: int) -> None:
    """Two layers of merging rows `start` to `end`: rows `apart`, then rows `apart / 2`, of which each needs the next rows of the first."""
    half = apart // 2
    for offset in range(half):
        n = start + apart + offset
        if n >= end:
            return
        before = load_row(keys, n - half)
        while n + apart + half < end:
            a, b, c, d = load_row(keys, n), load_row(keys, n + half), load_row(keys, n + apart), load_row(keys, n + apart + half)
            a, b, c, d = minimum(a, c), minimum(b, d), maximum(a, c), maximum(b, d)
            store_row(keys, n - half, minimum(before, a))
            store_row(keys, n, maximum(before, a))
            store_row(keys, n + half, minimum(b, c))
            store_row(keys, n + apart, maximum(b, c))
            before = d
            n += 2 * apart
        store_row(keys, n - half, before)
        if n + apart < end:
            _exchange(keys, n, n + apart)
        if n < end:
            _exchange(keys, n - half, n)
        if n + apart < end:
            _exchange(keys, n + half, n + apart)
