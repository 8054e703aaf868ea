"""Whether prices fall otherwise than they rise: skewness of returns, and how long a market takes to gain, or to lose, a given amount."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from massjax.errors import DataError
from massjax.statistics.tails import standardised


def skewness(returns: Float[np.ndarray, "... T"]) -> Float[np.ndarray, " ..."]:
    r"""Skewness of each series, without bias for Gaussian returns.

    $$ G_1 = \frac{\sqrt{n (n-1)}}{n - 2} \frac1n \sum_t z_t^3 $$

    (Fisher 1930; Joanes and Gill 1998, equation 2), z standardised.

    Args:
        returns: NaN = missing.

    Returns:
        Negative where the largest moves are losses (Cont 2001, fact 3); NaN with fewer than three values or where they do not vary.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.gain_loss import skewness
        >>> round(float(skewness(np.random.default_rng(0).exponential(size=(50, 2000))).mean()), 1)
        2.0
    """
    z = standardised(returns)
    n = np.isfinite(z).sum(axis=-1).astype(np.float64)
    enough = n > 2
    some = np.where(enough, n, 3.0)
    third = (np.where(np.isfinite(z), z, 0.0) ** 3).sum(axis=-1) / some
    return np.where(enough, np.sqrt(some * (some - 1)) / (some - 2) * third, np.nan)


def first_passage_times(returns: Float[np.ndarray, "... T"], level: float, horizon: int) -> Float[np.ndarray, "... S"]:
    r"""Ticks from each start until the log price has first moved by `level`: inverse statistics (Simonsen, Jensen and Johansen 2002).

    $$ \tau_\rho(t) = \min \{ \tau \ge 1 : p_{t+\tau} - p_t \ge \rho \} \quad (\le \rho \text{ where } \rho < 0), \qquad
       p_t = \sum_{s < t} r_s . $$

    Only starts with the whole horizon ahead of them are taken, so that nothing is cut off by the end of the series that is not cut off by
    the horizon. Of a Gaussian random walk of variance 1 a tick, $P(\tau_\rho \le t) \approx 2 \Phi(-|\rho| / \sqrt t)$, with median
    $(\rho / 0.674)^2$ and infinite mean: read medians or the mode.

    Args:
        returns: log returns; NaN = missing.
        level: of the log return, positive for gains and negative for losses.
        horizon: most ticks waited.

    Returns:
        A time for each of the T − horizon + 1 starts; infinite where the level is not reached within the horizon, NaN where a return is
        missing before it is.

    Raises:
        DataError: `level` is 0, or `horizon` less than 1 or more than the ticks there are.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.gain_loss import first_passage_times
        >>> first_passage_times(np.array([1.0, 1.0, -1.0, 1.0, 1.0, 1.0]), level=2.0, horizon=3).tolist()
        [2.0, inf, inf, 2.0]
    """
    ticks = returns.shape[-1]
    if level == 0 or not 1 <= horizon <= ticks:
        raise DataError(f"first passage needs a level other than 0 and a horizon of 1 to {ticks} ticks; given were {level} and {horizon}")
    known = np.isfinite(returns)
    price, gaps = _path(np.where(known, returns, 0.0).astype(np.float64) * np.sign(level)), _path((~known).astype(np.int64))
    starts = ticks - horizon + 1
    times = np.full((*returns.shape[:-1], starts), np.inf)
    for wait in range(horizon, 0, -1):
        times[price[..., wait : wait + starts] - price[..., :starts] >= abs(level)] = wait
        times[gaps[..., wait : wait + starts] > gaps[..., wait - 1 : wait - 1 + starts]] = np.nan
    return times


def gain_loss_asymmetry(returns: Float[np.ndarray, "... T"], level: float = 5.0, horizon: int = 250) -> Float[np.ndarray, " ..."]:
    r"""How much longer a series takes to gain than to lose: $\ln(\mathrm{median}\, \tau_{+\rho} / \mathrm{median}\, \tau_{-\rho})$.

    ρ is `level` standard deviations of a tick, and the mean return is taken off, as in Jensen, Johansen and Simonsen (2003), who compare
    the most frequent times at five deviations: stock indices lose in fewer days than they gain, single stocks hardly so. The median is
    less ragged than the mode. It is not skewness: steady gains with rare crashes get there sooner upwards, since a crash is waited for,
    and are negative in both.

    Args:
        returns: log returns; NaN = missing.
        level: ρ in standard deviations of the series' own returns.
        horizon: most ticks waited; at least some $3 \rho^2$, so that half of the starts get there.

    Returns:
        0 for symmetric series, positive where losses come faster; NaN where a median is not reached within the horizon, where the series
        does not vary or is shorter than the horizon.

    Raises:
        DataError: `level` is not positive, or `horizon` less than 1.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.gain_loss import gain_loss_asymmetry
        >>> from massjax.statistics.over_markets import mean_over_markets
        >>> walk = np.random.default_rng(1).normal(size=(48, 1000))
        >>> found = mean_over_markets(gain_loss_asymmetry(walk, level=3.0, horizon=100))
        >>> found.low < 0 < found.high
        True
    """
    if not level > 0 or horizon < 1:
        raise DataError(f"the level is positive and the horizon at least 1 tick; given were {level} and {horizon}")
    if returns.shape[-1] < horizon:
        return np.full(returns.shape[:-1], np.nan)
    z = standardised(returns)
    gain, loss = (_median(first_passage_times(z, sign * level, horizon)) for sign in (1.0, -1.0))
    reached = np.isfinite(gain) & np.isfinite(loss)
    return np.asarray(np.log(np.divide(gain, loss, out=np.full(gain.shape, np.nan), where=reached)))


def _path(steps: np.ndarray) -> np.ndarray:
    """Sums from the first step on, with the 0 before it."""
    return np.concatenate([np.zeros((*steps.shape[:-1], 1), steps.dtype), np.cumsum(steps, axis=-1)], axis=-1)


def _median(times: Float[np.ndarray, "... S"]) -> Float[np.ndarray, " ..."]:
    """Lower median of each series over starts that are not NaN; infinite where less than half of them have got there."""
    known = (~np.isnan(times)).sum(axis=-1)
    middle = np.maximum((known - 1) // 2, 0)
    lower = np.take_along_axis(np.sort(times, axis=-1), middle[..., None], axis=-1)[..., 0]  # NaN is sorted last
    return np.where(known > 0, lower, np.nan)
