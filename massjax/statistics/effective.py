"""How many archetypes, opinions and days there really are behind a result, and how many more dates would tell."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from massjax.average_ranks import average_ranks
from massjax.statistics.intervals import long_run_variance, newey_west_lags

MOST_DATES = 60
"""Dates, evenly spread, from which the archetypes' correlation is worked out: scores of dates between them are mostly the same."""


def effective_archetypes(weights: Float[np.ndarray, "... K"]) -> Float[np.ndarray, " ..."]:
    r"""Effective number of archetypes in a mix, $1 / \sum_k w_k^2$ with the weights scaled to sum to 1.

    From 1 (one archetype has it all) to K (equal weights): as many equally weighted, independent opinions of equal noise average to the
    same variance, which is $\sigma^2 \sum_k w_k^2$ (Kish 1965; the inverse of Simpson's and Herfindahl's index). The exponential of the
    entropy is the other number in use; it has no such meaning for the noise of a mean, and counts archetypes of next to no weight.

    Args:
        weights: non-negative; only ratios matter.

    Returns:
        NaN where the weights sum to 0 or one of them is NaN.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.effective import effective_archetypes
        >>> effective_archetypes(np.array([[1.0, 1.0, 1.0, 1.0], [0.5, 0.5, 0.0, 0.0]])).tolist()
        [4.0, 2.0]
    """
    totals, squares = weights.sum(axis=-1, dtype=np.float64), np.square(weights, dtype=np.float64).sum(axis=-1)
    return np.divide(totals**2, squares, out=np.full(np.shape(squares), np.nan), where=squares > 0)


def rank_correlation(
    scores: Float[np.ndarray, "K N T"], member: Bool[np.ndarray, "N T"] | None = None, most_dates: int = MOST_DATES
) -> Float[np.ndarray, "K K"]:
    r"""Pooled cross-sectional rank correlation between archetypes: of the ranks within each date, over all stocks and dates together.

    $$ C_{jk} = \frac{\sum_{n,t} z_{jnt} z_{knt}}{\sqrt{\sum_{n,t} z_{jnt}^2 \sum_{n,t} z_{knt}^2}}, $$

    with z the average rank of a score among those its archetype gave on that date, less their mean and over their standard deviation,
    and all sums over the stocks and dates that both scored.

    Args:
        scores: NaN = missing.
        member: True where the stock is in the universe; None = wherever there is a score.
        most_dates: of more dates than this, as many evenly spread ones are used.

    Returns:
        1 on the diagonal; 0 between archetypes that share nothing; NaN in the row and column of an archetype whose scores do not differ
        between stocks on any date used.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.effective import rank_correlation
        >>> bull = np.random.default_rng(0).random((30, 100))
        >>> rank_correlation(np.stack([bull, 1 - bull])).round(6).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]
    """
    archetypes, _, dates = scores.shape
    products, squares = np.zeros((archetypes, archetypes)), np.zeros((archetypes, archetypes))
    for t in np.unique(np.linspace(0, dates - 1, min(dates, most_dates)).astype(int)) if dates else ():
        day = scores[:, :, t].astype(np.float64)
        z, given = _standard_ranks(day if member is None else np.where(member[:, t], day, np.nan))
        products += z @ z.T
        squares += np.square(z) @ given.T  # of j, where k has a score too
    scale = np.sqrt(squares * squares.T)
    correlation = np.divide(products, scale, out=np.zeros_like(products), where=scale > 0)
    silent = np.diag(squares) == 0
    correlation[silent, :] = correlation[:, silent] = np.nan
    return correlation


def effective_opinions(correlation: Float[np.ndarray, "K K"]) -> float:
    r"""Effective number of independent opinions: the participation ratio of the eigenvalues of the archetypes' correlation.

    $$ \frac{(\sum_i \lambda_i)^2}{\sum_i \lambda_i^2} = \frac{K^2}{\sum_{jk} C_{jk}^2}, $$

    K for uncorrelated archetypes and 1 for identical (or exactly opposed) ones (Bretherton et al. 1999). Chance correlations, of variance
    1 over the number of independent stocks and days, lower it where archetypes are many and dates few.

    Args:
        correlation: as of `rank_correlation`; archetypes whose row is NaN are left out.

    Returns:
        NaN where none is left.

    Example:
        Three archetypes, two of which say the same.

        >>> import numpy as np
        >>> from massjax.statistics.effective import effective_opinions
        >>> round(effective_opinions(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])), 6)
        1.8
    """
    voiced = np.isfinite(np.diag(correlation))
    kept = correlation[np.ix_(voiced, voiced)].astype(np.float64)
    return float(np.trace(kept) ** 2 / np.square(kept).sum()) if kept.size else np.nan


def independent_days(daily: Float[np.ndarray, " T"], horizon: int) -> float:
    r"""Effective number of independent days in a daily series: as many independent values would give its mean the same error.

    $$ \frac{n\,\gamma_0}{\omega^2} \approx \frac{n}{1 + 2 \sum_j \rho_j}, $$

    with ω² the long-run variance of Newey and West (`massjax.statistics.intervals.long_run_variance`), ρ the autocorrelations and n the
    number of dates with a value (Bayley and Hammersley 1946). h-day overlapping returns leave about n / h.

    Args:
        daily: one value per consecutive trading day; NaN dates keep their place.
        horizon: dates over which the forward return behind each value runs.

    Returns:
        At most n, also where neighbouring values oppose each other; NaN with fewer than two values or where they do not vary.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.effective import independent_days
        >>> daily = np.convolve(np.random.default_rng(0).normal(size=1204), np.ones(5), "valid")
        >>> 200 < independent_days(daily, horizon=5) < 300
        True
    """
    values = np.asarray(daily, np.float64)
    known = values[np.isfinite(values)]
    if known.size < 2 or np.ptp(known) == 0:
        return np.nan
    variance = long_run_variance(values, newey_west_lags(values.size, horizon))
    return float(min(known.size * known.var() / variance, known.size)) if variance > 0 else float(known.size)


@dataclass(frozen=True)
class Power:
    """How sure a test of the size of a gain is to see it.

    Attributes:
        power: probability that the dates at hand show a true gain of this size.
        dates: number of dates, those at hand included, from which the probability reaches the target; infinite for no gain or a loss.
        further: `dates` less those at hand, at least 0.
    """

    power: float
    dates: float
    further: float


def power(gain: float, standard_error: float, dates: int, target: float = 0.8, level: float = 0.05) -> Power:
    r"""Power of the one-sided test of a mean daily gain, and the dates that would reach a target power.

    With g the gain, se its standard error over T dates (which falls as $1 / \sqrt{T}$) and Φ the normal distribution,

    $$ \mathrm{power} = \Phi(g / \mathrm{se} - z_{1-\alpha}), \qquad
       T' = T \, \big( (z_{1-\alpha} + z_{\mathrm{target}})\, \mathrm{se} / g \big)^2 . $$

    The gain found is itself uncertain: a gain that was found large by luck asks for too few dates.

    Args:
        gain: mean daily gain, such as RankIC over that of uniform weights.
        standard_error: of that mean, with autocorrelation allowed for.
        dates: number of dates it was found on.
        target: power wanted.
        level: of the one-sided test.

    Returns:
        All NaN where gain or standard error is, or the standard error is 0.

    Example:
        A gain of 1 ± 1 points of RankIC on 250 dates.

        >>> from massjax.statistics.effective import power
        >>> found = power(gain=0.01, standard_error=0.01, dates=250)
        >>> round(found.power, 2), found.dates, found.further
        (0.26, 1546.0, 1296.0)
    """
    if not (np.isfinite(gain) and np.isfinite(standard_error) and standard_error > 0):
        return Power(np.nan, np.nan, np.nan)
    critical, wanted = stats.norm.ppf(1 - level), stats.norm.ppf(target)
    reached = float(stats.norm.cdf(gain / standard_error - critical))
    if gain <= 0:
        return Power(reached, inf, inf)
    needed = float(ceil(dates * ((critical + wanted) * standard_error / gain) ** 2))
    return Power(reached, needed, max(needed - dates, 0.0))


def _standard_ranks(day: Float[np.ndarray, "K N"]) -> tuple[Float[np.ndarray, "K N"], Float[np.ndarray, "K N"]]:
    """Each archetype's ranks with mean 0 and variance 1 over the stocks it scored, and 1 there; 0 in both where it scored none apart."""
    ranks = average_ranks(day.T).T
    known = np.isfinite(ranks)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    centred = np.where(known, ranks - np.where(known, ranks, 0.0).sum(axis=1, keepdims=True) / count, 0.0)
    spread = np.sqrt(np.square(centred).sum(axis=1, keepdims=True) / count)
    varied = spread > 0
    return np.divide(centred, spread, out=np.zeros_like(centred), where=varied), (known & varied).astype(np.float64)
