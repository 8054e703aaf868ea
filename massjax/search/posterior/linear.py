"""Signals that are not linear in the weights, to first order around uniform weights."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from massjax.engine.inputs import OwnSignal, SignalName
from massjax.errors import ConfigError


def linear_scores(scores: Float[Array, "K N"], alpha: Float[Array, ""], signal: SignalName) -> Float[Array, "K N"]:
    """Scores whose weighted mean is the signal of the weights, to first order around uniform weights; `scores` themselves for `mean`.

    With mu and sigma of uniform weights, `sigma(w) = sigma + sum_k w_k ((s_k - mu)^2 - sigma^2) / (2 sigma) + ...`, which a derivative
    shows, so that minus the deviation has the pseudo-scores `-(sigma / 2 + (s_k - mu)^2 / (2 sigma))`; where archetypes agree they are 0.

    Args:
        scores: of one date; NaN where missing.
        alpha: share of the mean in the combined signal.
        signal: which of `combined`, `mean` and `disagreement` is meant.

    Raises:
        ConfigError: a signal of one's own.
    """
    if isinstance(signal, OwnSignal):
        raise ConfigError(
            f"the posterior weighs archetypes for the signals of massjax, not for {signal.name!r} of your own; set `fit_signal: mean`, or "
            "take a search"
        )
    if signal == "mean":
        return scores
    known = ~jnp.isnan(scores)
    count = jnp.maximum(known.sum(axis=0), 1).astype(jnp.float32)
    mean = jnp.where(known, scores, 0.0).sum(axis=0) / count
    square = jnp.where(known, scores - mean[None], 0.0) ** 2
    deviation = jnp.sqrt(square.sum(axis=0) / count)
    agree = deviation <= 1e-6 * jnp.maximum(jnp.abs(mean), 1e-12)
    apart = jnp.where(agree[None], 0.0, -0.5 * (deviation[None] + square / jnp.where(agree, 1.0, deviation)[None]))
    share = jnp.float32(0.0) if signal == "disagreement" else alpha
    return jnp.where(known, share * scores + (1 - share) * apart, jnp.nan)
