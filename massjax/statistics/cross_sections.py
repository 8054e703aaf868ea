"""Values and ranks of every date less their means, worked out once, so that each further correlation with them is one product."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from massjax.average_ranks import average_ranks, column_blocks, row_order, row_ranks


class Deviations(NamedTuple):
    """One number of each stock and date less the mean of its date.

    Attributes:
        values: 0 where unknown.
        norm: root of the sum of squares over the stocks.
        varied: whether a date holds two different values.
    """

    values: Float[np.ndarray, "N T"]
    norm: Float[np.ndarray, " T"]
    varied: Bool[np.ndarray, " T"]


class CrossSections(NamedTuple):
    """Signals, or returns, of N stocks on T dates, ready to be correlated with others.

    Attributes:
        raw: float64; NaN where unknown.
        known: where there is a number.
        plain, ranked: deviations of the values and of their average ranks.
    """

    raw: Float[np.ndarray, "N T"]
    known: Bool[np.ndarray, "N T"]
    plain: Deviations
    ranked: Deviations


class Ranked(NamedTuple):
    """Returns that much is correlated with, ranked once; the rest of their cross-sections is made for some dates at a time.

    Attributes:
        values: NaN = unknown.
        member: True where the stock is in the universe.
        ranks: average ranks of the members, in float32: halves of whole numbers; NaN where unknown.
    """

    values: Float[np.ndarray, "N T"]
    member: Bool[np.ndarray, "N T"]
    ranks: Float32[np.ndarray, "N T"]

    def on(self, dates: slice) -> CrossSections:
        """The cross-sections of some dates."""
        known = np.isfinite(self.values[:, dates]) & self.member[:, dates]
        raw = np.where(known, self.values[:, dates].astype(np.float64), np.nan)
        return CrossSections(raw, known, deviations(raw, known), deviations(self.ranks[:, dates].astype(np.float64), known))


def rank_members(values: Float[np.ndarray, "N T"], member: Bool[np.ndarray, "N T"]) -> Ranked:
    """Rank the members of each date, once for all that they are correlated with.

    Args:
        values: NaN = unknown.
        member: True where the stock is in the universe.
    """
    ranks = np.empty(values.shape, np.float32)
    for dates in column_blocks(*values.shape):
        ranks[:, dates] = average_ranks(np.where(member[:, dates], values[:, dates], np.nan))
    return Ranked(values, member, ranks)


def cross_sections(values: Float[np.ndarray, "N T"], member: Bool[np.ndarray, "N T"]) -> CrossSections:
    """Signals, or returns, ready to be correlated.

    Args:
        values: NaN = unknown.
        member: True where the stock is in the universe.
    """
    known = np.isfinite(values) & member
    raw = np.where(known, values.astype(np.float64), np.nan)
    return CrossSections(raw, known, deviations(raw, known), deviations(average_ranks(raw), known))


def rank_correlations(x: CrossSections, y: CrossSections) -> Float[np.ndarray, " T"]:
    """Spearman's correlation on each date over the stocks that both have, as `massjax.statistics.correlation.daily_rank_ic` gives it.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.cross_sections import cross_sections, rank_correlations
        >>> member = np.ones((3, 1), bool)
        >>> low, high = (cross_sections(np.array(v)[:, None], member) for v in ([0.1, 0.5, np.nan], [1.0, 2.0, 0.0]))
        >>> rank_correlations(low, high).round(6).tolist()
        [1.0]
    """
    return _correlations(x, y, x.ranked, y.ranked, average_ranks)


def plain_correlations(x: CrossSections, y: CrossSections) -> Float[np.ndarray, " T"]:
    """Pearson's correlation on each date over the stocks that both have, as `massjax.statistics.correlation.daily_ic` gives it."""
    return _correlations(x, y, x.plain, y.plain, lambda values: values)


def rank_correlations_of_many(
    values: Float[np.ndarray, "T K N"], member: Bool[np.ndarray, "T N"], y: CrossSections
) -> Float[np.ndarray, "T K"]:
    """`rank_correlations` of the members of K signals with the same returns, worked out for all of them together.

    Args:
        values: NaN = unknown.
        member: True where the stock is in the universe.
        y: the returns of the same T dates.
    """
    known = np.isfinite(values) & member[:, None]
    product, square = _ranked_products(np.where(known, values, np.inf), known.sum(axis=2), y.ranked.values.T)
    found = _over(product, square, np.square(y.ranked.norm)[:, None])
    apart = np.nonzero((known != y.known.T[:, None]).any(axis=2))
    if apart[0].size:
        common = known[apart] & y.known.T[apart[0]]
        ranks = row_ranks(np.where(common, y.raw.T[apart[0]], np.nan))
        count = common.sum(axis=1)
        returns = np.where(common, ranks - (count[:, None] + 1) / 2, 0.0)
        product, square = _ranked_products(np.where(common, values[apart], np.inf)[:, None], count[:, None], returns)
        found[apart] = _over(product[:, 0], square[:, 0], (returns * returns).sum(axis=1))
    return found


def _ranked_products(
    keys: Float[np.ndarray, "T K N"], count: Int[np.ndarray, "T K"], other: Float[np.ndarray, "T N"]
) -> tuple[Float[np.ndarray, "T K"], Float[np.ndarray, "T K"]]:
    """Sum over stocks of the average rank times `other`, which sums to 0 and is 0 where a key is infinite, and of its squared deviation."""
    dates, archetypes, stocks = keys.shape
    order, tied, shared = row_order(keys.reshape(-1, stocks))
    ordered = np.concatenate([row[places] for row, places in zip(other, order.reshape(keys.shape), strict=True)])
    flat = count.reshape(-1).astype(np.float64)
    product, square, some = ordered @ np.arange(1.0, stocks + 1), flat * (flat**2 - 1) / 12, flat[tied, None]
    ranked = np.where(np.arange(stocks) < some, shared - (some + 1) / 2, 0.0)
    product[tied], square[tied] = (ordered[tied] * shared).sum(axis=1), (ranked * ranked).sum(axis=1)
    return product.reshape(dates, archetypes), square.reshape(dates, archetypes)


def _over(product: Float[np.ndarray, "*B"], square: Float[np.ndarray, "*B"], other: Float[np.ndarray, "*#B"]) -> Float[np.ndarray, "*B"]:
    """`product / sqrt(square * other)`; NaN where one of them is 0, as where all tie: squared ranks are quarters of whole numbers."""
    defined = (square > 0.125) & (other > 0.125)
    return np.where(defined, product / np.sqrt(np.where(defined, square * other, 1.0)), np.nan)


def deviations(values: Float[np.ndarray, "N T"], known: Bool[np.ndarray, "N T"]) -> Deviations:
    """Values less the mean of their date over the known stocks."""
    count = np.maximum(known.sum(0), 1)
    apart = np.where(known, values - np.where(known, values, 0.0).sum(0) / count, 0.0)
    varied = np.where(known, values, -np.inf).max(0) > np.where(known, values, np.inf).min(0)
    return Deviations(apart, np.sqrt((apart * apart).sum(0)), np.asarray(varied))


def correlation_of(x: Deviations, y: Deviations) -> Float[np.ndarray, " T"]:
    """Pearson's correlation on each date, of deviations over the same stocks; NaN where one of them is constant."""
    scale = x.norm * y.norm
    defined = x.varied & y.varied & (scale > 0)
    return np.where(defined, (x.values * y.values).sum(0) / np.where(defined, scale, 1.0), np.nan)


def _correlations(
    x: CrossSections,
    y: CrossSections,
    of_x: Deviations,
    of_y: Deviations,
    transformed: Callable[[Float[np.ndarray, "N C"]], Float[np.ndarray, "N C"]],
) -> Float[np.ndarray, " T"]:
    found = correlation_of(of_x, of_y)
    apart = np.flatnonzero((x.known != y.known).any(0))
    if apart.size:
        common = x.known[:, apart] & y.known[:, apart]
        found[apart] = correlation_of(*(deviations(transformed(np.where(common, side.raw[:, apart], np.nan)), common) for side in (x, y)))
    return found
