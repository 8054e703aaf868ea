"""What a series remembers: autocorrelations with missing values, their mean over lags, and the power law of their decay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped
from scipy.optimize import minimize_scalar

from massjax.errors import DataError

FEWEST_PAIRS = 3
"""Pairs of known values below which a lag has no autocorrelation."""
STEEPEST = 5.0
"""Exponents beyond this are no power law to be told from nothing, or from a jump."""
SLOWEST = 0.02
"""Decays below this are none to be told from a level."""


def autocorrelation(values: Float[np.ndarray, "... T"], lags: Sequence[int], corrected: bool = False) -> Float[np.ndarray, "... L"]:
    r"""Autocorrelation of each series at the given lags: of returns, |r| or r² (Cont 2001, facts 1 and 6; Taylor 1986).

    $$ \hat\rho_j = \hat\gamma_j / \hat\gamma_0, \qquad \hat\gamma_j = \frac{1}{N_j} \sum_t (x_t - \bar x)(x_{t+j} - \bar x), $$

    the sum over the $N_j$ pairs of which both values are known (Parzen 1963; Dunsmuir and Robinson 1981). The sample mean takes some of
    every autocovariance with it, $E \hat\gamma_j \approx \gamma_j - V$ with V the variance of $\bar x$: for independent values
    $\hat\rho_j$ has mean −1/T, for |r| that cluster several times that, as large as what is looked for at long lags of short markets.
    `corrected` adds it back,

    $$ \tilde\rho_j = \frac{\hat\gamma_j + V}{\hat\gamma_0 + V}, \qquad V = \frac{1}{n^2} \sum_{|l| \le L} N_l (\hat\gamma_l + V), $$

    L the longest lag asked for and n the values known; V is solved for. Memory beyond L is not added back, so that what is found of it
    stays too small.

    Args:
        values: NaN = missing, and keeps its place in time.
        lags: each at least 1.
        corrected: add back what the sample mean takes; NaN where the lags up to L are more than a quarter of the series.

    Returns:
        NaN at lags with fewer than three known pairs, and in all of a series that does not vary.

    Raises:
        DataError: there is no lag, or one is less than 1.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.autocorrelation import autocorrelation
        >>> series = np.random.default_rng(0).normal(size=100_000)
        >>> series[1:] += 0.5 * series[:-1]
        >>> autocorrelation(series, lags=(1, 2)).round(1).tolist()
        [0.4, 0.0]
    """
    if not len(lags) or min(lags) < 1:
        raise DataError(f"lags are whole numbers from 1 on; given were {tuple(lags)}")
    x = np.asarray(values, np.float64)
    known = np.isfinite(x)
    count = np.asarray(known.sum(axis=-1), np.float64)
    mean = np.where(known, x, 0.0).sum(axis=-1, keepdims=True) / np.maximum(count, 1)[..., None]
    centred = np.where(known, x, mean) - mean
    variance, all_pairs = _autocovariance(centred, known, 0)
    highest, lowest = np.where(known, x, -np.inf).max(axis=-1, initial=-np.inf), np.where(known, x, np.inf).min(axis=-1, initial=np.inf)
    variance = np.where((highest > lowest) & (variance > 0), variance, np.nan)
    longest = max(lags)
    needed = range(1, longest + 1) if corrected else sorted(set(lags))
    found = {lag: _autocovariance(centred, known, lag) for lag in needed}
    lost = np.zeros(count.shape)
    if corrected:
        share = (all_pairs + 2 * sum(pairs for _, pairs in found.values())) / np.maximum(count, 1) ** 2
        summed = all_pairs * variance + 2 * sum(pairs * np.where(pairs > 0, covariance, 0.0) for covariance, pairs in found.values())
        lost = np.divide(summed / np.maximum(count, 1) ** 2, 1 - share, out=np.full(count.shape, np.nan), where=share <= 0.5)
    return np.stack([(found[lag][0] + lost) / (variance + lost) for lag in lags], axis=-1)


def mean_autocorrelation(values: Float[np.ndarray, "... T"], first: int, last: int, corrected: bool = True) -> Float[np.ndarray, " ..."]:
    r"""Mean autocorrelation of each series over the lags from `first` to `last`, $\frac{1}{last - first + 1} \sum_j \rho_j$.

    Of |r| at lags beyond any echo of the market's own machinery it is a measure of long memory that needs no power law. In an order book
    whose orders live τ ticks, begin at τ + 2: expiring orders answer those of τ ticks before, and a market that hardly trades shows only
    that. An interval comes from the markets: `mean_over_markets` of this.

    Args:
        values: such as |r|; NaN = missing.
        first, last: lags, both included.
        corrected: add back what the sample mean takes off (`autocorrelation`).

    Returns:
        NaN where one of the lags has none.

    Raises:
        DataError: `first` is less than 1, or more than `last`.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.autocorrelation import mean_autocorrelation
        >>> from massjax.statistics.over_markets import mean_over_markets
        >>> returns = np.random.default_rng(1).normal(size=(48, 1000))
        >>> found = mean_over_markets(mean_autocorrelation(np.abs(returns), first=12, last=50))
        >>> found.low < 0 < found.high
        True
    """
    if not 1 <= first <= last:
        raise DataError(f"the first lag is at least 1 and at most the last; given were {first} and {last}")
    return np.asarray(autocorrelation(values, range(first, last + 1), corrected).mean(axis=-1))


@dataclass(frozen=True)
class PowerLaw:
    """y = amplitude · x^exponent, fitted by least squares.

    Attributes:
        amplitude: y at x = 1, positive.
        exponent: of x; negative where y decays.
        standard_error: of the exponent, of least squares with independent errors of one size.
        points: number of pairs used.
    """

    amplitude: float
    exponent: float
    standard_error: float
    points: int


def power_law(x: Shaped[np.ndarray, " P"], y: Float[np.ndarray, " P"]) -> PowerLaw:
    r"""Power law through points by non-linear least squares: $\min_{a, b} \sum_i (y_i - a x_i^b)^2$.

    Unlike a line through logarithms it takes y that chance has made negative, and does not turn their noise into bias. With J the
    derivatives by a and b at the minimum, the error of b is from $s^2 (J^\top J)^{-1}$, $s^2$ the sum of squares over P − 2.

    Args:
        x: positive, such as lags or volumes.
        y: NaN = missing.

    Returns:
        Amplitude, exponent and error NaN where fewer than three points are known, where all x are equal, where the best amplitude is not
        positive, or the best exponent lies beyond ± 5.

    Raises:
        DataError: an x is not positive.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.autocorrelation import power_law
        >>> lags = np.arange(1, 51)
        >>> found = power_law(lags, 0.3 * lags**-0.4)
        >>> round(found.amplitude, 6), round(found.exponent, 6)
        (0.3, -0.4)
    """
    if not (np.asarray(x) > 0).all():
        raise DataError("a power law needs positive x, such as lags from 1 on")
    known = np.isfinite(y)
    at, values = np.asarray(x, np.float64)[known], np.asarray(y, np.float64)[known]
    nothing = PowerLaw(np.nan, np.nan, np.nan, values.size)
    if values.size < 3 or np.ptp(at) == 0 or not values.any():
        return nothing
    centre = float(np.mean(np.log(at)))
    logs = np.log(at) - centre

    def squares(exponent: float) -> float:
        shape = np.exp(exponent * logs)
        return float(np.square(values - shape * (shape @ values) / (shape @ shape)).sum())

    grid = np.linspace(-STEEPEST, STEEPEST, 101)
    shapes = np.exp(np.outer(grid, logs))
    start = int(np.argmax(np.square(shapes @ values) / np.square(shapes).sum(axis=1)))
    if start in (0, grid.size - 1):
        return nothing
    best = float(minimize_scalar(squares, bounds=(grid[start - 1], grid[start + 1]), method="bounded", options={"xatol": 1e-10}).x)
    shape = np.exp(best * logs)
    scale = float(shape @ values / (shape @ shape))
    if scale <= 0:
        return nothing
    slopes = np.stack([shape, scale * shape * logs], axis=1)
    error = np.sqrt(squares(best) / (values.size - 2) * np.linalg.inv(slopes.T @ slopes)[1, 1])
    return PowerLaw(scale * float(np.exp(-best * centre)), best, float(error), values.size)


def autocorrelation_decay(rho: Float[np.ndarray, "... L"], lags: Sequence[int], ticks: int) -> PowerLaw:
    r"""Power law of the decay of autocorrelations, $\rho_j = a\, j^{-\beta}$, through their mean over all series.

    Daily |r| of stocks have β of 0.2 to 0.4 (Cont 2001; Ding, Granger and Engle 1993), trade signs near 0.5 (Lillo and Farmer 2004); with
    β < 1 memory is long, with a Hurst exponent of $1 - \beta/2$. The longer the memory, the more of it the sample means take, so that the
    law is fitted as it looks after that, by least squares:

    $$ E \hat\rho_j \approx \frac{a\, j^{-\beta} - v}{1 - v}, \qquad
       v = \frac1T \Big( 1 + 2 a \sum_{l=1}^{T-1} \big(1 - \tfrac lT\big)\, l^{-\beta} \Big) $$

    (v the variance of the mean over that of the series, memory beyond the lags included). Fitted to the autocorrelations as they are, β is
    too large: of 48 series of 1,000 ticks with β 0.4 it was 0.58, and 0.42 so. A power law is fitted to anything: of GARCH, whose decay is
    exponential, β grows with the lags looked at.

    Args:
        rho: autocorrelations of each series at the lags, from `autocorrelation` without `corrected`; a series that lacks one is left out.
        lags: at least 1 each.
        ticks: T, the values that the series had.

    Returns:
        `exponent` is −β. `standard_error` takes the lags for independent, which they are not: the error over markets is that of
        `massjax.statistics.over_markets.over_markets`. NaN with fewer than three lags, or where the best β is not between 0.02 and 5 or the
        amplitude not positive.

    Raises:
        DataError: a lag is less than 1, or not less than `ticks`.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.autocorrelation import autocorrelation_decay
        >>> lags = np.arange(1, 31)
        >>> round(autocorrelation_decay(0.3 * lags**-1.5, lags.tolist(), ticks=100_000).exponent, 2)
        -1.5
    """
    if min(lags, default=0) < 1 or max(lags) >= ticks:
        raise DataError(f"lags lie between 1 and the {ticks} ticks of the series; given were {tuple(lags)}")
    markets = rho.reshape(-1, len(lags))
    known = np.isfinite(markets).all(axis=-1)
    nothing = PowerLaw(np.nan, np.nan, np.nan, len(lags) if known.any() else 0)
    if len(lags) < 3 or not known.any():
        return nothing
    mean, at = np.asarray(markets[known].mean(axis=0), np.float64), np.log(np.asarray(lags, np.float64))
    every = np.arange(1, ticks)
    weights, logs = 1 - every / ticks, np.log(every)

    def fitted(exponent: float) -> tuple[float, float]:
        """Best amplitude for an exponent, and v of both."""
        total = 2 * float(weights @ np.exp(-exponent * logs)) / ticks
        slope = np.exp(-exponent * at) - (1 - mean) * total
        amplitude = float(slope @ (mean + (1 - mean) / ticks) / (slope @ slope))
        return amplitude, 1 / ticks + amplitude * total

    def squares(exponent: float) -> float:
        amplitude, lost = fitted(exponent)
        return float(np.square(mean - (amplitude * np.exp(-exponent * at) - lost) / (1 - lost)).sum()) if lost < 1 else np.inf

    grid = np.geomspace(SLOWEST, STEEPEST, 40)
    start = int(np.argmin([squares(exponent) for exponent in grid]))
    if start in (0, grid.size - 1):
        return nothing
    best = float(minimize_scalar(squares, bounds=(grid[start - 1], grid[start + 1]), method="bounded", options={"xatol": 1e-8}).x)
    amplitude, lost = fitted(best)
    if amplitude <= 0:
        return nothing
    law, powers = np.exp(-best * at), weights * np.exp(-best * logs)
    by_amplitude, by_exponent = 2 * powers.sum() / ticks, -2 * amplitude * (powers @ logs) / ticks  # of v
    left = (1 - amplitude * law) / (1 - lost) ** 2
    slopes = np.stack([law / (1 - lost) - by_amplitude * left, -amplitude * law * at / (1 - lost) - by_exponent * left], axis=1)
    error = np.sqrt(squares(best) / (len(lags) - 2) * np.linalg.inv(slopes.T @ slopes)[1, 1])
    return PowerLaw(amplitude, -best, float(error), len(lags))


def _autocovariance(
    centred: Float[np.ndarray, "... T"], known: Shaped[np.ndarray, "... T"], lag: int
) -> tuple[Float[np.ndarray, " ..."], Float[np.ndarray, " ..."]]:
    """Mean product of the pairs that are a lag apart, and the number of pairs."""
    dates = centred.shape[-1]
    if lag >= dates:
        return np.full(centred.shape[:-1], np.nan), np.zeros(centred.shape[:-1])
    products = np.einsum("...t,...t->...", centred[..., lag:], centred[..., : dates - lag])
    pairs = np.asarray((known[..., lag:] & known[..., : dates - lag]).sum(axis=-1), np.float64)
    return np.divide(products, pairs, out=np.full(pairs.shape, np.nan), where=pairs >= FEWEST_PAIRS), pairs
