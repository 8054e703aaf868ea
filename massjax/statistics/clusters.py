"""How sure one can be of a sum over stocks and dates, where values of one stock, and of one date, have something in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Bool, Float, Int, Num, Shaped
from scipy import stats

from massjax.errors import DataError
from massjax.statistics.intervals import newey_west_lags

By = Literal["stock and date", "stock", "date"]
"""What values may have in common: a stock, a date, or either."""
Labels: TypeAlias = Sequence[Any] | Shaped[np.ndarray, " L"]
"""A name for each row, column or value."""


@dataclass(frozen=True)
class Estimate:
    """A share, a difference of shares or a ratio, with an interval that allows for what values of one stock or date have in common.

    Attributes:
        value: NaN where it is undefined.
        standard_error: of `value`; of an odds ratio that of its logarithm.
        low, high: bounds of the interval.
        level: probability with which such an interval holds the true value.
        count: values that it is made of.
        reason: why `value`, or its error, is NaN; empty where both are defined.
    """

    value: float
    standard_error: float
    low: float
    high: float
    level: float
    count: int
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Cells:
    """Of which stock and date each of M values is; several may be of the same, as the news items of one day are.

    Attributes:
        stock, date: positions, dates in their order.
        stocks, dates: how many there are.
    """

    stock: Int[np.ndarray, " M"]
    date: Int[np.ndarray, " M"]
    stocks: int
    dates: int

    def sums(self, values: Num[np.ndarray, " M"] | Bool[np.ndarray, " M"]) -> Float[np.ndarray, "S D"]:
        """The values added up by stock and date, 0 where there is none."""
        added = np.bincount(self.stock * self.dates + self.date, values.astype(np.float64), self.stocks * self.dates)
        return added.reshape(self.stocks, self.dates)


def cells_of(shape: tuple[int, ...], stocks: Labels | None = None, dates: Labels | None = None) -> Cells:
    """Which stock and date the values of an array of some shape are of, in the order in which `ravel` gives them.

    Args:
        shape: (stocks, dates), or (values,), which needs a stock and a date for each.
        stocks, dates: labels: of the rows and columns of a table, or of each value of a flat array. Rows, or columns, with the same
            label count as one: dates with the label of their week are clustered by week.

    Raises:
        DataError: the array has another number of axes, or the labels another number than its values.

    Example:
        >>> from massjax.statistics.clusters import cells_of
        >>> flat = cells_of((3,), stocks=["BBB", "AAA", "BBB"], dates=["2024-01-02", "2024-01-02", "2024-01-03"])
        >>> flat.stock.tolist(), flat.date.tolist()
        ([1, 0, 1], [0, 0, 1])
    """
    if len(shape) not in (1, 2):
        raise DataError(f"decisions have {len(shape)} axes; expected [stocks, dates], or one axis and a stock and a date for each")
    if len(shape) == 1 and (stocks is None or dates is None):
        lacking = " and ".join(name for name, labels in (("stocks", stocks), ("dates", dates)) if labels is None)
        raise DataError(f"flat decisions lack their {lacking}: give stocks= and dates= with a label for each of the {shape[0]:,} decisions")
    lengths = shape if len(shape) == 2 else (shape[0], shape[0])
    codes = [_codes(name, labels, length) for name, labels, length in zip(("stocks", "dates"), (stocks, dates), lengths, strict=True)]
    (stock, stock_count), (date, date_count) = codes
    if len(shape) == 2:
        stock, date = np.repeat(stock, shape[1]), np.tile(date, shape[0])
    return Cells(stock, date, stock_count, date_count)


def _codes(name: str, labels: Labels | None, length: int) -> tuple[Int[np.ndarray, " M"], int]:
    if labels is None:
        return np.arange(length), length
    if len(labels) != length:
        raise DataError(f"{len(labels):,} labels in {name}, but the decisions have {length:,}")
    known, codes = np.unique(np.asarray(labels), return_inverse=True)
    return codes.astype(np.intp), len(known)


def variance_of_sum(sums: Float[np.ndarray, "S D"], by: By = "stock and date", lags: int = 0) -> float:
    r"""Variance of the sum of values x that have mean 0, where those of one stock, or of one date, may be correlated in any way.

    $$ V_s = \sum_s \Big(\sum_t x_{st}\Big)^2, \quad
       V_t = \sum_{|j| \le L} \Big(1 - \tfrac{|j|}{L+1}\Big) \sum_t \Big(\sum_s x_{st}\Big)\Big(\sum_s x_{s,t-j}\Big), \quad
       V = \max(V_s,\ V_t,\ V_s + V_t - V_{st}), $$

    with $V_{st}$ what both count: the terms of $V_t$ of one stock with itself. Two-way clustering is of Cameron, Gelbach and Miller
    (2011) and Thompson (2011); with lags, for what all stocks share for more than a date, of Chiang, Hansen and Sasaki (2024). The
    difference may come out too small, or negative, with few clusters; that neither way of clustering alone may give more is the remedy
    of MacKinnon, Nielsen and Webb (2024).

    Args:
        sums: x by stock and date, 0 where there is none.
        by: what values may have in common; "stock" takes V_s and "date" V_t alone.
        lags: L, dates over which what all stocks share may last beyond its own.

    Example:
        Ten stocks that do the same on each date say no more than one of them:

        >>> import numpy as np
        >>> from massjax.statistics.clusters import variance_of_sum
        >>> alike = np.tile([1.0, -1.0, 1.0, -1.0], (10, 1))
        >>> variance_of_sum(alike), variance_of_sum(alike, by="stock")
        (400.0, 0.0)
    """
    by_stock, by_date = float((sums.sum(axis=1) ** 2).sum()), _lagged(sums.sum(axis=0)[None], lags)
    if by == "stock":
        return by_stock
    return by_date if by == "date" else max(by_stock, by_date, by_stock + by_date - _lagged(sums, lags))


def _lagged(rows: Float[np.ndarray, "R D"], lags: int) -> float:
    """Σ over rows of squares and of Bartlett-weighted products up to so many dates apart; never negative."""
    total = float((rows * rows).sum())
    for lag in range(1, min(lags, rows.shape[1] - 1) + 1):
        total += 2 * (1 - lag / (lags + 1)) * float((rows[:, lag:] * rows[:, :-lag]).sum())
    return max(total, 0.0)


@dataclass(frozen=True)
class Spread:
    """Standard error of a sum, the degrees of freedom of its t-statistic, and why there is none."""

    error: float
    freedom: float
    reason: str = ""


def spread_of(
    influence: Float[np.ndarray, " M"], counted: Bool[np.ndarray, " M"], cells: Cells, by: By = "stock and date", horizon: int = 1
) -> Spread:
    """Standard error of an estimate that is a sum of influences, by two-way clustering, with the correction for few clusters.

    The variance of `variance_of_sum` is multiplied by G / (G − 1), G being the number of clusters (the smaller of stocks and dates), and
    judged by Student's distribution with G − 1 degrees of freedom (Cameron, Gelbach and Miller 2011). With a horizon above 1 the dates
    are given the lags, and the degrees of freedom, of `massjax.statistics.intervals.newey_west`.

    Args:
        influence: of each value on the estimate, about its mean; 0 where it has none.
        counted: which values the estimate is made of.
        cells: of which stock and date each value is.
        by: what values may have in common.
        horizon: dates over which the return behind each value runs, or over which what all stocks share may last.

    Raises:
        DataError: `by` is none of its values.

    Returns:
        Error NaN, with the reason, where the values counted are all of one stock, or one date.
    """
    if by not in get_args(By):
        raise DataError(f"by is {by!r}; expected one of {', '.join(map(repr, get_args(By)))}")
    stocks, dates = np.unique(cells.stock[counted]).size, np.unique(cells.date[counted]).size
    for name, number in (("stock", stocks), ("date", dates)):
        if name in by and number < 2:
            other = "date" if name == "stock" else "stock"
            what = f"all of one {name}" if number else "none"
            cure = f'; by="{other}" allows for what each {other} has in common alone' if number and by == "stock and date" else ""
            return Spread(np.nan, np.nan, f"the values are {what}, which tells nothing of how much they vary between {name}s{cure}")
    lags = newey_west_lags(dates, horizon) if horizon > 1 else 0
    limits: list[tuple[float, float]] = [(stocks, stocks - 1.0)] if "stock" in by else []
    if "date" in by:
        share = (lags + 1) / dates
        limits.append((1 / (share - share**2 / 3), 1.5 / share) if lags else (dates, dates - 1.0))
    clusters, freedom = min(number for number, _ in limits), min(free for _, free in limits)
    variance = variance_of_sum(cells.sums(np.where(counted, influence, 0.0)), by, lags)
    return Spread(float(np.sqrt(variance * clusters / (clusters - 1))), float(freedom))


def estimate(value: float, spread: Spread, count: int, level: float = 0.95) -> Estimate:
    """A value with the interval of Student's t around it: value ± t · error."""
    reach = spread.error * stats.t.ppf((1 + level) / 2, spread.freedom)
    return Estimate(float(value), spread.error, float(value - reach), float(value + reach), level, count, spread.reason)


def undefined(reason: str, level: float = 0.95) -> Estimate:
    """An estimate of nothing, with the reason."""
    return Estimate(np.nan, np.nan, np.nan, np.nan, level, 0, reason)


def clustered_share(
    hits: Bool[np.ndarray, " M"],
    among: Bool[np.ndarray, " M"],
    cells: Cells,
    *,
    by: By = "stock and date",
    horizon: int = 1,
    level: float = 0.95,
    nothing: str = "there is nothing to take a share of",
) -> Estimate:
    r"""The share of some values that are hits, with Wilson's interval for as many independent values as they are worth.

    $$ p = \frac{\#\mathrm{hits}}{n}, \qquad n_e = \frac{p (1 - p)}{\mathrm{se}^2}, \qquad
       \frac{p + \tfrac{t^2}{2 n_e} \pm t \sqrt{\tfrac{p (1 - p)}{n_e} + \tfrac{t^2}{4 n_e^2}}}{1 + t^2 / n_e}, $$

    se being that of a sum with the influences $(x_i - p)/n$ and t its quantile (`spread_of`): Wilson (1927) with the effective sample size
    of Korn and Graubard (1998). Where all values are hits, or none, n_e is the smaller number of stocks and dates.

    Args:
        hits: which values are hits.
        among: which values count.
        cells: of which stock and date each value is.
        by: what values may have in common.
        horizon: dates over which the return behind each value runs.
        level: of the two-sided interval.
        nothing: the reason to give where no value counts.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.clusters import cells_of, clustered_share
        >>> rises = np.random.default_rng(0).random(200) < 0.6
        >>> found = clustered_share(rises, np.ones(200, bool), cells_of((10, 20)))
        >>> found.value, found.low < 0.6 < found.high
        (0.55, True)
    """
    count = int(among.sum())
    if not count:
        return undefined(nothing, level)
    value = float((hits & among).sum() / count)
    spread = spread_of(np.where(among, hits - value, 0.0) / count, among, cells, by, horizon)
    if spread.reason:
        return Estimate(value, np.nan, np.nan, np.nan, level, count, spread.reason)
    worth = value * (1 - value) / spread.error**2 if spread.error > 0 else spread.freedom + 1
    square = float(stats.t.ppf((1 + level) / 2, spread.freedom)) ** 2 / worth
    middle, reach = (value + square / 2) / (1 + square), np.sqrt(square * value * (1 - value) + square**2 / 4) / (1 + square)
    return Estimate(value, spread.error, max(float(middle - reach), 0.0), min(float(middle + reach), 1.0), level, count)
