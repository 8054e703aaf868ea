"""Rank products of candidates straight from scores and weights, for `COLUMNS` candidates at once; compiled by numba when first used.

The signal is computed by the formulas of `massjax.engine.opinions` (weighted mean, deviation around it in a second pass), adding the
archetypes in the same order. It is ranked at once, so it never leaves the nearest cache.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from jaxtyping import Float, Int, Int32, UInt8
from numba import carray

from massjax.engine.cpu import COLUMNS
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
    load_row,
    maximum,
    minimum,
    multiply,
    root,
    store_row,
    subtract,
    where,
)
from massjax.engine.cpu.ffi import ARGUMENTS, RESULTS, SIGNATURE, asks_version, buffer, size

NAN = np.float32(np.nan)


@numba.njit(nogil=True, cache=True)
def products_of_scores(
    scores: Float[np.ndarray, "D K N"],
    around: Float[np.ndarray, "D K N"],
    present: Float[np.ndarray, "D K N"],
    middle: Float[np.ndarray, "D N"],
    agreement: Float[np.ndarray, "D N"],
    ranks: Float[np.ndarray, "D N"],
    common: UInt8[np.ndarray, "D N"],
    weights: Float[np.ndarray, "tiles*K columns"],
    shares: Float[np.ndarray, " 2"],
    covariance: Float[np.ndarray, "D P"],
    square: Float[np.ndarray, "D P"],
    spread: Float[np.ndarray, "D P"],
) -> None:
    """`sum_n q[n] r[n]`, `sum_n q[n]^2` and `sum_n r[n]^2` of every date and candidate, q and r the rank sums of signal and return.

    Args:
        scores, around, present, middle, agreement: see `massjax.engine.opinions.Opinions`.
        ranks: rank sums of the returns.
        common: 1 where the stock has a return and is expected to have a signal.
        weights: of `COLUMNS` candidates, tile below tile.
        shares: of the mean and of the deviation in the signal.
        covariance, square, spread: filled with the three sums, over the stocks that have a signal and a return; P is a multiple of
            `COLUMNS`.
    """
    dates, archetypes, stocks = scores.shape
    order, ordered, signal, extent, missing, keys, sums = scratch(stocks)
    whole, levels = np.empty((2, COLUMNS), np.float32), np.empty((stocks, 2), np.float32)
    count, who, what = np.empty(stocks, np.int64), np.empty((stocks, archetypes), np.int64), np.empty((stocks, archetypes, 2), np.float32)
    for date in range(dates):
        known, distinct, of_all = by_return(ranks[date], common[date], order, ordered)
        for n in range(known):
            stock = order[n]
            count[n] = _gather(scores[date], around[date], present[date], stock, who[n], what[n])
            levels[n, 0], levels[n, 1] = middle[date, stock], agreement[date, stock]
        for tile in range(len(weights) // archetypes):
            tile_weights = weights[tile * archetypes : (tile + 1) * archetypes]
            _add_up(tile_weights, whole)
            _signals(tile_weights, whole, known, count, who, what, levels, shares, signal, extent, missing)
            rank_products(signal, extent, missing, ordered, known, distinct, keys, sums)
            for column in range(COLUMNS):
                candidate = tile * COLUMNS + column
                covariance[date, candidate], square[date, candidate], spread[date, candidate] = (
                    products_of_some(signal, column, ordered, known) if missing[0, column] else (sums[0, column], sums[1, column], of_all)
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
    """Collect the archetypes that have a score of a stock on one date.

    Args:
        scores, around, present: see `massjax.engine.opinions.Opinions`.
        stock: which.
        who: filled with the indices of those archetypes.
        what: filled with their entry of `scores` and of `around`.

    Returns:
        Their number.
    """
    count = 0
    for k in range(len(scores)):
        if present[k, stock]:
            who[count], what[count, 0], what[count, 1] = k, scores[k, stock], around[k, stock]
            count += 1
    return count


@numba.njit(nogil=True, cache=True)
def _add_up(weights: Float[np.ndarray, "K columns"], whole: Float[np.ndarray, "2 columns"]) -> None:
    """Fill `whole` with the sum of each candidate's weights and its reciprocal."""
    total = floats(ZERO)
    for k in range(len(weights)):
        total = add(total, load_row(weights, k))
    store_row(whole, 0, total)
    store_row(whole, 1, divide(floats(np.float32(1.0)), total))


@numba.njit(nogil=True, cache=True, inline="always")
def _quotient(value: Any, total: Any, share: Any) -> Any:
    """value / total, given share = 1 / total, corrected by its remainder.

    Where the exact quotient is a float32, that is the result, so that equal means stay equal whichever archetypes are missing.
    """
    near = multiply(value, share)
    left = fused(subtract(floats(ZERO), near), total, value)
    return fused(left, share, near)


@numba.njit(nogil=True, cache=True)
def _signals(
    weights: Float[np.ndarray, "K columns"],
    whole: Float[np.ndarray, "2 columns"],
    stocks: int,
    count: Int[np.ndarray, " N"],
    who: Int[np.ndarray, "N K"],
    what: Float[np.ndarray, "N K 2"],
    levels: Float[np.ndarray, "N 2"],
    shares: Float[np.ndarray, " 2"],
    signal: Float[np.ndarray, "N columns"],
    extent: Float[np.ndarray, "2 columns"],
    missing: Int32[np.ndarray, "1 columns"],
) -> None:
    """The signal of each stock of one date for `COLUMNS` candidates, up to a constant that does not change ranks.

    Args:
        weights: of the candidates.
        whole: sum of each candidate's weights, and its reciprocal.
        stocks: number of stocks.
        count, who, what: number of archetypes with a score of each stock, which they are, and their entries of `Opinions.scores` and
            `Opinions.around`.
        levels: `Opinions.middle` and `Opinions.agreement` of each stock.
        shares: of the mean and of the deviation in the signal.
        signal: filled; NaN where no archetype with a weight has a score.
        extent: filled with the lowest and the highest signal of each candidate.
        missing: filled with the number of NaN of each candidate.
    """
    zero, one, all_weights, of_all = floats(ZERO), floats(np.float32(1.0)), load_row(whole, 0), load_row(whole, 1)
    of_mean, of_deviation = floats(shares[0]), floats(-shares[1])
    low, high, there = floats(HUGE), floats(-HUGE), ints(np.int32(0))
    for n in range(stocks):
        mean, middle, square, total, share = zero, zero, zero, all_weights, of_all
        if count[n] == len(weights):
            for k in range(count[n]):
                weight = load_row(weights, k)
                mean = fused(weight, floats(what[n, k, 0]), mean)
                middle = fused(weight, floats(what[n, k, 1]), middle)
        else:
            total = zero
            for place in range(count[n]):
                weight = load_row(weights, who[n, place])
                mean = fused(weight, floats(what[n, place, 0]), mean)
                middle = fused(weight, floats(what[n, place, 1]), middle)
                total = add(total, weight)
            share = divide(one, total)
        middle = _quotient(middle, total, share)
        for place in range(count[n]):
            apart = subtract(floats(what[n, place, 1]), middle)
            square = fused(multiply(load_row(weights, who[n, place]), apart), apart, square)
        variance = _quotient(square, total, share)
        deviation = where(less(floats(levels[n, 1]), variance), root(variance), zero)
        level = _quotient(mean, total, share)
        if levels[n, 1] == ZERO:
            level = floats(levels[n, 0])
        value = fused(of_deviation, deviation, multiply(of_mean, level))
        if count[n] < len(weights):
            value = where(equal(total, zero), floats(NAN), value)
        store_row(signal, n, value)
        low, high, there = minimum(value, low), maximum(value, high), add(there, as_ints(equal(value, value)))
    store_row(extent, 0, low)
    store_row(extent, 1, high)
    store_row(missing, 0, subtract(ints(np.int32(stocks)), there))


@numba.cfunc(SIGNATURE, nopython=True, cache=True)
def handler(frame: int) -> int:
    """The operation of XLA behind `evaluated_products`: the arguments of `products_of_scores`, of which the last three are its results."""
    if asks_version(frame):
        return 0
    dates, archetypes, stocks = size(frame, ARGUMENTS, 0, 0), size(frame, ARGUMENTS, 0, 1), size(frame, ARGUMENTS, 0, 2)
    rows, candidates = size(frame, ARGUMENTS, 7, 0), size(frame, RESULTS, 0, 1)
    products_of_scores(
        carray(buffer(frame, ARGUMENTS, 0), (dates, archetypes, stocks), np.float32),
        carray(buffer(frame, ARGUMENTS, 1), (dates, archetypes, stocks), np.float32),
        carray(buffer(frame, ARGUMENTS, 2), (dates, archetypes, stocks), np.float32),
        carray(buffer(frame, ARGUMENTS, 3), (dates, stocks), np.float32),
        carray(buffer(frame, ARGUMENTS, 4), (dates, stocks), np.float32),
        carray(buffer(frame, ARGUMENTS, 5), (dates, stocks), np.float32),
        carray(buffer(frame, ARGUMENTS, 6), (dates, stocks), np.uint8),
        carray(buffer(frame, ARGUMENTS, 7), (rows, COLUMNS), np.float32),
        carray(buffer(frame, ARGUMENTS, 8), 2, np.float32),
        carray(buffer(frame, RESULTS, 0), (dates, candidates), np.float32),
        carray(buffer(frame, RESULTS, 1), (dates, candidates), np.float32),
        carray(buffer(frame, RESULTS, 2), (dates, candidates), np.float32),
    )
    return 0
