"""The same evaluation written by hand for numba, as fast as we can: what a compiler for whole arrays is measured against.

Candidates fill the vector registers, threads take tiles of them, and half of all pairs of stocks are compared, as in `massjax.engine`. It
is exact where no two signals tie; ties are only detected (the kernel of massjax counts them again, too), and NaN is returned for them.
"""

from __future__ import annotations

import numba
import numpy as np
from jaxtyping import Bool, Float
from numba import prange

COLUMNS = 128


@numba.njit(parallel=True, fastmath={"contract", "nsz"})
def fitness(
    scores: Float[np.ndarray, "D K N"],
    present: Float[np.ndarray, "D K N"],
    ranks: Float[np.ndarray, "D N"],
    common: Bool[np.ndarray, "D N"],
    weights: Float[np.ndarray, "K P"],
) -> Float[np.ndarray, " P"]:
    """Mean RankIC of the combined signal (alpha 0.5); scores are 0 where missing, ranks are rank sums of the returns."""
    dates, archetypes, stocks = scores.shape
    candidates = weights.shape[1]
    found = np.empty(candidates, np.float32)
    for tile in prange((candidates + COLUMNS - 1) // COLUMNS):
        columns = np.zeros((archetypes, COLUMNS), np.float32)
        last = min(candidates, (tile + 1) * COLUMNS)
        columns[:, : last - tile * COLUMNS] = weights[:, tile * COLUMNS : last]
        columns[:, last - tile * COLUMNS :] = 1.0
        signal = np.empty((stocks, COLUMNS), np.float32)
        rank = np.empty(stocks, np.float32)
        total, mean, square = np.empty(COLUMNS, np.float32), np.empty(COLUMNS, np.float32), np.empty(COLUMNS, np.float32)
        covariance, tied, mean_ic = np.empty(COLUMNS, np.float32), np.empty(COLUMNS, np.float32), np.zeros(COLUMNS, np.float32)
        for date in range(dates):
            count = 0
            for stock in range(stocks):
                if not common[date, stock]:
                    continue
                total[:] = 0.0
                mean[:] = 0.0
                square[:] = 0.0
                for k in range(archetypes):
                    score, here = scores[date, k, stock], present[date, k, stock]
                    for column in range(COLUMNS):
                        total[column] += columns[k, column] * here
                        mean[column] += columns[k, column] * score
                for column in range(COLUMNS):
                    mean[column] /= total[column]
                for k in range(archetypes):
                    score, here = scores[date, k, stock], present[date, k, stock]
                    for column in range(COLUMNS):
                        apart = score - here * mean[column]
                        square[column] += columns[k, column] * apart * apart
                for column in range(COLUMNS):
                    signal[count, column] = np.float32(0.5) * (mean[column] - np.sqrt(square[column] / total[column]))
                rank[count] = ranks[date, stock]
                count += 1
            covariance[:] = 0.0
            tied[:] = 0.0
            for first in range(count):
                for second in range(first + 1, count):
                    gain = rank[first] - rank[second]
                    for column in range(COLUMNS):
                        covariance[column] += gain if signal[first, column] > signal[second, column] else -gain
                        tied[column] += np.float32(1.0) if signal[first, column] == signal[second, column] else np.float32(0.0)
            square_of_ranks = np.float32(0.0)
            for stock in range(count):
                square_of_ranks += rank[stock] * rank[stock]
            scale = np.float32(1.0) / np.sqrt(square_of_ranks * np.float32((count**3 - count) / 3))
            for column in range(COLUMNS):
                mean_ic[column] += covariance[column] * scale / dates if tied[column] == 0 else np.float32(np.nan)
        found[tile * COLUMNS : last] = mean_ic[: last - tile * COLUMNS]
    return found
