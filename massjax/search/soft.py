"""Differentiable approximations of the exact RankIC, for gradient ascent; results are judged by the exact one."""

from __future__ import annotations

from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from massjax.engine.inputs import SignalName
from massjax.engine.opinions import EPS, Opinions
from massjax.engine.signals import selected_signal
from massjax.engine.windows import Window
from massjax.search.objectives import DailyObjective, Objective

SoftCorrelation: TypeAlias = Literal["soft_rank_ic", "ic"]

ROWS_TOGETHER = 4096
"""Stocks times dates up to which all dates are computed at once; larger windows are computed date by date, to bound memory."""


def soft_value(objective: DailyObjective, weights: Float[Array, "P K"], kind: SoftCorrelation, temperature: float) -> Float[Array, " P"]:
    """The objective's value of smooth daily correlations in place of the RankIC; differentiable in the weights.

    Args:
        objective: a function of daily correlations and weights, such as their mean.
        weights: [candidates, archetypes], positive and summing to 1.
        kind: see `soft_correlations`.
        temperature: see `soft_correlations`.

    Returns:
        [P]; 0 where it is undefined.
    """
    value = objective.of_daily(soft_correlations(objective, weights, kind, temperature), weights)
    return jnp.where(jnp.isnan(value), 0.0, value)


def soft_correlations(objective: Objective, weights: Float[Array, "P K"], kind: SoftCorrelation, temperature: float) -> Float[Array, "P D"]:
    """A smooth correlation between signal and return on each date of a window; differentiable in the weights.

    Args:
        objective: its window and signal.
        weights: [candidates, archetypes], positive.
        kind: `ic` is Pearson's correlation with the returns; `soft_rank_ic` compares pairs of stocks by a smooth step.
        temperature: width of the step, in cross-sectional standard deviations of the signal; towards 0 it becomes the exact RankIC.

    Returns:
        NaN on dates on which the returns cannot be ranked.
    """
    columns, dates = weights.T, objective.window.dates

    def of_dates(block: Window) -> Float[Array, "B P"]:
        known = block.returns.common
        signal = jax.vmap(_standardise)(_smooth_signal(block.opinions, columns, objective.alpha, objective.signal), known)
        if kind == "ic":
            correlation = jax.vmap(_pearson)(signal, block.returns.values, known)
        else:
            correlation = jax.vmap(_soft_rank_correlation)(signal / temperature, block.returns.ranks, known)
        counts = (block.returns.ranks != 0).any(axis=1)
        return jnp.where(counts[:, None], correlation, jnp.nan)

    together = dates if dates * objective.window.stocks <= ROWS_TOGETHER else 1
    blocks = jax.tree.map(lambda leaf: leaf.reshape(-1, together, *leaf.shape[1:]), (objective.window.opinions, objective.window.returns))
    daily = lax.map(lambda block: of_dates(objective.window._replace(opinions=block[0], returns=block[1])), blocks)
    return daily.reshape(dates, -1).T


def _smooth_signal(opinions: Opinions, weights: Float[Array, "K P"], alpha: Float[Array, ""], signal: SignalName) -> Float[Array, "B N P"]:
    """The named signal from one matrix product with the weights; ties need not be exact; the gradient is finite where archetypes agree."""
    dates, archetypes, stocks = opinions.scores.shape
    factors = jnp.concatenate([opinions.present, opinions.around, opinions.around**2], axis=2)
    rows = factors.transpose(0, 2, 1).reshape(-1, archetypes)
    total, *sums = jnp.moveaxis(jnp.matmul(rows, weights, precision="highest").reshape(dates, 3, stocks, -1), 1, 0)
    share = 1.0 / jnp.where(total > 0, total, 1.0)
    mean, square = (values * share for values in sums)
    floor = jnp.maximum(opinions.agreement, EPS**2)[:, :, None]
    deviation = jnp.sqrt(jnp.maximum(square - mean**2, floor))
    return selected_signal(signal, mean + opinions.middle[:, :, None], deviation, alpha)


def _standardise(signal: Float[Array, "N P"], known: Bool[Array, " N"]) -> Float[Array, "N P"]:
    """The signal with mean 0 and variance 1 over the known stocks; 0 elsewhere."""
    stocks = jnp.maximum(known.sum().astype(jnp.float32), 1.0)
    signal = jnp.where(known[:, None], signal, 0.0)
    centred = jnp.where(known[:, None], signal - signal.sum(0, keepdims=True) / stocks, 0.0)
    variance = jnp.sum(centred**2, axis=0, keepdims=True) / stocks
    return centred * lax.rsqrt(jnp.maximum(variance, EPS**2))


def _pearson(signal: Float[Array, "N P"], returns: Float[Array, " N"], known: Bool[Array, " N"]) -> Float[Array, " P"]:
    """Pearson's correlation of a standardised signal with the returns over the known stocks."""
    target = _standardise(returns[:, None], known)
    return jnp.sum(signal * target, axis=0) / jnp.maximum(known.sum().astype(jnp.float32), 1.0)


def _soft_rank_correlation(signal: Float[Array, "N P"], ranks: Float[Array, " N"], known: Bool[Array, " N"]) -> Float[Array, " P"]:
    """Spearman's correlation as `sum over pairs of sign(s[n] - s[m]) (r[n] - r[m])` over its scale, with a smooth step for the sign."""
    count = known.sum().astype(jnp.float32)
    scale = jnp.sqrt((count**3 - count) / 3 * jnp.sum(ranks**2))
    return _soft_pairs(signal, ranks, known.astype(jnp.float32)) / jnp.maximum(scale, 1.0)


@jax.custom_vjp
def _soft_pairs(signal: Float[Array, "N P"], ranks: Float[Array, " N"], known: Float[Array, " N"]) -> Float[Array, " P"]:
    """Sum over pairs of known stocks of a smooth sign of their signals' difference times the difference of their return ranks."""
    return _soft_pairs_and_slopes(signal, ranks, known)[0]


def _soft_pairs_and_slopes(
    signal: Float[Array, "N P"], ranks: Float[Array, " N"], known: Float[Array, " N"]
) -> tuple[Float[Array, " P"], Float[Array, "N P"]]:
    """`_soft_pairs` and its gradient in the signal, in one pass over the pairs.

    The sign is `t (3 - t^2) / 2`, t clipped to [-1, 1]. It is cheaper than a sigmoid (no division, no root), and pairs further apart than
    its width count as in the exact correlation. Comparing
    each pair once, and updating the slopes of both of its stocks, was no faster: the second update costs what the comparison saves.
    """
    stocks = signal.shape[0]
    twice, twice_ranks, twice_known = (jnp.concatenate([values, values]) for values in (signal, ranks, known))

    def compare(carry: tuple[Array, Array], shift: Array) -> tuple[tuple[Array, Array], None]:
        value, slope = carry
        apart = jnp.clip(signal - lax.dynamic_slice_in_dim(twice, shift, stocks), -1.0, 1.0)
        gain = (ranks - lax.dynamic_slice_in_dim(twice_ranks, shift, stocks)) * known * lax.dynamic_slice_in_dim(twice_known, shift, stocks)
        square = apart * apart
        return (value + gain[:, None] * (apart * (1.5 - 0.5 * square)), slope + gain[:, None] * (1.5 - 1.5 * square)), None

    (value, slope), _ = lax.scan(compare, (jnp.zeros_like(signal), jnp.zeros_like(signal)), jnp.arange(1, stocks))
    return value.sum(0) / 2, slope


def _forward(signal: Array, ranks: Array, known: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    value, slope = _soft_pairs_and_slopes(signal, ranks, known)
    return value, (slope, ranks, known)


def _backward(saved: tuple[Array, Array, Array], cotangent: Float[Array, " P"]) -> tuple[Array, Array, Array]:
    slope, ranks, known = saved
    return cotangent[None, :] * slope, jnp.zeros_like(ranks), jnp.zeros_like(known)


_soft_pairs.defvjp(_forward, _backward)
