"""Posterior means of skills that are constant over a look-back window: hierarchical Bayes on means of daily correlations."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from massjax.search.posterior.correlations import Correlations
from massjax.search.posterior.epochs import map_epochs
from massjax.search.posterior.skill import read_filter, start_filter, update_filter
from massjax.search.posterior.terms import Daily, level_model, uniform_direction


def windowed_means(correlations: Correlations, daily: Daily, gap: int, lookback: int) -> Float[Array, "T K"]:
    """Posterior means of the archetypes' skills: row t from the daily rank correlations of [t - gap - lookback, t - gap).

    The mean x of a window is taken as N(m, V), V the noise of a day over the number of days times its serial inflation, with the prior of
    the filters (`skill.py`) on m. The news term is left out: too short a window holds no evidence that it can be trusted.
    """
    archetypes = daily.same.shape[1]
    observed = jnp.concatenate([daily.same, daily.known[:, None], (daily.stocks * daily.known)[:, None]], axis=1)

    def epoch(inputs: tuple[Correlations, Array], sums: Array) -> Array:
        now, lagged_return = inputs
        days = jnp.maximum(sums[:, archetypes], 1.0)[:, None]
        stocks = sums[:, archetypes + 1 :] / days
        noise = now.values[None] * level_model(now.lagged, lagged_return)[1] / jnp.maximum(stocks - 1.0, 1.0) / days
        direction = uniform_direction(now.values, now.vectors, now.spread)

        def posterior(mean: Array, variance: Array, known: Array) -> Array:
            return read_filter(update_filter(start_filter(now.values), mean, variance, known, direction), direction, 0)

        known = (sums[:, archetypes] > 0).astype(jnp.float32)
        return jax.vmap(posterior)(sums[:, :archetypes] / days @ now.vectors, noise, known) @ now.vectors.T

    return map_epochs(epoch, (correlations, daily.lagged), window_sums(observed, gap, lookback))


def window_sums(values: Float[Array, "T M"], gap: int, length: int) -> Float[Array, "T M"]:
    """Row t: sum over [t - gap - length, t - gap), of what there is of it."""
    if length < 1:
        return jnp.zeros_like(values)
    padded = jnp.concatenate([jnp.zeros((gap + length, values.shape[1])), values])[: len(values) + length - 1]
    return lax.reduce_window(padded, 0.0, lax.add, (length, 1), (1, 1), "VALID")
