"""Returns without skill: the returns of a run moved in time, or dealt to other stocks, so that its scores cannot know them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from massjax.row_words import counted
from massjax.statistics.circular_shifts import Null, choose_null, circular_shifts, least_shift, stock_permutations
from massjax.timing import Timing

MEMORY, CLEAR_HISTORIES = 252, 3
"""Dates of past returns that scores may be made of, and how many times as long a history must be to keep shifts clear of them."""


@dataclass(frozen=True, eq=False)
class Draws:
    """Where the returns of each repetition come from; the first is the returns as they were.

    Attributes:
        null: how they are made; its `count` leaves out the first.
        columns: the date whose return stands on each date.
        stocks: the stock whose return each stock gets.
        reason: what limits the p-values that follow; empty where nothing does.
    """

    null: Null
    columns: Int[np.ndarray, "R T"]
    stocks: Int[np.ndarray, "R N"]
    reason: str

    def __len__(self) -> int:
        return len(self.columns)

    def returns(self, values: Float[np.ndarray, "N T"], draw: int) -> Float[np.ndarray, "N T"]:
        """The returns of one repetition."""
        return values[self.stocks[draw]][:, self.columns[draw]]


def make_draws(forward_returns: Float[np.ndarray, "N T"], timings: Sequence[Timing], repetitions: int, seed: int = 0) -> Draws:
    """Circular shifts of the dates on which returns are known, where there are enough of them; else permutations of the stocks.

    Scores may be made of past returns, as momentum is. A return moved later by less than such a memory meets the scores that it is a part
    of: what luck alone does then looks too good for momentum, and too bad for reversal, whose own p-values become too small (of
    RankIC and fitness; the gain of the best single archetype over uniform weights was not affected where it was measured). So where the
    history is long, returns move later by `MEMORY` dates at least, which is to say that each date meets a return from its future, or from
    long ago; elsewhere `reason` says it. Dates after the last known return
    stay where they are, so that every repetition knows as many returns as the run did.

    Args:
        forward_returns: at the horizon that is searched for; NaN = unknown.
        timings: of the methods of the run; the longest look-back decides whether the history is long enough.
        repetitions: wanted.
        seed: of the permutations.
    """
    stocks, dates = forward_returns.shape
    known = int(np.flatnonzero(np.isfinite(forward_returns).any(axis=0)).max(initial=-1)) + 1
    horizon, lag = timings[0].horizon or 1, timings[0].execution_lag
    lookbacks = [timing.lookback for timing in timings if isinstance(timing.lookback, int)]
    least = least_shift(horizon, lag)
    clear = known >= CLEAR_HISTORIES * MEMORY
    first = MEMORY if clear else least
    null = choose_null(known, horizon, lag, max(lookbacks, default=None), repetitions)
    if null.method == "circular shifts":
        null = replace(null, count=min(null.count, known - least - first + 1))
    columns, rows = np.tile(np.arange(dates), (null.count + 1, 1)), np.tile(np.arange(stocks), (null.count + 1, 1))
    reason = ""
    if null.method == "circular shifts":
        shifts = np.linspace(first, known - least, null.count).astype(int) if clear else circular_shifts(known, least, null.count)
        columns[1:, :known] = (np.arange(known)[None, :] - shifts[:, None]) % known
        limits = []
        if null.count < repetitions:
            limits.append(f"the history of {counted(known, 'date')} allows no more than {counted(null.count, 'shift')} in time")
        if not clear:
            limits.append(
                f"with {counted(known, 'date')}, of {CLEAR_HISTORIES * MEMORY} that it takes, some shifts bring returns to scores that may "
                "be made of them: p-values of momentum are then too large, those of reversal's RankIC and fitness too small"
            )
        reason = "; ".join(limits)
    else:
        rows[1:] = stock_permutations(stocks, null.count, seed)
        reason = (
            f"{counted(known, 'date')} are too few to shift returns in time; stocks are permuted instead, which assumes: {null.assumption}"
        )
    return Draws(null, columns, rows, reason)
