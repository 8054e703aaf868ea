"""Whether scores foretell more where the model has read the prompt before: an interaction, with errors clustered by stock and date."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from massjax.statistics.clusters import By, Spread, cells_of, spread_of

SMALLEST = 1e-9
"""Singular values of the standardised regressors below this part of the largest are 0: one of them is explained by the others."""


@dataclass(frozen=True)
class Coefficient:
    """A coefficient of a regression with its clustered error.

    Attributes:
        value: in units of the return, for a regressor one standard deviation larger.
        standard_error: clustered.
        t_statistic: value / standard_error.
        low, high: bounds of the interval.
        p_value: two-sided, of Student's t.
    """

    value: float
    standard_error: float
    t_statistic: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class FamiliarityTest:
    """A regression of returns on score, familiarity and their product.

    Attributes:
        score, familiarity, interaction: b₁, b₂ and b₃.
        p_value: one-sided, of b₃ > 0: hindsight.
        smallest_cluster: number of stocks or dates, whichever is smaller; under 40 or so errors are still somewhat too small.
        count: stocks and dates that have everything.
        reason: why nothing could be told; empty where it could.
    """

    score: Coefficient
    familiarity: Coefficient
    interaction: Coefficient
    p_value: float
    smallest_cluster: int
    count: int
    reason: str = ""


def familiarity_test(
    score: Float[np.ndarray, "N T"],
    familiarity: Float[np.ndarray, "N T"],
    forward_returns: Float[np.ndarray, "N T"],
    controls: Float[np.ndarray, "F N T"],
    member: Bool[np.ndarray, "N T"],
    horizon: int,
    *,
    by: By = "stock and date",
    date_effects: bool = True,
    level: float = 0.95,
) -> FamiliarityTest:
    r"""Regress forward returns on the score, on how familiar the prompt is, and on their product: b₃ > 0 is hindsight.

    $$ y_{nt} = a_t + b_1 s_{nt} + b_2 L_{nt} + b_3\, s_{nt} L_{nt} + c' z_{nt} + u_{nt} $$

    (Gao, Jiang and Yan, arXiv 2512.23847, the test of lookahead propensity L, for which see `massjax.models.min_k`). Score and
    familiarity are put in standard deviations over all cells first, about their mean, and so are the controls z.

    Errors are clustered by stock and by date (Cameron, Gelbach and Miller 2011) with the influence of each cell on the coefficient,
    $e_j' (X'X)^{-1} x_{nt} \hat u_{nt}$, put into `massjax.statistics.clusters.spread_of`: the variance is V_stock + V_date − V_both, and never
    less than either alone; it is multiplied by G / (G − 1), and judged by Student's t with G − 1 degrees of freedom, G being the smaller
    number of clusters. With few clusters (under 40 or so) such errors are still too small; `smallest_cluster` says how many there are.
    A horizon above 1 makes dates overlap, and adds the lags of Newey and West between dates.

    Args:
        score: with facts; NaN = none.
        familiarity: higher = better known, as Min-K % of the prompt; NaN = not known.
        forward_returns: over `horizon` dates; NaN = unknown.
        controls: [F, N, T], as size and momentum; NaN = unknown. Give what may explain both familiarity and returns.
        member: True where the stock is in the universe.
        horizon: dates over which a forward return runs.
        by: what cells may have in common.
        date_effects: give each date an intercept, so that what all stocks do together is no noise; else one for all.
        level: of the intervals.

    Returns:
        NaN, with the reason, where the regressors are collinear (as where familiarity is the same everywhere), or there are too few cells.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.familiarity import familiarity_test
        >>> rng = np.random.default_rng(0)
        >>> returns, known = rng.normal(size=(40, 200)), rng.random((1, 200)) < 0.5
        >>> score = 0.3 * known * returns + rng.normal(size=(40, 200))
        >>> familiarity = known + rng.normal(size=(40, 200))
        >>> found = familiarity_test(score, familiarity, returns, np.empty((0, 40, 200)), np.ones((40, 200), bool), horizon=1)
        >>> found.interaction.value > 0, found.p_value < 0.001
        (True, True)
    """
    known = np.isfinite(score) & np.isfinite(familiarity) & np.isfinite(forward_returns) & np.isfinite(controls).all(axis=0) & member
    count, smallest = int(known.sum()), int(min(known.any(axis=1).sum(), known.any(axis=0).sum()))
    s, familiar, *others = (_standardised(values, known) for values in (score, familiarity, *controls))
    columns = np.stack([np.where(known, values, 0.0) for values in (s, familiar, s * familiar, *others)])
    columns = _within_dates(columns, known) if date_effects else np.concatenate([columns, known[None].astype(np.float64)])
    returns = np.where(known, forward_returns, 0.0).astype(np.float64)
    returns = _within_dates(returns[None], known)[0] if date_effects else returns
    x = columns.reshape(len(columns), -1).T
    absorbed = int(known.any(axis=0).sum()) if date_effects else 0
    if count <= x.shape[1] + absorbed:
        return _nothing(smallest, count, f"{count:,} stocks and dates have everything, too few for {x.shape[1] + absorbed:,} coefficients")
    norms = np.linalg.norm(x, axis=0)
    sizes = np.linalg.svd(x / np.where(norms > 0, norms, 1.0), compute_uv=False)
    if not (norms > SMALLEST * np.sqrt(count)).all() or sizes[-1] <= SMALLEST * sizes[0]:
        return _nothing(smallest, count, "a regressor is constant or explained by the others: is familiarity the same for every stock and date?")
    inverse = np.linalg.inv(x.T @ x)
    fitted = inverse @ (x.T @ returns.ravel())
    error = returns.ravel() - x @ fitted
    cells, counted = cells_of(known.shape), known.ravel()
    spreads = [spread_of((x @ inverse[:, j]) * error, counted, cells, by, horizon) for j in range(3)]
    if spreads[2].reason:
        return _nothing(smallest, count, spreads[2].reason)
    found = [_coefficient(float(value), spread, level) for value, spread in zip(fitted[:3], spreads, strict=True)]
    return FamiliarityTest(
        *found, p_value=float(stats.t.sf(found[2].t_statistic, spreads[2].freedom)), smallest_cluster=smallest, count=count
    )


def _standardised(values: Float[np.ndarray, "N T"], known: Bool[np.ndarray, "N T"]) -> Float[np.ndarray, "N T"]:
    """Less the mean, over the standard deviation of the known cells; 0 everywhere where they are all the same."""
    inside = values[known].astype(np.float64)
    if not inside.size or np.ptp(inside) == 0:
        return np.zeros(values.shape)
    return (values - inside.mean()) / inside.std()


def _within_dates(columns: Float[np.ndarray, "B N T"], known: Bool[np.ndarray, "N T"]) -> Float[np.ndarray, "B N T"]:
    """Less the mean of the known cells of the date; 0 elsewhere."""
    means = columns.sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, columns - means, 0.0)


def _coefficient(value: float, spread: Spread, level: float) -> Coefficient:
    t = value / spread.error if spread.error > 0 else np.nan
    reach = spread.error * float(stats.t.ppf((1 + level) / 2, spread.freedom))
    return Coefficient(value, spread.error, t, value - reach, value + reach, float(2 * stats.t.sf(abs(t), spread.freedom)))


def _nothing(smallest: int, count: int, reason: str) -> FamiliarityTest:
    none = Coefficient(*(6 * [np.nan]))
    return FamiliarityTest(none, none, none, np.nan, smallest, count, reason)
