"""How sure a figure of several markets, or stocks, is: bootstrap intervals that draw whole markets with replacement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy import stats

from massjax.errors import DataError

FEWEST_MARKETS = 5
"""Markets below which no interval is given."""
DRAWS = 1000
"""Resamples of the bootstrap."""
MOST_UNDEFINED = 0.05
"""Share of the draws that may have no value before no interval is given."""


@dataclass(frozen=True)
class MarketInterval:
    """A figure of several markets with its bootstrap interval.

    Attributes:
        estimate: on all markets.
        low, high: bounds; NaN where there are too few markets, or the figure is not defined on too many draws.
        level: probability with which such an interval holds the true figure.
        standard_error: spread over the draws.
        markets: number of markets behind it.
        draws: resamples on which it was defined.
    """

    estimate: float
    low: float
    high: float
    level: float
    standard_error: float
    markets: int
    draws: int


@dataclass(frozen=True)
class MarketBand:
    """Several figures of the same markets, such as autocorrelations at several lags, each with its own bootstrap interval.

    Attributes:
        estimate: on all markets.
        low, high: bounds of each by itself: of 50 lags some lie outside by chance.
        level: probability with which each holds its true figure.
        standard_error: spread over the draws.
        markets: number of markets behind them.
        draws: resamples on which each was defined.
    """

    estimate: Float[np.ndarray, " L"]
    low: Float[np.ndarray, " L"]
    high: Float[np.ndarray, " L"]
    level: float
    standard_error: Float[np.ndarray, " L"]
    markets: int
    draws: Int[np.ndarray, " L"]


def over_markets(
    statistic: Callable[..., float], *panels: Shaped[np.ndarray, "_ ..."], level: float = 0.95, draws: int = DRAWS, seed: int = 0
) -> MarketInterval:
    r"""A figure of a panel of markets with its BCa bootstrap interval: whole markets are drawn with replacement.

    What happens inside a market stays together, so that neither autocorrelation nor common volatility narrows the interval; markets are
    taken for independent, as simulated ones are. Stocks of one exchange are not: their common days make the interval too narrow, and
    dates should be drawn instead (`massjax.statistics.intervals.stationary_bootstrap`).

    With $\theta^*$ the figure on each draw and $\Phi$ the normal distribution, the bounds are the quantiles of $\theta^*$ at

    $$ \Phi\Big( z_0 + \frac{z_0 \pm c}{1 - a (z_0 \pm c)} \Big), \qquad z_0 = \Phi^{-1}\big( P(\theta^* < \hat\theta) \big), \qquad
       a = \frac{\sum_i d_i^3}{6 (\sum_i d_i^2)^{3/2}}, \qquad c = \sqrt{\tfrac{M}{M - 1}}\; t_{M-1,\, (1 + level)/2}, $$

    $d_i$ the mean of the figure over all panels that lack one market, less that without market i (Efron 1987; Efron and Tibshirani 1993,
    section 14.3). c in place of the normal quantile makes up for quantiles of resamples being too narrow for few markets (Hesterberg
    2015, "expanded percentile").

    Args:
        statistic: from panels of drawn markets to one number; `lambda r: hill_index(standardised(r)).index`.
        panels: arrays whose first axis is markets, such as returns and volumes; the same markets are drawn in all.
        level: of the two-sided interval.
        draws: resamples.
        seed: of `numpy.random.default_rng`; the same seed gives the same interval.

    Returns:
        Bounds and error NaN with fewer than five markets, where the figure itself is NaN, or is NaN on more than 5 % of the draws; draws
        on which it is NaN are left out and counted.

    Raises:
        DataError: there is no panel, or panels have different numbers of markets; `draws` is less than 2 or `level` not between 0 and 1.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.over_markets import over_markets
        >>> from massjax.statistics.tails import hill_index, standardised
        >>> returns = np.random.default_rng(0).standard_t(4, size=(32, 200))
        >>> found = over_markets(lambda r: hill_index(standardised(r)).index, returns, draws=100)
        >>> found.low < 4 < found.high
        True
    """
    band = band_over_markets(lambda *drawn: np.array([statistic(*drawn)], np.float64), *panels, level=level, draws=draws, seed=seed)
    return MarketInterval(
        estimate=float(band.estimate[0]),
        low=float(band.low[0]),
        high=float(band.high[0]),
        level=level,
        standard_error=float(band.standard_error[0]),
        markets=band.markets,
        draws=int(band.draws[0]),
    )


def band_over_markets(
    statistic: Callable[..., Float[np.ndarray, " L"]],
    *panels: Shaped[np.ndarray, "_ ..."],
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> MarketBand:
    """Several figures of a panel of markets, each with the interval of `over_markets`, from the same draws.

    Args:
        statistic: from panels of drawn markets to a row of numbers, always as many.
        panels: arrays whose first axis is markets; the same markets are drawn in all.
        level: of each two-sided interval by itself.
        draws: resamples.
        seed: of `numpy.random.default_rng`.

    Returns:
        NaN as in `over_markets`, for each figure by itself.

    Raises:
        DataError: there is no panel, or panels have different numbers of markets; `draws` is less than 2 or `level` not between 0 and 1.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.autocorrelation import autocorrelation
        >>> from massjax.statistics.over_markets import band_over_markets
        >>> rho = autocorrelation(np.random.default_rng(0).normal(size=(32, 500)), lags=(1, 2, 3))
        >>> found = band_over_markets(lambda market: market.mean(axis=0), rho)
        >>> bool((found.low < 0).all() and (found.high > -0.01).all())
        True
    """
    markets = _number_of_markets(panels)
    if draws < 2 or not 0 < level < 1:
        raise DataError(f"a bootstrap needs at least 2 draws and a level between 0 and 1; given were {draws} and {level}")
    estimate = np.asarray(statistic(*panels), np.float64)
    nothing = np.full(estimate.shape, np.nan)
    if markets < FEWEST_MARKETS:
        return MarketBand(estimate, nothing, nothing, level, nothing, markets, np.zeros(estimate.shape, int))
    drawn = np.random.default_rng(seed).integers(0, markets, (draws, markets))
    resampled = np.stack([statistic(*(panel[chosen] for panel in panels)) for chosen in drawn]).astype(np.float64)
    every = np.arange(markets)
    lacking_one = np.stack([statistic(*(panel[every != left_out] for panel in panels)) for left_out in every]).astype(np.float64)
    defined = np.isfinite(resampled).sum(axis=0)
    low, high, error = nothing.copy(), nothing.copy(), nothing.copy()
    for figure in np.flatnonzero(np.isfinite(estimate) & (defined >= max((1 - MOST_UNDEFINED) * draws, 2))):
        values = resampled[np.isfinite(resampled[:, figure]), figure]
        low[figure], high[figure] = _bca_bounds(estimate[figure], values, lacking_one[:, figure], level)
        error[figure] = values.std(ddof=1)
    return MarketBand(estimate, low, high, level, error, markets, defined)


def mean_over_markets(values: Float[np.ndarray, " M"], level: float = 0.95, draws: int = DRAWS, seed: int = 0) -> MarketInterval:
    """The mean of one figure a market with the interval of `over_markets`, at a fraction of its cost: nothing is worked out anew a draw.

    Args:
        values: one a market; a market whose figure is NaN, such as one in which nothing was traded, is left out.
        level: of the two-sided interval.
        draws: resamples.
        seed: of `numpy.random.default_rng`.

    Returns:
        `markets` counts those with a figure; compare it with the number of markets that there are.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.over_markets import mean_over_markets
        >>> found = mean_over_markets(np.array([1.0, 2.0, 3.0, 4.0, 5.0, np.nan]))
        >>> found.estimate, found.markets
        (3.0, 5)
    """
    known = np.asarray(values, np.float64)[np.isfinite(values)]
    return over_markets(lambda drawn: drawn.mean() if drawn.size else np.nan, known, level=level, draws=draws, seed=seed)


def _number_of_markets(panels: tuple[Shaped[np.ndarray, " ..."], ...]) -> int:
    sizes = {panel.shape[0] if panel.ndim else 0 for panel in panels}
    if len(sizes) != 1:
        shapes = ", ".join(str(panel.shape) for panel in panels) or "none"
        raise DataError(f"panels need one first axis, of the same markets in all of them; shapes given: {shapes}")
    return sizes.pop()


def _bca_bounds(
    estimate: float, resampled: Float[np.ndarray, " B"], lacking_one: Float[np.ndarray, " M"], level: float
) -> tuple[float, float]:
    """Bounds of `over_markets`; NaN where the figure is not defined without one of the markets."""
    if np.ptp(resampled) == 0:
        return float(resampled[0]), float(resampled[0])
    markets, draws = lacking_one.size, resampled.size
    below = ((resampled < estimate).sum() + 0.5 * (resampled == estimate).sum()) / draws
    bias = stats.norm.ppf(np.clip(below, 1 / (draws + 1), draws / (draws + 1)))
    influence = lacking_one.mean() - lacking_one
    squares = float(np.square(influence).sum())
    skew = float((influence**3).sum()) / (6 * squares**1.5) if squares > 0 else (0.0 if np.isfinite(squares) else np.nan)
    reach = np.sqrt(markets / (markets - 1)) * stats.t.ppf((1 + level) / 2, markets - 1)
    ends = [bias + (bias + side) / (1 - skew * (bias + side)) for side in (-reach, reach)]
    if not np.isfinite(ends).all():
        return np.nan, np.nan
    low, high = np.quantile(resampled, stats.norm.cdf(ends))
    return float(low), float(high)
