"""Rank products of signals and returns for `COLUMNS` candidates at once, by a sorting network; compiled by numba when first used.

The sorting key of a stock is an int32: its signal, scaled over the range of the signals and truncated to the upper bits, and the place of
its return in the lower bits, so that one comparison moves both. Truncation keeps the order; where two truncated signals are equal, the
signals themselves are compared afterwards, so that ranks are exact.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from jaxtyping import Float, Float64, Int, Int32, UInt8
from numba import carray

from massjax.engine.cpu import COLUMNS
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
    load_from,
    load_row,
    maximum,
    minimum,
    multiply,
    shift_left,
    shift_right,
    store_row,
    subtract,
    truncate,
    where,
)
from massjax.engine.cpu.ffi import ARGUMENTS, RESULTS, SIGNATURE, asks_version, buffer, size

HUGE = np.float32(np.finfo(np.float32).max)
ZERO, ONE = np.float32(0.0), np.int32(1)
BELOW_ONE = 1.0 - 2.0**-20
"""Factor that keeps the highest key below the sign bit, whatever the rounding."""
WHOLE = 2**31 - 1
"""The largest int32."""
PATIENCE = 8
"""Places that insertion may move a stock on average before Shell's sort takes over."""


@numba.njit(nogil=True, cache=True)
def by_return(
    ranks: Float[np.ndarray, " N"], common: UInt8[np.ndarray, " N"], order: Int[np.ndarray, " N"], ordered: Float[np.ndarray, " N"]
) -> tuple[int, bool, float]:
    """Order the stocks of one date that have a return and a signal by their return (a counting sort).

    Args:
        ranks: rank sums of the returns, whole numbers in float32.
        common: 1 where the stock has both.
        order: filled with the indices of those stocks, in ascending order of their return.
        ordered: filled with their rank sums, in that order.

    Returns:
        Their number, whether all of their returns differ, and the sum of their squared rank sums.
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
    signal: Float[np.ndarray, "n columns"],
    extent: Float[np.ndarray, "2 columns"],
    missing: Int32[np.ndarray, "1 columns"],
    ranks: Float[np.ndarray, " N"],
    stocks: int,
    distinct: bool,
    keys: Int32[np.ndarray, "n columns"],
    sums: Float64[np.ndarray, "2 columns"],
) -> None:
    """`sum_n q[n] r[n]` and `sum_n q[n]^2` of one date for `COLUMNS` candidates, q and r the rank sums of signal and return.

    Args:
        signal: of each stock and candidate, the stocks in ascending order of their return.
        extent: the lowest and the highest signal of each candidate.
        missing: number of stocks without a signal, of each candidate; NaN is returned for candidates that lack any.
        ranks: rank sums of the returns, ascending.
        stocks: number of stocks.
        distinct: whether all returns differ.
        keys: scratch memory for the sorting keys.
        sums: filled with the two sums of each candidate.
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
        for column in range(COLUMNS):
            for n in range(stocks):
                row = keys[n, column] & ((1 << bits) - 1)
                order[n], values[n] = signal[row, column], ranks[row]
            _put_in_order(order, values)
            sums[0, column], sums[1, column] = _tied_products(order, values, 0, stocks)
    for column in range(COLUMNS):
        if missing[0, column]:
            sums[0, column] = np.nan


@numba.njit(nogil=True, cache=True)
def _make_keys(
    signal: Float[np.ndarray, "n columns"],
    extent: Float[np.ndarray, "2 columns"],
    stocks: int,
    bits: int,
    keys: Int32[np.ndarray, "n columns"],
) -> None:
    """Fill in the sorting keys: the signal scaled to 31 - `bits` bits, and below it the stock's place among the returns in `bits` bits."""
    top = floats(np.float32(2.0 ** (31 - bits) * BELOW_ONE))
    low, zero = load_row(extent, 0), floats(ZERO)
    width = subtract(load_row(extent, 1), low)
    scale = where(less(zero, width), divide(top, width), zero)
    scale = where(less(width, floats(HUGE)), scale, zero)
    shift = ints(np.int32(bits))
    for n in range(stocks):
        above = minimum(multiply(subtract(load_row(signal, n), low), scale), top)
        store_row(keys, n, either_bits(shift_left(truncate(above), shift), ints(np.int32(n))))


@numba.njit(nogil=True, cache=True)
def _products(
    keys: Int32[np.ndarray, "n columns"],
    stocks: int,
    bits: int,
    sums: Float64[np.ndarray, "2 columns"],
    rows: Int[np.ndarray, " n"],
    alike: Int[np.ndarray, " n"],
) -> int:
    """The sums of `rank_products` from sorted keys, as if no two signals of a candidate were equal.

    Args:
        keys: sorted.
        stocks: number of stocks.
        bits: bits of a key that hold the place among the returns.
        sums: filled with the two sums of each candidate.
        rows: filled with the rows whose truncated signal equals that of the row before, for any candidate.
        alike: filled with those candidates, as the bits of an integer for each such row.

    Returns:
        Number of such rows.
    """
    mask, shift, one, middle = ints(np.int32((1 << bits) - 1)), ints(np.int32(bits)), ints(ONE), ints(np.int32(1 - stocks))
    before, found, count = ints(np.int32(-1)), 0, np.float64(stocks)
    part, together = np.empty((1, COLUMNS), np.int32), max(1, WHOLE // max(stocks * stocks, 1))
    sums[0], sums[1] = 0.0, (count * count * count - count) / 3
    for first in range(0, stocks, together):
        product = ints(np.int32(0))
        for n in range(first, min(first + together, stocks)):
            key = load_row(keys, n)
            rank = add(shift_left(both_bits(key, mask), one), middle)
            product = add(product, multiply(rank, ints(np.int32(2 * n + 1 - stocks))))
            cut = shift_right(key, shift)
            same = bits_of(equal(cut, before))
            if same:
                rows[found], alike[found] = n, same
                found += 1
            before = cut
        store_row(part, 0, product)
        for column in range(COLUMNS):
            sums[0, column] += part[0, column]
    return found


@numba.njit(nogil=True, cache=True)
def _settle(
    signal: Float[np.ndarray, "n columns"],
    ranks: Float[np.ndarray, " N"],
    keys: Int32[np.ndarray, "n columns"],
    stocks: int,
    bits: int,
    rows: Int[np.ndarray, " m"],
    alike: Int[np.ndarray, " n"],
    sums: Float64[np.ndarray, "2 columns"],
) -> None:
    """Correct the sums where truncated signals are equal: sort those stocks by their signal, and give ties their average rank."""
    order, values = np.empty(stocks, np.float32), np.empty(stocks, np.float32)
    for place, last in enumerate(rows):
        goes_on = place + 1 < len(rows) and rows[place + 1] == last + 1
        ends = alike[place] & ~alike[place + 1] if goes_on else alike[place]
        for column in range(COLUMNS):
            if not ends >> column & 1:
                continue
            first, cut = last - 1, keys[last, column] >> bits
            while first > 0 and keys[first - 1, column] >> bits == cut:
                first -= 1
            run, assumed = last + 1 - first, 0.0
            for n in range(run):
                row = keys[first + n, column] & ((1 << bits) - 1)
                order[n], values[n] = signal[row, column], ranks[row]
                assumed += np.float64(2 * (first + n) + 1 - stocks) * values[n]
            _put_in_order(order[:run], values[:run])
            product, square = _tied_products(order[:run], values[:run], first, stocks)
            sums[0, column] += product - assumed
            for n in range(first, last + 1):
                square -= np.float64(2 * n + 1 - stocks) ** 2
            sums[1, column] += square


@numba.njit(nogil=True, cache=True)
def _put_in_order(keys: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"]) -> None:
    """Sort keys in place, and values with them: by insertion where they are nearly in order, else by Shell's sort (1959, Knuth's gaps)."""
    if _insert(keys, values, 1, PATIENCE * len(keys)):
        return
    for gap in (29524, 9841, 3280, 1093, 364, 121, 40, 13, 4, 1):
        _insert(keys, values, gap, len(keys) * len(keys))


@numba.njit(nogil=True, cache=True)
def _insert(keys: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"], gap: int, patience: int) -> bool:
    """Sort every `gap`-th key in place by insertion, and values with them; False where that takes more than `patience` moves."""
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
    """`sum q r` and `sum q^2` over stocks sorted by their signal, with average ranks on ties.

    All terms are whole numbers, which float64 adds in any order without rounding.

    Args:
        keys: signals, ascending.
        values: rank sums of the returns, in the same order.
        start: place of the first of these stocks among all.
        stocks: number of all stocks.
    """
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
    signal: Float[np.ndarray, "n columns"], column: int, ranks: Float[np.ndarray, " N"], stocks: int
) -> tuple[float, float, float]:
    """`sum q r`, `sum q^2` and `sum r^2` of one candidate over the stocks that have a signal, whose returns are ranked anew.

    Args:
        signal: the stocks in ascending order of their return; NaN where there is no signal.
        column: which candidate.
        ranks: rank sums of the returns over all stocks, ascending.
        stocks: number of stocks.
    """
    order, values, known = np.empty(stocks, np.float32), np.empty(stocks, np.float32), 0
    for n in range(stocks):
        if signal[n, column] == signal[n, column]:
            order[known], values[known] = signal[n, column], ranks[n]
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
    """Scratch arrays of `by_return` and `rank_products`: order, ordered; signal, extent, missing; keys; sums."""
    return (
        np.empty(stocks, np.int64),
        np.empty(stocks, np.float32),
        np.empty((stocks, COLUMNS), np.float32),
        np.empty((2, COLUMNS), np.float32),
        np.empty((1, COLUMNS), np.int32),
        np.empty((stocks, COLUMNS), np.int32),
        np.empty((2, COLUMNS), np.float64),
    )


@numba.njit(nogil=True, cache=True)
def rank_signals(
    signal: Float[np.ndarray, "N D P"],
    ranks: Float[np.ndarray, "D N"],
    common: UInt8[np.ndarray, "D N"],
    covariance: Float[np.ndarray, "D P"],
    square: Float[np.ndarray, "D P"],
) -> None:
    """`sum_n q[n] r[n]` and `sum_n q[n]^2` of every date and candidate, q and r the rank sums of signal and return, average ranks on ties.

    Args:
        signal: P is a multiple of `COLUMNS`; NaN where there is none.
        ranks: rank sums of the returns.
        common: 1 where the stock has a return and is expected to have a signal.
        covariance: filled with the first sum; NaN where such a stock has no signal.
        square: filled with the second sum.
    """
    stocks, dates, candidates = signal.shape
    order, ordered, some, extent, missing, keys, sums = scratch(stocks)
    for date in range(dates):
        known, distinct, _ = by_return(ranks[date], common[date], order, ordered)
        for first in range(0, candidates, COLUMNS):
            low, high, there = floats(HUGE), floats(-HUGE), ints(np.int32(0))
            for n in range(known):
                value = load_from(signal, (order[n] * dates + date) * candidates + first)
                low, high, there = minimum(value, low), maximum(value, high), add(there, as_ints(equal(value, value)))
                store_row(some, n, value)
            store_row(extent, 0, low)
            store_row(extent, 1, high)
            store_row(missing, 0, subtract(ints(np.int32(known)), there))
            rank_products(some, extent, missing, ordered, known, distinct, keys, sums)
            for column in range(COLUMNS):
                covariance[date, first + column], square[date, first + column] = sums[0, column], sums[1, column]


@numba.cfunc(SIGNATURE, nopython=True, cache=True)
def handler(frame: int) -> int:
    """The operation of XLA behind `ranked_covariance`: signal [N*D, P], ranks [D, N], common [D, N] to covariance [D, P], square [D, P]."""
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
