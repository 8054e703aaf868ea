"""Two variants of one question put to the same stocks and dates: how far apart their answers are, and whether that can be luck."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Int8
from scipy import stats

from massjax.statistics.clusters import By, Estimate, Labels, cells_of, clustered_share, spread_of, undefined, variance_of_sum
from massjax.statistics.decisions import FOLLOW, MISSING, NOT_FOLLOW, Answers, Decisions, check_alike, check_decisions
from massjax.statistics.intervals import DRAWS
from massjax.statistics.pigeonhole import pigeonhole_bootstrap

ROUNDING = 1e-9
BEYOND_CHANCE = 2.5
"""Standard errors of an autocorrelation."""
NO_PAIR = "no pair has both answers"
ALIKE = "no pair is answered differently"


@dataclass(frozen=True)
class PairedComparison:
    """Yes-or-no answers of two variants, pair by pair.

    Attributes:
        both, first_only, second_only, neither: pairs by who said yes, the cross table.
        missing: pairs in which either has no answer.
        first, second: rate of yes of each.
        difference: rate of the second − rate of the first, with its bootstrap interval.
        odds_ratio: second_only / first_only, the odds with which a pair that is answered differently goes to the second; interval likewise.
        p_value: of McNemar's test made valid for pairs that share stocks and dates (`clustered_mcnemar`): the one to judge by.
        p_exact, p_mid: of McNemar's exact test and its mid-p version, as if all pairs were independent.
        smallest_p: the least that `p_value` could be with as many clusters that hold discordant pairs.
        date_autocorrelation: of by how many pairs the second is ahead, less its mean, from one date to the next.
        reason: what makes a figure NaN, the test powerless, or dates no independent clusters; empty where nothing does.
    """

    both: int
    first_only: int
    second_only: int
    neither: int
    missing: int
    first: Estimate
    second: Estimate
    difference: Estimate
    odds_ratio: Estimate
    p_value: float
    p_exact: float
    p_mid: float
    smallest_p: float
    date_autocorrelation: float
    reason: str = ""

    @property
    def pairs(self) -> int:
        """Pairs with both answers."""
        return self.both + self.first_only + self.second_only + self.neither


def mcnemar_exact(first_only: int, second_only: int) -> tuple[float, float]:
    r"""Two-sided p-values of McNemar's exact test, and of its mid-p version, from the discordant pairs of independent pairs.

    Given their number m, those of one kind are binomial with probability ½ where the variants do not differ (McNemar 1947):
    $p = \min(1, 2 P(X \le k))$ with k the number of the rarer kind. The mid-p version, $p - P(X = k)$, or $1 - P(X = k) / 2$ where both
    kinds are equally many, is nearer to its nominal level (Fagerland, Lydersen and Laake 2013).

    Returns:
        p and mid-p; 1 where no pair is discordant.

    Example:
        >>> from massjax.statistics.paired import mcnemar_exact
        >>> [round(p, 6) for p in mcnemar_exact(first_only=1, second_only=8)]
        [0.039062, 0.021484]
    """
    rarer, count = min(first_only, second_only), first_only + second_only
    if not count:
        return 1.0, 1.0
    exact = min(1.0, 2 * float(stats.binom.cdf(rarer, count, 0.5)))
    return exact, exact - float(stats.binom.pmf(rarer, count, 0.5)) * (0.5 if first_only == second_only else 1.0)


def sign_flip_p(sums: Int[np.ndarray, " G"], threshold: float) -> float:
    r"""Probability that $|\sum_g \pm D_g|$ reaches a threshold, over all equally likely signs; exact, by convolution.

    Of D = ±1 it is the binomial of McNemar's exact test.

    Args:
        sums: D by cluster.
        threshold: reached within rounding.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.paired import sign_flip_p
        >>> sign_flip_p(np.array([1, 1, 1, 1, -1]), threshold=3.0), sign_flip_p(np.array([2, 1, 1]), threshold=4.0)
        (0.375, 0.25)
    """
    sizes = np.abs(sums[sums != 0])
    reach = int(sizes.sum())
    probability = np.zeros(2 * reach + 1)
    probability[reach] = 1.0
    for size in np.sort(sizes).tolist():  # one step up or down; the ends of the array are out of reach until the last
        moved = np.zeros_like(probability)
        moved[size:] = 0.5 * probability[:-size]
        moved[:-size] += 0.5 * probability[size:]
        probability = moved
    totals = np.abs(np.arange(-reach, reach + 1))
    return float(min(probability[totals >= threshold * (1 - ROUNDING)].sum(), 1.0))


def clustered_mcnemar(differences: Float[np.ndarray, "S D"], by: By = "stock and date") -> float:
    r"""McNemar's test for pairs that share stocks and dates: signs of whole clusters are flipped, instead of those of single pairs.

    With $x_{st}$ the discordant pairs of a stock and date in favour of the second variant less those in favour of the first, and
    $D_g$ their sum over a cluster g, a stock or a date,

    $$ p = \max_{\text{stocks, dates}} P\Big( \Big|\sum_g \pm D_g\Big| \ge \Big|\sum_g D_g\Big| \sqrt{\textstyle\sum_g D_g^2 / V} \Big), $$

    over equally likely signs, V being the variance of Σx by two-way clustering (`massjax.statistics.clusters.variance_of_sum`, with
    no mean taken off, for the mean is 0 under the null). Where V is that of one way of clustering the root is 1, and flipping signs is
    exact wherever it makes no difference to a cluster which variant is called the first; it is right in the limit where the
    variants are equally often followed and no more (Canay, Romano and Shaikh 2017). Where pairs of both ways are dependent, V is larger
    than either, and the root makes up for it, as in a wild cluster bootstrap studentised by two-way errors (MacKinnon, Nielsen and Webb
    2021). Of pairs that all are of stocks and dates of their own it is McNemar's exact test. Earlier tests for clustered pairs
    (Durkalski, Palesch, Lipsitz and Rust 2003) are, for clusters of one size, the normal limit of one way of clustering.

    Args:
        differences: x, whole numbers.
        by: what pairs may have in common.

    Returns:
        1 where no pair is discordant, or where each stock, and each date, has as many of one kind as of the other.
    """
    if not differences.any():
        return 1.0
    variance = variance_of_sum(differences, by)
    if variance == 0:
        return 1.0
    total = abs(float(differences.sum()))
    ways = [differences.sum(axis=axis).astype(np.int64) for axis, name in ((1, "stock"), (0, "date")) if name in by]
    return max(sign_flip_p(sums, total * np.sqrt(float((sums**2).sum()) / variance)) for sums in ways)


def compare_pairs(
    first: Answers,
    second: Answers,
    *,
    stocks: Labels | None = None,
    dates: Labels | None = None,
    by: By = "stock and date",
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> PairedComparison:
    """Answers of two variants to the same questions: cross table, McNemar's test, difference of rates and odds ratio.

    The test is `clustered_mcnemar`; the interval of the difference is of `massjax.statistics.pigeonhole.pigeonhole_bootstrap`, that of the
    odds ratio is Wilson's for the share p of the discordant pairs that go to the second variant, as odds p / (1 − p)
    (`massjax.statistics.clusters.clustered_share`): bootstrap draws would never show the rarer kind of pair where there is none.

    Dates are taken to be independent but for what each stock keeps. Where something that all stocks share lasts for days, as
    `date_autocorrelation` shows, give the week or month of each date as its label; `reason` says so where it is beyond chance
    (2.5 standard errors of 1 / √D, D being the number of dates).

    Args:
        first, second: 1 yes (*Follow*), 0 no, or booleans; `MISSING` or NaN where there is no answer. [stocks, dates], or flat. Of
            decisions, compare the sides: `decisions == OVERWEIGHT` where none is missing, or `answers_of`.
        stocks, dates: labels; needed where the answers are flat.
        by: what pairs may have in common.
        level: of the intervals.
        draws: resamples.
        seed: of `numpy.random.default_rng`; the same seed gives the same intervals.

    Raises:
        DataError: a value is no such answer, the shapes differ, or the labels do not fit.

    Example:
        A junior head trader who follows less often than a senior one, on 10 stocks and 40 dates:

        >>> import numpy as np
        >>> from massjax.statistics.paired import compare_pairs
        >>> luck = np.random.default_rng(0).random((10, 40))
        >>> found = compare_pairs(luck < 0.22, luck < 0.39)
        >>> found.first_only, found.second_only, found.p_value < 0.01, found.difference.low < 0.17 < found.difference.high
        (0, 53, True, True)
    """
    one, other = (check_decisions(name, given, (FOLLOW, NOT_FOLLOW)) for name, given in (("first", first), ("second", second)))
    check_alike(first=one, second=other)
    cells = cells_of(one.shape, stocks, dates)
    one, other = one.ravel(), other.ravel()
    known = (one != MISSING) & (other != MISSING)
    forward, back = known & (other > one), known & (other < one)
    net, discordant = cells.sums(forward) - cells.sums(back), cells.sums(forward | back)
    both, first_only, second_only, neither = (
        int((known & (one == yes) & (other == also)).sum()) for yes, also in ((1, 1), (1, 0), (0, 1), (0, 0))
    )
    first_rate, second_rate = (clustered_share(given == 1, known, cells, by=by, level=level, nothing=NO_PAIR) for given in (one, other))
    exact, mid = mcnemar_exact(first_only, second_only) if known.any() else (np.nan, np.nan)
    alone = spread_of(np.zeros(known.size), known, cells, by).reason
    least = np.nan if alone else _smallest_p(discordant, by)
    lasting = _autocorrelation(net, cells.sums(known))
    return PairedComparison(
        both=both,
        first_only=first_only,
        second_only=second_only,
        neither=neither,
        missing=int((~known).sum()),
        first=first_rate,
        second=second_rate,
        difference=_difference(net, cells.sums(known), by, level, draws, seed, alone or ("" if discordant.any() else ALIKE)),
        odds_ratio=_odds(clustered_share(forward, forward | back, cells, by=by, level=level, nothing=ALIKE)),
        p_value=np.nan if alone else clustered_mcnemar(net, by),
        p_exact=exact,
        p_mid=mid,
        smallest_p=least,
        date_autocorrelation=lasting,
        reason=_reason(known, discordant, alone, least, 1 - level, by) or _lasting_reason(lasting, net.shape[1], by),
    )


def _difference(
    net: Float[np.ndarray, "S D"], pairs: Float[np.ndarray, "S D"], by: By, level: float, draws: int, seed: int, without: str
) -> Estimate:
    if not pairs.any():
        return undefined(NO_PAIR, level)
    if without:
        return Estimate(float(net.sum() / pairs.sum()), np.nan, np.nan, np.nan, level, int(pairs.sum()), without)
    return pigeonhole_bootstrap(net, pairs, by, level, draws, seed)


def _odds(share: Estimate) -> Estimate:
    """p / (1 − p) of a share, its bounds, and the error of its logarithm; infinite at a share of 1."""

    def odds(value: float) -> float:
        return value / (1 - value) if value < 1 else np.inf if value >= 1 else np.nan

    inside = 0 < share.value < 1
    error = share.standard_error / (share.value * (1 - share.value)) if inside else np.nan
    return Estimate(odds(share.value), error, odds(share.low), odds(share.high), share.level, share.count, share.reason)


def _reason(known: Bool[np.ndarray, " M"], discordant: Float[np.ndarray, "S D"], alone: str, least: float, needed: float, by: By) -> str:
    if not known.any():
        return NO_PAIR
    if alone or not discordant.any():
        return alone or ALIKE
    few = f"pairs answered differently are of so few {by.replace(' and ', 's or ')}s that p cannot be below {least:.3g}"
    return few if least > needed else ""


def _autocorrelation(net: Float[np.ndarray, "S D"], pairs: Float[np.ndarray, "S D"]) -> float:
    by_date, counts = net.sum(axis=0), pairs.sum(axis=0)
    if not counts.any():
        return np.nan
    apart = by_date - counts * (by_date.sum() / counts.sum())
    return float(apart[1:] @ apart[:-1] / (apart @ apart)) if (apart @ apart) > ROUNDING else np.nan


def _lasting_reason(lasting: float, dates: int, by: By) -> str:
    if "date" not in by or not lasting > BEYOND_CHANCE / np.sqrt(dates):
        return ""
    return (
        f"what sets the variants apart lasts for days (autocorrelation {lasting:.2f} from date to date), but dates are taken to be "
        "independent, so p and intervals are too small: give weeks or months as dates"
    )


def answers_of(decisions: Decisions, side: int) -> Int8[np.ndarray, "*cells"]:
    """Whether each decision is of one side, as the answers that `compare_pairs` takes: 1 yes, 0 no, `MISSING` where there is none.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.decisions import OVERWEIGHT
        >>> from massjax.statistics.paired import answers_of
        >>> answers_of(np.array([1, 0, -1, np.nan]), OVERWEIGHT).tolist()
        [1, 0, 0, -128]
    """
    checked = check_decisions("decisions", decisions)
    return np.where(checked == MISSING, MISSING, checked == side).astype(np.int8)


def _smallest_p(discordant: Float[np.ndarray, "S D"], by: By) -> float:
    """2 of all combinations of signs of the fewer clusters that hold a discordant pair; 1 where there is none."""
    held = [int((discordant > 0).any(axis=axis).sum()) for axis, name in ((1, "stock"), (0, "date")) if name in by]
    return min(1.0, 2.0 ** (1 - min(held)))
