"""Weights for every date from daily statistics: what `Posterior` does where the signal is the mean of the scores."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from massjax.engine.ranks import rank_sums
from massjax.search.posterior.candidates import candidate_mean, compare_exactly, daily_rank_ic
from massjax.search.posterior.epochs import epoch_starts, map_epochs
from massjax.search.posterior.evidence import known_before, news_share, probability_better
from massjax.search.posterior.optimum import best_mix
from massjax.search.posterior.prepared import MEMORY, Correlations, Prepared
from massjax.search.posterior.terms import Daily, level_model, posterior_means
from massjax.search.posterior.windowed import window_sums, windowed_means


class PosteriorWeights(NamedTuple):
    """Weights by date and what they rest on.

    Attributes:
        weights: agent distribution of each date, from returns known at the date; rows sum to 1.
        news_share: share of the news term in the skills, in [0, 1].
        skill: posterior mean of each archetype's RankIC.
    """

    weights: Float[Array, "T K"]
    news_share: Float[Array, " T"]
    skill: Float[Array, "T K"]


class RankedReturns(NamedTuple):
    """Returns by date, ranked once for all that is made of them.

    Attributes:
        ranks: of the members, of unit norm; 0 elsewhere.
        known: 1 where there is anything to learn from the date, else 0.
        stocks: number of stocks ranked.
    """

    ranks: Float[Array, "T N"]
    known: Float[Array, " T"]
    stocks: Float[Array, " T"]


@partial(jax.jit, static_argnames=("gap", "horizon", "lookback"))
def weights_by_date(
    prepared: Prepared,
    forward_returns: Float[Array, "N T"],
    *,
    gap: int,
    horizon: int,
    lookback: int | None = None,
) -> PosteriorWeights:
    """Weights of each date t from the dates [t - gap - lookback, t - gap), all before t - gap where `lookback` is None."""
    correlations = prepared.correlations
    returns = rank_returns(prepared, forward_returns)
    daily = daily_statistics(prepared, returns, gap, horizon)
    if lookback is None:
        level, news = posterior_means(correlations, daily, gap)
        share = news_share(correlations, daily, level, news, gap)
    else:
        daily = daily._replace(lagged=jnp.broadcast_to(overlap(daily.lagged.shape[1], horizon), daily.lagged.shape))
        level = news = windowed_means(correlations, daily, gap, lookback)
        share = jnp.zeros(len(level))
    skill = level * (1 - share[:, None]) + news * share[:, None]

    def mix(epoch: Correlations, skills: Array) -> Array:
        return best_mix(epoch.values, epoch.vectors, skills, epoch.spread)

    weights = map_epochs(mix, correlations, skill)
    if prepared.exact is not None:
        weights = blend_exact(prepared, returns, weights, daily, gap, lookback)
    return PosteriorWeights(weights, share, skill)


def blend_exact(
    prepared: Prepared,
    ranked: RankedReturns,
    linear: Float[Array, "T K"],
    daily: Daily,
    gap: int,
    lookback: int | None,
) -> Float[Array, "T K"]:
    """Weights between those of the linear theory and of candidates judged exactly, by the probability that the latter do better.

    Both are judged on every past date by the exact RankIC of what they were on that date; with a fixed look-back they count equally.
    """
    exact, correlations = prepared.exact, prepared.correlations
    assert exact is not None
    returns, known, stocks = ranked
    inflation = by_date(jax.vmap(level_model)(correlations.lagged, daily.lagged)[1], len(known))
    noise = known / jnp.maximum(stocks - 1.0, 1.0)
    products = jnp.concatenate([daily_rank_ic(exact, returns), known[:, None], noise[:, None]], axis=1)
    sums = known_before(products, gap) if lookback is None else window_sums(products, gap, lookback)
    days, variance = jnp.maximum(sums[:, -2], 1.0), sums[:, -1] * inflation
    judged = candidate_mean(exact.weights, sums[:, :-2] / days[:, None], jnp.where(sums[:, -2] > 0, variance, jnp.inf) / days**2)
    if lookback is not None:
        return (linear + judged) / 2
    gain, distance = compare_exactly(exact, prepared.member.T, returns, (linear, judged))
    compared = known_before(jnp.stack([gain * known, distance * noise, known], axis=1), gap)
    share = probability_better(compared[:, 0], compared[:, 1] * inflation, compared[:, 2])[:, None]
    return (1 - share) * linear + share * judged


def by_date(values: Float[Array, " E"], dates: int) -> Float[Array, " T"]:
    """The value of its epoch for each date."""
    starts = epoch_starts(dates)
    return jnp.repeat(values, np.diff([*starts, dates]), total_repeat_length=dates)


def daily_statistics(prepared: Prepared, ranked: RankedReturns, gap: int, horizon: int) -> Daily:
    """Products of the ranks of scores and returns, date by date."""
    ranks, known, stocks = ranked
    edge = jnp.zeros_like(ranks[:1])
    around = jnp.stack([jnp.concatenate([edge, ranks[:-1]]), ranks, jnp.concatenate([ranks[1:], edge])], axis=2)

    def date(inputs: tuple[Array, Array, Array]) -> Array:
        scores, unit, returns = inputs
        return (scores.astype(jnp.float32) @ returns) * unit[:, None]

    products = lax.map(date, (prepared.ranks, prepared.scale, around))
    before, same, after = products[..., 0], products[..., 1], products[..., 2]
    follows = jnp.concatenate([jnp.zeros_like(after[:1]), after[:-1]])
    lagged = lagged_returns(ranks, prepared, gap, horizon)
    response = response_to_returns(before - follows, known, prepared.correlations, lagged, gap)
    return Daily(same, before + follows, stocks, known, lagged, response)


def rank_returns(prepared: Prepared, forward_returns: Float[Array, "N T"]) -> RankedReturns:
    """Rank the members' returns of each date."""
    values = jnp.where(prepared.member.T, forward_returns, jnp.nan)
    ranks = rank_sums(values).T
    square = (ranks**2).sum(axis=1)
    stocks = (~jnp.isnan(values)).sum(axis=0).astype(jnp.float32)
    known = ((square > 0) & (stocks >= 3)).astype(jnp.float32)
    scale = jnp.where(known > 0, lax.rsqrt(jnp.maximum(square, 1.0)), 0.0)
    return RankedReturns(ranks * scale[:, None], known, stocks)


def response_to_returns(
    skew: Float[Array, "T K"], known: Float[Array, " T"], correlations: Correlations, lagged: Float[Array, "E L"], gap: int
) -> Float[Array, "E K"]:
    """How much scores follow the returns that the date before looks forward to, as known at the start of each epoch.

    Quasi-differencing takes the scores as given. Where they follow prices (a reversal or momentum score at the close of t, and the return
    from t - 1 on, which holds that of t), `S_t R_{t-1}` is larger in size than `S_{t-1} R_t` without any skill in it. The mean difference
    is taken out where it is beyond three standard errors, by the positive-part shrinkage `1 - 9 se^2 / mean^2`.

    Args:
        skew: `S_t R_{t-1} - S_{t-1} R_t` by date.
    """
    paired = (known * jnp.concatenate([jnp.zeros(1), known[:-1]]))[:, None]
    sums = jnp.cumsum(jnp.concatenate([skew * paired, skew**2 * paired, paired], axis=1), axis=0)
    seen = jnp.where((correlations.start > gap)[:, None], sums[jnp.maximum(correlations.start - gap - 1, 0)], 0.0)
    archetypes, count = skew.shape[1], jnp.maximum(seen[:, -1:], 1.0)
    mean, square = seen[:, :archetypes] / count, seen[:, archetypes:-1] / count
    inflation = jax.vmap(level_model)(correlations.lagged, lagged)[1][:, None]
    error = jnp.maximum(square - mean**2, 1e-6) * inflation / count
    return mean * jnp.maximum(1.0 - 9.0 * error / jnp.maximum(mean**2, 1e-12), 0.0)


def lagged_returns(ranks: Float[Array, "T N"], prepared: Prepared, gap: int, horizon: int) -> Float[Array, "E L"]:
    """Autocorrelation of the returns' ranks as known at the start of each epoch, older dates counting less."""
    dates, lags = len(ranks), prepared.correlations.lagged.shape[1]
    back = jnp.arange(lags)
    padded = jnp.concatenate([jnp.zeros((lags - 1, ranks.shape[1])), ranks])
    products = lax.map(lambda lag: (lax.dynamic_slice_in_dim(padded, lags - 1 - lag, dates) * ranks).sum(axis=1), back)
    age = (prepared.correlations.start - gap)[:, None] - 1 - jnp.arange(dates)[None, :]
    weight = jnp.where(age >= 0, (1.0 - 1.0 / MEMORY) ** jnp.maximum(age, 0).astype(jnp.float32), 0.0)
    live = (ranks**2).sum(axis=1) > 0
    seen = live[None, :] & (jnp.arange(dates)[None, :] >= back[:, None])
    return (weight @ products.T + overlap(lags, horizon)[None]) / (weight @ seen.T.astype(jnp.float32) + 1.0)


def overlap(lags: int, horizon: int) -> Float[Array, " L"]:
    """Autocorrelation that overlap alone gives returns over `horizon` dates, at lags 0 and on: `max(0, 1 - lag / horizon)`."""
    return jnp.maximum(1.0 - jnp.arange(lags, dtype=jnp.float32) / horizon, 0.0)
