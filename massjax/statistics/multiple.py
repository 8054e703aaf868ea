"""p-values of several searches of one run, adjusted for there being several: the best of many is lucky more often than one."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from massjax.statistics.circular_shifts import ROUNDING


def holm(p_values: Float[np.ndarray, " S"]) -> Float[np.ndarray, " S"]:
    r"""Holm's step-down adjusted p-values: valid whatever the dependence, and never larger than Bonferroni's.

    With $p_{(1)} \le \dots \le p_{(m)}$ the adjusted ones are $\tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1)\, p_{(j)})$ (Holm 1979).
    Calling significant what is at or below α keeps the probability of any false call at or below α.

    Args:
        p_values: of each search alone; NaN = none, which counts for nothing and stays NaN.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.multiple import holm
        >>> holm(np.array([0.01, 0.04, 0.03, np.nan])).round(6).tolist()
        [0.03, 0.06, 0.06, nan]
    """
    adjusted = np.full(p_values.shape, np.nan)
    order = np.argsort(p_values, kind="stable")[: np.isfinite(p_values).sum()]  # NaN sorts last
    factors = np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1.0)
    return adjusted


def romano_wolf(observed: Float[np.ndarray, " S"], draws: Float[np.ndarray, "S B"]) -> Float[np.ndarray, " S"]:
    r"""Romano and Wolf's step-down adjusted p-values, from the joint null of all searches: less strict than Holm's where they are alike.

    Every search's statistic is put in units of its own null, $z_s = (x_s - \bar x_s) / \mathrm{sd}(x_s)$ over the draws, so that a noisy
    search does not drown a quiet one. In the order of falling $z_{(1)} \ge z_{(2)} \ge \dots$,

    $$ \tilde p_{(i)} = \max_{j \le i} \frac{1 + \#\{\,b : \max_{l \ge j} z_{(l)b} \ge z_{(j)}\,\}}{1 + B} $$

    (Romano and Wolf 2005, in p-values as of Romano and Wolf 2016). Draw b must be the same shift of the returns for all
    searches, so that what they have in common is in the null.

    Args:
        observed: statistic of each search on the returns as they came; NaN = undefined, which counts for nothing and stays NaN.
        draws: the same under each draw of the null. A draw on which one of the searches is undefined is left out for all; a search
            undefined on every draw counts as undefined itself.

    Returns:
        In the order of `observed`; of one search alone its plain p-value; NaN where undefined.

    Example:
        Two searches that find the same: nothing is to be paid for the second.

        >>> import numpy as np
        >>> from massjax.statistics.circular_shifts import p_value
        >>> from massjax.statistics.multiple import holm, romano_wolf
        >>> luck = np.random.default_rng(0).normal(size=199)
        >>> alone = p_value(2.0, luck).value
        >>> joint = romano_wolf(np.array([2.0, 2.0]), np.stack([luck, luck]))
        >>> (joint / alone).tolist(), (holm(np.array([alone, alone])) / alone).tolist()
        ([1.0, 1.0], [2.0, 2.0])
    """
    adjusted = np.full(observed.shape, np.nan)
    searches = np.flatnonzero(np.isfinite(observed) & np.isfinite(draws).any(axis=1))
    if not searches.size:
        return adjusted
    joint = draws[searches].astype(np.float64)
    joint = joint[:, np.isfinite(joint).all(axis=0)]
    if not joint.shape[1]:
        return adjusted
    centre, spread = joint.mean(axis=1), joint.std(axis=1)
    scale = np.where(spread > 0, spread, 1.0)
    found = (observed[searches] - ROUNDING * np.abs(observed[searches]) - centre) / scale
    null = (joint - centre[:, None]) / scale[:, None]
    order = np.argsort(-found, kind="stable")
    best_of_rest = np.maximum.accumulate(null[order][::-1], axis=0)[::-1]
    p = (1 + (best_of_rest >= found[order, None]).sum(axis=1)) / (1 + joint.shape[1])
    adjusted[searches[order]] = np.maximum.accumulate(p)
    return adjusted
