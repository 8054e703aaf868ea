"""RankIC under many draws of the returns at once: of a fixed signal, of weights found under each draw, of each archetype alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from massjax.average_ranks import average_ranks, unit_ranks
from massjax.engine.devices import device_count, spread_items
from massjax.engine.inputs import Missing, SignalName
from massjax.engine.opinions import balance, prepare_opinions
from massjax.engine.ranks import PAIRS_UP_TO, correlation, rank_sums
from massjax.engine.signals import ranking_signal
from massjax.evaluate.controls import some_dates
from massjax.evaluate.draws import Draws
from massjax.statistics.cross_sections import correlation_of, deviations

BLOCK_NUMBERS = 8_000_000
"""Numbers of the scores, and of the returns under all draws, that one block of dates holds at most."""
RANKED_NUMBERS = 1_000_000
"""Scores, or features, that are ranked together for the RankIC of each alone."""
RANKED = 80_000_000
"""Scores that are ranked for the RankIC of archetypes, or features, alone, beyond which dates are left out evenly."""
WORK = 1e10
"""Operations on one strategy's signals under all draws, beyond which dates are left out evenly."""


@dataclass(frozen=True, eq=False)
class Repetitions:
    """What a procedure is repeated on: the scores as they are, the returns of each draw.

    Attributes:
        draws: R of them, the first the returns as they were.
        scores, member: of the run.
        returns: forward returns of the horizon that is searched for, float32.
        daily_returns: from close to close, moved along with them; None where there are none.
        dates: indices of the D dates whose RankIC the statistic averages, the same under every draw.
        alpha: share of the mean in the combined signal; one, or [R, T], of each draw and date that it applies on.
        fit_signal: which signal the weights are fitted to.
        missing: `renormalize` or `zero`.
    """

    draws: Draws
    scores: Float[np.ndarray, "K N T"]
    member: Bool[np.ndarray, "N T"]
    returns: Float[np.ndarray, "N T"]
    daily_returns: Float[np.ndarray, "N T"] | None
    dates: Int[np.ndarray, " D"]
    alpha: float | Float[np.ndarray, "R T"]
    fit_signal: SignalName
    missing: Missing

    @cached_property
    def alone(self) -> Float[np.ndarray, "R K E"]:
        """RankIC of each archetype alone under each draw, on the dates of `ranked_dates`; see `single_rank_ics`."""
        return single_rank_ics(self, self.scores, slice(None), self.missing)

    def only(self, draws: Int[np.ndarray, " S"]) -> Repetitions:
        """The same with some of the draws, in the order given."""
        kept = replace(self.draws, columns=self.draws.columns[draws], stocks=self.draws.stocks[draws])
        return replace(self, draws=kept, alpha=self.alpha if isinstance(self.alpha, float) else self.alpha[draws])


def judged_dates(
    evaluated: Bool[np.ndarray, " T"], returns: Float[np.ndarray, "N T"], archetypes: int, draws: int
) -> Int[np.ndarray, " D"]:
    """The evaluated dates with known returns; of more than can be afforded as many evenly spread ones."""
    stocks = len(returns)
    dates = np.flatnonzero(evaluated & np.isfinite(returns).any(axis=0))
    work = draws * (stocks * min(stocks, PAIRS_UP_TO) / 2 + 4.0 * archetypes * stocks)
    return dates[:: max(1, int(np.ceil(dates.size * work / WORK)))]


def signal_rank_ic(repetitions: Repetitions, signal: Float[np.ndarray, "N T"]) -> Float[np.ndarray, "R D"]:
    """RankIC of one signal with the returns of each draw, on the dates of the repetitions; NaN where undefined.

    Ranks are taken over the stocks that have both, up to 512 stocks. Above, each side is ranked once among its own stocks, and the
    ranks are correlated over the stocks that both have: exact where these are the same.
    """
    signal = np.where(repetitions.member[:, repetitions.dates], signal[:, repetitions.dates], np.nan)
    exact = len(signal) <= PAIRS_UP_TO
    values = signal if exact else average_ranks(signal)
    returns = jax.device_put(np.asarray(repetitions.returns if exact else average_ranks(repetitions.returns), np.float32))
    found = []
    for rows in _blocks(repetitions, 1):
        columns = jax.device_put(repetitions.draws.columns[:, repetitions.dates[rows]].T)
        today = jax.device_put(np.asarray(values[:, rows].T, np.float32))
        found.append(np.asarray(_signal_block(today, returns, columns, jax.device_put(repetitions.draws.stocks), exact)).T)
    return np.concatenate(found, axis=1) if found else np.empty((len(repetitions.draws), 0))


def weights_rank_ic(
    repetitions: Repetitions,
    weights: Float[np.ndarray, "R D K"],
    dates: Int[np.ndarray, " D"],
    signal: SignalName,
    alpha: Float[np.ndarray, " ..."] | None = None,
) -> Float[np.ndarray, "R D"]:
    """RankIC, on each of the dates, of the weights that each draw has for it, with the returns of that draw; NaN where undefined.

    Args:
        repetitions: scores and draws.
        weights: of each draw and date.
        dates: indices, in any order, of D dates.
        signal: which signal of the weights ranks the stocks.
        alpha: share of the mean in the combined signal, one or [R, D]; None takes that of the repetitions on these dates.
    """
    if alpha is None:
        alpha = np.asarray(repetitions.alpha, np.float32) if isinstance(repetitions.alpha, float) else repetitions.alpha[:, dates]
    exact = len(repetitions.returns) <= PAIRS_UP_TO
    returns_ranks = np.empty((0, 0)) if exact else average_ranks(repetitions.returns)
    returns = jax.device_put(np.asarray(repetitions.returns, np.float32))
    found = []
    for rows in _blocks(repetitions, len(repetitions.scores), dates.size):
        chosen = dates[rows]
        block = (
            jax.device_put(np.asarray(repetitions.scores[:, :, chosen], np.float32)),
            jax.device_put(repetitions.member[:, chosen]),
            jax.device_put(np.asarray(weights[:, rows].swapaxes(0, 1), np.float32)),
            jax.device_put(repetitions.draws.columns[:, chosen].T),
        )
        stocks, share = jax.device_put(repetitions.draws.stocks), alpha if alpha.ndim == 0 else np.ascontiguousarray(alpha[:, rows].T)
        of_block = _weights_block(*block, stocks, returns, share, signal, repetitions.missing, exact)
        found.append(np.asarray(of_block).T if exact else _of_sorted(np.asarray(of_block), repetitions, returns_ranks, chosen))
    return np.concatenate(found, axis=1) if found else np.empty((len(repetitions.draws), 0))


def sums_rank_ic(
    repetitions: Repetitions, ranks: Float[np.ndarray, "F N D"], signs: Float[np.ndarray, "R F D"]
) -> Float[np.ndarray, "R D"]:
    """RankIC of the signed sum of features' ranks, with the signs and the returns of each draw; NaN where undefined.

    Args:
        repetitions: returns and draws.
        ranks: of the features on the dates of the repetitions, 0 where there is none.
        signs: of each draw, feature and date.
    """
    exact = len(repetitions.returns) <= PAIRS_UP_TO
    returns_ranks = np.empty((0, 0)) if exact else average_ranks(repetitions.returns)
    returns = jax.device_put(np.asarray(repetitions.returns, np.float32))
    found = []
    for rows in _blocks(repetitions, len(ranks)):
        chosen = repetitions.dates[rows]
        of_block = _sums_block(
            jax.device_put(np.asarray(np.moveaxis(ranks[:, :, rows], 2, 0), np.float32)),
            jax.device_put(np.asarray(np.moveaxis(signs[:, :, rows], 2, 0), np.float32)),
            jax.device_put(repetitions.member[:, chosen].T),
            jax.device_put(repetitions.draws.columns[:, chosen].T),
            jax.device_put(repetitions.draws.stocks),
            returns,
            exact,
        )
        found.append(np.asarray(of_block).T if exact else _of_sorted(np.asarray(of_block), repetitions, returns_ranks, chosen))
    return np.concatenate(found, axis=1) if found else np.empty((len(repetitions.draws), 0))


def single_rank_ics(
    repetitions: Repetitions, values: Float[np.ndarray, "K N T"] | Sequence[Float[np.ndarray, "N T"]], draws: slice, missing: Missing
) -> Float[np.ndarray, "R K E"]:
    """RankIC of each archetype, or feature, alone with the returns of some draws, in float32; NaN where undefined.

    Scores and returns are ranked once, each among its own stocks, and the ranks correlated over the stocks that both have: exact where
    these are the same, and off by the change of the ranks among the remaining stocks elsewhere. The dates are those of `ranked_dates`.

    Args:
        repetitions: returns, membership and draws.
        values: scores or features; NaN where there is none.
        draws: which of them.
        missing: `zero` takes a missing value as 0.
    """
    ranked = jax.device_put(np.asarray(unit_ranks(repetitions.returns).T, np.float32))
    columns, stocks = repetitions.draws.columns[draws], repetitions.draws.stocks[draws]
    in_place = bool((stocks == np.arange(stocks.shape[1])).all())
    chosen, devices = ranked_dates(repetitions, len(values)), device_count()
    found = np.empty((len(columns), len(values), chosen.size), np.float32)
    together = -(-min(chosen.size, max(1, RANKED_NUMBERS // (len(values) * len(ranked.T)))) // devices) * devices
    for start in range(0, chosen.size, together):
        places = np.minimum(np.arange(start, start + together), chosen.size - 1)
        rows, here = chosen[places], some_dates(values, chosen[places])
        there = repetitions.member.T[rows, None]
        here = np.where(there, np.where(np.isnan(here), 0.0, here) if missing == "zero" else here, np.nan)
        ranks = jax.device_put(np.asarray(np.moveaxis(unit_ranks(np.moveaxis(here, 2, 0)), 0, 2), np.float32))
        block = _single_block(ranks, ranked, jax.device_put(columns[:, rows].T), jax.device_put(stocks), in_place)
        found[:, :, places] = np.transpose(np.asarray(block), (2, 1, 0))
    return found


def ranked_dates(repetitions: Repetitions, series: int) -> Int[np.ndarray, " E"]:
    """The dates on which so many archetypes, or features, are ranked: all, or every m-th and those of the repetitions."""
    stocks, dates = repetitions.member.shape
    every = -(-series * stocks * dates // RANKED)
    return np.union1d(np.arange(0, dates, every), repetitions.dates) if every > 1 else np.arange(dates)


def _of_sorted(
    signals: Float[np.ndarray, "D N R"], repetitions: Repetitions, ranks: Float[np.ndarray, "N T"], dates: Int[np.ndarray, " D"]
) -> Float[np.ndarray, "R D"]:
    """RankIC of many stocks: signals are ranked by sorting, on the host, and returns only once."""
    found = np.empty((signals.shape[2], len(dates)))
    for place, date in enumerate(dates):
        drawn = ranks[repetitions.draws.stocks, repetitions.draws.columns[:, date, None]].T
        known = np.isfinite(signals[place]) & np.isfinite(drawn)
        ranked = average_ranks(np.where(known, signals[place], np.nan))
        found[:, place] = correlation_of(deviations(ranked, known), deviations(np.where(known, drawn, np.nan), known))
    return found


def _blocks(repetitions: Repetitions, archetypes: int, dates: int | None = None) -> Iterator[slice]:
    total = repetitions.dates.size if dates is None else dates
    stocks = len(repetitions.returns)
    together = max(1, BLOCK_NUMBERS // (stocks * max(archetypes, len(repetitions.draws))))
    return (slice(start, min(start + together, total)) for start in range(0, total, together))


@partial(jax.jit, static_argnames="exact")
def _signal_block(
    signal: Float[Array, "D N"], returns: Float[Array, "N T"], columns: Int[Array, "D R"], stocks: Int[Array, "R N"], exact: bool
) -> Float[Array, "D R"]:
    def one_date(date: tuple[Array, Array]) -> Array:
        drawn = returns[stocks, date[1][:, None]].T
        return _rank_ic(jnp.broadcast_to(date[0][:, None], drawn.shape), drawn, exact)

    return lax.map(one_date, (signal, columns))


@partial(jax.jit, static_argnames=("signal", "missing", "exact"))
def _weights_block(
    scores: Float[Array, "K N D"],
    member: Bool[Array, "N D"],
    weights: Float[Array, "D R K"],
    columns: Int[Array, "D R"],
    stocks: Int[Array, "R N"],
    returns: Float[Array, "N T"],
    alpha: Float[Array, "*DR"],
    signal: SignalName,
    missing: Missing,
    exact: bool,
) -> Float[Array, "D ..."]:
    """RankIC of each date and draw; the ranking signals themselves where not `exact`."""

    def one_date(date: tuple[Array, ...]) -> Array:
        score, there, weight, column, *shares = date
        opinions = prepare_opinions(score[:, :, None], there[:, None], missing)
        rows = jax.tree.map(lambda leaf: leaf[0], opinions)
        ranking = ranking_signal(rows, balance(weight).T, shares[0][None] if shares else alpha, signal)
        return _rank_ic(ranking, returns[stocks, column[:, None]].T, exact) if exact else ranking

    return lax.map(one_date, (jnp.moveaxis(scores, 2, 0), member.T, weights, columns, *([alpha] if alpha.ndim else [])))


@partial(jax.jit, static_argnames="exact")
def _sums_block(
    ranks: Float[Array, "D F N"],
    signs: Float[Array, "D R F"],
    member: Bool[Array, "D N"],
    columns: Int[Array, "D R"],
    stocks: Int[Array, "R N"],
    returns: Float[Array, "N T"],
    exact: bool,
) -> Float[Array, "D ..."]:
    """RankIC of each date and draw; the sums themselves where not `exact`."""

    def one_date(date: tuple[Array, Array, Array, Array]) -> Array:
        rank, sign, there, column = date
        total = jnp.round(jnp.matmul(rank.T, sign.T, precision="highest"), 5)
        ranking = jnp.where(there[:, None], total, jnp.nan)
        return _rank_ic(ranking, returns[stocks, column[:, None]].T, exact) if exact else ranking

    return lax.map(one_date, (ranks, signs, member, columns))


def _rank_ic(signal: Float[Array, "N R"], returns: Float[Array, "N R"], exact: bool) -> Float[Array, " R"]:
    """Rank correlation of each column; where not `exact` both are ranks already."""
    common = ~jnp.isnan(signal) & ~jnp.isnan(returns)
    if exact:
        q, r = (rank_sums(jnp.where(common, values, jnp.nan)) for values in (signal, returns))
    else:
        known = jnp.maximum(common.sum(axis=0), 1).astype(jnp.float32)
        q, r = (_centred(values, common, known) for values in (signal, returns))
    return correlation((q * r).sum(axis=0), (q * q).sum(axis=0), (r * r).sum(axis=0))


def _centred(values: Float[Array, "N R"], common: Bool[Array, "N R"], known: Float[Array, " R"]) -> Float[Array, "N R"]:
    return jnp.where(common, values - (jnp.where(common, values, 0.0).sum(axis=0) / known)[None, :], 0.0)


@partial(jax.jit, static_argnames="in_place")
def _single_block(
    ranks: Float[Array, "D K N"], returns: Float[Array, "T N"], columns: Int[Array, "D R"], stocks: Int[Array, "R N"], in_place: bool
) -> Float[Array, "D K R"]:
    """Correlations of centred ranks, a share of the dates on each device; each stock has its own returns where `in_place`."""

    def of_all(x: Float[Array, "K N"], y: Float[Array, "R N"]) -> tuple[Array, ...]:
        some, known = ~jnp.isnan(x[:, :1]), ~jnp.isnan(y[:, 0])[None, :]
        square_x, square_y = (x * x).sum(axis=1, keepdims=True), (y * y).sum(axis=1)[None, :]
        product, defined = x @ y.T, some & known
        zeros = jnp.zeros(product.shape, jnp.float32)
        count = jnp.full(product.shape, jnp.float32(x.shape[1]))
        return (*(jnp.where(defined, values, 0.0) for values in (product, zeros + square_x, zeros + square_y)), count)

    def of_some(x: Float[Array, "K N"], y: Float[Array, "R N"]) -> tuple[Array, ...]:
        has_x, has_y = (~jnp.isnan(x)).astype(jnp.float32), (~jnp.isnan(y)).astype(jnp.float32)
        x, y = jnp.where(has_x > 0, x, 0.0), jnp.where(has_y > 0, y, 0.0)
        (count, sum_x, own_x), (product, sum_y) = (
            jnp.split(jnp.concatenate(rows) @ values.T, len(rows)) for rows, values in (((has_x, x, x * x), has_y), ((x, has_x), y))
        )
        count = jnp.maximum(count, 1.0)
        return product - sum_x * sum_y / count, own_x - sum_x**2 / count, has_x @ (y * y).T - sum_y**2 / count, count

    def one_date(date: tuple[Array, Array], returns: Array, stocks: Array) -> Array:
        x, column = date
        y = returns[column] if in_place else returns[column[:, None], stocks]
        whole = [(jnp.isnan(values).all(axis=1) | ~jnp.isnan(values).any(axis=1)).all() for values in (x, y)]
        product, square_x, square_y, count = lax.cond(whole[0] & whole[1], of_all, of_some, x, y)
        defined = (square_x > 1e-6 * count) & (square_y > 1e-6 * count)
        return jnp.where(defined, product / jnp.sqrt(jnp.where(defined, square_x * square_y, 1.0)), jnp.nan)

    def apart(items: Int[Array, " C"], ranks: Array, returns: Array, columns: Array, stocks: Array) -> Float[Array, "C K R"]:
        return lax.map(lambda item: one_date((ranks[item], columns[item]), returns, stocks), items)

    return spread_items(apart, jnp.arange(len(ranks)), ranks, returns, columns, stocks)
