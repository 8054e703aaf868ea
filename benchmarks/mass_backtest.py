"""The weekly portfolio of MASS in numbers: the best fifth in equal weights at 0.1 % a round trip, by strategy, year and seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Shaped
from mass_runs import Baseline, Held, Ran
from mass_summaries import ALL, Row, known, over_seeds, percent, periods, spread

from massjax.statistics.intervals import newey_west

FIGURES = {"growth": "cagr", "volatility": "volatility", "deepest fall": "max_drawdown", "turnover": "turnover", "cost": "cost"}
"""Figures a year in %, and what `massjax.portfolio.performance.Performance` calls them."""
RATIOS = {"Sharpe": "sharpe", "information ratio": "information_ratio"}
READING = (
    "After costs, in % a year unless said; turnover is one-way. seeds: standard deviation over seeds. active: mean daily return less that "
    "of the equal-weight members, times the days of a year; NW: half of its 95 % interval by Newey and West. Overlapping tranches, unless "
    "the configuration says otherwise: each is rebalanced once a week, one of them a day, so that no figure hangs on the day of the start. "
    "p: of the RankIC against circular shifts of the returns. `from` is the first date held: what learns from all known dates begins later."
)


def backtest_rows(baseline: Baseline) -> list[Row]:
    """A row a strategy, and one for the equal-weight members."""
    rows: list[Row] = []
    for runs in (baseline.runs, (baseline.learned,)):
        for one in runs[0].found:
            held = [run.strategy(one.name).held for run in runs]
            there = [portfolio for portfolio in held if portfolio is not None]
            if there:
                rows.append({"strategy": one.label, **portfolio_figures(there, runs), "p": known(one.p_value)})
    members = baseline.runs[0].benchmark
    if members is not None:
        rows.append({"strategy": "Equal-weight members", **portfolio_figures([members], baseline.runs[:1]), "p": None})
    return rows


def portfolio_figures(held: Sequence[Held], runs: Sequence[Ran]) -> Row:
    """Means over seeds of the figures of portfolios, their spread, and what each year gave.

    Args:
        held: one a seed.
        runs: that they are of.
    """
    first, dates = runs[0], runs[0].dates
    returns = np.stack([one.returns for one in held])
    begun = np.isfinite(returns).any(axis=0)
    row: Row = {"seeds": len(held), "from": str(dates[begun][0]) if begun.any() else None, "days": int(begun.sum())}
    for name, figure in (FIGURES | RATIOS).items():
        values = [float(getattr(one.performance, figure)) for one in held]
        of_seeds = spread(values)
        share = name in FIGURES
        mean = float(np.mean(values))
        row[name] = percent(mean) if share else known(mean)
        row[f"{name} seeds"] = percent(of_seeds) if share else of_seeds
    row |= active(returns, first)
    for period, mask in periods(dates).items():
        if period != ALL and (mask & begun).any():
            row[period] = percent(float(np.mean([grown(one[mask & begun]) for one in returns])))
    return row


def active(returns: Float[np.ndarray, "S T"], run: Ran) -> Row:
    """Mean return over that of the members, a year, with its Newey-West interval; nothing without a benchmark."""
    if run.benchmark is None:
        return {"active": None, "active NW": None}
    over = over_seeds(returns) - run.benchmark.returns
    held = np.flatnonzero(np.isfinite(over))
    if not held.size:
        return {"active": None, "active NW": None}
    interval = newey_west(over[held[0] : held[-1] + 1], 1)
    year = run.periods_per_year
    return {"active": percent(year * interval.mean), "active NW": percent(year * (interval.high - interval.mean))}


def grown(returns: Float[np.ndarray, " D"]) -> float:
    """What daily returns compound to."""
    return float(np.prod(1.0 + returns[np.isfinite(returns)]) - 1.0)


def curves(baseline: Baseline) -> tuple[Shaped[np.ndarray, " T"], dict[str, Float[np.ndarray, " T"]]]:
    """Worth of one unit of money by date, the mean over seeds, for a figure: each strategy, and the equal-weight members."""
    found: dict[str, Float[np.ndarray, " T"]] = {}
    for runs in (baseline.runs, (baseline.learned,)):
        for one in runs[0].found:
            held = [run.strategy(one.name).held for run in runs]
            returns = [portfolio.returns for portfolio in held if portfolio is not None]
            if returns:
                found[one.label] = over_seeds(np.stack([worth(daily) for daily in returns]))
    members = baseline.runs[0].benchmark
    if members is not None:
        found["Equal-weight members"] = worth(members.returns)
    return baseline.runs[0].dates, found


def worth(returns: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """One unit of money through time; NaN before the first purchase."""
    return np.where(np.isfinite(returns), np.cumprod(1.0 + np.nan_to_num(returns)), np.nan)
