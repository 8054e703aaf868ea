"""Ranks of stocks for candidates side by side, by a sorting network; compiled by numba (and kept in its cache) when it is first used.

A stock's key is its signal, cut to whole numbers over the range of the signals, with the place of its return below: one comparison moves
both. Cutting keeps the order; where it makes two signals equal, the signals themselves decide afterwards.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from jaxtyping import Float, Float64, Int, Int32, UInt8
from numba import carray

from massjax.engine.cpu import LANES
from massjax.engine.cpu.column_sort import sort
from massjax.engine.cpu.columns import (
    add,
    as_ints,
    bits_of,
    both_bits,
    divide,
    either_bits,
    equal,
    floats,
    ints,
    less,
    load,
    load_from,
    maximum,
    minimum,
    multiply,
    shift_left,
    shift_right,
    store,
    subtract,
    truncate,
    where,
)
from massjax.engine.cpu.ffi import ARGUMENTS, RESULTS, SIGNATURE, asks_version, buffer, size

HUGE = np.float32(np.finfo(np.float32).max)
ZERO, ONE = np.float32(0.0), np.int32(1)
BELOW_ONE = 1.0 - 2.0**-20
"""Keeps the highest key below the sign bit, whatever the rounding."""
WHOLE = 2**31 - 1
PATIENCE = 8
"""Places a stock may be moved on average before insertion is given up."""


@numba.njit(nogil=True, cache=True)
def by_return(
    ranks: Float[np.ndarray, " N"], common: UInt8[np.ndarray, " N"], order: Int[np.ndarray, " N"], ordered: Float[np.ndarray, " N"]
) -> tuple[int, bool, float]:
    """Fill in the stocks with a return and a signal in the order of their returns, and their ranks.

    Returns:
        How many they are, whether no two of the returns are equal, and the sum of their squared ranks.
    """
    known, distinct, spread = 0, True, 0.0
    for n in range(len(ranks)):
        known += common[n]
    starts = np.zeros(2 * known + 1, np.int64)
    for n in range(len(ranks)):
        if common[n]:
            starts[int(ranks[n]) + known] += 1
    for place in range(1, 2 * known + 1):
        starts[place] += starts[place - 1]
    for n in range(len(ranks)):
        if common[n]:
            place = starts[int(ranks[n]) + known - 1]
            starts[int(ranks[n]) + known - 1] = place + 1
            order[place], ordered[place] = n, ranks[n]
            spread += np.float64(ranks[n]) ** 2
    for place in range(1, known):
        distinct &= ordered[place] != ordered[place - 1]
    return known, distinct, spread


@numba.njit(nogil=True, cache=True)
def rank_products(
    signal: Float[np.ndarray, "n L"],
    extent: Float[np.ndarray, "2 L"],
    missing: Int32[np.ndarray, "1 L"],
    ranks: Float[np.ndarray, " N"],
    stocks: int,
    distinct: bool,
    keys: Int32[np.ndarray, "n L"],
    sums: Float64[np.ndarray, "2 L"],
) -> None:
    """Fill `sums` with those of q r and of q^2 of each lane: q and r the rank sums of signal and return.

    Args:
        signal: of the stocks, in the order of their returns.
        extent: the lowest and the highest signal of each lane.
        missing: how many signals each lane lacks; those with any get NaN.
        ranks: of the stocks.
        stocks: how many they are.
        distinct: whether no two of them are equal.
        keys: scratch.
    """
    bits = 1
    while 1 << bits < stocks:
        bits += 1
    _make_keys(signal, extent, stocks, bits, keys)
    sort(keys, stocks)
    if distinct:
        rows, alike = np.empty(stocks, np.int64), np.empty(stocks + 1, np.int64)
        found = _products(keys, stocks, bits, sums, rows, alike)
        if found:
            _settle(signal, ranks, keys, stocks, bits, rows[:found], alike, sums)
    else:
        order, values = np.empty(stocks, np.float32), np.empty(stocks, np.float32)
        for lane in range(LANES):
            for n in range(stocks):
                row = keys[n, lane] & ((1 << bits) - 1)
                order[n], values[n] = signal[row, lane], ranks[row]
            _put_in_order(order, values)
            sums[0, lane], sums[1, lane] = _tied_products(order, values, 0, stocks)
    for lane in range(LANES):
        if missing[0, lane]:
            sums[0, lane] = np.nan


@numba.njit(nogil=True, cache=True)
def _make_keys(
    signal: Float[np.ndarray, "n L"], extent: Float[np.ndarray, "2 L"], stocks: int, bits: int, keys: Int32[np.ndarray, "n L"]
) -> None:
    top = floats(np.float32(2.0 ** (31 - bits) * BELOW_ONE))
    low, zero = load(extent, 0), floats(ZERO)
    width = subtract(load(extent, 1), low)
    scale = where(less(zero, width), divide(top, width), zero)
    scale = where(less(width, floats(HUGE)), scale, zero)
    shift = ints(np.int32(bits))
    for n in range(stocks):
        above = minimum(multiply(subtract(load(signal, n), low), scale), top)
        store(keys, n, either_bits(shift_left(truncate(above), shift), ints(np.int32(n))))


@numba.njit(nogil=True, cache=True)
def _products(
    keys: Int32[np.ndarray, "n L"],
    stocks: int,
    bits: int,
    sums: Float64[np.ndarray, "2 L"],
    rows: Int[np.ndarray, " n"],
    alike: Int[np.ndarray, " n"],
) -> int:
    """The sums as if no two signals were equal.

    Returns:
        The number of rows whose cut signal is that of the row before in some lanes; which rows and, as bits, which lanes is filled in.
    """
    mask, shift, one, middle = ints(np.int32((1 << bits) - 1)), ints(np.int32(bits)), ints(ONE), ints(np.int32(1 - stocks))
    before, found, count = ints(np.int32(-1)), 0, np.float64(stocks)
    part, together = np.empty((1, LANES), np.int32), max(1, WHOLE // max(stocks * stocks, 1))
    sums[0], sums[1] = 0.0, (count * count * count - count) / 3
    for first in range(0, stocks, together):
        product = ints(np.int32(0))
        for n in range(first, min(first + together, stocks)):
            key = load(keys, n)
            rank = add(shift_left(both_bits(key, mask), one), middle)
            product = add(product, multiply(rank, ints(np.int32(2 * n + 1 - stocks))))
            cut = shift_right(key, shift)
            same = bits_of(equal(cut, before))
            if same:
                rows[found], alike[found] = n, same
                found += 1
            before = cut
        store(part, 0, product)
        for lane in range(LANES):
            sums[0, lane] += part[0, lane]
    return found


@numba.njit(nogil=True, cache=True)
def _settle(
    signal: Float[np.ndarray, "n L"],
    ranks: Float[np.ndarray, " N"],
    keys: Int32[np.ndarray, "n L"],
    stocks: int,
    bits: int,
    rows: Int[np.ndarray, " m"],
    alike: Int[np.ndarray, " n"],
    sums: Float64[np.ndarray, "2 L"],
) -> None:
    """Let the signals decide where keys cannot, and put the sums right."""
    order, values = np.empty(stocks, np.float32), np.empty(stocks, np.float32)
    for place, last in enumerate(rows):
        goes_on = place + 1 < len(rows) and rows[place + 1] == last + 1
        ends = alike[place] & ~alike[place + 1] if goes_on else alike[place]
        for lane in range(LANES):
            if not ends >> lane & 1:
                continue
            first, cut = last - 1, keys[last, lane] >> bits
            while first > 0 and keys[first - 1, lane] >> bits == cut:
                first -= 1
            run, assumed = last + 1 - first, 0.0
            for n in range(run):
                row = keys[first + n, lane] & ((1 << bits) - 1)
                order[n], values[n] = signal[row, lane], ranks[row]
                assumed += np.float64(2 * (first + n) + 1 - stocks) * values[n]
            _put_in_order(order[:run], values[:run])
            product, square = _tied_products(order[:run], values[:run], first, stocks)
            sums[0, lane] += product - assumed
            for n in range(first, last + 1):
                square -= np.float64(2 * n + 1 - stocks) ** 2
            sums[1, lane] += square


@numba.njit(nogil=True, cache=True)
def _put_in_order(keys: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"]) -> None:
    """Insertion, for what is nearly in order; Shell's sort (1959, with Knuth's gaps) should it not be."""
    if _insert(keys, values, 1, PATIENCE * len(keys)):
        return
    for gap in (29524, 9841, 3280, 1093, 364, 121, 40, 13, 4, 1):
        _insert(keys, values, gap, len(keys) * len(keys))


@numba.njit(nogil=True, cache=True)
def _insert(keys: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"], gap: int, patience: int) -> bool:
    """Put every `gap`-th in order by insertion; False where that takes more than `patience` moves."""
    for n in range(gap, len(keys)):
        key = keys[n]
        if key < keys[n - gap]:
            value, place = values[n], n
            while place >= gap and key < keys[place - gap]:
                keys[place], values[place] = keys[place - gap], values[place - gap]
                place -= gap
                patience -= 1
            keys[place], values[place] = key, value
            if patience < 0:
                return False
    return True


@numba.njit(nogil=True, cache=True)
def _tied_products(keys: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"], start: int, stocks: int) -> tuple[float, float]:
    """The sums over sorted stocks from place `start` on: whole numbers, which float64 adds up in any order without rounding."""
    product, square, first = 0.0, 0.0, 0
    while first < len(keys):
        beyond, together = first + 1, np.float64(values[first])
        while beyond < len(keys) and keys[beyond] == keys[first]:
            together += values[beyond]
            beyond += 1
        middle = np.float64(2 * start + first + beyond - stocks)
        product += middle * together
        square += middle * middle * (beyond - first)
        first = beyond
    return product, square


@numba.njit(nogil=True, cache=True)
def products_of_some(
    signal: Float[np.ndarray, "n L"], lane: int, ranks: Float[np.ndarray, " N"], stocks: int
) -> tuple[float, float, float]:
    """The sums of one lane, and that of r^2, over the stocks that have a signal there, whose returns are ranked anew among themselves."""
    order, values, known = np.empty(stocks, np.float32), np.empty(stocks, np.float32), 0
    for n in range(stocks):
        if signal[n, lane] == signal[n, lane]:
            order[known], values[known] = signal[n, lane], ranks[n]
            known += 1
    spread, first = 0.0, 0
    while first < known:
        beyond, rank = first + 1, values[first]
        while beyond < known and values[beyond] == rank:
            beyond += 1
        values[first:beyond] = first + beyond - known
        spread += (beyond - first) * np.float64(first + beyond - known) ** 2
        first = beyond
    _put_in_order(order[:known], values[:known])
    product, square = _tied_products(order[:known], values[:known], 0, known)
    return product, square, spread


@numba.njit(nogil=True, cache=True)
def scratch(stocks: int) -> tuple[Any, ...]:
    """For `by_return` and `rank_products`: order and ranks of the stocks; signals, their extent, and how many are missing; keys; sums."""
    return (
        np.empty(stocks, np.int64),
        np.empty(stocks, np.float32),
        np.empty((stocks, LANES), np.float32),
        np.empty((2, LANES), np.float32),
        np.empty((1, LANES), np.int32),
        np.empty((stocks, LANES), np.int32),
        np.empty((2, LANES), np.float64),
    )


@numba.njit(nogil=True, cache=True)
def rank_signals(
    signal: Float[np.ndarray, "N D P"],
    ranks: Float[np.ndarray, "D N"],
    common: UInt8[np.ndarray, "D N"],
    covariance: Float[np.ndarray, "D P"],
    square: Float[np.ndarray, "D P"],
) -> None:
    """Fill in the last two arguments, see `massjax.engine.cpu.compiled.ranked_covariance`; P is a multiple of `LANES`."""
    stocks, dates, candidates = signal.shape
    order, ordered, some, extent, missing, keys, sums = scratch(stocks)
    for date in range(dates):
        known, distinct, _ = by_return(ranks[date], common[date], order, ordered)
        for first in range(0, candidates, LANES):
            low, high, there = floats(HUGE), floats(-HUGE), ints(np.int32(0))
            for n in range(known):
                value = load_from(signal, (order[n] * dates + date) * candidates + first)
                low, high, there = minimum(value, low), maximum(value, high), add(there, as_ints(equal(value, value)))
                store(some, n, value)
            store(extent, 0, low)
            store(extent, 1, high)
            store(missing, 0, subtract(ints(np.int32(known)), there))
            rank_products(some, extent, missing, ordered, known, distinct, keys, sums)
            for lane in range(LANES):
                covariance[date, first + lane], square[date, first + lane] = sums[0, lane], sums[1, lane]


@numba.cfunc(SIGNATURE, nopython=True, cache=True)
def handler(frame: int) -> int:
    """What XLA calls: signal [N*D, P], ranks [D, N] and common [D, N] to covariance [D, P] and square [D, P]."""
    if asks_version(frame):
        return 0
    dates, stocks, candidates = size(frame, ARGUMENTS, 1, 0), size(frame, ARGUMENTS, 1, 1), size(frame, ARGUMENTS, 0, 1)
    rank_signals(
        carray(buffer(frame, ARGUMENTS, 0), (stocks, dates, candidates), np.float32),
        carray(buffer(frame, ARGUMENTS, 1), (dates, stocks), np.float32),
        carray(buffer(frame, ARGUMENTS, 2), (dates, stocks), np.uint8),
        carray(buffer(frame, RESULTS, 0), (dates, candidates), np.float32),
        carray(buffer(frame, RESULTS, 1), (dates, candidates), np.float32),
    )
    return 0
