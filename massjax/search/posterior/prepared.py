"""What the scores alone say: ranks by archetype and date, and their correlations as known at the start of each epoch."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Int16, Key

from massjax.engine.devices import device_count, spread_items
from massjax.engine.inputs import Missing, SignalName
from massjax.engine.ranks import rank_sums
from massjax.search.posterior.candidates import Exact, prepare_exact
from massjax.search.posterior.epochs import epoch_starts
from massjax.search.posterior.linear import linear_scores

DATES_TOGETHER = 16
"""Dates that are cut out of the scores at once."""
MEMORY = 125.0
"""Mean age, in dates, of what correlations are estimated from: older dates count less by 1/125 each."""
SMALLEST_EIGENVALUE = 1e-4
GUESSED_PERSISTENCE = 0.8
"""Autocorrelation of scores at lag 1 that counts as much as one date seen."""


class Correlations(NamedTuple):
    """Correlations of the archetypes' ranks at the start of each of E epochs, from dates up to that start.

    Attributes:
        start, stop: first date of the epoch and the first after it.
        matrix: mean over dates of the products of ranks of unit norm, shrunk towards its diagonal where dates are few.
        values, vectors: eigenvalues and eigenvectors (columns) of `matrix`.
        lagged: mean product of each archetype's ranks with its own, 0 to L dates before.
        spread: cross-sectional standard deviation of each archetype's scores.
    """

    start: Int[Array, " E"]
    stop: Int[Array, " E"]
    matrix: Float[Array, "E K K"]
    values: Float[Array, "E K"]
    vectors: Float[Array, "E K K"]
    lagged: Float[Array, "E L K"]
    spread: Float[Array, "E K"]


class Prepared(NamedTuple):
    """Scores made ready for `weights_by_date`; nothing here depends on returns, so that shifted returns share it.

    Attributes:
        ranks: twice the centred average rank of each stock among those that the archetype has a score for, 0 elsewhere: whole numbers.
        scale: what makes a row of `ranks` a vector of norm 1; 0 where all scores tie.
        member: True where the stock is in the universe.
        correlations: of the archetypes, by epoch.
        exact: candidates judged exactly, where the signal is not linear in the weights.
    """

    ranks: Int16[Array, "T K N"]
    scale: Float[Array, "T K"]
    member: Bool[Array, "T N"]
    correlations: Correlations
    exact: Exact | None


def prepare(
    scores: Float[Array, "K N T"],
    member: Bool[Array, "N T"],
    missing: Missing = "renormalize",
    lags: int = 10,
    signal: SignalName = "mean",
    alpha: Float[ArrayLike, ""] = 0.5,
    key: Key[Array, ""] | None = None,
) -> Prepared:
    """Rank the scores of each date and estimate, point in time, how archetypes' ranks go together.

    Args:
        scores: [archetypes K, stocks N, dates T]; NaN where missing.
        member: True where the stock is in the universe.
        missing: `renormalize` leaves missing scores out; `zero` ranks them as 0.
        lags: dates over which autocorrelations are estimated; twice the horizon of the returns is enough.
        signal: which signal the weights are for; `disagreement` and `combined` are taken to first order around uniform weights.
        alpha: share of the mean in the combined signal.
        key: randomness for the candidates of signals that are not linear in the weights.
    """
    return _prepare(scores, member, jnp.asarray(alpha, jnp.float32), jax.random.key(0) if key is None else key, missing, lags, signal)


@partial(jax.jit, static_argnames=("missing", "lags", "signal"))
def _prepare(scores: Array, member: Array, alpha: Array, key: Array, missing: Missing, lags: int, signal: SignalName) -> Prepared:
    dates = scores.shape[2]
    starts = tuple(epoch_starts(dates).tolist())

    ranks, scale, spread = _ranked_dates(scores, member, alpha, missing, signal)
    exact = None if signal == "mean" else prepare_exact(scores, member, alpha, signal, missing, key)
    return Prepared(ranks, scale, member.T, _correlations(ranks, scale, spread, member.sum(axis=0), lags, starts), exact)


def _ranked_dates(scores: Array, member: Array, alpha: Array, missing: Missing, signal: SignalName) -> tuple[Array, Array, Array]:
    """Ranks, their scale and the spread of scores on each date, a share of the dates on each device.

    Scores come with their dates last, where neighbours in memory are successive dates: some are cut out at once, which reads memory in
    its order.
    """
    dates, devices = scores.shape[2], device_count()
    together = min(DATES_TOGETHER, dates)
    blocks = -(-dates // together)
    starts = np.minimum(np.arange(-(-blocks // devices) * devices) * together, dates - together)

    def rank_date(today: tuple[Array, Array], alpha: Array) -> tuple[Array, Array, Array]:
        values, inside = today
        if missing == "zero":
            values = jnp.where(jnp.isnan(values), 0.0, values)
        values = linear_scores(jnp.where(inside[None], values, jnp.nan), alpha, signal)
        ranks = rank_sums(values.T).T
        square = jnp.sum(ranks**2, axis=1)
        return ranks.astype(jnp.int16), jnp.where(square > 0, lax.rsqrt(jnp.maximum(square, 1.0)), 0.0), spread_of(values)

    def rank_block(start: Array, scores: Array, member: Array, alpha: Array) -> tuple[Array, Array, Array]:
        some = lax.dynamic_slice_in_dim(scores, start, together, axis=2), lax.dynamic_slice_in_dim(member, start, together, axis=1)
        by_date = jnp.moveaxis(some[0], 2, 0), some[1].T
        return lax.map(lambda today: rank_date(today, alpha), by_date)

    def apart(starts: Int[Array, " B"], *data: Array) -> tuple[Array, Array, Array]:
        return lax.map(lambda start: rank_block(start, *data), starts)

    found = spread_items(apart, jnp.asarray(starts, jnp.int32), scores, member, alpha)
    block = np.arange(dates) // together
    rows = block * together + np.arange(dates) - starts[block]
    joined = [values.reshape(-1, *values.shape[2:]) for values in found]
    ranks, scale, spread = joined if len(joined[0]) == dates else (values[rows] for values in joined)
    return ranks, scale, spread


def spread_of(values: Float[Array, "K N"]) -> Float[Array, " K"]:
    """Variance of each archetype's scores over the stocks that have one; 0 where none or all are equal."""
    known = ~jnp.isnan(values)
    count = jnp.maximum(known.sum(axis=1), 1).astype(jnp.float32)
    mean = jnp.where(known, values, 0.0).sum(axis=1) / count
    return (jnp.where(known, values - mean[:, None], 0.0) ** 2).sum(axis=1) / count


class _Sums(NamedTuple):
    weight: Array
    live: Array
    stocks: Array
    matrix: Array
    lagged: Array
    lagged_weight: Array
    variance: Array


def _correlations(ranks: Array, scale: Array, spread: Array, stocks: Array, lags: int, starts: tuple[int, ...]) -> Correlations:
    dates, archetypes, _ = ranks.shape
    start, stop = np.array(starts), np.array([*starts[1:], dates])
    keep = 1.0 - 1.0 / MEMORY

    def unit(date: Array) -> Array:
        return ranks[date].astype(jnp.float32) * scale[date][:, None]

    def add_date(date: Array, sums: _Sums) -> _Sums:
        today = unit(date)
        back = jnp.arange(lags + 1)
        past = lax.map(lambda lag: jnp.where(lag <= date, (today * unit(jnp.maximum(date - lag, 0))).sum(axis=1), 0.0), back)
        return _Sums(
            keep * sums.weight + 1.0,
            keep * sums.live + (scale[date] > 0).astype(jnp.float32),
            keep * sums.stocks + stocks[date].astype(jnp.float32),
            keep * sums.matrix + today @ today.T,
            keep * sums.lagged + past,
            keep * sums.lagged_weight + (back <= date).astype(jnp.float32),
            keep * sums.variance + spread[date],
        )

    def epoch(carry: tuple[Array, _Sums], first: Array) -> tuple[tuple[Array, _Sums], tuple[Array, ...]]:
        done, sums = carry
        sums = lax.fori_loop(done, first + 1, add_date, sums)
        guess = GUESSED_PERSISTENCE ** jnp.arange(lags + 1.0)
        lagged = (sums.lagged + guess[:, None]) / (sums.lagged_weight + 1.0)[:, None]
        persistence = jnp.clip(lagged[1], 0.0, 0.98).mean()
        independent = sums.stocks * (1 - persistence**2) / (1 + persistence**2)
        matrix = shrink_to_diagonal(sums.matrix / sums.weight, archetypes / (archetypes + independent))
        values, vectors = jnp.linalg.eigh(matrix)
        floor = SMALLEST_EIGENVALUE * jnp.maximum(values[-1], 1e-3)
        deviation = jnp.sqrt(sums.variance / jnp.maximum(sums.live, 1e-6))
        return (first + 1, sums), (matrix, jnp.maximum(values, floor), vectors, lagged, deviation)

    flat, zero = jnp.zeros(archetypes), jnp.zeros(())
    empty = _Sums(zero, flat, zero, jnp.zeros((archetypes, archetypes)), jnp.zeros((lags + 1, archetypes)), jnp.zeros(lags + 1), flat)
    found = lax.scan(epoch, (jnp.zeros((), jnp.int32), empty), jnp.asarray(start, jnp.int32))[1]
    return Correlations(jnp.asarray(start, jnp.int32), jnp.asarray(stop, jnp.int32), *found)


def shrink_to_diagonal(matrix: Float[Array, "K K"], share: Float[Array, ""]) -> Float[Array, "K K"]:
    """`(1 - share) * matrix + share * diagonal`."""
    return (1 - share) * matrix + share * jnp.diag(jnp.diag(matrix))
