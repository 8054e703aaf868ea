"""The mean of a daily series of correlations, and how sure one can be of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True)
class SeriesSummary:
    """A daily series of correlations in a few numbers; NaN where too few dates are left to tell.

    Attributes:
        mean: mean over the dates (RankIC or IC).
        ratio: mean / standard deviation over the dates, ddof 1, not annualised (RankICIR or ICIR); NaN at zero spread.
        hit_rate: share of the dates on which the correlation is above 0.
        dates: number of dates with a correlation.
        standard_error: of the mean, allowing for the overlap of the forward returns: the larger of Hansen and Hodrick's and Newey and
            West's; see `standard_error`.
        t_statistic: mean / standard_error; NaN where that is 0.
    """

    mean: float
    ratio: float
    hit_rate: float
    dates: int
    standard_error: float
    t_statistic: float


def summarize(daily: Float[np.ndarray, " T"], horizon: int) -> SeriesSummary:
    """Mean, ICIR, hit rate and a t-statistic that allows for overlapping returns, of a daily series of correlations.

    Args:
        daily: one value per consecutive trading day, NaN = skipped.
        horizon: days over which the forward return behind each value runs.
    """
    kept = daily[np.isfinite(daily)]
    if not kept.size:
        return SeriesSummary(np.nan, np.nan, np.nan, 0, np.nan, np.nan)
    mean = float(kept.mean())
    spread = float(kept.std(ddof=1)) if kept.size > 1 else np.nan
    error = standard_error(daily, horizon)
    return SeriesSummary(
        mean=mean,
        ratio=mean / spread if spread > 0 else np.nan,
        hit_rate=float((kept > 0).mean()),
        dates=int(kept.size),
        standard_error=error,
        t_statistic=mean / error if error > 0 else np.nan,
    )


def standard_error(daily: Float[np.ndarray, " T"], horizon: int) -> float:
    r"""Standard error of the mean of a daily series whose values share `horizon`-day forward returns.

    Neighbouring dates share all but one day of their forward return, so the series has autocovariances γ up to lag h − 1 even
    when the signal has no skill, and the usual standard error is far too small. Here

    $$ \mathrm{se}^2 = \frac{1}{n} \max\Big(\gamma_0 + 2 \sum_{j=1}^{h-1} \gamma_j,\;
       \gamma_0 + 2 \sum_{j=1}^{h-1} \big(1 - \tfrac{j}{h}\big) \gamma_j\Big), $$

    the first form of Hansen and Hodrick (1980), exact for such an overlap but possibly negative, the second of Newey and West
    (1987), never negative but, with h − 1 lags, too small by about a third under pure overlap. Measured on no-skill series of
    250 days and a horizon of 5, a nominal 5 % test rejects 38 % of the time with the usual error, 11 % with Newey–West and 6 %
    with this one; with few dates per horizon (60 days, horizon 10) it still rejects 16 %, so read small samples with care.

    Args:
        daily: one value per consecutive trading day; NaN dates keep their place, and pairs with them are left out
            (the amplitude-modulated estimator, Parzen 1963; Datta and Du 2012).

    Returns:
        NaN where there are not more than `horizon` values.

    Example:
        Five values a stretch that move together, as overlapping returns make them: the usual error is far too small.

        >>> import numpy as np
        >>> from massjax.statistics.series import standard_error
        >>> daily = np.repeat(np.random.default_rng(0).normal(size=50), 5)
        >>> round(standard_error(daily, horizon=1), 2), round(standard_error(daily, horizon=5), 2)
        (0.06, 0.14)
    """
    known = np.isfinite(daily)
    count = int(known.sum())
    if count <= max(horizon, 1):
        return np.nan
    centred = np.where(known, daily - daily[known].mean(), 0.0)
    covariances = np.array([centred[lag:] @ centred[: centred.size - lag] / count for lag in range(horizon)])
    bartlett = 1.0 - np.arange(horizon) / horizon
    rectangular_variance = 2.0 * covariances.sum() - covariances[0]
    bartlett_variance = 2.0 * (bartlett @ covariances) - covariances[0]
    return float(np.sqrt(max(rectangular_variance, bartlett_variance, 0.0) / count))


def window_means(daily: Float[np.ndarray, "... T"], start: Int[np.ndarray, " D"], end: Int[np.ndarray, " D"]) -> Float[np.ndarray, "... D"]:
    """Mean of a daily series over each of D windows `[start, end)`, NaN left out; NaN where a window holds no value.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.series import window_means
        >>> window_means(np.array([1.0, np.nan, 3.0, 5.0]), start=np.array([0, 1, 2]), end=np.array([2, 2, 4])).tolist()
        [1.0, nan, 4.0]
    """
    known = np.isfinite(daily)
    sums, counts = _running_sum(np.where(known, daily, 0.0)), _running_sum(known)
    total, count = sums[..., end] - sums[..., start], counts[..., end] - counts[..., start]
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


def _running_sum(values: Float[np.ndarray, "... T"] | Bool[np.ndarray, "... T"]) -> Float[np.ndarray, "... T+1"]:
    sums = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    np.cumsum(values, axis=-1, dtype=np.float64, out=sums[..., 1:])
    return sums
