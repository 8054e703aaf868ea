"""The whole evaluation of candidates side by side, from scores to rank products, compiled by numba when it is first used.

The formulas are those of `massjax.engine.signals`, in the same order; here a stock's signal never leaves the nearest cache.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from jaxtyping import Float, Int, Int32, UInt8
from numba import carray

from massjax.engine.cpu import LANES
from massjax.engine.cpu.column_ranks import HUGE, ZERO, by_return, products_of_some, rank_products, scratch
from massjax.engine.cpu.columns import (
    add,
    as_ints,
    divide,
    equal,
    floats,
    fused,
    ints,
    less,
    load,
    maximum,
    minimum,
    multiply,
    root,
    store,
    subtract,
    where,
)
from massjax.engine.cpu.ffi import ARGUMENTS, RESULTS, SIGNATURE, asks_version, buffer, size

NOTHING = np.float32(np.nan)


@numba.njit(nogil=True, cache=True)
def evaluate(
    scores: Float[np.ndarray, "D K N"],
    around: Float[np.ndarray, "D K N"],
    present: Float[np.ndarray, "D K N"],
    middle: Float[np.ndarray, "D N"],
    agreement: Float[np.ndarray, "D N"],
    ranks: Float[np.ndarray, "D N"],
    common: UInt8[np.ndarray, "D N"],
    weights: Float[np.ndarray, "tiles*K L"],
    shares: Float[np.ndarray, " 2"],
    covariance: Float[np.ndarray, "D P"],
    square: Float[np.ndarray, "D P"],
    spread: Float[np.ndarray, "D P"],
) -> None:
    """Fill in the last three arguments, see `massjax.engine.cpu.compiled.evaluated_products`; P is a multiple of `LANES`."""
    dates, archetypes, stocks = scores.shape
    order, ordered, signal, extent, missing, keys, sums = scratch(stocks)
    whole, levels = np.empty((2, LANES), np.float32), np.empty((stocks, 2), np.float32)
    count, who, what = np.empty(stocks, np.int64), np.empty((stocks, archetypes), np.int64), np.empty((stocks, archetypes, 2), np.float32)
    for date in range(dates):
        known, distinct, of_all = by_return(ranks[date], common[date], order, ordered)
        for n in range(known):
            stock = order[n]
            count[n] = _gather(scores[date], around[date], present[date], stock, who[n], what[n])
            levels[n, 0], levels[n, 1] = middle[date, stock], agreement[date, stock]
        for tile in range(len(weights) // archetypes):
            lanes = weights[tile * archetypes : (tile + 1) * archetypes]
            _add_up(lanes, whole)
            _signals(lanes, whole, known, count, who, what, levels, shares, signal, extent, missing)
            rank_products(signal, extent, missing, ordered, known, distinct, keys, sums)
            for lane in range(LANES):
                column = tile * LANES + lane
                covariance[date, column], square[date, column], spread[date, column] = (
                    products_of_some(signal, lane, ordered, known) if missing[0, lane] else (sums[0, lane], sums[1, lane], of_all)
                )


@numba.njit(nogil=True, cache=True)
def _gather(
    scores: Float[np.ndarray, "K N"],
    around: Float[np.ndarray, "K N"],
    present: Float[np.ndarray, "K N"],
    stock: int,
    who: Int[np.ndarray, " K"],
    what: Float[np.ndarray, "K 2"],
) -> int:
    """Fill in the archetypes that have a score of the stock, and their scores and deviations side by side; returns how many they are."""
    count = 0
    for k in range(len(scores)):
        if present[k, stock]:
            who[count], what[count, 0], what[count, 1] = k, scores[k, stock], around[k, stock]
            count += 1
    return count


@numba.njit(nogil=True, cache=True)
def _add_up(lanes: Float[np.ndarray, "K L"], whole: Float[np.ndarray, "2 L"]) -> None:
    """Fill in the sum of the weights, and one over it."""
    total = floats(ZERO)
    for k in range(len(lanes)):
        total = add(total, load(lanes, k))
    store(whole, 0, total)
    store(whole, 1, divide(floats(np.float32(1.0)), total))


@numba.njit(nogil=True, cache=True, inline="always")
def _quotient(value: Any, total: Any, share: Any) -> Any:
    """value / total, given share = 1 / total. What is left over is divided once more: where the quotient is a float32, it is that one, so
    that equal means stay equal whoever is missing."""
    near = multiply(value, share)
    left = fused(subtract(floats(ZERO), near), total, value)
    return fused(left, share, near)


@numba.njit(nogil=True, cache=True)
def _signals(
    lanes: Float[np.ndarray, "K L"],
    whole: Float[np.ndarray, "2 L"],
    stocks: int,
    count: Int[np.ndarray, " N"],
    who: Int[np.ndarray, "N K"],
    what: Float[np.ndarray, "N K 2"],
    levels: Float[np.ndarray, "N 2"],
    shares: Float[np.ndarray, " 2"],
    signal: Float[np.ndarray, "N L"],
    extent: Float[np.ndarray, "2 L"],
    missing: Int32[np.ndarray, "1 L"],
) -> None:
    """Fill in the signal of each stock and lane, NaN where no weighted archetype has a score; their bounds; and how many are NaN."""
    zero, one, all_weights, of_all = floats(ZERO), floats(np.float32(1.0)), load(whole, 0), load(whole, 1)
    of_mean, of_deviation = floats(shares[0]), floats(-shares[1])
    low, high, there = floats(HUGE), floats(-HUGE), ints(np.int32(0))
    for n in range(stocks):
        mean, middle, square, total, share = zero, zero, zero, all_weights, of_all
        if count[n] == len(lanes):
            for k in range(count[n]):
                weight = load(lanes, k)
                mean = fused(weight, floats(what[n, k, 0]), mean)
                middle = fused(weight, floats(what[n, k, 1]), middle)
        else:
            total = zero
            for place in range(count[n]):
                weight = load(lanes, who[n, place])
                mean = fused(weight, floats(what[n, place, 0]), mean)
                middle = fused(weight, floats(what[n, place, 1]), middle)
                total = add(total, weight)
            share = divide(one, total)
        middle = _quotient(middle, total, share)
        for place in range(count[n]):
            apart = subtract(floats(what[n, place, 1]), middle)
            square = fused(multiply(load(lanes, who[n, place]), apart), apart, square)
        variance = _quotient(square, total, share)
        deviation = where(less(floats(levels[n, 1]), variance), root(variance), zero)
        level = _quotient(mean, total, share)
        if levels[n, 1] == ZERO:
            level = floats(levels[n, 0])
        value = fused(of_deviation, deviation, multiply(of_mean, level))
        if count[n] < len(lanes):
            value = where(equal(total, zero), floats(NOTHING), value)
        store(signal, n, value)
        low, high, there = minimum(value, low), maximum(value, high), add(there, as_ints(equal(value, value)))
    store(extent, 0, low)
    store(extent, 1, high)
    store(missing, 0, subtract(ints(np.int32(stocks)), there))


@numba.cfunc(SIGNATURE, nopython=True, cache=True)
def handler(frame: int) -> int:
    """What XLA calls, see `evaluate`."""
    if asks_version(frame):
        return 0
    dates, archetypes, stocks = size(frame, ARGUMENTS, 0, 0), size(frame, ARGUMENTS, 0, 1), size(frame, ARGUMENTS, 0, 2)
    rows, candidates = size(frame, ARGUMENTS, 7, 0), size(frame, RESULTS, 0, 1)
    evaluate(
        carray(buffer(frame, ARGUMENTS, 0), (dates, archetypes, stocks), np.float32),
        carray(buffer(frame, ARGUMENTS, 1), (dates, archetypes, stocks), np.float32),
        carray(buffer(frame, ARGUMENTS, 2), (dates, archetypes, stocks), np.float32),
        carray(buffer(frame, ARGUMENTS, 3), (dates, stocks), np.float32),
        carray(buffer(frame, ARGUMENTS, 4), (dates, stocks), np.float32),
        carray(buffer(frame, ARGUMENTS, 5), (dates, stocks), np.float32),
        carray(buffer(frame, ARGUMENTS, 6), (dates, stocks), np.uint8),
        carray(buffer(frame, ARGUMENTS, 7), (rows, LANES), np.float32),
        carray(buffer(frame, ARGUMENTS, 8), 2, np.float32),
        carray(buffer(frame, RESULTS, 0), (dates, candidates), np.float32),
        carray(buffer(frame, RESULTS, 1), (dates, candidates), np.float32),
        carray(buffer(frame, RESULTS, 2), (dates, candidates), np.float32),
    )
    return 0
