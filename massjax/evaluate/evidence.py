"""How sure one can be of what a strategy gained: chance of luck, intervals, years, effective numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from massjax.statistics.intervals import Interval
from massjax.statistics.series import SeriesSummary


@dataclass(frozen=True, eq=False)
class Luck:
    """Probabilities that luck alone does as well: the whole procedure repeated where the scores cannot know the returns.

    Attributes:
        null: `circular shifts` of the returns in time against the scores, or `stock permutations` (one for all dates), where there is
            too little history to shift.
        repetitions: of the procedure.
        refitted_every: dates between two searches in the repetitions, and in the figure they are compared with; 1 = as in the run.
        in_sample: of the mean fitness on the look-back windows; NaN for weights that are fitted to nothing.
        out_of_sample: of the mean RankIC on the evaluated dates.
        gain: of the gain over uniform weights; NaN for uniform weights.
        adjusted: `gain` corrected for the number of searches in the run; equal to it for one.
        correction: `Romano-Wolf` or `Holm`; empty for one search.
        null_rank_ic: mean RankIC out of sample in each repetition, for a picture.
    """

    null: Literal["circular shifts", "stock permutations"]
    repetitions: int
    refitted_every: int
    in_sample: float
    out_of_sample: float
    gain: float
    adjusted: float
    correction: str
    null_rank_ic: Float[np.ndarray, " R"]


@dataclass(frozen=True)
class Gain:
    """RankIC of a strategy less that of uniform weights, at the fitted horizon, over the dates both have.

    Attributes:
        mean: of the daily differences.
        newey_west, bootstrap: intervals of the mean, the second by the stationary bootstrap.
        dates: behind it.
        independent_dates: how many independent dates would tell as much, given the autocorrelation of the differences.
        more_years: of data until a gain of this size would be told from luck in four of five cases; 0 where it is already, infinite
            where it is not positive.
    """

    mean: float
    newey_west: Interval
    bootstrap: Interval
    dates: int
    independent_dates: float
    more_years: float


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known about one strategy beyond its mean.

    Attributes:
        luck: None where it could not be computed (`reason` says why) or was turned off.
        reason: why there is no `luck`, or what limits it; empty where nothing does.
        gain: over uniform weights; None for uniform weights themselves.
        by_year: RankIC at the fitted horizon by calendar year.
        gain_by_year: the same of the differences from uniform weights.
        effective_archetypes: mean over the evaluated dates of 1 / Σ w², for weights summing to 1.
        seeds: mean RankIC out of sample by seed, where the method is random; empty otherwise.
    """

    luck: Luck | None
    reason: str
    gain: Gain | None
    by_year: Mapping[int, SeriesSummary]
    gain_by_year: Mapping[int, SeriesSummary]
    effective_archetypes: float
    seeds: tuple[float, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What to do with the weights found, decided by the figures alone.

    Attributes:
        kind: `mix`: use the weights of `strategy`; `uniform`: use uniform weights; `too_few`: the dates cannot tell.
        strategy: name of the search that is spoken of: the one with the smallest adjusted p-value, of equals the largest gain; empty
            where there is none.
        reasons: the figures that decided, as `(name, value)`.
    """

    kind: Literal["mix", "uniform", "too_few"]
    strategy: str
    reasons: tuple[tuple[str, float], ...] = ()
