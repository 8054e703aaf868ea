"""A bootstrap interval for the mean of values that share stocks and dates, such as the difference of the rates of two variants."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from massjax.statistics.clusters import By, Estimate, undefined

LEAST_USABLE = 0.5
"""Share of the resamples that must have an error for there to be an interval."""


class Draws(NamedTuple):
    """How often each stock and each date was drawn, in B resamples."""

    stocks: Float[np.ndarray, "B S"]
    dates: Float[np.ndarray, "B D"]


def pigeonhole_bootstrap(
    sums: Float[np.ndarray, "S D"],
    counts: Float[np.ndarray, "S D"],
    by: By = "stock and date",
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> Estimate:
    r"""The mean of values by stock and date with its interval by the studentised pigeonhole bootstrap.

    Stocks are drawn with replacement, dates are drawn with replacement, and a value counts as often as its stock was drawn times as
    often as its date was (McCullagh 2000; Owen 2007). Quantiles of such draws alone would make intervals of independent values √3 times
    too wide, since what belongs to a value is drawn three times: with its stock, with its date, and with both. So each draw is divided
    by its own two-way error $\mathrm{se}^*$ (`massjax.statistics.clusters.variance_of_sum`), which counts the same, and the interval is

    $$ t^* = \frac{\hat\theta^* - \hat\theta}{\mathrm{se}^*}, \qquad
       \Big[\, \hat\theta - \mathrm{se}\; t^*_{(1 + l)/2},\ \ \hat\theta - \mathrm{se}\; t^*_{(1 - l)/2} \,\Big] $$

    (studentised: Hall 1992, as in `massjax.statistics.intervals.stationary_bootstrap`). Blocks of dates with stocks kept together would
    leave out that values of a stock may be alike on all dates, and so hold the mean too seldom where they are.

    Args:
        sums: the values added up.
        counts: how many there are of each stock and date.
        by: what values may have in common; of "stock" or "date" alone only these are drawn.
        level: of the two-sided interval.
        draws: resamples.
        seed: of `numpy.random.default_rng`; the same seed gives the same interval.

    Returns:
        Bounds NaN, with the reason, where values do not vary, or in most resamples do not.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.pigeonhole import pigeonhole_bootstrap
        >>> rng = np.random.default_rng(0)
        >>> values = 0.1 + rng.normal(size=(12, 1)) * 0.1 + rng.normal(size=(12, 40))
        >>> found = pigeonhole_bootstrap(values, np.ones((12, 40)))
        >>> found.low < 0.1 < found.high
        True
    """
    count = int(counts.sum())
    if not count:
        return undefined("there is no value", level)
    stocks, dates = counts.shape
    mean, error = (float(one[0]) for one in _means(sums, counts, Draws(np.ones((1, stocks)), np.ones((1, dates))), by))
    if not error > 0:
        return Estimate(mean, error, np.nan, np.nan, level, count, "all values are the same, so nothing tells how sure their mean is")
    means, errors = _means(sums, counts, _draw(counts, by, draws, seed), by)
    usable = np.isfinite(errors) & (errors > 0)
    if usable.mean() < LEAST_USABLE:
        return Estimate(mean, error, np.nan, np.nan, level, count, "in most resamples all values are the same, for so few of them differ")
    lowest, highest = np.quantile((means[usable] - mean) / errors[usable], [(1 - level) / 2, (1 + level) / 2])
    return Estimate(mean, error, float(mean - error * highest), float(mean - error * lowest), level, count)


def _draw(counts: Float[np.ndarray, "S D"], by: By, draws: int, seed: int) -> Draws:
    """Stocks and dates that have a value, drawn with replacement, or each once where they are not what values have in common."""
    rng = np.random.default_rng(seed)
    times = []
    for axis, name in ((1, "stock"), (0, "date")):
        there = (counts.sum(axis=axis) > 0).astype(np.float64)
        drawn = rng.multinomial(int(there.sum()), there / there.sum(), size=draws) if name in by else np.ones((draws, there.size))
        times.append(drawn.astype(np.float64))
    return Draws(*times)


def _means(
    sums: Float[np.ndarray, "S D"], counts: Float[np.ndarray, "S D"], drawn: Draws, by: By
) -> tuple[Float[np.ndarray, " B"], Float[np.ndarray, " B"]]:
    """Mean of each resample and its error, without the correction for few clusters; NaN where a resample holds no value."""
    sums_by_stock, counts_by_stock = drawn.dates @ sums.T, drawn.dates @ counts.T
    number = (counts_by_stock * drawn.stocks).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (sums_by_stock * drawn.stocks).sum(axis=1) / number
        apart_by_stock = sums_by_stock - means[:, None] * counts_by_stock
        apart_by_date = drawn.stocks @ sums - means[:, None] * (drawn.stocks @ counts)
        by_stock, by_date = (drawn.stocks * apart_by_stock**2).sum(axis=1), (drawn.dates * apart_by_date**2).sum(axis=1)
        if by == "stock and date":
            squares = [((drawn.stocks @ part) * drawn.dates).sum(axis=1) for part in (sums * sums, sums * counts, counts * counts)]
            alone = squares[0] - 2 * means * squares[1] + means**2 * squares[2]
            return means, np.sqrt(np.maximum(np.maximum(by_stock, by_date), by_stock + by_date - alone)) / number
        return means, np.sqrt(by_stock if by == "stock" else by_date) / number
