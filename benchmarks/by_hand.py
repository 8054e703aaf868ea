"""The same evaluation written by hand for numba, as fast as we can: what a compiler for whole arrays is measured against.

Candidates fill the vector lanes, threads take tiles of them, and the half of all pairs of stocks is compared, as in `massjax.engine`. It is
exact where no two signals tie; ties are only detected (the kernel of massjax counts them again, too), and NaN is returned for them.
"""

from __future__ import annotations

import numba
import numpy as np
from jaxtyping import Bool, Float
from numba import prange

LANES = 128


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
    for tile in prange((candidates + LANES - 1) // LANES):
        lanes = np.zeros((archetypes, LANES), np.float32)
        last = min(candidates, (tile + 1) * LANES)
        lanes[:, : last - tile * LANES] = weights[:, tile * LANES : last]
        lanes[:, last - tile * LANES :] = 1.0
        signal = np.empty((stocks, LANES), np.float32)
        rank = np.empty(stocks, np.float32)
        total, mean, square = np.empty(LANES, np.float32), np.empty(LANES, np.float32), np.empty(LANES, np.float32)
        covariance, tied, mean_ic = np.empty(LANES, np.float32), np.empty(LANES, np.float32), np.zeros(LANES, np.float32)
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
                    for lane in range(LANES):
                        total[lane] += lanes[k, lane] * here
                        mean[lane] += lanes[k, lane] * score
                for lane in range(LANES):
                    mean[lane] /= total[lane]
                for k in range(archetypes):
                    score, here = scores[date, k, stock], present[date, k, stock]
                    for lane in range(LANES):
                        apart = score - here * mean[lane]
                        square[lane] += lanes[k, lane] * apart * apart
                for lane in range(LANES):
                    signal[count, lane] = np.float32(0.5) * (mean[lane] - np.sqrt(square[lane] / total[lane]))
                rank[count] = ranks[date, stock]
                count += 1
            covariance[:] = 0.0
            tied[:] = 0.0
            for first in range(count):
                for second in range(first + 1, count):
                    gain = rank[first] - rank[second]
                    for lane in range(LANES):
                        covariance[lane] += gain if signal[first, lane] > signal[second, lane] else -gain
                        tied[lane] += np.float32(1.0) if signal[first, lane] == signal[second, lane] else np.float32(0.0)
            square_of_ranks = np.float32(0.0)
            for stock in range(count):
                square_of_ranks += rank[stock] * rank[stock]
            scale = np.float32(1.0) / np.sqrt(square_of_ranks * np.float32((count**3 - count) / 3))
            for lane in range(LANES):
                mean_ic[lane] += covariance[lane] * scale / dates if tied[lane] == 0 else np.float32(np.nan)
        found[tile * LANES : last] = mean_ic[: last - tile * LANES]
    return found
