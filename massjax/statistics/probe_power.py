"""How small a memory a probe of part of the stocks and dates would still find."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import Literal

import numpy as np
from scipy.stats import norm

SampledBy = Literal["dates", "cells"]
"""Whole cross-sections of some dates, evenly spread, or some stocks of every date."""


@dataclass(frozen=True)
class ProbePower:
    """What a probe of some questions can find.

    Attributes:
        power: probability of a p-value at or below `level` where the mean RankIC is what was asked about.
        least: mean RankIC that is found with a probability of `target`.
        standard_error: of the mean RankIC where there is no memory.
        questions: stocks × dates that are asked.
        level, target: of `power` and `least`.
    """

    power: float
    least: float
    standard_error: float
    questions: int
    level: float
    target: float


def probe_power(
    rank_ic: float,
    stocks: int,
    dates: int,
    horizon: int,
    *,
    share: float = 1.0,
    by: SampledBy = "dates",
    controls: int = 3,
    persistence: float = 1.0,
    spread: float | None = None,
    level: float = 0.05,
    target: float = 0.8,
) -> ProbePower:
    r"""Power of the memory probe's one-sided test, asked about a share q of all stocks and dates.

    Of n stocks asked on each of D dates, which lie k trading days apart, and F controls, the mean RankIC of a model without memory has

    $$ \mathrm{se}^2 = \frac{v}{D} \Big(1 + 2 \sum_{0 < jk < h} \big(1 - \tfrac{jk}{h}\big) \phi^{jk} \big(1 - \tfrac{j}{D}\big)\Big),
       \quad v = \frac{1}{n - 1 - F}, \quad
       \mathrm{power} = \Phi\big(\mathrm{RankIC} / \mathrm{se} - z_{1 - \mathrm{level}}\big), $$

    v being the variance of a rank correlation of independent stocks (Kendall 1948, section 4.10), the bracket what overlapping returns
    add (Hansen and Hodrick 1980), and φ the autocorrelation of blank answers from day to day. Sampling dates (n = N, D = qT, k = 1 / q)
    takes dates apart, so that few overlap, and costs little power until k exceeds h; sampling stocks (n = qN, D = T, k = 1) keeps
    the overlap, and costs more.

    Args:
        rank_ic: mean RankIC to be found; as much as a model that remembers a share m of the dates with a RankIC of r has, m · r.
        stocks, dates: N members on an average date, T dates that are probed.
        horizon: dates over which a forward return runs.
        share: q, above 0 and at most 1.
        by: how the questions are sampled.
        controls: F.
        persistence: φ; 1, that a model says of a stock what it said the day before, is the most cautious.
        spread: standard deviation of daily RankIC in place of √v, as measured where stocks move together; of the sampled cross-sections.
        level: of the test.
        target: power that `least` has.

    Raises:
        ValueError: a share out of range, or so few stocks asked that no partial correlation is defined.

    Example:
        One question in five, as whole cross-sections of every fifth date, loses nothing to speak of:

        >>> from massjax.statistics.probe_power import probe_power
        >>> whole, dates, cells = (probe_power(0.03, 50, 500, 5, share=s, by=b) for s, b in ((1, "dates"), (0.2, "dates"), (0.2, "cells")))
        >>> round(whole.power, 2), round(dates.power, 2), round(cells.power, 2)
        (0.65, 0.65, 0.18)
    """
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}; expected a number above 0 and at most 1")
    asked, on = (stocks, max(floor(share * dates + 1e-9), 1)) if by == "dates" else (floor(share * stocks + 1e-9), dates)
    if asked - 1 - controls < 1 and spread is None:
        raise ValueError(f"{asked} stocks a date are too few with {controls} controls: ask about a larger share, or about whole dates")
    apart = dates / on
    variance = 1.0 / (asked - 1 - controls) if spread is None else spread**2
    lags = np.arange(1, on)[: int(np.ceil(horizon / apart))]
    lags = lags[lags * apart < horizon]
    overlap = 1 + 2 * float(((1 - lags * apart / horizon) * persistence ** (lags * apart) * (1 - lags / on)).sum())
    error = float(np.sqrt(variance * overlap / on))
    needed = float(norm.ppf(1 - level))
    return ProbePower(
        float(norm.cdf(rank_ic / error - needed)), error * (needed + float(norm.ppf(target))), error, asked * on, level, target
    )
