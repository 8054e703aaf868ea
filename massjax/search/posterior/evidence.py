"""How far the news term is trusted: what it gained over the level term, as known on each date."""

from __future__ import annotations

import jax.numpy as jnp
from jax.scipy.stats import norm
from jaxtyping import Array, Float

from massjax.search.posterior.correlations import Correlations
from massjax.search.posterior.epochs import map_epochs
from massjax.search.posterior.optimum import best_mix
from massjax.search.posterior.terms import INFLATION, Daily, serial_inflation

PLAUSIBLE = 0.01
"""Standard deviation, before any evidence, of what one term gains over the other in RankIC: one point."""


def news_share(
    correlations: Correlations, daily: Daily, level: Float[Array, "T K"], news: Float[Array, "T K"], gap: int
) -> Float[Array, " T"]:
    """Probability, on each date t, that the mix from the news term does better than that from the level term; starts at one half.

    Both mixes of every past date u < t - gap are judged by the return of u. Their mean difference has a variance known from the
    difference of the mixes, the number of stocks and the autocorrelation of scores and returns.
    """

    def compare(epoch: tuple[Correlations, Array], dates: tuple[Array, ...]) -> tuple[Array, Array, Array]:
        (now, lagged_return), (same, stocks, known, *terms) = epoch, dates
        apart = unit_mix(now, terms[1]) - unit_mix(now, terms[0])
        noise = (apart @ now.vectors) ** 2 @ now.values / jnp.maximum(stocks - 1.0, 1.0)
        inflation = jnp.clip(serial_inflation(now.lagged, lagged_return), *INFLATION)
        return known * (apart * same).sum(axis=1), known * noise, jnp.broadcast_to(inflation, known.shape)

    by_date = daily.same, daily.stocks, daily.known, level, news
    gained, noise, inflation = map_epochs(compare, (correlations, daily.lagged), by_date)
    gain, variance, dates = known_before(gained, gap), known_before(noise, gap) * inflation, known_before(daily.known, gap)
    return probability_better(gain, variance, dates)


def unit_mix(epoch: Correlations, skills: Float[Array, "B K"]) -> Float[Array, "B K"]:
    """The best mix in units of the archetypes' ranks, scaled so that its signal has norm 1."""
    mix = best_mix(epoch.values, epoch.vectors, skills, epoch.spread) * epoch.spread[None]
    size = jnp.sqrt((mix @ epoch.vectors) ** 2 @ epoch.values)
    return mix / jnp.maximum(size, 1e-12)[:, None]


def known_before(values: Float[Array, "T ..."], gap: int) -> Float[Array, "T ..."]:
    """Row t: sum over the dates before t - gap."""
    total = jnp.cumsum(values, axis=0)
    return jnp.concatenate([jnp.zeros((gap + 1, *values.shape[1:])), total])[: len(values)]


def probability_better(gain: Float[Array, " T"], variance: Float[Array, " T"], dates: Float[Array, " T"]) -> Float[Array, " T"]:
    """Probability that a mean difference is above 0, given its sum over some dates and the variance of the sum by chance.

    The true mean is N(0, PLAUSIBLE^2) before; the posterior is normal. One half where nothing is known.
    """
    prior = PLAUSIBLE * dates
    return norm.cdf(prior * gain / jnp.sqrt(jnp.maximum(variance * (variance + prior**2), 1e-12)))
