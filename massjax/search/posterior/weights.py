"""Weights for every date from daily statistics: what `Posterior` does where the signal is the mean of the scores."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from massjax.engine.ranks import rank_sums
from massjax.search.posterior.epochs import map_epochs
from massjax.search.posterior.evidence import news_share
from massjax.search.posterior.optimum import best_mix
from massjax.search.posterior.prepared import MEMORY, Correlations, Prepared
from massjax.search.posterior.terms import Daily, posterior_means
from massjax.search.posterior.windowed import windowed_means


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


@partial(jax.jit, static_argnames=("gap", "horizon", "lookback"))
def weights_by_date(
    prepared: Prepared, forward_returns: Float[Array, "N T"], *, gap: int, horizon: int, lookback: int | None = None
) -> PosteriorWeights:
    """Weights of each date t from the dates [t - gap - lookback, t - gap), all before t - gap where `lookback` is None."""
    correlations = prepared.correlations
    daily = daily_statistics(prepared, forward_returns, gap, horizon)
    if lookback is None:
        level, news = posterior_means(correlations, daily, gap)
        share = news_share(correlations, daily, level, news, gap)
    else:
        daily = daily._replace(lagged=jnp.broadcast_to(overlap(daily.lagged.shape[1], horizon), daily.lagged.shape))
        level, news = windowed_means(correlations, daily, gap, lookback)
        share = jnp.full(len(level), 0.5)
    skill = level * (1 - share[:, None]) + news * share[:, None]

    def mix(epoch: Correlations, skills: Array) -> Array:
        return best_mix(epoch.values, epoch.vectors, skills, epoch.spread)

    return PosteriorWeights(map_epochs(mix, correlations.start, correlations, skill), share, skill)


def daily_statistics(prepared: Prepared, forward_returns: Float[Array, "N T"], gap: int, horizon: int) -> Daily:
    """Products of the ranks of scores and returns, date by date."""
    ranks, known, stocks = rank_returns(prepared, forward_returns)
    edge = jnp.zeros_like(ranks[:1])
    around = jnp.stack([jnp.concatenate([edge, ranks[:-1]]), ranks, jnp.concatenate([ranks[1:], edge])], axis=2)

    def date(inputs: tuple[Array, Array, Array]) -> Array:
        scores, unit, returns = inputs
        return (scores.astype(jnp.float32) @ returns) * unit[:, None]

    products = lax.map(date, (prepared.ranks, prepared.scale, around))
    before, same, after = products[..., 0], products[..., 1], products[..., 2]
    crossed = before + jnp.concatenate([jnp.zeros_like(after[:1]), after[:-1]])
    return Daily(same, crossed, stocks, known, lagged_returns(ranks, prepared, gap, horizon))


def rank_returns(prepared: Prepared, forward_returns: Float[Array, "N T"]) -> tuple[Array, Array, Array]:
    """Ranks of unit norm of the members' returns [T, N], whether there is anything to learn, and how many stocks."""
    values = jnp.where(prepared.member.T, forward_returns, jnp.nan)
    ranks = rank_sums(values).T
    square = (ranks**2).sum(axis=1)
    stocks = (~jnp.isnan(values)).sum(axis=0).astype(jnp.float32)
    known = ((square > 0) & (stocks >= 3)).astype(jnp.float32)
    scale = jnp.where(known > 0, lax.rsqrt(jnp.maximum(square, 1.0)), 0.0)
    return ranks * scale[:, None], known, stocks


def lagged_returns(ranks: Float[Array, "T N"], prepared: Prepared, gap: int, horizon: int) -> Float[Array, "E L"]:
    """Autocorrelation of the returns' ranks as known at the start of each epoch, older dates counting less."""
    dates, lags = len(ranks), prepared.correlations.lagged.shape[1]
    back = jnp.arange(lags)
    padded = jnp.concatenate([jnp.zeros((lags - 1, ranks.shape[1])), ranks])
    products = lax.map(lambda lag: (lax.dynamic_slice_in_dim(padded, lags - 1 - lag, dates) * ranks).sum(axis=1), back)
    age = (prepared.correlations.start - gap)[:, None] - 1 - jnp.arange(dates)[None, :]
    weight = jnp.where(age >= 0, (1.0 - 1.0 / MEMORY) ** jnp.maximum(age, 0), 0.0)
    live = (ranks**2).sum(axis=1) > 0
    seen = live[None, :] & (jnp.arange(dates)[None, :] >= back[:, None])
    return (weight @ products.T + overlap(lags, horizon)) / (weight @ seen.T.astype(jnp.float32) + 1.0)


def overlap(lags: int, horizon: int) -> Float[Array, " L"]:
    """Autocorrelation that overlap alone gives returns over `horizon` dates, at lags 0 and on: `max(0, 1 - lag / horizon)`."""
    return jnp.maximum(1.0 - jnp.arange(lags) / horizon, 0.0)
