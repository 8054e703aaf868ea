"""The p-values that a run gives the default method where scores know nothing: how often are they small?

    python benchmarks/default_validity.py --out benchmarks/results

Histories without skill, each judged with the code of a run: `massjax.evaluate.draws` makes the draws, `massjax.evaluate.refitted` repeats
the default on each, `massjax.evaluate.luck` compares. Two kinds of scores: noise of autocorrelation 0.9, and reversal scores, each
archetype minus the return of the last 5, 10, 20, ... dates, which know nothing of independent returns to come but are made of the returns
that a shift may bring back to them. Returns run over five dates and overlap. Of p-values that are right, 5 % are at or below 0.05, and
their distribution is uniform (Kolmogorov-Smirnov), apart from ties.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import jax
import numpy as np
import polars as pl
from jaxtyping import Float
from null_validity import World, scores_and_returns
from scipy.stats import kstest
from timing import print_table, write

from massjax.engine.inputs import SignalName
from massjax.evaluate.draws import make_draws
from massjax.evaluate.luck import luck_of_strategies
from massjax.evaluate.procedures import fixed_weights
from massjax.evaluate.refitted import refitted
from massjax.evaluate.repeated import Repetitions, judged_dates
from massjax.search.posterior import Posterior
from massjax.timing import Timing

ARCHETYPES, STOCKS, HORIZON = 6, 30, 5
PAST = (5, 10, 20, 40, 60, 120)
"""Dates whose return each reversal score is minus of."""


def slow_scores(seed: int, dates: int) -> tuple[Float[np.ndarray, "K N T"], Float[np.ndarray, "N T"]]:
    """Scores of autocorrelation 0.9 and five-day returns, of stocks in sectors that move together."""
    return scores_and_returns(World(archetypes=ARCHETYPES, stocks=STOCKS, dates=dates, horizon=HORIZON), seed)


def reversal_scores(seed: int, dates: int) -> tuple[Float[np.ndarray, "K N T"], Float[np.ndarray, "N T"]]:
    """Minus past returns up to the close of each date, and the returns from that close on."""
    before = max(PAST)
    price = np.cumsum(np.random.default_rng(seed).normal(size=(STOCKS, before + dates + HORIZON)), axis=1)
    now = slice(before, before + dates)
    scores = np.stack([price[:, before - past : before - past + dates] - price[:, now] for past in PAST])
    return scores, price[:, before + HORIZON :] - price[:, now]


KINDS = {"slow scores, sectors": slow_scores, "reversal scores": reversal_scores}


Histories = Callable[[int], tuple[Float[np.ndarray, "K N T"], Float[np.ndarray, "N T"]]]
"""From a seed to scores and forward returns that have nothing to do with each other."""


def p_values(
    histories: Histories, windows: int, draws: int, signal: SignalName, execution_lag: int = 0
) -> Mapping[str, Float[np.ndarray, " W"]]:
    """The p-values of each of many histories: of the default's fitness, of its RankIC, and of its gain over uniform weights."""
    timing = Timing(lookback="auto", horizon=HORIZON, execution_lag=execution_lag)
    found: dict[str, list[float]] = {"fitness": [], "RankIC": [], "gain over uniform": [], "RankIC of uniform": []}
    for seed in range(windows):
        scores, returns = (values.astype(np.float32) for values in histories(seed))
        archetypes, dates = scores.shape[0], scores.shape[2]
        made = make_draws(returns, [timing], draws)
        evaluated = np.arange(dates) >= timing.first_applied
        repetitions = Repetitions(
            draws=made,
            scores=scores,
            member=np.ones(returns.shape, bool),
            returns=returns,
            daily_returns=None,
            dates=judged_dates(evaluated, returns, archetypes, len(made)),
            alpha=0.5,
            fit_signal=signal,
            missing="renormalize",
        )
        repeated = {
            "uniform": fixed_weights(repetitions, np.full(archetypes, 1 / archetypes), signal),
            "default": refitted(repetitions, Posterior(), timing, signal, jax.random.key(seed)),
        }
        luck = luck_of_strategies(repetitions, repeated, "uniform", frozenset({"default"}))
        one = luck["default"]
        for name, p in zip(found, (one.in_sample, one.out_of_sample, one.gain, luck["uniform"].out_of_sample), strict=True):
            found[name].append(p)
    return {name: np.array(values) for name, values in found.items()}


def validity_rows(name: str, found: Mapping[str, Float[np.ndarray, " W"]]) -> list[dict[str, object]]:
    """How often the p-values of each statistic are small, and whether they are uniform."""
    return [
        {"scores": name, "statistic": statistic, **{f"P(p ≤ {level})": float((p <= level).mean()) for level in (0.05, 0.1, 0.5)}}
        | {"KS p-value": float(kstest(p, "uniform").pvalue)}
        for statistic, p in found.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--windows", type=int, default=120, help="histories of each kind (default: %(default)s)")
    parser.add_argument("--dates", type=int, default=200, help="dates of each (default: %(default)s)")
    parser.add_argument("--draws", type=int, default=39, help="draws of the null (default: %(default)s)")
    parser.add_argument("--signal", choices=("mean", "combined", "disagreement"), default="mean", help="default: %(default)s")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder for tables, parquet and Markdown (default: none)")
    options = parser.parse_args()
    rows = []
    for kind in options.kinds:
        found = p_values(partial(KINDS[kind], dates=options.dates), options.windows, options.draws, options.signal)
        rows += validity_rows(kind, found)
        title = f"p-values of the default without skill: {options.windows} windows of {options.dates} dates, {options.draws} draws"
        frame = pl.DataFrame(rows)
        print_table(title, frame)
        notes = [
            f"signal {options.signal}, K={ARCHETYPES} archetypes, N={STOCKS} stocks. The share at or below 0.05 has a standard error of"
            f" {np.sqrt(0.05 * 0.95 / options.windows):.3f} where it is right."
        ]
        write(options.out, "default_validity", title, frame, notes)


if __name__ == "__main__":
    main()
