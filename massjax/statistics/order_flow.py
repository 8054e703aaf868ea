"""What trades do: how long their signs are remembered, how far they move the price, and how volume goes with volatility."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Shaped

from massjax.errors import DataError
from massjax.statistics.autocorrelation import autocorrelation
from massjax.statistics.tails import aggregated

FEWEST_BARS = 3
"""Bars below which volume and volatility have no correlation."""

Clock = Literal["trades", "ticks"]
Volatility = Literal["absolute", "realised"]


def volume_volatility(
    returns: Float[np.ndarray, "... T"], volumes: Shaped[np.ndarray, "... T"], bar: int, volatility: Volatility = "absolute"
) -> Float[np.ndarray, " ..."]:
    r"""Correlation of volume and volatility over bars of clock time, $\mathrm{corr}_b(V_b, \sigma_b)$ (Karpoff 1987; Cont 2001, fact 10).

    $V_b$ is the volume of bar b, $\sigma_b$ the absolute return over the bar, $|\sum_{t \in b} r_t|$ ("absolute"), or
    $\sqrt{\sum_{t \in b} r_t^2}$ ("realised"). Where prices move by trades alone realised volatility counts trades once more, so that its
    correlation is high in any market with trades; the absolute return is the stricter.

    Args:
        returns: log returns of each tick; NaN = missing.
        volumes: volume of each tick; NaN = missing.
        bar: ticks in a bar.
        volatility: "absolute" or "realised".

    Returns:
        NaN with fewer than three bars that are known whole, or where volume or volatility does not vary.

    Raises:
        DataError: shapes differ, or `bar` is less than 1.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.order_flow import volume_volatility
        >>> rng = np.random.default_rng(0)
        >>> activity = np.repeat(rng.gamma(2.0, size=(20, 100)), 10, axis=1)
        >>> returns, volumes = rng.normal(size=activity.shape) * np.sqrt(activity), rng.poisson(activity).astype(float)
        >>> volume_volatility(returns, volumes, bar=10).mean().round(1).item()
        0.3
    """
    _same_shape(returns=returns, volumes=volumes)
    volume = aggregated(np.asarray(volumes, np.float64), bar)
    moves = np.asarray(returns, np.float64)
    spread = np.abs(aggregated(moves, bar)) if volatility == "absolute" else np.sqrt(aggregated(np.square(moves), bar))
    known = np.isfinite(volume) & np.isfinite(spread)
    count = known.sum(axis=-1, keepdims=True)
    x, y = (_centred(values, known, count) for values in (volume, spread))
    scale = np.sqrt(np.square(x).sum(axis=-1) * np.square(y).sum(axis=-1))
    defined = (count[..., 0] >= FEWEST_BARS) & (scale > 0)
    return np.divide((x * y).sum(axis=-1), scale, out=np.full(scale.shape, np.nan), where=defined)


def sign_autocorrelation(
    signs: Shaped[np.ndarray, "... T"], lags: Sequence[int], clock: Clock = "trades", corrected: bool = False
) -> Float[np.ndarray, "... L"]:
    r"""Autocorrelation of trade signs, $C(l) = \mathrm{corr}(\epsilon_n, \epsilon_{n+l})$ (Lillo and Farmer 2004).

    Its exponent, $C(l) \propto l^{-\gamma}$, is that of `massjax.statistics.autocorrelation.autocorrelation_decay`: near 0.5 in stocks, a
    Hurst exponent $1 - \gamma/2$ of 0.75.

    Args:
        signs: +1 where the buyer of a trade was the one who crossed, −1 where the seller; 0 or NaN = no trade.
        lags: each at least 1, in trades, or in ticks of which both traded.
        clock: "trades" leaves ticks without a trade out, "ticks" keeps their place.
        corrected: add back what the sample mean takes (`massjax.statistics.autocorrelation.autocorrelation`).

    Returns:
        NaN at lags with fewer than three pairs of trades, and where all trades have one sign.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.order_flow import sign_autocorrelation
        >>> sign_autocorrelation(np.array([1, 0, -1, 1, -1, 0, 1, -1, 1, -1]), lags=(1, 2)).tolist()
        [-1.0, 1.0]
    """
    known = _signs(signs)
    return autocorrelation(_in_trade_time(known, known) if clock == "trades" else known, lags, corrected)


def response_by_lag(
    signs: Shaped[np.ndarray, "... T"], log_mid: Float[np.ndarray, "... T"], lags: Sequence[int], clock: Clock = "trades"
) -> Float[np.ndarray, "... L"]:
    r"""Response function of each market: how far the mid has moved in the direction of a trade l trades later.

    $$ R(l) = \big\langle \epsilon_n\, (m_{n+l} - m_n) \big\rangle_n $$

    (Bouchaud, Gefen, Potters and Wyart 2004).

    Args:
        signs: +1 bought, −1 sold by the one who crossed, 0 or NaN = no trade.
        log_mid: logarithm of the mid *before* what happens in each tick; NaN = missing.
        lags: each at least 1.
        clock: whether n counts trades, or ticks.

    Returns:
        In log price; NaN where no pair of trade and later mid is known.

    Raises:
        DataError: shapes differ, or a lag is less than 1.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.order_flow import response_by_lag
        >>> signs = np.array([1, 1, 0, -1, 1, 1])
        >>> log_mid = np.array([0.0, 1.0, 2.0, 2.0, 1.0, 2.0])
        >>> response_by_lag(signs, log_mid, lags=(1, 2)).round(2).tolist()
        [1.0, 0.67]
    """
    _same_shape(signs=signs, log_mid=log_mid)
    if min(lags, default=0) < 1:
        raise DataError(f"lags are whole numbers from 1 on; given were {tuple(lags)}")
    sign, mid = _signs(signs), _finite(log_mid)
    if clock == "trades":
        sign, mid = _in_trade_time(sign, sign), _in_trade_time(mid, sign)
    return np.stack([_mean(_moves(sign, mid, lag)) for lag in lags], axis=-1)


@dataclass(frozen=True)
class VolumeResponse:
    """Response of the mid to trades of different volume.

    Attributes:
        volume: mean volume of the trades in each bin; NaN in an empty one.
        response: mean move of the log mid in the direction of the trade.
        trades: number of trades in each bin.
    """

    volume: Float[np.ndarray, "... V"]
    response: Float[np.ndarray, "... V"]
    trades: Int[np.ndarray, "... V"]


def response_by_volume(
    signs: Shaped[np.ndarray, "... T"],
    volumes: Shaped[np.ndarray, "... T"],
    log_mid: Float[np.ndarray, "... T"],
    edges: Float[np.ndarray, " E"],
    lag: int = 1,
    clock: Clock = "trades",
) -> VolumeResponse:
    r"""Price impact of each market by the volume of trades.

    $$ R_i(l) = \big\langle \epsilon_n\, (m_{n+l} - m_n) \,\big|\, v_n \in [e_i, e_{i+1}) \big\rangle_n $$

    (Lillo, Farmer and Mantegna 2003; Bouchaud, Gefen, Potters and Wyart 2004). Impact is concave, $R(1) \propto v^\psi$ with ψ of 0.1 to
    0.5 in stocks: ψ is the exponent of `massjax.statistics.autocorrelation.power_law` of volume and response.

    Args:
        signs: +1 bought, −1 sold by the one who crossed, 0 or NaN = no trade.
        volumes: shares that the trade, or all trades of the tick, came to.
        log_mid: logarithm of the mid before each tick.
        edges: of the bins of volume, rising; volumes outside are left out.
        lag: trades, or ticks, after which the mid is looked at.
        clock: whether the lag counts trades, or ticks.

    Raises:
        DataError: shapes differ, the lag is less than 1, or there are fewer than two edges or they do not rise.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.order_flow import response_by_volume
        >>> signs, volumes = np.array([1, -1, 1, -1]), np.array([1, 4, 4, 1])
        >>> found = response_by_volume(signs, volumes, np.array([0.0, 1.0, -1.0, 1.0]), edges=np.array([1.0, 2.0, 5.0]))
        >>> found.volume.tolist(), found.response.tolist(), found.trades.tolist()
        ([1.0, 4.0], [1.0, 2.0], [1, 2])
    """
    _same_shape(signs=signs, volumes=volumes, log_mid=log_mid)
    if lag < 1:
        raise DataError(f"the lag is at least 1; it is {lag}")
    if len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise DataError(f"bins of volume need at least two edges that rise; given were {list(edges)}")
    sign, mid, volume = _signs(signs), _finite(log_mid), np.asarray(volumes, np.float64)
    if clock == "trades":
        sign, mid, volume = _in_trade_time(sign, sign), _in_trade_time(mid, sign), _in_trade_time(volume, sign)
    moves = _moves(sign, mid, lag)
    volume = volume[..., : moves.shape[-1]]
    inside = [np.isfinite(moves) & (volume >= low) & (volume < high) for low, high in pairwise(edges)]
    return VolumeResponse(
        volume=np.stack([_mean(np.where(chosen, volume, np.nan)) for chosen in inside], axis=-1),
        response=np.stack([_mean(np.where(chosen, moves, np.nan)) for chosen in inside], axis=-1),
        trades=np.stack([chosen.sum(axis=-1) for chosen in inside], axis=-1),
    )


def _same_shape(**arrays: np.ndarray) -> None:
    if len({array.shape for array in arrays.values()}) > 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise DataError(f"arrays of the same ticks need one shape; given were {shapes}")


def _signs(signs: Shaped[np.ndarray, "... T"]) -> Float[np.ndarray, "... T"]:
    """+1 and −1, NaN where nothing was traded."""
    values = np.sign(np.asarray(signs, np.float64))
    return np.where(values == 0, np.nan, values)


def _finite(values: Float[np.ndarray, "... T"]) -> Float[np.ndarray, "... T"]:
    """NaN where infinite, as the logarithm of a mid of 0."""
    numbers = np.asarray(values, np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _in_trade_time(values: Float[np.ndarray, "... T"], sign: Float[np.ndarray, "... T"]) -> Float[np.ndarray, "... T"]:
    """Each series at its trades alone, moved to the front; NaN behind the last."""
    traded = np.isfinite(sign)
    first = np.argsort(~traded, axis=-1, kind="stable")
    return np.where(np.take_along_axis(traded, first, axis=-1), np.take_along_axis(values, first, axis=-1), np.nan)


def _moves(sign: Float[np.ndarray, "... T"], mid: Float[np.ndarray, "... T"], lag: int) -> Float[np.ndarray, "... P"]:
    """Move of the mid over the next `lag` steps in the direction of each trade."""
    pairs = max(sign.shape[-1] - lag, 0)
    return sign[..., :pairs] * (mid[..., lag:] - mid[..., :pairs])


def _mean(values: Float[np.ndarray, "... P"]) -> Float[np.ndarray, " ..."]:
    known = np.isfinite(values)
    count = np.asarray(known.sum(axis=-1))
    return np.divide(np.where(known, values, 0.0).sum(axis=-1), count, out=np.full(count.shape, np.nan), where=count > 0)


def _centred(
    values: Float[np.ndarray, "... B"], known: Shaped[np.ndarray, "... B"], count: Shaped[np.ndarray, "... 1"]
) -> Float[np.ndarray, "... B"]:
    """Values less their mean where known, else 0; 0 throughout where they are all equal."""
    mean = np.where(known, values, 0.0).sum(axis=-1, keepdims=True) / np.maximum(count, 1)
    highest = np.where(known, values, -np.inf).max(axis=-1, keepdims=True, initial=-np.inf)
    varies = highest > np.where(known, values, np.inf).min(axis=-1, keepdims=True, initial=np.inf)
    return np.where(known & varies, values - mean, 0.0)
