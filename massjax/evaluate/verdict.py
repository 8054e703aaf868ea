"""The verdict of a run: use the mix that a search found, use uniform weights, or wait for more dates; decided by figures alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from massjax.evaluate.evidence import Gain, Verdict
from massjax.evaluate.result import Strategy
from massjax.timing import telling_dates

LEVEL = 0.05
"""Highest adjusted p-value of a gain with which a mix is advised."""
USEFUL_GAIN = 0.01
"""Gain over uniform weights, in RankIC, that is worth waiting for: one point."""
MOST_YEARS = 10.0
"""Further years of data up to which waiting for them is advised; beyond, the answer is uniform weights."""


def verdict(strategies: Sequence[Strategy], horizon: int) -> Verdict:
    """What to do with the weights that the searches of a run found.

    The search that is spoken of is the one with the smallest adjusted p-value, of equals the one with the largest gain over uniform
    weights. With g its mean gain, l and u the lower of the lower and the higher of the upper bounds of its two 95 % intervals
    (Newey-West and stationary bootstrap), p its adjusted p-value, and the years that `Gain.more_years` says:

    1. `too_few` on fewer than `telling_dates(horizon)` dates, or where p is not known;
    2. `mix` if p <= 0.05 and l > 0: the test by repetition and both intervals say so;
    3. `too_few` if g > 0, u >= 0.01 (a gain of one point of RankIC cannot be excluded), and at most ten more years would tell a gain of the
       size found from luck in four of five cases;
    4. `uniform` otherwise, and where nothing was searched.

    With all else equal, a smaller p or a larger gain (its intervals moving with it) never leads away from `mix`, nor from `too_few`
    to `uniform`. A verdict of `too_few` also means uniform weights until then. The searches of a leakage ablation saw the future: take no
    verdict on them.

    Args:
        strategies: of the run, with their evidence; controls are passed over.
        horizon: dates over which the forward returns of the fitted RankIC run.

    Returns:
        `reasons` hold, of the search spoken of: `gain`, `low`, `high` in RankIC, `p`, `dates`, `telling_dates`, `more_years`,
        `effective_archetypes`. Empty without one.

    Example:
        >>> from massjax.evaluate.verdict import verdict
        >>> verdict([], horizon=5)
        Verdict(kind='uniform', strategy='', reasons=())
    """
    searches = [s for s in strategies if s.kind == "search" and s.evidence is not None and s.evidence.gain is not None]
    if not searches:
        return Verdict("uniform", "")
    spoken_of = min(searches, key=_order)
    evidence = spoken_of.evidence
    assert evidence is not None
    assert evidence.gain is not None
    gain, p = evidence.gain, _adjusted(spoken_of)
    low, high = bounds(gain)
    reasons = {
        "gain": gain.mean,
        "low": low,
        "high": high,
        "p": p,
        "dates": float(gain.dates),
        "telling_dates": float(telling_dates(horizon)),
        "more_years": gain.more_years,
        "effective_archetypes": evidence.effective_archetypes,
    }
    return Verdict(_kind(gain, low, high, p, telling_dates(horizon)), spoken_of.name, tuple(reasons.items()))


def bounds(gain: Gain) -> tuple[float, float]:
    """The ends of both intervals of a gain together: the lower of the lower, the higher of the upper bounds; NaN where one is not known."""
    intervals = (gain.newey_west, gain.bootstrap)
    if any(math.isnan(end) for interval in intervals for end in (interval.low, interval.high)):
        return math.nan, math.nan
    return min(interval.low for interval in intervals), max(interval.high for interval in intervals)


def _kind(gain: Gain, low: float, high: float, p: float, telling: int) -> Literal["mix", "uniform", "too_few"]:
    if gain.dates < telling or math.isnan(p):
        return "too_few"
    if p <= LEVEL and low > 0:
        return "mix"
    if gain.mean > 0 and high >= USEFUL_GAIN and gain.more_years <= MOST_YEARS:
        return "too_few"
    return "uniform"


def _order(strategy: Strategy) -> tuple[float, float]:
    """Smallest first; figures that are not known last."""
    assert strategy.evidence is not None
    assert strategy.evidence.gain is not None
    p, mean = _adjusted(strategy), strategy.evidence.gain.mean
    return (math.inf if math.isnan(p) else p), (math.inf if math.isnan(mean) else -mean)


def _adjusted(strategy: Strategy) -> float:
    luck = strategy.evidence.luck if strategy.evidence else None
    return math.nan if luck is None else luck.adjusted
