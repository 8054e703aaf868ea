"""Average ranks down columns of numbers in float64: the one definition behind rank correlations, rules and quantiles."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata


def average_ranks(values: Float[np.ndarray, "N ..."]) -> Float[np.ndarray, "N ..."]:
    """Rank of each value within its column, 1 for the lowest; equal values share the mean of the ranks they take up.

    Args:
        values: NaN and infinities are left out of the ranking.

    Returns:
        float64; NaN where a value was left out.

    Example:
        >>> import numpy as np
        >>> average_ranks(np.array([0.3, 0.1, np.nan, 0.3])).tolist()
        [2.5, 1.0, nan, 2.5]
    """
    known = np.isfinite(values)
    return np.where(known, rankdata(np.where(known, values, np.inf), axis=0), np.nan)
