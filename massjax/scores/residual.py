"""Scores less what the same model's answers without facts foretell of them, the share estimated from past dates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int

from massjax.average_ranks import unit_ranks
from massjax.scores.hindsight import HindsightView, ViewCode, codes_of, log_odds, of_log_odds

FEWEST_DATES = 60
"""Past dates with both answers under which no share is estimated."""
STRONG = 10.0
"""F-statistic of the first stage under which the past returns do not say enough of the blank answers to be an instrument."""
LARGEST = 1.5
"""Shares are taken to lie between 0 and this."""


class Shares(NamedTuple):
    """How much of a blank answer is left in the answer with facts, as estimated on the dates before each.

    Attributes:
        memory: β, of what is particular to a stock and date; NaN where too few dates lie before.
        opinion: γ, of what the model always says of a stock.
        first_stage: F of the instrument; NaN where past returns are not given, or too few.
    """

    memory: Float64[np.ndarray, " T"]
    opinion: Float64[np.ndarray, " T"]
    first_stage: Float64[np.ndarray, " T"]


class Residual(NamedTuple):
    """Scores by residual.

    Attributes:
        view: scores, and what was done.
        shares: that were taken off.
        opinion: what the model said of each stock on the dates before, on average, in log-odds less the mean of the date.
    """

    view: HindsightView
    shares: Shares
    opinion: Float64[np.ndarray, "N T"]


def residual(
    score: Float[np.ndarray, "N T"],
    blank: Float[np.ndarray, "N T"],
    member: Bool[np.ndarray, "N T"],
    facts: Float[np.ndarray, "F N T"],
    *,
    past_returns: Float[np.ndarray, "N T"] | None = None,
    horizon: int = 1,
    execution_lag: int = 0,
    learn_from: Float[np.ndarray, "N T"] | None = None,
    remembered: Bool[np.ndarray, " T"] | None = None,
    fewest_dates: int = FEWEST_DATES,
) -> Residual:
    r"""Take off each score what the blank answer foretells of it, with shares estimated on past dates only.

    With ℓ the log-odds of the score, b those of the blank score less the mean of its date, and o_{nt} the mean of b_n over the dates before
    t,

    $$ \ell'_{nt} = \ell_{nt} - \beta_t (b_{nt} - o_{nt}) - \gamma_t\, o_{nt}, \qquad s' = 1 / (1 + e^{-\ell'}) $$

    o is the model's standing opinion of the stock (distraction: fame, size), b − o what it says of this date, where memory is. Both are
    less their mean over the date, so that its level stays. β and γ are those of a regression, pooled over the dates before t,

    $$ \ell_{nt} = a_t + \beta\,(b_{nt} - o_{nt}) + \gamma\, o_{nt} + \delta' r(f_{nt}) + e_{nt} $$

    on the ranks r of the facts shown, each date weighted with the variance of b − o over its stocks: dates of which much is remembered
    tell what becomes of it. Without the facts β is too large: memory is of the return, facts foretell the return, so scores with
    skill go with what is remembered even where no memory is left in them, and taking that off would take the skill. It is too small
    where the blank answer also varies for no reason (errors in variables). Returns of the past mend this: with `past_returns`, b − o is
    instrumented by their ranks, times the same weight (two-stage least squares; Wooldridge 2010, section 5.1); a return of date u is
    used from u + horizon + execution_lag on. Where the first stage has an F under 10 (Staiger and Stock 1997), as where nothing is
    remembered, it is least squares.

    Args:
        score: of answers with facts, in [0, 1]; NaN = none.
        blank: of answers without.
        member: True where the stock is in the universe.
        facts: [F, N, T] numbers that the answers were shown, or that tell what they were shown, as known at the close of the date;
            NaN = not known, counted as the middle. With none (F = 0) the estimate takes skill for memory; see above.
        past_returns: forward returns over `horizon` dates; None where there are none to be used.
        horizon, execution_lag: dates over which a forward return runs, and before it begins.
        learn_from: scores of answers to the facts of *another* stock under this name (`massjax.statistics.counterfactual`): β and γ are
            then estimated on them, in which there can be no skill about the stock; NaN = not asked, and a sample is enough. `facts`
            should be those of the other stock, or none.
        remembered: dates of which the model may know what followed; others are kept as answered. None = all.
        fewest_dates: dates with both answers that must lie before.

    Returns:
        β and γ lie in [0, 1.5]. No score where one of the answers is missing, or too few dates lie before; see `view.code`.

    Example:
        Half of what a model remembers is left in its answers, beside its skill.

        >>> import numpy as np
        >>> from massjax.scores.residual import residual
        >>> rng = np.random.default_rng(0)
        >>> returns, fact = rng.normal(size=(2, 30, 200))
        >>> blank = 1 / (1 + np.exp(-0.8 * returns))
        >>> score = 1 / (1 + np.exp(-fact - 0.4 * returns))
        >>> found = residual(score, blank, np.ones((30, 200), bool), fact[None])
        >>> round(float(found.shares.memory[-1]), 1)
        0.5
        >>> found.view.counts(np.ones((30, 200), bool))
        {'memory taken out': 4200, 'no score: too few dates lie before to tell how much is memory': 1800}
    """
    code = codes_of(np.isfinite(score), np.isfinite(blank))
    usable = (code == ViewCode.VIEWED) & member
    odds, blank_odds = log_odds(score), _less_date_mean(log_odds(blank), usable)
    opinion = _past_mean(blank_odds, usable)
    opinion = _less_date_mean(opinion, usable)
    apart = np.where(usable, blank_odds - opinion, 0.0)
    learned = odds if learn_from is None else log_odds(learn_from)
    cells = usable & np.isfinite(learned)
    ranks = [np.nan_to_num(unit_ranks(np.where(cells, fact, np.nan))) for fact in facts]
    found = _shares(learned, cells, apart, [opinion, *ranks], past_returns, horizon, horizon + execution_lag, fewest_dates)
    kept = np.zeros(score.shape[1], bool) if remembered is None else ~remembered
    code = np.where((code == ViewCode.VIEWED) & ~member, np.uint8(ViewCode.NO_MEMBER), code)
    code = np.where((code == ViewCode.VIEWED) & np.isnan(found.memory), np.uint8(ViewCode.NO_PAST), code)
    code = np.where(kept, np.where(np.isfinite(score), np.uint8(ViewCode.AS_ANSWERED), np.uint8(ViewCode.NO_ANSWER)), code)
    less = taken_off(odds, blank_odds, opinion, found)
    viewed = np.where(code == ViewCode.VIEWED, less, np.float32(np.nan))
    return Residual(HindsightView(np.where(code == ViewCode.AS_ANSWERED, score.astype(np.float32), viewed), code), found, opinion)


def taken_off(
    odds: Float64[np.ndarray, "N T"], blank_odds: Float64[np.ndarray, "N T"], opinion: Float64[np.ndarray, "N T"], shares: Shares
) -> Float32[np.ndarray, "N T"]:
    """Scores of log-odds less the shares of the blank answer's: ℓ − β (b − o) − γ o; where there are no shares, as they are.

    Args:
        odds: ℓ.
        blank_odds: b, less the mean of the date.
        opinion: o.
        shares: β and γ.
    """
    memory, standing = np.nan_to_num(shares.memory), np.nan_to_num(shares.opinion)
    return of_log_odds(odds - memory * (blank_odds - opinion) - standing * opinion)


def _shares(
    learned: Float64[np.ndarray, "N T"],
    cells: Bool[np.ndarray, "N T"],
    apart: Float64[np.ndarray, "N T"],
    beside: list[Float64[np.ndarray, "N T"]],
    past_returns: Float[np.ndarray, "N T"] | None,
    horizon: int,
    known_after: int,
    fewest_dates: int,
) -> Shares:
    """β, γ and the first-stage F of every date, from sums over earlier dates; the first of `beside` is the standing opinion."""
    before: Int[np.ndarray, " T"] = np.cumsum(cells.any(axis=0)) - cells.any(axis=0)
    variance = (_less_date_mean(apart, cells) ** 2).sum(axis=0) / np.maximum(cells.sum(axis=0), 1)
    plain = _Sums.over([apart, apart * variance, learned, *beside], cells, 1)
    instrumented = None
    if past_returns is not None:
        known = cells & np.isfinite(past_returns)
        instrument = np.nan_to_num(unit_ranks(np.where(known, past_returns, np.nan))) * variance
        instrumented = _Sums.over([apart, instrument, learned, *beside], known, known_after)
    products, coefficients = plain.less_what_is_explained(3)
    share = _over(products[:, 1, 2], products[:, 1, 0])
    first_stage = np.full(apart.shape[1], np.nan)
    if instrumented is not None:
        of_instrument, _ = instrumented.less_what_is_explained(3)
        varied = (np.diagonal(instrumented.products, axis1=1, axis2=2)[:, 3:] > 0).sum(axis=1)  # what varies later alone is of no date yet
        first_stage = _first_stage(of_instrument, instrumented.freedom / horizon - varied - 2)
        strong = first_stage >= STRONG
        share = np.where(strong, of_instrument[:, 1, 2] / np.where(strong, of_instrument[:, 1, 0], 1.0), share)
    memory = np.clip(share, 0.0, LARGEST)
    opinion = np.clip(coefficients[:, 0, 2] - memory * coefficients[:, 0, 0], 0.0, LARGEST)
    enough = before >= max(fewest_dates, 1)
    return Shares(*(np.where(enough, values, np.nan) for values in (memory, opinion, first_stage)))


class _Sums(NamedTuple):
    """Sums of products of columns less their mean over the date, over the dates that are known at each.

    Attributes:
        products: [T, P, P].
        freedom: stocks and dates behind them, less one a date.
    """

    products: Float64[np.ndarray, "T P P"]
    freedom: Float64[np.ndarray, " T"]

    @classmethod
    def over(cls, columns: list[Float64[np.ndarray, "N T"]], cells: Bool[np.ndarray, "N T"], known_after: int) -> _Sums:
        """Sums over the cells of the dates up to `known_after` before each."""
        stacked = np.stack([_less_date_mean(column, cells) for column in columns])
        daily = np.matmul(stacked.transpose(2, 0, 1), stacked.transpose(2, 1, 0))
        count = np.maximum(cells.sum(axis=0) - 1, 0).astype(np.float64)
        return cls(_until(daily, known_after), _until(count, known_after))

    def less_what_is_explained(self, first: int) -> tuple[Float64[np.ndarray, "T A A"], Float64[np.ndarray, "T B A"]]:
        """Products of the first columns less what the others explain of them, and the coefficients of the others in each of the first."""
        across = self.products[:, first:, :first]
        coefficients = np.matmul(np.linalg.pinv(self.products[:, first:, first:], rcond=1e-10, hermitian=True), across)
        return self.products[:, :first, :first] - np.matmul(across.transpose(0, 2, 1), coefficients), coefficients


def _until(daily: Float64[np.ndarray, "T ..."], known_after: int) -> Float64[np.ndarray, "T ..."]:
    """Sum over the dates up to t − known_after, for each t."""
    sums = np.zeros_like(daily)
    sums[known_after:] = np.cumsum(daily, axis=0)[: max(len(daily) - known_after, 0)]
    return sums


def _first_stage(products: Float64[np.ndarray, "T A A"], freedom: Float64[np.ndarray, " T"]) -> Float64[np.ndarray, " T"]:
    """F-statistic of the second column, alone, in a regression of the first on it; NaN where one of them does not vary."""
    scale = products[:, 0, 0] * products[:, 1, 1]
    defined = (scale > 0) & (freedom > 0)
    square = np.minimum(products[:, 0, 1] ** 2 / np.where(defined, scale, 1.0), 1.0 - 1e-12)
    return np.where(defined, freedom * square / (1 - square), np.nan)


def _over(top: Float64[np.ndarray, " T"], bottom: Float64[np.ndarray, " T"]) -> Float64[np.ndarray, " T"]:
    """0 where there is nothing to divide by: blank answers that do not vary are no memory."""
    defined = bottom > 1e-12
    return np.where(defined, top / np.where(defined, bottom, 1.0), 0.0)


def _less_date_mean(values: Float[np.ndarray, "N T"], known: Bool[np.ndarray, "N T"]) -> Float64[np.ndarray, "N T"]:
    inside = np.where(known, values, 0.0).astype(np.float64)
    return np.where(known, inside - inside.sum(axis=0) / np.maximum(known.sum(axis=0), 1), 0.0)


def _past_mean(values: Float64[np.ndarray, "N T"], known: Bool[np.ndarray, "N T"]) -> Float64[np.ndarray, "N T"]:
    """Mean of each stock over the earlier dates on which it is known; 0 where there is none."""
    sums, counts = np.cumsum(np.where(known, values, 0.0), axis=1), np.cumsum(known, axis=1)
    sums, counts = np.roll(sums, 1, axis=1), np.roll(counts, 1, axis=1)
    sums[:, 0], counts[:, 0] = 0.0, 0
    return sums / np.maximum(counts, 1)
