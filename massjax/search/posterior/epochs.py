"""When correlations are estimated anew: epochs of dates, each of which uses what was known at its start."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

FIRST, GROWTH, LONGEST = 5, 2.0**0.5, 125


def epoch_starts(dates: int) -> Int[np.ndarray, " E"]:
    """First date of each epoch: 0, 5, 7, 10, 14, 20, ..., longer by a factor of 1.41 each, and by 125 dates at most.

    Example:
        >>> epoch_starts(60).tolist()
        [0, 5, 7, 10, 14, 20, 28, 40, 57]
    """
    starts, next_start = [0], float(FIRST)
    while round(next_start) < dates:
        starts.append(round(next_start))
        next_start = min(next_start * GROWTH, next_start + LONGEST)
    return np.array(starts)
