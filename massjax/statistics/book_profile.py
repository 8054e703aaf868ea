"""What the order book offers: the spread between the best quotes, and the volume that rests at each distance behind them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Shaped

from massjax.errors import DataError


@dataclass(frozen=True)
class SpreadProfile:
    """Spread of each market over its ticks.

    Attributes:
        quoted: share of ticks with a quote on both sides.
        mean: over these; NaN where there is none.
        median: over these.
        deviation: standard deviation over these.
    """

    quoted: Float[np.ndarray, " ..."]
    mean: Float[np.ndarray, " ..."]
    median: Float[np.ndarray, " ..."]
    deviation: Float[np.ndarray, " ..."]


def relative_spread(bid: Float[np.ndarray, "... T"], ask: Float[np.ndarray, "... T"]) -> Float[np.ndarray, "... T"]:
    r"""Relative spread of every tick, $s_t = (a_t - b_t) / \tfrac12 (a_t + b_t)$ with b the best bid and a the best ask (Roll 1984).

    Args:
        bid, ask: in one unit of price, positive; NaN = no quote on that side.

    Returns:
        NaN where a side has no quote, or the quotes cross or touch, as before an opening.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.book_profile import relative_spread
        >>> relative_spread(np.array([99.0, np.nan, 101.0]), np.array([101.0, 101.0, 100.0])).tolist()
        [0.02, nan, nan]
    """
    low, high = np.asarray(bid, np.float64), np.asarray(ask, np.float64)
    quoted = np.isfinite(low) & np.isfinite(high) & (low > 0) & (high > low)
    return np.divide(high - low, (high + low) / 2, out=np.full(np.shape(quoted), np.nan), where=quoted)


def spread_profile(spread: Float[np.ndarray, "... T"]) -> SpreadProfile:
    """Share of ticks that are quoted, and mean, median and deviation of the spread over these, of each market.

    A mean spread alone flatters a market that dries up: what is quoted on one side only has no spread. Read it with `quoted`.

    Args:
        spread: of each tick, relative or in ticks of price; NaN = not quoted on both sides.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.book_profile import spread_profile
        >>> found = spread_profile(np.array([[0.01, 0.03, np.nan, 0.02], [np.nan] * 4]))
        >>> found.quoted.tolist(), found.median.tolist()
        ([0.75, 0.0], [0.02, nan])
    """
    values = np.asarray(spread, np.float64)
    known = np.isfinite(values)
    count = np.asarray(known.sum(axis=-1))
    some = count > 0
    mean = np.divide(np.where(known, values, 0.0).sum(axis=-1), count, out=np.full(count.shape, np.nan), where=some)
    squares = np.square(np.where(known, values - mean[..., None], 0.0)).sum(axis=-1)
    return SpreadProfile(
        quoted=np.asarray(count / max(values.shape[-1], 1)),
        mean=mean,
        median=_median(np.where(known, values, np.nan), count),
        deviation=np.asarray(np.sqrt(np.divide(squares, count, out=np.full(count.shape, np.nan), where=some))),
    )


@dataclass(frozen=True)
class DepthProfile:
    """Mean resting volume by distance behind the best quote, of each market and side.

    Attributes:
        bids, asks: mean volume in each bin of distance, over the snapshots whose side is not empty; NaN where it always is.
        bids_quoted, asks_quoted: share of the snapshots whose side is not empty.
    """

    bids: Float[np.ndarray, "... D"]
    asks: Float[np.ndarray, "... D"]
    bids_quoted: Float[np.ndarray, " ..."]
    asks_quoted: Float[np.ndarray, " ..."]


def depth_profile(
    prices: Shaped[np.ndarray, "... B S"],
    volumes: Shaped[np.ndarray, "... B S"],
    sides: Shaped[np.ndarray, "... B S"],
    edges: Float[np.ndarray, " E"],
) -> DepthProfile:
    r"""Mean volume resting at each distance behind the best quote of its own side (Bouchaud, Mézard and Potters 2002).

    $$ \bar v_i = \frac1B \sum_b \sum_s v_{bs}\, \mathbf 1[\, e_i \le \Delta_{bs} < e_{i+1} ], \qquad
       \Delta_{bs} = b_b - p_{bs} \text{ for bids}, \quad p_{bs} - a_b \text{ for asks}. $$

    In stocks it is humped: most rests some way behind the best quote.

    Args:
        prices: of B snapshots of the book with S orders, or levels, each.
        volumes: what is left of each; 0 = no order there.
        sides: +1 bid, −1 ask, 0 = no order there.
        edges: of the bins of distance, in the unit of the prices, rising from 0 or more; what lies further is left out.

    Raises:
        DataError: shapes differ, or there are fewer than two edges, or they do not rise from 0 or more.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.book_profile import depth_profile
        >>> prices, volumes, sides = np.array([[99, 98, 101, 101]]), np.array([[5, 7, 2, 3]]), np.array([[1, 1, -1, -1]])
        >>> found = depth_profile(prices, volumes, sides, edges=np.array([0.0, 1.0, 2.0]))
        >>> found.bids.tolist(), found.asks.tolist()
        ([5.0, 7.0], [5.0, 0.0])
    """
    if not prices.shape == volumes.shape == sides.shape:
        raise DataError(f"a book needs one shape; prices {prices.shape}, volumes {volumes.shape}, sides {sides.shape} were given")
    if len(edges) < 2 or edges[0] < 0 or not (np.diff(edges) > 0).all():
        raise DataError(f"bins of distance need at least two edges that rise from 0 or more; given were {list(edges)}")
    price, volume = np.asarray(prices, np.float64), np.asarray(volumes, np.float64)
    bids, bids_quoted = _side_profile(-price, volume, (np.asarray(sides) > 0) & (volume > 0), edges)
    asks, asks_quoted = _side_profile(price, volume, (np.asarray(sides) < 0) & (volume > 0), edges)
    return DepthProfile(bids, asks, bids_quoted, asks_quoted)


def _side_profile(
    away: Float[np.ndarray, "... B S"], volume: Float[np.ndarray, "... B S"], resting: Shaped[np.ndarray, "... B S"], edges: np.ndarray
) -> tuple[Float[np.ndarray, "... D"], Float[np.ndarray, " ..."]]:
    """Profile of one side, whose prices grow away from the best quote, and the share of snapshots in which it is not empty."""
    quoted = np.asarray(resting.any(axis=-1))
    best = np.where(resting, away, np.inf).min(axis=-1, keepdims=True, initial=np.inf)
    distance = np.where(resting, away, np.inf) - np.where(quoted[..., None], best, 0.0)
    counted = np.asarray(quoted.sum(axis=-1))
    inside = [(distance >= low) & (distance < high) for low, high in pairwise(edges)]
    totals = np.stack([np.where(chosen, volume, 0.0).sum(axis=(-2, -1)) for chosen in inside], axis=-1)
    means = np.divide(totals, counted[..., None], out=np.full(totals.shape, np.nan), where=counted[..., None] > 0)
    return means, np.asarray(counted / max(quoted.shape[-1], 1))


def _median(values: Float[np.ndarray, "... T"], count: Shaped[np.ndarray, " ..."]) -> Float[np.ndarray, " ..."]:
    """Median of each series over what is not NaN."""
    if not values.shape[-1]:
        return np.full(count.shape, np.nan)
    ordered = np.sort(values, axis=-1)  # NaN is sorted last
    middle = [np.take_along_axis(ordered, np.maximum(at, 0)[..., None], axis=-1)[..., 0] for at in ((count - 1) // 2, count // 2)]
    return np.where(count > 0, (middle[0] + np.where(count > 0, middle[1], 0.0)) / 2, np.nan)
