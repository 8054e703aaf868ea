"""How often decisions are those of a reference, institutions or the market, beside how often they would be by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import ArrayLike, Bool, Float, Int8

from massjax.statistics.clusters import By, Cells, Estimate, Labels, cells_of, clustered_share, estimate, spread_of, undefined
from massjax.statistics.decisions import (
    MISSING,
    NEUTRAL,
    OVERWEIGHT,
    UNDERWEIGHT,
    Decisions,
    Zeros,
    check_alike,
    check_decisions,
    directions,
)

ROUNDING = 1e-9
"""Of sums of shares."""
NAMES = {OVERWEIGHT: "overweight", NEUTRAL: "neutral", UNDERWEIGHT: "underweight"}


@dataclass(frozen=True)
class Agreement:
    """How often decisions of one side, or of both, are those of the reference.

    Attributes:
        share: of this side in all over- and underweight decisions that the reference has a decision for; 1 of both sides.
        found: consistency: decisions identical to the reference's / decisions of this side.
        chance: consistency that decisions independent of the reference would have, on average: the share of this side among all decisions
            of the reference.
        excess: found − chance, with an interval that allows for chance being estimated too.
    """

    share: float
    found: Estimate
    chance: float
    excess: Estimate


@dataclass(frozen=True)
class Consistency:
    """Agreement of an organisation's over- and underweight decisions with a reference.

    Attributes:
        overall, overweight, underweight: of both sides and each.
        identity_gap: overall − Σ share · consistency over the two sides, which is 0 but for rounding.
        compared: cells in which both have a decision.
        missing: cells in which either has none.
    """

    overall: Agreement
    overweight: Agreement
    underweight: Agreement
    identity_gap: float
    compared: int
    missing: int

    @property
    def identity_holds(self) -> bool:
        """Whether the overall consistency is the share-weighted mean of the sides'; true too where there is none."""
        return not abs(self.identity_gap) > ROUNDING


def consistency(
    decisions: Decisions,
    reference: Decisions,
    *,
    stocks: Labels | None = None,
    dates: Labels | None = None,
    by: By = "stock and date",
    horizon: int = 1,
    level: float = 0.95,
) -> Consistency:
    r"""How often over- and underweight decisions are those of a reference, and how often they would be by chance.

    With d the decisions and r the reference's, over the cells in which both have one,

    $$ c_\pm = P(r = \pm 1 \mid d = \pm 1),\ \  a_\pm = P(d = \pm 1 \mid d \ne 0),\ \ c = P(r = d \mid d \ne 0) = a_+ c_+ + a_- c_- $$

    (arXiv 2410.00354, Tables 2 and 3). The last equation, the share-weighted identity, is worked out both ways. Decisions that know
    nothing of the reference have $c_\pm = P(r = \pm 1)$ on average, and $c = a_+ P(r = 1) + a_- P(r = -1)$: the chance beside.
    Note that c alone rewards an organisation for leaning to the side that the reference leans to; the excess does not.

    Args:
        decisions: of the organisation, [stocks, dates], or flat.
        reference: those of institutions, of the market (`directions` of forward returns), or of another organisation.
        stocks, dates: labels; needed where the decisions are flat.
        by: what cells may have in common.
        horizon: dates over which the return behind each reference decision runs; 1 where there is none.
        level: of the intervals.

    Returns:
        NaN, with the reason, where there is no decision of a side.

    Raises:
        DataError: a value is no decision, the shapes differ, or the labels do not fit.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.agreement import consistency
        >>> found = consistency(np.array([[1, 1, 0, -1], [1, 0, 0, -1]]), np.array([[1, -1, 0, -1], [1, 0, 1, 0]]))
        >>> found.overall.found.value, round(found.overweight.found.value, 3), found.underweight.found.value, found.identity_holds
        (0.6, 0.667, 0.5, True)
        >>> found.overweight.chance, found.underweight.chance
        (0.375, 0.25)
    """
    mine, theirs = check_decisions("decisions", decisions), check_decisions("reference", reference)
    check_alike(decisions=mine, reference=theirs)
    cells = cells_of(mine.shape, stocks, dates)
    mine, theirs = mine.ravel(), theirs.ravel()
    known = (mine != MISSING) & (theirs != MISSING)
    over, under, overall = (
        _agreement(mine, theirs, known, sides, Judged(cells, by, horizon, level))
        for sides in ((OVERWEIGHT,), (UNDERWEIGHT,), (OVERWEIGHT, UNDERWEIGHT))
    )
    weighted = sum(side.share * side.found.value for side in (over, under) if side.found.count)
    gap = overall.found.value - weighted if overall.found.count else np.nan
    return Consistency(overall, over, under, float(gap), int(known.sum()), int((~known).sum()))


def market_consistency(
    decisions: Decisions,
    forward_returns: Float[ArrayLike, "*cells"],
    horizon: int,
    *,
    zeros: Zeros = "neutral",
    stocks: Labels | None = None,
    dates: Labels | None = None,
    by: By = "stock and date",
    level: float = 0.95,
) -> Consistency:
    """How often an overweight decision was followed by a rise, and an underweight one by a fall (arXiv 2410.00354, Table 7).

    It is `consistency` with the sign of the forward return, so that `chance` is the base rate: the share of rises, or falls, among all
    cells with a decision and a return. Decisions without a return are left out, and counted as missing.

    Args:
        decisions: [stocks, dates], or flat.
        forward_returns: of the same cells; NaN = unknown.
        horizon: dates over which the returns run; neighbouring dates share all but one of them, which the intervals allow for.
        zeros: what a return of exactly 0 counts as: "neutral" is neither a rise nor a fall, so that a decision for either was wrong;
            "missing" leaves it out.
        stocks, dates: labels; needed where the decisions are flat.
        by: what cells may have in common.
        level: of the intervals.

    Raises:
        DataError: a value is no decision, a return is infinite, the shapes differ, or the labels do not fit.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.agreement import market_consistency
        >>> returns = np.array([[0.01, -0.02, 0.0], [0.03, -0.01, np.nan]])
        >>> found = market_consistency(np.array([[1, -1, 1], [1, 0, 1]]), returns, horizon=1)
        >>> round(found.overweight.found.value, 3), found.overweight.chance, found.missing
        (0.667, 0.4, 1)
    """
    return consistency(decisions, directions(forward_returns, zeros), stocks=stocks, dates=dates, by=by, horizon=horizon, level=level)


def share_weighted(shares: Sequence[float], consistencies: Sequence[float]) -> float:
    r"""What an overall consistency must be, given the shares of the sides and their consistencies: $\sum a_i c_i / \sum a_i$.

    Example:
        The paper's chain of thought: Table 1's shares and Table 2's sides give 40.6, where Table 2 has 42.88 overall.

        >>> from massjax.statistics.agreement import share_weighted
        >>> round(share_weighted([17.87, 10.12], [43.95, 34.72]), 1)
        40.6
    """
    total = float(sum(shares))
    return float(np.dot(shares, consistencies)) / total if total else np.nan


@dataclass(frozen=True, eq=False)
class Judged:
    """How the error of a share is worked out: of which stock and date each cell is, and the rest of `clustered_share`'s arguments."""

    cells: Cells
    by: By
    horizon: int
    level: float


def _agreement(
    mine: Int8[np.ndarray, " M"], theirs: Int8[np.ndarray, " M"], known: Bool[np.ndarray, " M"], sides: tuple[int, ...], how: Judged
) -> Agreement:
    active = known & np.isin(mine, (OVERWEIGHT, UNDERWEIGHT))
    among = known & np.isin(mine, sides)
    count, compared = int(among.sum()), int(known.sum())
    base = {side: float((theirs[known] == side).mean()) if compared else np.nan for side in sides}
    if not count:
        nothing = undefined(f"no {' or '.join(NAMES[side] for side in sides)} decision meets a known one of the reference", how.level)
        return Agreement(0.0 if active.any() else np.nan, nothing, base[sides[0]] if len(sides) == 1 else np.nan, nothing)
    hits = among & (mine == theirs)
    found = clustered_share(hits, among, how.cells, by=how.by, horizon=how.horizon, level=how.level)
    weight = {side: float((mine[among] == side).mean()) for side in sides}
    chance = sum(weight[side] * base[side] for side in sides)
    excess = found.value - chance
    expected = sum(np.where(mine == side, base[side], 0.0) for side in sides)
    influence = np.where(among, hits - expected - excess, 0.0) / count
    influence -= sum(np.where(known, weight[side] * ((theirs == side) - base[side]), 0.0) for side in sides) / compared
    spread = spread_of(influence, known, how.cells, how.by, how.horizon)
    return Agreement(count / int(active.sum()), found, chance, estimate(excess, spread, count, how.level))
