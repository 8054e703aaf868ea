"""Posterior means of skills that are constant over a look-back window: hierarchical Bayes on means of daily correlations."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from massjax.search.posterior.epochs import map_epochs
from massjax.search.posterior.prepared import Correlations
from massjax.search.posterior.skill import read_filter, start_filter, update_filter
from massjax.search.posterior.terms import Daily, level_model, news_model, uniform_direction


def windowed_means(correlations: Correlations, daily: Daily, gap: int, lookback: int) -> tuple[Float[Array, "T K"], Float[Array, "T K"]]:
    """Posterior means of the archetypes' skills, level and news: row t from the observations of [t - gap - lookback, t - gap).

    The mean x of a window is taken as N(m, V), V the noise of a day over the number of days times its serial inflation, with the prior of
    the filters (`skill.py`) on m; both terms leave out what lies before the window.
    """
    paired = daily.known * jnp.concatenate([jnp.zeros(1), daily.known[:-1]])
    before = jnp.concatenate([jnp.zeros_like(daily.same[:1]), daily.same[:-1]])
    whole = window_sums(jnp.concatenate([daily.same, daily.known[:, None], (daily.stocks * daily.known)[:, None]], axis=1), gap, lookback)
    pairs = jnp.concatenate([daily.same, daily.crossed, before, jnp.ones_like(before[:, :1])], axis=1) * paired[:, None]
    inside = window_sums(pairs, gap, lookback - 1)

    def epoch(inputs: tuple[Correlations, Array], dates: tuple[Array, Array]) -> tuple[Array, Array]:
        now, lagged_return = inputs
        level, news = dates
        archetypes = now.values.shape[0]
        days, stocks = level[:, archetypes], level[:, archetypes + 1] / jnp.maximum(level[:, archetypes], 1.0)
        noise = now.values[None] / jnp.maximum(stocks - 1.0, 1.0)[:, None]
        direction = uniform_direction(now.values, now.vectors, now.spread)

        def posterior(total: Array, count: Array, inflation: Array) -> Array:
            some = jnp.maximum(count, 1.0)[:, None]

            def one(observed: Array, variance: Array, known: Array) -> Array:
                state = update_filter(start_filter(archetypes), observed, variance, known, direction)
                return read_filter(state, direction, 0)

            means = jax.vmap(one)(total / some @ now.vectors, noise * inflation / some, (count > 0).astype(jnp.float32))
            return means @ now.vectors.T

        _, inflation = level_model(now.lagged, lagged_return)
        rho, norm, news_inflation = news_model(now.lagged, lagged_return)
        same, crossed, early = (news[:, place * archetypes : (place + 1) * archetypes] for place in range(3))
        fresh = (same - rho * crossed + rho**2 * early) / ((1 - rho**2) * norm)
        return posterior(level[:, :archetypes], days, inflation), posterior(fresh, news[:, -1], news_inflation)

    return map_epochs(epoch, (correlations, daily.lagged), (whole, inside))


def window_sums(values: Float[Array, "T M"], gap: int, length: int) -> Float[Array, "T M"]:
    """Row t: sum over [t - gap - length, t - gap), of what there is of it."""
    if length < 1:
        return jnp.zeros_like(values)
    padded = jnp.concatenate([jnp.zeros((gap + length, values.shape[1])), values])[: len(values) + length - 1]
    return lax.reduce_window(padded, 0.0, lax.add, (length, 1), (1, 1), "VALID")
