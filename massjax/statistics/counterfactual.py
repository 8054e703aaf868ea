"""What answers depend on, seen by giving a stock's name the facts of another stock: on the facts, or on the name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from massjax.errors import DataError
from massjax.statistics.clusters import By, Cells, Estimate, cells_of, clustered_share, estimate, spread_of, undefined

ALIKE = "all answers of a date are the same, so there is nothing to explain"
ROUNDING = 1e-12
"""Variance of scores of a date that is nothing but rounding."""


@dataclass(frozen=True)
class Counterfactual:
    """How answers change when the facts under a name are those of another stock of the same date.

    Attributes:
        consistency: prediction consistency: share of the answers on the same side of the middle as before; with `chance` beside.
        chance: share that would be on the same side if answers took no notice of the name: that of two stocks drawn from a date.
        confidence_invariance: 1 − mean |change of confidence|, confidence being 2 |score − middle| in [0, 1].
        facts: share of the variance between the stocks of a date that goes with the facts.
        name: share that goes with the name (and with the date's memory of it).
        count: pairs of answers.
    """

    consistency: Estimate
    chance: float
    confidence_invariance: Estimate
    facts: Estimate
    name: Estimate
    count: int


def counterfactual_measures(
    score: Float[np.ndarray, "N T"],
    swapped: Float[np.ndarray, "N T"],
    donor: Int[np.ndarray, "N T"],
    *,
    middle: float = 0.5,
    by: By = "stock and date",
    horizon: int = 1,
    level: float = 0.95,
) -> Counterfactual:
    r"""Prediction consistency, confidence invariance, and how much of the scores facts and names explain.

    With s_n the score of stock n, and $\tilde s_n$ its score with the facts of the donor d(n), all of one date and less the date's mean,

    $$ \mathrm{PC} = P\big(\operatorname{sign}(\tilde s_n - m) = \operatorname{sign}(s_n - m)\big), \qquad
       \mathrm{CI} = 1 - E\big|\,|2 \tilde s_n - 2m| - |2 s_n - 2m|\,\big|, $$

    $$ S_{\mathrm{facts}} = \frac{1}{V} E\Big[\frac{(k - 1)\, \tilde s_n\, s_{d(n)} + v_n}{k}\Big], \qquad
       S_{\mathrm{name}} = \frac{1}{V} E\Big[\frac{(k - 1)\, \tilde s_n\, s_n + v_n}{k}\Big], \qquad
       v_n = \tfrac{1}{3}\big(s_n^2 + s_{d(n)}^2 + \tilde s_n^2\big), \qquad V = E[v_n] $$

    The first two are after Li et al. (2025, arXiv 2510.07920), who change the facts of one asset; the last two are first-order Sobol
    indices by their pick-and-freeze estimator (Sobol 1993; Janon et al. 2014, eq. 6): an answer has its facts in common with that of
    the donor, and its name with that of the stock. Values less the mean of k stocks have a correlation of −1 / (k − 1) with one another,
    which is what k allows for: without it two stocks of a date would explain S and −S. The shares add up to 1 but for what facts and name
    do together. They hold as far as the donor is drawn at random from the other members of the date; facts that go with names (large
    companies with large sales) count for both.

    Args:
        score: of answers to the prompts as they are, in [0, 1]; NaN = none.
        swapped: of answers to prompts with the name of n and the facts of `donor`; NaN = not asked, or no answer.
        donor: row of the stock whose facts were shown; −1 where none were.
        middle: m, the score that leans to no side. A score of exactly m is a side of its own.
        by: what cells may have in common.
        horizon: dates over which the facts that are shown are known to last; 1 where dates are asked far apart.
        level: of the intervals.

    Returns:
        NaN, with the reason, where there is no pair, or where the scores do not vary.

    Raises:
        DataError: a donor is no row, or the stock itself.

    Example:
        Scores that follow the facts, whatever the name:

        >>> import numpy as np
        >>> from massjax.statistics.counterfactual import counterfactual_measures
        >>> rng = np.random.default_rng(0)
        >>> score = rng.random((20, 100))
        >>> donor = (np.arange(20)[:, None] + rng.integers(1, 20, 100)) % 20
        >>> found = counterfactual_measures(score, np.take_along_axis(score, donor, axis=0), donor)
        >>> found.facts.low < 1 < found.facts.high, found.name.low < 0 < found.name.high, round(found.chance, 2)
        (True, True, 0.49)
    """
    stocks = score.shape[0]
    if ((donor < -1) | (donor >= stocks)).any():
        raise DataError(f"donor holds a row that is none of the {stocks}; expected 0 to {stocks - 1}, or -1 for none")
    if (donor == np.arange(stocks)[:, None]).any():
        raise DataError("a stock is its own donor: the facts shown must be those of another stock")
    own, new = score.astype(np.float64), swapped.astype(np.float64)
    of_donor = np.where(donor >= 0, np.take_along_axis(own, np.maximum(donor, 0), axis=0), np.nan)
    known = np.isfinite(own) & np.isfinite(new) & (donor >= 0)
    cells, paired = cells_of(score.shape), known.ravel()
    if not known.any():
        nothing = undefined("no stock and date has an answer both to its own facts and to another's", level)
        return Counterfactual(nothing, np.nan, nothing, nothing, nothing, 0)
    side, new_side = np.sign(own - middle), np.sign(new - middle)
    consistency = clustered_share((side == new_side).ravel(), paired, cells, by=by, horizon=horizon, level=level)
    change = np.where(known, np.abs(np.abs(2 * new - 2 * middle) - np.abs(2 * own - 2 * middle)), 0.0)
    invariance = _ratio((1 - change).ravel(), np.ones(paired.size), paired, cells, by, horizon, level)
    three = known & np.isfinite(of_donor)
    a, b, c = (_less_date_mean(values, three) for values in (own, of_donor, new))
    size, count = (a * a + b * b + c * c) / 3, np.maximum(three.sum(axis=0), 1)
    facts, name = (
        _ratio((((count - 1) * c * other + size) / count).ravel(), size.ravel(), three.ravel(), cells, by, horizon, level)
        for other in (b, a)
    )
    return Counterfactual(consistency, _chance(side, known), invariance, facts, name, int(known.sum()))


def _ratio(
    top: Float[np.ndarray, " M"],
    bottom: Float[np.ndarray, " M"],
    counted: Bool[np.ndarray, " M"],
    cells: Cells,
    by: By,
    horizon: int,
    level: float,
) -> Estimate:
    """Σ top / Σ bottom over the counted cells, with its interval by the influence of each cell."""
    total, count = float(bottom[counted].sum()), int(counted.sum())
    if total <= ROUNDING * count:
        return undefined(ALIKE, level)
    value = float(top[counted].sum()) / total
    influence = np.where(counted, top - value * bottom, 0.0) / total
    return estimate(value, spread_of(influence, counted, cells, by, horizon), count, level)


def _less_date_mean(values: Float[np.ndarray, "N T"], known: Bool[np.ndarray, "N T"]) -> Float[np.ndarray, "N T"]:
    count = np.maximum(known.sum(axis=0), 1)
    return np.where(known, values - np.where(known, values, 0.0).sum(axis=0) / count, 0.0)


def _chance(side: Float[np.ndarray, "N T"], known: Bool[np.ndarray, "N T"]) -> float:
    """Probability that two different stocks of a date lean to the same side, over the pairs that there are."""
    counts = [((side == one) & known).sum(axis=0).astype(np.float64) for one in (-1.0, 0.0, 1.0)]
    among = known.sum(axis=0).astype(np.float64)
    weight = np.where(among > 1, among, 0.0)
    same = sum(count * (count - 1) for count in counts) / np.maximum(among * (among - 1), 1.0)
    return float((weight * same).sum() / weight.sum()) if weight.any() else np.nan
