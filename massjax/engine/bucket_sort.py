"""The bucket sort of `massjax.engine.buckets`, compiled by numba (and kept in its cache) when it is first used."""

from __future__ import annotations

import numba
import numpy as np
from jaxtyping import Float, Int, UInt8, UInt32
from numba import carray

from massjax.engine.buckets import LANES
from massjax.engine.foreign import ARGUMENTS, RESULTS, SIGNATURE, asks_version, buffer, size

BUCKETS_PER_STOCK = 4
PATIENCE = 8
"""Places a stock may be moved on average before insertion is given up."""
HUGE = np.float32(np.finfo(np.float32).max)
ONE = np.uint32(1)


@numba.njit(nogil=True, cache=True)
def covariances(
    signal: Float[np.ndarray, "N D P"],
    ranks: Float[np.ndarray, "D N"],
    common: UInt8[np.ndarray, "D N"],
    covariance: Float[np.ndarray, "D P"],
    square: Float[np.ndarray, "D P"],
) -> None:
    """Fill in the last two arguments, see `massjax.engine.buckets.bucketed_covariance`."""
    stocks, dates, candidates = signal.shape
    stock, rank = np.empty(stocks, np.int64), np.empty(stocks, np.float32)
    keys, values = np.empty(stocks, np.float32), np.empty(stocks, np.float32)
    bucket, starts = np.empty((stocks, LANES), np.uint32), np.empty(BUCKETS_PER_STOCK * stocks + 1, np.uint32)
    low, scale, complete = np.empty(LANES, np.float32), np.empty(LANES, np.float32), np.empty(LANES, np.bool_)
    for date in range(dates):
        known = 0
        for n in range(stocks):
            if common[date, n]:
                stock[known], rank[known] = n, ranks[date, n]
                known += 1
        for first in range(0, candidates, LANES):
            some = signal[:, date, first : first + LANES]
            _find_buckets(some, stock, known, bucket, low, scale, complete)
            for lane in range(LANES):
                column = first + lane
                covariance[date, column], square[date, column] = np.nan, 0.0
                if not complete[lane]:
                    continue
                in_order = False
                if scale[lane] <= HUGE:
                    _counting_sort(some, stock, rank, known, lane, bucket, starts, keys, values)
                    in_order = _insertion_sort(keys, values, known)
                if not in_order:
                    _merge_sort(some, stock, rank, known, lane, keys, values)
                covariance[date, column], square[date, column] = _rank_products(keys, values, known)


@numba.njit(nogil=True, cache=True, fastmath={"contract", "nsz"})
def _find_buckets(
    signal: Float[np.ndarray, "N L"],
    stock: Int[np.ndarray, " N"],
    known: int,
    bucket: UInt32[np.ndarray, "N L"],
    low: Float[np.ndarray, " L"],
    scale: Float[np.ndarray, " L"],
    complete: np.ndarray,
) -> None:
    """The bucket of each stock, lane by lane, unless one is NaN; a `scale` beyond `HUGE` says that the range cannot be cut up."""
    high, missing = np.full(LANES, -HUGE), np.zeros(LANES, np.int32)
    low[:] = HUGE
    for n in range(known):
        for lane in range(LANES):
            value = signal[stock[n], lane]
            low[lane], high[lane] = min(low[lane], value), max(high[lane], value)
            missing[lane] += np.int32(value != value)
    last = np.float32(BUCKETS_PER_STOCK * known - 1)
    for lane in range(LANES):
        width = high[lane] - low[lane]
        scale[lane] = np.inf if width > HUGE else last / width if width > 0 else np.float32(0.0)
        complete[lane] = missing[lane] == 0
    for n in range(known):
        for lane in range(LANES):
            bucket[n, lane] = np.uint32((signal[stock[n], lane] - low[lane]) * scale[lane])


@numba.njit(nogil=True, cache=True)
def _counting_sort(
    signal: Float[np.ndarray, "N L"],
    stock: Int[np.ndarray, " N"],
    rank: Float[np.ndarray, " N"],
    known: int,
    lane: int,
    bucket: UInt32[np.ndarray, "N L"],
    starts: UInt32[np.ndarray, " B"],
    keys: Float[np.ndarray, " N"],
    values: Float[np.ndarray, " N"],
) -> None:
    """Signals of one lane by bucket into `keys`, the return ranks along with them into `values`."""
    buckets = BUCKETS_PER_STOCK * known
    starts[: buckets + 1] = 0
    for n in range(known):
        starts[bucket[n, lane] + ONE] += ONE
    total = np.uint32(0)
    for b in range(buckets):
        total += starts[b]
        starts[b] = total
    for n in range(known):
        place = starts[bucket[n, lane]]
        starts[bucket[n, lane]] = place + ONE
        keys[place], values[place] = signal[stock[n], lane], rank[n]


@numba.njit(nogil=True, cache=True)
def _insertion_sort(keys: Float[np.ndarray, " N"], values: Float[np.ndarray, " N"], known: int) -> bool:
    """Put what is nearly in order in order; False where it is not nearly so."""
    patience = PATIENCE * known
    for n in range(1, known):
        key = keys[n]
        if key < keys[n - 1]:
            value, place = values[n], n
            while place > 0 and key < keys[place - 1]:
                keys[place], values[place] = keys[place - 1], values[place - 1]
                place -= 1
            keys[place], values[place] = key, value
            patience -= n - place
            if patience < 0:
                return False
    return True


@numba.njit(nogil=True, cache=True)
def _merge_sort(
    signal: Float[np.ndarray, "N L"],
    stock: Int[np.ndarray, " N"],
    rank: Float[np.ndarray, " N"],
    known: int,
    lane: int,
    keys: Float[np.ndarray, " N"],
    values: Float[np.ndarray, " N"],
) -> None:
    """As `_counting_sort`, in order, however the signals are spread."""
    row = np.empty(known, np.float32)
    for n in range(known):
        row[n] = signal[stock[n], lane]
    order = np.argsort(row, kind="mergesort")
    for place in range(known):
        keys[place], values[place] = row[order[place]], rank[order[place]]


@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _rank_products(keys: Float[np.ndarray, " N"], values: Float[np.ndarray, " N"], known: int) -> tuple[float, float]:
    """Sums of q r and of q^2 over a sorted row: whole numbers, which float64 adds up in any order without rounding."""
    ties, product, square = np.int32(0), np.float64(0.0), np.float64(0.0)
    for n in range(1, known):
        ties += np.int32(keys[n] == keys[n - 1])
    if ties == 0:
        for n in range(known):
            product += np.float64(2 * n + 1 - known) * np.float64(values[n])
        count = np.float64(known)
        return product, (count * count * count - count) / 3
    first = 0
    while first < known:
        beyond, together = first + 1, np.float64(values[first])
        while beyond < known and keys[beyond] == keys[first]:
            together += values[beyond]
            beyond += 1
        middle = np.float64(first + beyond - known)
        product += middle * together
        square += middle * middle * (beyond - first)
        first = beyond
    return product, square


@numba.cfunc(SIGNATURE, nopython=True, cache=True)
def handler(frame: int) -> int:
    """What XLA calls: signal [N*D, P], ranks [D, N] and common [D, N] to covariance [D, P] and square [D, P]."""
    if asks_version(frame):
        return 0
    dates, stocks, candidates = size(frame, ARGUMENTS, 1, 0), size(frame, ARGUMENTS, 1, 1), size(frame, ARGUMENTS, 0, 1)
    covariances(
        carray(buffer(frame, ARGUMENTS, 0), (stocks, dates, candidates), np.float32),
        carray(buffer(frame, ARGUMENTS, 1), (dates, stocks), np.float32),
        carray(buffer(frame, ARGUMENTS, 2), (dates, stocks), np.uint8),
        carray(buffer(frame, RESULTS, 0), (dates, candidates), np.float32),
        carray(buffer(frame, RESULTS, 1), (dates, candidates), np.float32),
    )
    return 0
