"""Whether a model names the stock, or the year, behind a masked prompt more often than chance, and which give themselves away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from massjax.statistics.clusters import By, Estimate, cells_of, clustered_share, estimate, spread_of
from massjax.statistics.multiple import holm

NOTHING = "no masked prompt was answered"
UNNAMED = -1
"""In place of a guess where there is none."""


@dataclass(frozen=True, eq=False)
class Identification:
    """How often a model knows what was masked.

    Attributes:
        right: share of the guesses that are right.
        chance: share that would be right if the guesses of a date were dealt to its stocks at random.
        excess: right − chance, with an interval.
        by_stock: share right of each stock; NaN without a guess.
        chance_by_stock: how often guesses about the *other* stocks of the same dates name this one.
        p_by_stock: one-sided, of as many hits where the guesses of each date are dealt to its stocks at random; adjusted by Holm for there
            being many stocks.
    """

    right: Estimate
    chance: float
    excess: Estimate
    by_stock: Float[np.ndarray, " N"]
    chance_by_stock: Float[np.ndarray, " N"]
    p_by_stock: Float[np.ndarray, " N"]

    def found(self, level: float = 0.05) -> Bool[np.ndarray, " N"]:
        """Stocks that are named beyond chance; the probability of any false one among them is at most `level`."""
        return self.p_by_stock <= level


def identification(
    named: Int[np.ndarray, "N T"],
    *,
    trials: Bool[np.ndarray, "N T"] | None = None,
    by: By = "stock and date",
    horizon: int = 1,
    level: float = 0.95,
) -> Identification:
    r"""Compare what a model names from masked prompts with the stocks that they were about.

    With g the guesses of a date and n_t their number,

    $$ \mathrm{right} = P(g_{nt} = n), \qquad
       \mathrm{chance} = \frac{1}{M} \sum_{n, t} \frac{\#\{m \ne n : g_{mt} = n\}}{n_t - 1} $$

    A model that answers "Apple" to every prompt is right about Apple every time, and by chance alone; 1 / N would call that a leak. Dealt
    at random, one of the $k_{nt}$ guesses of a date that name stock n falls to it with probability $k_{nt} / n_t$, its own among them: the
    p-value of a stock is that of its hits or more in so many unlike trials (Poisson's binomial distribution), hence never 0, and exact
    where guesses of different dates are independent. They are not where the same is shown again, which `trials` leaves out.

    Args:
        named: row of the stock that was named; `UNNAMED` (−1) where there is no answer, or none among the stocks.
        trials: guesses that count for the p-values of stocks, as those where something is shown of a stock for the first time; None = all.
        by: what cells may have in common.
        horizon: dates over which what all stocks share may last.
        level: of the intervals.

    Example:
        Ten stocks, of which the first is always known, and guesses at random otherwise:

        >>> import numpy as np
        >>> from massjax.statistics.identification import identification
        >>> guesses = np.random.default_rng(0).integers(0, 10, (10, 40))
        >>> guesses[0] = 0
        >>> seen = identification(guesses)
        >>> round(seen.right.value, 3), round(seen.chance, 3), np.flatnonzero(seen.found()).tolist()
        (0.175, 0.092, [0])
    """
    stocks, dates = named.shape
    answered, hit = named > UNNAMED, named == np.arange(stocks)[:, None]
    on_date = answered.sum(axis=0)
    times = np.stack([np.bincount(named[answered[:, t], t], minlength=stocks)[:stocks] for t in range(dates)], axis=1)
    chances = np.where(answered, (times - hit) / np.maximum(on_date - 1, 1), 0.0)
    usable = answered & (on_date > 1)
    cells, counted, count = cells_of(named.shape), usable.ravel(), int(usable.sum())
    right = clustered_share(hit.ravel(), counted, cells, by=by, horizon=horizon, level=level, nothing=NOTHING)
    of_stock = usable.sum(axis=1)
    hits, expected = (hit & usable).sum(axis=1), (chances * usable).sum(axis=1) / np.maximum(of_stock, 1)
    tried = usable if trials is None else usable & trials
    dealt = np.where(tried, times / np.maximum(on_date, 1), 0.0)
    p = np.where(tried.any(axis=1), at_least((hit & tried).sum(axis=1), dealt), np.nan)
    share = np.where(of_stock > 0, hits / np.maximum(of_stock, 1), np.nan)
    chance_of_stock = np.where(of_stock > 0, expected, np.nan)
    if not count:
        return Identification(right, np.nan, right, share, chance_of_stock, holm(p))
    chance = float(chances[usable].sum() / count)
    beyond = np.where(usable, hit - chances - (right.value - chance), 0.0).ravel() / count
    excess = estimate(right.value - chance, spread_of(beyond, counted, cells, by, horizon), count, level)
    return Identification(right, chance, excess, share, chance_of_stock, holm(p))


def at_least(hits: Int[np.ndarray, " N"], probability: Float[np.ndarray, "N T"]) -> Float[np.ndarray, " N"]:
    """Probability of so many hits or more in independent trials of unlike probability, for each row (Poisson's binomial distribution).

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.identification import at_least
        >>> at_least(np.array([1, 2]), np.array([[0.5, 0.5], [0.5, 0.2]])).tolist()
        [0.75, 0.1]
    """
    stocks, trials = probability.shape
    found = np.zeros((stocks, trials + 1))
    found[:, 0] = 1.0
    for one in probability.T:
        found[:, 1:] = found[:, 1:] * (1 - one)[:, None] + found[:, :-1] * one[:, None]
        found[:, 0] *= 1 - one
    return np.where(np.arange(trials + 1) >= hits[:, None], found, 0.0).sum(axis=1).clip(max=1.0)


@dataclass(frozen=True)
class YearIdentification:
    """How often a model knows the year that was masked.

    Attributes:
        right: share of the guesses that are right.
        chance: share that guesses made in the same proportions, but knowing nothing, would have right.
        excess: right − chance, with an interval that allows for chance being estimated too.
        by_year: share right of each year that was asked about.
    """

    right: Estimate
    chance: float
    excess: Estimate
    by_year: dict[int, float]


def identified_years(
    named: Int[np.ndarray, "N T"], year: Int[np.ndarray, " T"], *, by: By = "stock and date", horizon: int = 1, level: float = 0.95
) -> YearIdentification:
    r"""Compare the years that a model names from masked prompts with those of the dates that they were about.

    $$ \mathrm{chance} = \sum_y P(g = y)\, P(\mathrm{year} = y) $$

    over the prompts that were answered. A model that always says 2020 is right as often as prompts are of 2020, and by chance alone.

    Args:
        named: year that was named; `UNNAMED` (−1) where there is no answer.
        year: of each date.
        by: what cells may have in common.
        horizon: dates over which what all stocks share may last.
        level: of the intervals.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.identification import identified_years
        >>> year = np.repeat([2020, 2021], 20)
        >>> known = np.random.default_rng(0).random((10, 40)) < 0.5
        >>> seen = identified_years(np.where(known, year, 2020), year)
        >>> round(seen.chance, 2), seen.excess.low > 0, seen.by_year[2020]
        (0.5, True, 1.0)
    """
    answered = (named > UNNAMED).ravel()
    guess, true = named.ravel(), np.broadcast_to(year, named.shape).ravel()
    hit, cells, count = guess == true, cells_of(named.shape), int(answered.sum())
    right = clustered_share(hit, answered, cells, by=by, horizon=horizon, level=level, nothing=NOTHING)
    if not count:
        return YearIdentification(right, np.nan, right, {})
    years = np.unique(np.concatenate([guess[answered], true[answered]]))
    guessed, asked = ((values == years[:, None]) & answered for values in (guess, true))
    of_guesses, of_dates = guessed.sum(axis=1) / count, asked.sum(axis=1) / count
    chance = float(of_guesses @ of_dates)
    of_chance = of_dates @ guessed + of_guesses @ asked - 2 * chance  # influence of each cell, times their number
    influence = np.where(answered, hit - right.value - of_chance, 0.0) / count
    excess = estimate(right.value - chance, spread_of(influence, answered, cells, by, horizon), count, level)
    by_year = {int(one): float((hit & here).sum() / here.sum()) for one, here in zip(years, asked, strict=True) if here.any()}
    return YearIdentification(right, chance, excess, by_year)
