"""Whether scores foretell more where the model has read the prompt before: an interaction, with errors clustered by stock and date."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64
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
        between, within: b₄ and b₅, of the score with the familiarity of its date, and with what sets the prompt apart from others of it.
        p_between, p_within: one-sided, of b₄ > 0 and of b₅ > 0; NaN where familiarity does not vary that way.
        smallest_cluster: number of stocks or dates, whichever is smaller; under 40 or so errors are still somewhat too small.
        count: stocks and dates that have everything.
        reason: why nothing could be told; empty where it could.
    """

    score: Coefficient
    familiarity: Coefficient
    interaction: Coefficient
    p_value: float
    between: Coefficient
    within: Coefficient
    p_between: float
    p_within: float
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

    (Gao, Jiang and Yan, arXiv 2512.23847, the test of lookahead propensity L, for which see `massjax.models.familiarity`). Score and
    familiarity are put in standard deviations over all cells first, about their mean, and so are the controls z.

    A model remembers years rather than prompts, and the familiarity of a single prompt is noise for the most part. The mean over a
    date's prompts, $\bar L_t$, has little of it, so that a second regression tells the two ways apart in which prompts are familiar:

    $$ y_{nt} = a_t + b_1 s_{nt} + b_2 (L_{nt} - \bar L_t) + b_4\, s_{nt} \bar L_t + b_5\, s_{nt} (L_{nt} - \bar L_t)
       + c' z_{nt} + u_{nt} $$

    b₄ finds dates that are remembered where b₃ drowns (`benchmarks/hindsight.py`: at a tenth of the dates), that of `beyond_facts` above
    all. Who looks at the smaller of the p-values of b₃, b₄ and b₅ has three tries: `massjax.statistics.multiple.holm` allows for them.

    Errors are clustered by stock and by date (Cameron, Gelbach and Miller 2011) with the influence of each cell on the coefficient,
    $e_j' (X'X)^{-1} x_{nt} \hat u_{nt}$, put into `massjax.statistics.clusters.spread_of`: the variance is V_stock + V_date − V_both,
    and never less than either alone; it is multiplied by G / (G − 1), and judged by Student's t with G − 1 degrees of freedom, G being
    the smaller number of clusters. With few clusters (under 40 or so) such errors are still too small; `smallest_cluster` says how many
    there are. A horizon above 1 makes dates overlap, and adds the lags of Newey and West between dates.

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
    means = np.where(known, familiar, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    of_date = _standardised(np.broadcast_to(means, known.shape), known)
    apart = _standardised(familiar - means, known)
    data = _Data(forward_returns, known, others, date_effects, by, horizon, level)
    first, p_values, reason = data.regressed([s, familiar, s * familiar])
    if reason:
        return FamiliarityTest(NONE, NONE, NONE, np.nan, NONE, NONE, np.nan, np.nan, smallest, count, reason)
    ways = [s * way if np.ptp(way[known]) > SMALLEST else None for way in (of_date, apart)]
    beside = [s, *([apart] if ways[1] is not None else []), *([] if date_effects or ways[0] is None else [of_date])]
    found, second_p, _ = data.regressed([*(way for way in ways if way is not None), *beside])
    told = iter(zip(found, second_p, strict=True))
    (between, p_between), (within, p_within) = (next(told, (NONE, np.nan)) if way is not None else (NONE, np.nan) for way in ways)
    return FamiliarityTest(first[0], first[1], first[2], p_values[2], between, within, p_between, p_within, smallest, count)


def beyond_facts(
    score: Float[np.ndarray, "N T"],
    facts: Float[np.ndarray, "F N T"],
    controls: Float[np.ndarray, "C N T"],
    member: Bool[np.ndarray, "N T"],
) -> Float64[np.ndarray, "N T"]:
    r"""What scores have beyond the facts that their prompts showed: residuals of a pooled regression on these and the controls.

    $$ e_{nt} = s_{nt} - \hat a - \hat d' f_{nt} - \hat c' z_{nt} $$

    Most of a score is what it makes of the facts, which is no memory; in `familiarity_test` that drowns what memory adds. Where a tenth
    of the dates is remembered and three tenths of the memory are left, b₄ of the score finds it in 58 % of the worlds, b₄ of e in all
    (`benchmarks/hindsight.py`). Skill that bends the facts otherwise than along a line stays in e, but foretells no more where prompts
    are familiar.

    Args:
        score: NaN = none.
        facts: [F, N, T] numbers that the prompts showed, as ranks of each date about 0; NaN = not known, counted as the middle.
        controls: [C, N, T]; NaN = unknown.
        member: True where the stock is in the universe.

    Returns:
        NaN where there is no score, a control is unknown, or the stock is no member.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.familiarity import beyond_facts
        >>> fact, more = np.random.default_rng(0).normal(size=(2, 30, 100))
        >>> found = beyond_facts(2 * fact + more, fact[None], np.empty((0, 30, 100)), np.ones((30, 100), bool))
        >>> bool(np.corrcoef(found.ravel(), more.ravel())[0, 1] > 0.999)
        True
    """
    known = np.isfinite(score) & np.isfinite(controls).all(axis=0) & member
    columns = [*np.nan_to_num(facts), *controls, np.ones(score.shape)]
    x = np.stack([column[known].astype(np.float64) for column in columns], axis=1)
    values = score[known].astype(np.float64)
    found = np.full(score.shape, np.nan)
    if known.any():
        found[known] = values - x @ np.linalg.lstsq(x, values, rcond=None)[0]
    return found


@dataclass(frozen=True, eq=False)
class _Data:
    """What both regressions have in common."""

    forward_returns: Float[np.ndarray, "N T"]
    known: Bool[np.ndarray, "N T"]
    others: list[Float[np.ndarray, "N T"]]
    date_effects: bool
    by: By
    horizon: int
    level: float

    def regressed(self, columns: list[Float[np.ndarray, "N T"]]) -> tuple[list[Coefficient], list[float], str]:
        """Coefficients of the columns beside the controls, one-sided p-values, and why there are none."""
        known, count = self.known, int(self.known.sum())
        stacked = np.where(known, np.stack([*columns, *self.others]), 0.0)
        stacked = _within_dates(stacked, known) if self.date_effects else np.concatenate([stacked, known[None].astype(np.float64)])
        returns = np.where(known, self.forward_returns, 0.0).astype(np.float64)
        returns = (_within_dates(returns[None], known)[0] if self.date_effects else returns).ravel()
        x = stacked.reshape(len(stacked), -1).T
        coefficients = x.shape[1] + (int(known.any(axis=0).sum()) if self.date_effects else 0)
        if count <= coefficients:
            return [], [], f"{count:,} stocks and dates have everything, too few for {coefficients:,} coefficients"
        norms = np.linalg.norm(x, axis=0)
        sizes = np.linalg.svd(x / np.where(norms > 0, norms, 1.0), compute_uv=False)
        if not (norms > SMALLEST * np.sqrt(count)).all() or sizes[-1] <= SMALLEST * sizes[0]:
            return [], [], "a regressor is constant or explained by the others: is familiarity the same for every stock and date?"
        inverse = np.linalg.inv(x.T @ x)
        fitted = inverse @ (x.T @ returns)
        error, cells = returns - x @ fitted, cells_of(known.shape)
        spreads = [spread_of((x @ inverse[:, j]) * error, known.ravel(), cells, self.by, self.horizon) for j in range(len(columns))]
        if spreads[0].reason:
            return [], [], spreads[0].reason
        found = [_coefficient(float(value), spread, self.level) for value, spread in zip(fitted, spreads, strict=False)]
        p_values = [float(stats.t.sf(one.t_statistic, spread.freedom)) for one, spread in zip(found, spreads, strict=True)]
        return found, p_values, ""


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


NONE = Coefficient(*(6 * [np.nan]))
