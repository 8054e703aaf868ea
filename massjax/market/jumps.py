"""Prices that jump as at a split, also across dates without a price, and closes that stand still because nobody traded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from massjax.market.calendar import weekdays
from massjax.market.history import forward_fill
from massjax.row_words import counted, first_few, times

RATIOS = np.log([3 / 2, 2, 5 / 2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 50, 100])
"""Logarithms of the new shares for an old one of usual splits, from 3 for 2 on."""
RARER_RATIOS = np.log([6 / 5, 5 / 4, 13 / 10, 4 / 3, 7 / 5, 8 / 5, 5 / 3, 7 / 4, 9 / 5])
"""Logarithms of the new shares for an old one of rarer splits, of many sizes, which a bad day's fall may have too: told only where no other
move of the data comes near."""
DOUBLED = np.log(2.0)
CLOSE, CLOSEST = 0.06, 4.0
"""How far from a usual ratio a jump may lie, for the day's own move: at most the first, and so many of the stock's usual moves."""
RARER_CLOSE, RARER_CLOSEST = 0.04, 2.0
"""How far from a rarer ratio a jump may lie, and within how many of the stock's usual moves; most falls are near one of so many ratios."""
RARE, RARE_ACROSS = 10.0, 6.0
"""A jump at a usual ratio is at least so many of the stock's usual moves; fewer across dates without a price,
when shares are often split."""
ALONE = 2.25
"""A jump at a rarer ratio is at least so many times the largest other move of the data."""
CRASH = 0.1
"""Share of the stocks that jump on the same date from which that is the market's doing."""
DAYS = 3
"""Median step between dates up to which rows are daily."""
STILL = 5
"""Dates in a row on which a stock's close stays the same from which it looks filled forward."""
ALL_STILL = 0.95
"""Share of the stocks whose close stays the same from which nobody traded on a date."""
NAMED = 3


class Move(NamedTuple):
    """From one known close of each stock to the next, by the date of the later one; NaN where there is none.

    Attributes:
        size: logarithm of the ratio of both closes.
        gap: dates from the earlier one to the later.
        usual: standard deviation of the stock's moves, from their median absolute value, over as many dates.
        own: `size` beyond the median stock's move over these dates, of five stocks or more.
    """

    size: Float[np.ndarray, "N T"]
    gap: Float[np.ndarray, "N T"]
    usual: Float[np.ndarray, "N T"]
    own: Float[np.ndarray, "N T"]


def jumps(prices: Float[np.ndarray, "N T"], dates: Shaped[np.ndarray, " T"], stocks: Sequence[str], path: Path) -> tuple[str, ...]:
    """A sentence if prices jump from one known close to the next as unadjusted ones do at a split.

    A jump is a close that doubles or halves (across dates without one, and where rows are not days: by more than five times the
    stock's usual move over as many dates), one near a usual ratio that is far beyond the stock's usual moves, or one near a rarer ratio
    beside which no other move of the data comes near. Where a tenth of the stocks jump on one date, only closes that double or halve
    count.

    Args:
        prices: closes, positive, NaN where there is none.
        dates: by column.
        stocks: by row.
        path: the file of the prices, for the sentence.
    """
    if len(dates) < 2:
        return ()
    move = moves(prices)
    found = np.argwhere(jumped(move, dates).T)
    if not len(found):
        return ()
    examples = first_few([_example(prices, move, dates, stocks, int(row), int(column)) for column, row in found], NAMED, "; ")
    return (f"{path}: prices double, halve or jump as at a split {times(len(found))}: {examples}; are they adjusted for splits?",)


def moves(prices: Float[np.ndarray, "N T"]) -> Move:
    """All moves from one known close to the next."""
    known = np.isfinite(prices)
    before = np.full_like(prices, np.nan)
    before[:, 1:] = forward_fill(prices)[:, :-1]
    size = np.log(prices / before)
    columns = np.arange(prices.shape[1], dtype=float)
    last = np.maximum.accumulate(np.where(known, columns, -1.0), axis=1)
    gap = np.full_like(prices, np.nan)
    gap[:, 1:] = np.where(np.isfinite(size[:, 1:]), columns[1:] - last[:, :-1], np.nan)
    daily = np.where(gap == 1.0, size, np.nan)
    market = np.cumsum(_median(daily, axis=0) if len(prices) > 4 else np.zeros(prices.shape[1]))
    start = np.where(np.isfinite(gap), columns - np.nan_to_num(gap), 0.0).astype(int)
    usual = 1.4826 * _median(np.abs(daily - np.diff(market, prepend=0.0)), axis=1)[:, None] * np.sqrt(gap)
    return Move(size, gap, usual, size - (market - market[start]))


def _median(values: Float[np.ndarray, "N T"], axis: int) -> Float[np.ndarray, " M"]:
    """Median of the known values, 0 where there is none."""
    some = np.isfinite(values).any(axis=axis, keepdims=True)
    return np.nanmedian(np.where(some, values, 0.0), axis=axis)


def jumped(move: Move, dates: Shaped[np.ndarray, " T"]) -> Bool[np.ndarray, "N S"]:
    """Which moves look like a split; a close that doubles from one date to the next does in any case where rows are daily."""
    daily = float(np.median(np.diff(dates).astype(int))) <= DAYS
    size, own = np.nan_to_num(np.abs(move.size)), np.nan_to_num(np.abs(move.own))
    usual = np.nan_to_num(move.usual)
    doubled = (size >= DOUBLED - 1e-9) & ((daily & (move.gap == 1.0)) | (own > np.maximum(DOUBLED, 5.0 * usual)))
    tolerance = np.minimum(CLOSE, np.maximum(CLOSEST * usual, 1e-3))
    narrow = np.minimum(RARER_CLOSE, np.maximum(RARER_CLOSEST * usual, 1e-3))
    far = own > np.where(move.gap > 1.0, RARE_ACROSS, RARE) * usual
    near = (_distance(own, RATIOS) <= tolerance) & far
    fell = own > RARER_RATIOS[0] - RARER_CLOSE
    crash = fell.sum(axis=0) > max(2.0, CRASH * len(size))
    split = doubled | (near & ~crash)
    others = np.where(split, 0.0, own)
    rarer = (_distance(own, RARER_RATIOS) <= narrow) & ~split & ~crash & far
    largest = float(np.where(rarer, 0.0, others).max(initial=0.0))
    return split | (rarer & (own > ALONE * largest))


def _distance(sizes: Float[np.ndarray, "N T"], ratios: Float[np.ndarray, " R"]) -> Float[np.ndarray, "N T"]:
    """To the nearest ratio."""
    after = np.clip(np.searchsorted(ratios, sizes), 1, len(ratios) - 1)
    return np.minimum(np.abs(sizes - ratios[after - 1]), np.abs(ratios[after] - sizes))


def _example(
    prices: Float[np.ndarray, "N T"], move: Move, dates: Shaped[np.ndarray, " T"], stocks: Sequence[str], row: int, column: int
) -> str:
    gap = int(move.gap[row, column])
    across = f", {gap - 1} dates without a price between" if gap > 1 else ""
    return f"{stocks[row]} on {dates[column]} ({prices[row, column - gap]:g} to {prices[row, column]:g}{across})"


def still(
    prices: Float[np.ndarray, "N T"], dates: Shaped[np.ndarray, " T"], stocks: Sequence[str], path: Path, flagged: bool
) -> tuple[str, ...]:
    """Sentences about dates on which every close stays the same, and about stocks whose close stays the same for long.

    Args:
        prices: closes, NaN where there is none.
        dates: by column.
        stocks: by row.
        path: the file of the prices.
        flagged: the table says where orders can be filled, so closes of suspended days are known as such.
    """
    if len(stocks) < 2 or len(dates) < 2:
        return ()
    both = np.isfinite(prices[:, 1:]) & np.isfinite(prices[:, :-1])
    same = both & (prices[:, 1:] == prices[:, :-1])
    quiet = (both.sum(axis=0) > 1) & (same.sum(axis=0) >= ALL_STILL * both.sum(axis=0))
    sentences = [] if not quiet.any() else [_quiet(dates[1:][quiet], len(dates), path)]
    if not flagged:
        sentences += _standing(same, both, quiet, dates, stocks, path)
    return tuple(sentences)


def _quiet(days: Shaped[np.ndarray, " M"], of: int, path: Path) -> str:
    weekend = int((weekdays(days) >= 5).sum())
    when = f", {weekend:,} of them Saturdays and Sundays" if weekend else ""
    return (
        f"{path}: on {len(days):,} of {of:,} dates every close is that of the date before{when} (first {days[0]}): are prices filled "
        "forward over days without trading? Leave those rows out; horizons and look-backs count them"
    )


def _standing(
    same: Bool[np.ndarray, "N S"],
    both: Bool[np.ndarray, "N S"],
    quiet: Bool[np.ndarray, " S"],
    dates: Shaped[np.ndarray, " T"],
    stocks: Sequence[str],
    path: Path,
) -> list[str]:
    """One sentence that names the stocks with the longest runs of equal closes on dates when others moved."""
    found = standing(same, both, quiet, dates[1:], stocks)
    return [
        f"{path}: {have} the same close on {STILL} or more dates in a row while others moved: {named}; "
        "were they suspended? Leave those rows out, or name a column in market.prices.tradable or market.prices.volume"
        for have, named in found
    ]


def standing(
    same: Bool[np.ndarray, "N S"],
    known: Bool[np.ndarray, "N S"],
    quiet: Bool[np.ndarray, " S"],
    dates: Shaped[np.ndarray, " S"],
    stocks: Sequence[str],
) -> list[tuple[str, str]]:
    """In words, the stocks that stand still for `STILL` steps or more: `2 stocks have`, and those with the longest runs by name.

    Args:
        same: True where the close of a step is that of the date before; a step goes from one date to the next.
        known: True where both closes of the step are known.
        quiet: True for steps on which nothing moves.
        dates: on which each step ends.
        stocks: by row.

    Returns:
        Nothing where no stock does, else one pair.
    """
    longest, last = longest_stand(same, known, quiet)
    rows = [int(row) for row in np.argsort(-longest, kind="stable") if longest[row] >= STILL]
    named = first_few([f"{stocks[row]} on {longest[row]} until {dates[last[row]]}" for row in rows], NAMED, "; ")
    return [(f"{counted(len(rows), 'stock')} {'has' if len(rows) == 1 else 'have'}", named)] if rows else []


def longest_stand(
    same: Bool[np.ndarray, "N S"], known: Bool[np.ndarray, "N S"], quiet: Bool[np.ndarray, " S"]
) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    """Steps of each stock's longest run without a move, those not counted on which nobody moved, and the column of its last step.

    Args:
        same: True where a stock's value stays the same over the step.
        known: True where that can be told.
        quiet: True for steps on which nobody moved.
    """
    stands, moved = same & ~quiet, known & ~same
    columns = np.arange(stands.shape[1])
    start = np.maximum.accumulate(np.where(moved | ~known, columns, -1), axis=1)
    run = np.cumsum(stands, axis=1)
    before = np.where(start >= 0, np.take_along_axis(run, np.maximum(start, 0), axis=1), 0)
    length = np.where(stands, run - before, 0)
    return length.max(axis=1), length.argmax(axis=1)
