"""Weights for every date from daily statistics: what `Posterior` does where the signal is the mean of the scores."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int16

from massjax.engine.blocks import map_items, together_of
from massjax.engine.ranks import rank_sums
from massjax.search.posterior.candidates import candidate_mean, compare_on_date, rank_ic_of_date
from massjax.search.posterior.correlations import MEMORY, Correlations
from massjax.search.posterior.draws import dates_first, draws_first, each_draw, numpy_of
from massjax.search.posterior.epochs import epoch_starts, map_epochs
from massjax.search.posterior.evidence import known_before, news_share, probability_better
from massjax.search.posterior.optimum import best_mix
from massjax.search.posterior.prepared import Prepared
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


def weights_by_date(
    prepared: Prepared,
    forward_returns: Float[Any, "N T"],
    *,
    gap: int,
    horizon: int,
    lookback: int | None = None,
) -> PosteriorWeights:
    """Weights of each date t from the dates [t - gap - lookback, t - gap), all before t - gap where `lookback` is None."""
    found = weights_by_draw(prepared, forward_returns[None], gap=gap, horizon=horizon, lookback=lookback)
    return PosteriorWeights(*(values[0] for values in found))


def weights_by_draw(
    prepared: Prepared,
    forward_returns: Float[Any, "G N T"],
    *,
    gap: int,
    horizon: int,
    lookback: int | None = None,
) -> PosteriorWeights:
    """`weights_by_date` under each of G draws of the returns, whose axis comes first; ranks and scores are read once for all.

    All of a draw is held on the host, ranks and scores are moved to the devices some dates at a time.
    """
    (dates, archetypes, stocks), exact = prepared.ranks.shape, prepared.exact
    ranked = each_draw(rank_returns, (forward_returns,), prepared.member, numbers=dates * stocks)
    products, mixed = (rank_products(prepared, ranked), ranked), dates * archetypes
    found, inflation = each_draw(linear_weights, products, prepared.correlations, options=(gap, horizon, lookback), numbers=mixed)
    if exact is None:
        return found
    returns, width = dates_first(ranked.ranks), len(exact.weights) * stocks
    by_candidate = map_items(rank_ic_of_date, (exact.ranks, exact.scale, returns), together=together_of(width, dates))
    found_so_far = draws_first(by_candidate), ranked, inflation
    judged = each_draw(judged_weights, found_so_far, exact.weights, options=(gap, lookback), numbers=mixed)
    if lookback is not None:
        return found._replace(weights=(found.weights + judged) / 2)
    compared = map_items(
        compare_on_date,
        (exact.scores, prepared.member, (dates_first(found.weights), dates_first(judged)), returns),
        exact.alpha,
        options=(exact.signal, exact.missing),
        together=together_of(archetypes * stocks, dates),
    )
    both = found.weights, judged, draws_first(compared), ranked, inflation
    return found._replace(weights=each_draw(blended_weights, both, options=(gap,), numbers=mixed))


def linear_weights(
    products: Float[Array, "T K 3"], ranked: RankedReturns, correlations: Correlations, gap: int, horizon: int, lookback: int | None
) -> tuple[PosteriorWeights, Float[Array, " T"]]:
    """Weights for a signal that is linear in them, and the serial inflation of a mean of daily correlations, by date."""
    daily = daily_of(products, ranked, correlations, gap, horizon)
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

    inflation = by_date(jax.vmap(level_model)(correlations.lagged, daily.lagged)[1], len(skill))
    return PosteriorWeights(map_epochs(mix, correlations, skill), share, skill), inflation


def judged_weights(
    by_candidate: Float[Array, "T P"],
    ranked: RankedReturns,
    inflation: Float[Array, " T"],
    weights: Float[Array, "P K"],
    gap: int,
    lookback: int | None,
) -> Float[Array, "T K"]:
    """Weights from candidates judged exactly, given the RankIC of each on each date."""
    products = jnp.concatenate([by_candidate, ranked.known[:, None], noise_of(ranked)[:, None]], axis=1)
    sums = known_before(products, gap) if lookback is None else window_sums(products, gap, lookback)
    days, variance = jnp.maximum(sums[:, -2], 1.0), sums[:, -1] * inflation
    return candidate_mean(weights, sums[:, :-2] / days[:, None], jnp.where(sums[:, -2] > 0, variance, jnp.inf) / days**2)


def blended_weights(
    linear: Float[Array, "T K"],
    judged: Float[Array, "T K"],
    compared: Float[Array, "T 2"],
    ranked: RankedReturns,
    inflation: Float[Array, " T"],
    gap: int,
) -> Float[Array, "T K"]:
    """Weights between those of the linear theory and of candidates judged exactly, by the probability that the latter do better.

    Both are judged on every past date by the exact RankIC of what they were on that date; with a fixed look-back they count equally.

    Args:
        linear, judged: by the one and the other.
        compared: how much better the latter did on each date, and the squared distance of the ranked signals.
        ranked: returns.
        inflation: serial, of a mean of daily correlations.
        gap: dates whose returns are not known.
    """
    gain, distance = compared[:, 0], compared[:, 1]
    sums = known_before(jnp.stack([gain * ranked.known, distance * noise_of(ranked), ranked.known], axis=1), gap)
    share = probability_better(sums[:, 0], sums[:, 1] * inflation, sums[:, 2])[:, None]
    return (1 - share) * linear + share * judged


def noise_of(ranked: RankedReturns) -> Float[Array, " T"]:
    """Variance of a RankIC of each date by chance; 0 where nothing is known."""
    return ranked.known / jnp.maximum(ranked.stocks - 1.0, 1.0)


def by_date(values: Float[Array, " E"], dates: int) -> Float[Array, " T"]:
    """The value of its epoch for each date."""
    starts = epoch_starts(dates)
    return jnp.repeat(values, np.diff([*starts, dates]), total_repeat_length=dates)


def rank_products(prepared: Prepared, ranked: RankedReturns) -> Float[Any, "G T K 3"]:
    """Products of the ranks of scores with those of the returns of the date before, the same and the next, under each draw."""
    dates, archetypes, stocks = prepared.ranks.shape
    numbers = numpy_of(ranked.ranks)
    edge = numbers.zeros((1, len(ranked.ranks), stocks), np.float32)
    returns = numbers.concatenate([edge, dates_first(ranked.ranks), edge])
    items = prepared.ranks, prepared.scale, (returns[:-2], returns[1:-1], returns[2:])
    return draws_first(map_items(products_of_date, items, together=together_of(archetypes * stocks, dates)))


def products_of_date(
    ranks: Int16[Array, "K N"], scale: Float[Array, " K"], returns: tuple[Float[Array, "G N"], ...]
) -> Float[Array, "G K 3"]:
    """Products of one date's ranks of scores with those of returns."""
    columns = jnp.stack(returns, axis=1).reshape(-1, ranks.shape[1])
    products = (ranks.astype(jnp.float32) @ columns.T) * scale[:, None]
    return jnp.transpose(products.reshape(len(scale), -1, len(returns)), (1, 0, 2))


def daily_statistics(prepared: Prepared, ranked: RankedReturns, gap: int, horizon: int) -> Daily:
    """Products of the ranks of scores and returns, date by date."""
    products = rank_products(prepared, RankedReturns(*(values[None] for values in ranked)))[0]
    return daily_of(jnp.asarray(products), ranked, prepared.correlations, gap, horizon)


def daily_of(products: Float[Array, "T K 3"], ranked: RankedReturns, correlations: Correlations, gap: int, horizon: int) -> Daily:
    """What returns add to the scores, from the products of their ranks."""
    before, same, after = products[..., 0], products[..., 1], products[..., 2]
    follows = jnp.concatenate([jnp.zeros_like(after[:1]), after[:-1]])
    lagged = lagged_returns(ranked.ranks, correlations, horizon, gap)
    response = response_to_returns(before - follows, ranked.known, correlations, lagged, gap)
    return Daily(same, before + follows, ranked.stocks, ranked.known, lagged, response)


def rank_returns(forward_returns: Float[Array, "N T"], member: Bool[Array, "T N"]) -> RankedReturns:
    """Rank the members' returns of each date."""
    values = jnp.where(member.T, forward_returns, jnp.nan)
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


def lagged_returns(ranks: Float[Array, "T N"], correlations: Correlations, horizon: int, gap: int) -> Float[Array, "E L"]:
    """Autocorrelation of the returns' ranks as known at the start of each epoch, older dates counting less."""
    dates, lags = len(ranks), correlations.lagged.shape[1]
    back = jnp.arange(lags)
    padded = jnp.concatenate([jnp.zeros((lags - 1, ranks.shape[1])), ranks])
    products = lax.map(lambda lag: (lax.dynamic_slice_in_dim(padded, lags - 1 - lag, dates) * ranks).sum(axis=1), back)
    age = (correlations.start - gap)[:, None] - 1 - jnp.arange(dates)[None, :]
    weight = jnp.where(age >= 0, (1.0 - 1.0 / MEMORY) ** jnp.maximum(age, 0).astype(jnp.float32), 0.0)
    live = (ranks**2).sum(axis=1) > 0
    seen = live[None, :] & (jnp.arange(dates)[None, :] >= back[:, None])
    return (weight @ products.T + overlap(lags, horizon)[None]) / (weight @ seen.T.astype(jnp.float32) + 1.0)


def overlap(lags: int, horizon: int) -> Float[Array, " L"]:
    """Autocorrelation that overlap alone gives returns over `horizon` dates, at lags 0 and on: `max(0, 1 - lag / horizon)`."""
    return jnp.maximum(1.0 - jnp.arange(lags, dtype=jnp.float32) / horizon, 0.0)
