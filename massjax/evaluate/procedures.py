"""The ways to weight archetypes, or to rank stocks, that need no search, repeated under every draw of the returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from massjax.engine.inputs import OwnSignal, SignalName
from massjax.evaluate.controls import best_of_means, feature_ranks, inverse_noise, lookback_mean_of, signs_of
from massjax.evaluate.judge import judged_signals
from massjax.evaluate.repeated import Repetitions, ranked_dates, signal_rank_ic, single_rank_ics, sums_rank_ic, weights_rank_ic
from massjax.timing import Timing

FIT_DATES = 4
"""Dates whose fitness in sample is repeated."""
TOGETHER_NUMBERS = 2_000_000
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
    """Weights that are the same on every date, and that no return had a part in, unless `alpha` is learned."""
    alpha, missing = repetitions.alpha, repetitions.missing
    if not isinstance(alpha, float):
        every = np.broadcast_to(weights, (len(repetitions.draws), repetitions.dates.size, weights.size))
        return Repeated(weights_rank_ic(repetitions, every, repetitions.dates, ranked_by), _unfitted(repetitions))
    dates, signal = repetitions.dates, np.full(repetitions.member.shape, np.nan, np.float32)
    own, name = (ranked_by, ranked_by.name) if isinstance(ranked_by, OwnSignal) else (None, ranked_by)
    scores, every = repetitions.scores[:, :, dates], np.tile(weights, (dates.size, 1))
    signal[:, dates] = judged_signals(scores, repetitions.member[:, dates], every, alpha=alpha, missing=missing, own=own)[name]
    return fixed(repetitions, signal)


def raw_features_repeated(repetitions: Repetitions, values: Sequence[Float[np.ndarray, "N T"]], timing: Timing) -> Repeated:
    """The sum of the features' ranks, whose signs each draw learns anew."""
    ranked, dates = ranked_dates(repetitions, len(values)), repetitions.dates
    alone = single_rank_ics(repetitions, values, slice(None), "renormalize")
    signs = [signs_of(lookback_mean_of(daily, ranked, timing, dates)) for daily in _some_draws(alone)]
    ranks = feature_ranks([feature[:, dates] for feature in values], repetitions.member[:, dates])
    return Repeated(sums_rank_ic(repetitions, ranks, np.concatenate(signs)), _unfitted(repetitions))


def best_single_repeated(repetitions: Repetitions, timing: Timing) -> Repeated:
    """All weight on the best archetype of the look-back, chosen anew under each draw."""
    rank_ic, in_sample, ranked = [], [], ranked_dates(repetitions, len(repetitions.scores))
    places = np.searchsorted(ranked, repetitions.dates)
    for daily in _some_draws(repetitions.alone):
        means = lookback_mean_of(daily, ranked, timing, repetitions.dates)
        best, decided = best_of_means(means)
        own = np.take_along_axis(daily[:, :, places], best[:, None, :], axis=1)[:, 0]
        rank_ic.append(np.where(decided, own, np.nan))
        in_sample.append(row_means(np.take_along_axis(means, best[:, None, :], axis=1)[:, 0]))
    return Repeated(np.concatenate(rank_ic), np.concatenate(in_sample))


def equal_risk_repeated(repetitions: Repetitions, timing: Timing, ranked_by: SignalName) -> Repeated:
    """Weights inverse to the noise of each archetype's RankIC in the look-back, which each draw has anew."""
    weights, ranked = [], ranked_dates(repetitions, len(repetitions.scores))
    for daily in _some_draws(repetitions.alone):
        both = (daily, np.square(daily, dtype=np.float64))
        mean, square = (lookback_mean_of(series, ranked, timing, repetitions.dates) for series in both)
        weights.append(np.moveaxis(inverse_noise(mean, square), 1, 2))
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
    alpha = None if isinstance(repetitions.alpha, float) else repetitions.alpha[:, repetitions.dates[places]]
    return row_means(weights_rank_ic(repetitions, weights[:, places], dates, repetitions.fit_signal, alpha))


def row_means(values: Float[np.ndarray, "R D"]) -> Float[np.ndarray, " R"]:
    """Mean of each row, NaN left out; NaN where nothing is known."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    return np.where(count > 0, np.where(known, values, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)


def _some_draws(daily: Float[np.ndarray, "R K E"]) -> Iterator[Float[np.ndarray, "S K E"]]:
    """Some draws at a time."""
    together = max(1, TOGETHER_NUMBERS // max(daily.shape[1] * daily.shape[2], 1))
    return (daily[start : start + together] for start in range(0, len(daily), together))


def _unfitted(repetitions: Repetitions) -> Float[np.ndarray, " R"]:
    return np.full(len(repetitions.draws), np.nan)
