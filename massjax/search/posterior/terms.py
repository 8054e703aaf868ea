"""The two posteriors over skill: of the daily rank correlations as they are (level), and of quasi-differenced ranks (news)."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from massjax.search.posterior.correlations import Correlations
from massjax.search.posterior.skill import filter_epoch

LARGEST_PERSISTENCE = 0.98
INFLATION = (0.5, 50.0)
"""Bounds of the factor by which autocorrelation multiplies the variance of a mean."""


class Daily(NamedTuple):
    """What returns add to the scores, by date.

    Attributes:
        same: product of each archetype's ranks and the returns' ranks of that date, both of unit norm (the RankIC of the archetype alone).
        crossed: product of the scores' ranks of the date before with the returns' of the date, plus the other way round.
        stocks: number of stocks ranked.
        known: 1 where there is something to learn from the date, 0 where returns are missing or constant.
        lagged: mean product of the returns' ranks with their own, 0 to L dates before, as known at the start of each epoch.
        response: how much of the mean of `crossed` comes from scores that follow returns already on their way (`response_to_returns`).
    """

    same: Float[Array, "T K"]
    crossed: Float[Array, "T K"]
    stocks: Float[Array, " T"]
    known: Float[Array, " T"]
    lagged: Float[Array, "E L"]
    response: Float[Array, "E K"]


def posterior_means(correlations: Correlations, daily: Daily, gap: int) -> Float[Array, "2 T K"]:
    """Posterior means of the archetypes' skills, level and news: row t from the observations before t - gap."""

    def epoch(means: Array, e: Array) -> tuple[Array, None]:
        vectors, values = correlations.vectors[e], correlations.values[e]
        direction = uniform_direction(values, vectors, correlations.spread[e])
        noise = values[None] / jnp.maximum(daily.stocks - 1.0, 1.0)[:, None]
        found = []
        for number, term in enumerate((level, news)):
            observed, inflation = term(
                daily._replace(crossed=daily.crossed - daily.response[e][None]), correlations.lagged[e], daily.lagged[e]
            )
            inflated = jnp.concatenate([noise[:1], noise[1:] * inflation])
            arguments = observed @ vectors, inflated, daily.known, direction, correlations.start[e], correlations.stop[e]
            found.append(filter_epoch(*arguments, gap, means[number], values, vectors))
        return jnp.stack(found), None

    empty = jnp.zeros((2, *daily.same.shape))
    return lax.scan(epoch, empty, jnp.arange(len(correlations.start)))[0]


def uniform_direction(values: Float[Array, " K"], vectors: Float[Array, "K K"], spread: Float[Array, " K"]) -> Float[Array, " K"]:
    """Skills, in the eigenbasis, under which the uniform mix is the best mix and has a skill of 1: `C u / sqrt(u'C u)`."""
    mix = vectors.T @ (spread / jnp.maximum(jnp.sum(spread), 1e-12))
    return values * mix / jnp.sqrt(jnp.maximum(jnp.sum(values * mix**2), 1e-12))


def level(daily: Daily, lagged: Float[Array, "L K"], lagged_return: Float[Array, " L"]) -> tuple[Array, Array]:
    """Daily rank correlations and the factor on their noise, with the noise whitened as if it were an AR(1)."""
    carry, inflation = level_model(lagged, lagged_return)
    fresh = (daily.same[1:] - carry * daily.same[:-1]) / (1 - carry)
    return jnp.concatenate([daily.same[:1], fresh]), inflation


def news(daily: Daily, lagged: Float[Array, "L K"], lagged_return: Float[Array, " L"]) -> tuple[Array, Array]:
    """Rank correlations of what is new in scores and returns, `x_t - rho x_{t-1}`, and the factor on their noise."""
    rho, norm, inflation = news_model(lagged, lagged_return)
    fresh = (daily.same[1:] - rho * daily.crossed[1:] + rho**2 * daily.same[:-1]) / ((1 - rho**2) * norm)
    return jnp.concatenate([daily.same[:1], fresh]), inflation


def level_model(lagged: Float[Array, "L K"], lagged_return: Float[Array, " L"]) -> tuple[Array, Array]:
    """The AR(1) coefficient of the noise of daily correlations, and the serial inflation that it stands for."""
    inflation = jnp.clip(serial_inflation(lagged, lagged_return), *INFLATION)
    return jnp.clip((inflation - 1) / (inflation + 1), 0.0, 0.95), inflation


def news_model(lagged: Float[Array, "L K"], lagged_return: Float[Array, " L"]) -> tuple[Array, Array, Array]:
    """The scores' own autocorrelation rho, the squared norm of the returns' quasi-differences, and the factor on the noise."""
    rho = jnp.clip(lagged[1], 0.0, LARGEST_PERSISTENCE).mean()
    norm = jnp.maximum((1 + rho**2 - 2 * rho * lagged_return[1]) / (1 - rho**2), 1e-3)
    inflation = serial_inflation(differenced(lagged, rho), differenced(lagged_return[:, None], rho)[:, 0] / norm)
    return rho, norm, jnp.clip(inflation, *INFLATION) / norm


def serial_inflation(lagged: Float[Array, "L K"], lagged_return: Float[Array, " L"]) -> Float[Array, ""]:
    """Variance of a mean of daily correlations, relative to that of independent days: `1 + 2 sum_l r_score(l) r_return(l)`."""
    return 1 + 2 * (lagged[1:] * lagged_return[1:, None]).sum(axis=0).mean()


def differenced(lagged: Float[Array, "L K"], rho: Float[Array, ""]) -> Float[Array, "M K"]:
    """Autocovariances of `(x_t - rho x_{t-1}) / sqrt(1 - rho^2)` at lags 0 and on, from those of x; one lag less."""
    before = jnp.concatenate([lagged[1:2], lagged[:-2]])
    return ((1 + rho**2) * lagged[:-1] - rho * (before + lagged[1:])) / (1 - rho**2)
