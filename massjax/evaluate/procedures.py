"""The ways to weight archetypes, or to rank stocks, that need no search, repeated under every draw of the returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from massjax.engine.inputs import SignalName
from massjax.evaluate.controls import best_of_means, feature_ranks, inverse_noise, learned_signs, lookback_mean
from massjax.evaluate.judge import judged_signals
from massjax.evaluate.repeated import Repetitions, signal_rank_ic, single_rank_ics, sums_rank_ic, weights_rank_ic
from massjax.timing import Timing

FIT_DATES = 4
"""Dates whose fitness in sample is repeated."""
TOGETHER_NUMBERS = 16_000_000
"""Draws times archetypes times dates of whose daily correlations means are taken at once."""


class Repeated(NamedTuple):
    """A procedure under every draw of the returns, the first of which is the returns as they were.

    Attributes:
        rank_ic: on the dates of the repetitions.
        in_sample: mean fitness on look-back windows; NaN for what is fitted to nothing.
        refitted_every: dates between two fits.
        seeds: mean RankIC by seed with the returns as they were, where the procedure is random.
    """

    rank_ic: Float[np.ndarray, "R D"]
    in_sample: Float[np.ndarray, " R"]
    refitted_every: int = 1
    seeds: tuple[float, ...] = ()


Procedure: TypeAlias = Callable[[Repetitions], Repeated]
"""Everything that leads from returns to a strategy's RankIC, to be repeated where the returns are luck."""


def fixed(repetitions: Repetitions, signal: Float[np.ndarray, "N T"]) -> Repeated:
    """A signal that no return had a part in."""
    return Repeated(signal_rank_ic(repetitions, signal), _unfitted(repetitions))


def fixed_weights(repetitions: Repetitions, weights: Float[np.ndarray, " K"], ranked_by: SignalName) -> Repeated:
    """Weights that are the same on every date, and that no return had a part in."""
    alpha, missing = repetitions.alpha, repetitions.missing
    every = np.tile(weights, (repetitions.member.shape[1], 1))
    signal = judged_signals(repetitions.scores, repetitions.member, every, alpha=alpha, missing=missing)[ranked_by]
    return fixed(repetitions, signal)


def raw_features_repeated(repetitions: Repetitions, values: Float[np.ndarray, "F N T"], timing: Timing) -> Repeated:
    """The sum of the features' ranks, whose signs each draw learns anew."""
    alone = single_rank_ics(repetitions, values, slice(None), "renormalize")
    signs = [learned_signs(daily, timing)[:, :, repetitions.dates] for daily in _some_draws(alone)]
    ranks = feature_ranks(values[:, :, repetitions.dates], repetitions.member[:, repetitions.dates])
    return Repeated(sums_rank_ic(repetitions, ranks, np.concatenate(signs)), _unfitted(repetitions))


def best_single_repeated(repetitions: Repetitions, timing: Timing) -> Repeated:
    """All weight on the best archetype of the look-back, chosen anew under each draw."""
    rank_ic, in_sample = [], []
    for daily in _some_draws(repetitions.alone):
        means = lookback_mean(daily, timing)
        best, decided = best_of_means(means)
        own = np.take_along_axis(daily, best[:, None, :], axis=1)[:, 0]
        rank_ic.append(np.where(decided, own, np.nan)[:, repetitions.dates])
        fitness = np.take_along_axis(means, best[:, None, :], axis=1)[:, 0]
        in_sample.append(row_means(fitness[:, repetitions.dates]))
    return Repeated(np.concatenate(rank_ic), np.concatenate(in_sample))


def equal_risk_repeated(repetitions: Repetitions, timing: Timing, ranked_by: SignalName) -> Repeated:
    """Weights inverse to the noise of each archetype's RankIC in the look-back, which each draw has anew."""
    weights = [np.moveaxis(inverse_noise(daily, timing), 1, 2)[:, repetitions.dates] for daily in _some_draws(repetitions.alone)]
    return Repeated(weights_rank_ic(repetitions, np.concatenate(weights), repetitions.dates, ranked_by), _unfitted(repetitions))


def in_sample_rank_ic(repetitions: Repetitions, weights: Float[np.ndarray, "R D K"], timing: Timing) -> Float[np.ndarray, " R"]:
    """Mean fitness of the weights of a few dates on a part of the windows that they were found on, under each draw.

    As many RankICs in all as there are dates, so that nothing is compiled anew.
    """
    total = repetitions.dates.size
    chosen = np.unique(np.linspace(0, total - 1, min(FIT_DATES, total)).astype(int))
    places, dates = np.resize(np.repeat(chosen, -(-total // chosen.size)), total), np.empty(total, int)
    for place in chosen:
        window, rows = timing.window(int(repetitions.dates[place]) - timing.delay), places == place
        dates[rows] = np.linspace(window.start, window.stop - 1, rows.sum()).astype(int)
    return row_means(weights_rank_ic(repetitions, weights[:, places], dates, repetitions.fit_signal))


def row_means(values: Float[np.ndarray, "R D"]) -> Float[np.ndarray, " R"]:
    """Mean of each row, NaN left out; NaN where nothing is known."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    return np.where(count > 0, np.where(known, values, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)


def _some_draws(daily: Float[np.ndarray, "R K T"]) -> Iterator[Float[np.ndarray, "S K T"]]:
    """Some draws at a time."""
    together = max(1, TOGETHER_NUMBERS // max(daily.shape[1] * daily.shape[2], 1))
    return (daily[start : start + together] for start in range(0, len(daily), together))


def _unfitted(repetitions: Repetitions) -> Float[np.ndarray, " R"]:
    return np.full(len(repetitions.draws), np.nan)
