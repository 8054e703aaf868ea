"""Correlations of the archetypes' ranks at the start of each epoch: sums over the dates so far, older dates counting less."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Int16

from massjax.search.posterior.epochs import epoch_starts

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


class _Sums(NamedTuple):
    """Over the dates so far."""

    weight: Array
    live: Array
    stocks: Array
    matrix: Array
    lagged: Array
    lagged_weight: Array
    variance: Array


class _Date(NamedTuple):
    """What one date adds."""

    live: Array
    stocks: Array
    matrix: Array
    lagged: Array
    lagged_weight: Array
    variance: Array


def all_correlations(
    ranks: Int16[Array, "T K N"], scale: Float[Array, "T K"], spread: Float[Array, "T K"], stocks: Int[Array, " T"], lags: int
) -> Correlations:
    """Of ranks that are all on the device, to be traced."""
    starts = epoch_starts(len(ranks))

    def epoch(carry: tuple[Array, _Sums], first: Array) -> tuple[tuple[Array, _Sums], tuple[Array, ...]]:
        done, sums = carry

        def add(date: Array, sums: _Sums) -> _Sums:
            return _added(sums, _of_date(date, date, spread[date], stocks[date], ranks, scale, lags))

        sums = lax.fori_loop(done, first + 1, add, sums)
        return (first + 1, sums), _known(sums)

    begun = jnp.zeros((), jnp.int32), _nothing(ranks.shape[1], lags)
    return Correlations(*_epochs(len(ranks)), *lax.scan(epoch, begun, jnp.asarray(starts, jnp.int32))[1])


def correlations_by_block(
    ranks: Int16[np.ndarray, "T K N"],
    scale: Float[np.ndarray, "T K"],
    spreads: Iterable[tuple[slice, Float[np.ndarray, "B K"]]],
    stocks: Int[np.ndarray, " T"],
    lags: int,
) -> Correlations:
    """Of ranks on the host, some dates at a time.

    Args:
        ranks, scale: of all dates; those of a block must be there when its spreads come.
        spreads: of successive blocks of dates, and which these are; all but the last are of one size.
        stocks: number of members on each date.
        lags: dates over which autocorrelations are estimated.
    """
    dates, archetypes = scale.shape
    starts, found, sums, together = epoch_starts(dates).tolist(), list[Any](), _nothing(archetypes, lags), 0
    spread = np.zeros((dates, archetypes), np.float32)
    for rows, some in spreads:
        together, spread[rows] = together or len(some), some
        first = max(0, min(rows.start - lags, dates - together - lags))
        near = slice(first, first + together + lags)
        done, block = rows.start, (spread[near], np.asarray(stocks[near], np.int32), np.asarray(ranks[near]), scale[near])
        while len(found) < len(starts) and done < rows.stop:
            stop = min(starts[len(found)] + 1, rows.stop)
            ends = stop == starts[len(found)] + 1
            sums, known = _add_dates(sums, np.int32(done), np.int32(stop), np.int32(first), *block, lags=lags, ends=ends)
            found += [known] * ends
            done = stop
    return Correlations(*_epochs(dates), *(jnp.stack(values) for values in zip(*found, strict=True)))


@partial(jax.jit, static_argnames=("lags", "ends"))
def _add_dates(
    sums: _Sums,
    start: Int[Array, ""],
    stop: Int[Array, ""],
    first: Int[Array, ""],
    spread: Float[Array, "S K"],
    stocks: Int[Array, " S"],
    ranks: Int16[Array, "S K N"],
    scale: Float[Array, "S K"],
    lags: int,
    ends: bool,
) -> tuple[_Sums, tuple[Array, ...] | None]:
    """The sums with the dates [start, stop) added, in their order, and what they say where the last of these `ends` an epoch's past.

    The arrays begin with the date of index `first`. Both are one program: apart from the loop XLA would divide by other means.
    """

    def add(date: Array, sums: _Sums) -> _Sums:
        place = date - first
        return _added(sums, _of_date(place, date, spread[place], stocks[place], ranks, scale, lags))

    sums = lax.fori_loop(start, stop, add, sums)
    return sums, _known(sums) if ends else None


def _of_date(
    place: Int[Array, ""],
    date: Int[Array, ""],
    spread: Float[Array, " K"],
    stocks: Int[Array, ""],
    ranks: Int16[Array, "S K N"],
    scale: Float[Array, "S K"],
    lags: int,
) -> _Date:
    """What a date adds.

    Args:
        place: of the date among those given.
        date: its index in the history.
        spread: of its scores.
        stocks: members.
        ranks, scale: of successive dates, `lags` before the date among them, where there are as many.
        lags: dates over which autocorrelations are estimated.
    """

    def unit(place: Array) -> Array:
        return ranks[place].astype(jnp.float32) * scale[place][:, None]

    today, back = unit(place), jnp.arange(lags + 1)
    past = lax.map(lambda lag: jnp.where(lag <= date, (today * unit(jnp.maximum(place - lag, 0))).sum(axis=1), 0.0), back)
    live, matrix = (scale[place] > 0).astype(jnp.float32), today @ today.T
    return _Date(live, stocks.astype(jnp.float32), matrix, past, (back <= date).astype(jnp.float32), spread)


def _added(sums: _Sums, date: _Date) -> _Sums:
    keep = 1.0 - 1.0 / MEMORY
    return _Sums(keep * sums.weight + 1.0, *(keep * total + new for total, new in zip(sums[1:], date, strict=True)))


def _nothing(archetypes: int, lags: int) -> _Sums:
    flat, zero = jnp.zeros(archetypes), jnp.zeros(())
    return _Sums(zero, flat, zero, jnp.zeros((archetypes, archetypes)), jnp.zeros((lags + 1, archetypes)), jnp.zeros(lags + 1), flat)


def _known(sums: _Sums) -> tuple[Array, ...]:
    """What the sums say, in the order of the fields of `Correlations`."""
    archetypes = len(sums.live)
    guess = GUESSED_PERSISTENCE ** jnp.arange(len(sums.lagged), dtype=jnp.float32)
    lagged = (sums.lagged + guess[:, None]) / (sums.lagged_weight + 1.0)[:, None]
    persistence = jnp.clip(lagged[1], 0.0, 0.98).mean()
    independent = sums.stocks * (1 - persistence**2) / (1 + persistence**2)
    matrix = shrink_to_diagonal(sums.matrix / sums.weight, archetypes / (archetypes + independent))
    values, vectors = jnp.linalg.eigh(matrix)
    floor = SMALLEST_EIGENVALUE * jnp.maximum(values[-1], 1e-3)
    deviation = jnp.sqrt(sums.variance / jnp.maximum(sums.live, 1e-6))
    return matrix, jnp.maximum(values, floor), vectors, lagged, deviation


def _epochs(dates: int) -> tuple[Int[Array, " E"], Int[Array, " E"]]:
    starts = epoch_starts(dates).tolist()
    return jnp.asarray(starts, jnp.int32), jnp.asarray([*starts[1:], dates], jnp.int32)


def shrink_to_diagonal(matrix: Float[Array, "K K"], share: Float[Array, ""]) -> Float[Array, "K K"]:
    """`(1 - share) * matrix + share * diagonal`."""
    return (1 - share) * matrix + share * jnp.diag(jnp.diag(matrix))
