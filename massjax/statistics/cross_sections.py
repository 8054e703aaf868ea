"""Values and ranks of every date less their means, worked out once, so that each further correlation with them is one product."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from massjax.average_ranks import average_ranks


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


def cross_sections(values: Float[np.ndarray, "N T"], member: Bool[np.ndarray, "N T"]) -> CrossSections:
    """Rank the members of each date, once for all that they are correlated with.

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
