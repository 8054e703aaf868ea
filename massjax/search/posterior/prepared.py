"""What the scores alone say: ranks by archetype and date, and their correlations as known at the start of each epoch."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int16, Key

from massjax.engine.blocks import blocks_of_items, by_date, is_traced, map_items, together_of
from massjax.engine.inputs import Missing, SignalName
from massjax.engine.ranks import rank_sums
from massjax.mapped import Room
from massjax.search.posterior.candidates import Exact, prepare_exact
from massjax.search.posterior.correlations import Correlations, all_correlations, correlations_by_block
from massjax.search.posterior.linear import linear_scores


class Prepared(NamedTuple):
    """Scores made ready for `weights_by_date`; nothing here depends on returns, so that shifted returns share it.

    All but the correlations is on the host, unless it was traced.

    Attributes:
        ranks: twice the centred average rank of each stock among those that the archetype has a score for, 0 elsewhere: whole numbers.
        scale: what makes a row of `ranks` a vector of norm 1; 0 where all scores tie.
        member: True where the stock is in the universe.
        correlations: of the archetypes, by epoch.
        exact: candidates judged exactly, where the signal is not linear in the weights.
    """

    ranks: Int16[Any, "T K N"]
    scale: Float[Any, "T K"]
    member: Bool[Any, "T N"]
    correlations: Correlations
    exact: Exact | None


def prepare(
    scores: Float[Any, "K N T"],
    member: Bool[Any, "N T"],
    missing: Missing = "renormalize",
    lags: int = 10,
    signal: SignalName = "mean",
    alpha: Float[ArrayLike, ""] = 0.5,
    key: Key[Array, ""] | None = None,
    room: Room = np.empty,
) -> Prepared:
    """Rank the scores of each date and estimate, point in time, how archetypes' ranks go together.

    Scores stay on the host, and may lie in a file: a block of dates at a time is on the devices.

    Args:
        scores: [archetypes K, stocks N, dates T]; NaN where missing.
        member: True where the stock is in the universe.
        missing: `renormalize` leaves missing scores out; `zero` ranks them as 0.
        lags: dates over which autocorrelations are estimated; twice the horizon of the returns is enough.
        signal: which signal the weights are for; `disagreement` and `combined` are taken to first order around uniform weights.
        alpha: share of the mean in the combined signal.
        key: randomness for the candidates of signals that are not linear in the weights.
        room: makes the arrays that hold ranks.
    """
    alpha, key = jnp.asarray(alpha, jnp.float32), jax.random.key(0) if key is None else key
    if is_traced((scores, member, alpha, key)):
        history: tuple[Any, Any] = by_date(jnp.asarray(scores)), jnp.asarray(member).T
        ranks, scale, spread = map_items(rank_date, history, alpha, options=(missing, signal), together=1)
        correlations = all_correlations(ranks, scale, spread, history[1].sum(axis=1), lags)
    else:
        history = by_date(np.asarray(scores) if isinstance(scores, jax.Array) else scores), np.asarray(member).T
        ranks, scale, correlations = _ranked_by_block(history, alpha, missing, lags, signal, room)
    exact = None if signal == "mean" else prepare_exact(history, alpha, signal, missing, key, room)
    return Prepared(ranks, scale, history[1], correlations, exact)


def _ranked_by_block(
    history: tuple[Any, Bool[np.ndarray, "T N"]], alpha: Array, missing: Missing, lags: int, signal: SignalName, room: Room
) -> tuple[Int16[np.ndarray, "T K N"], Float[np.ndarray, "T K"], Correlations]:
    dates, archetypes, stocks = history[0].shape
    ranks, scale = room((dates, archetypes, stocks), np.int16), np.empty((dates, archetypes), np.float32)
    found = blocks_of_items(
        rank_date, history, alpha, options=(missing, signal), together=together_of(archetypes * max(archetypes, stocks), dates)
    )

    def spreads() -> Any:
        for rows, (ranked, scaled, spread) in found:
            ranks[rows], scale[rows] = ranked, scaled
            yield rows, spread

    return ranks, scale, correlations_by_block(ranks, scale, spreads(), history[1].sum(axis=1), lags)


def rank_date(
    values: Float[Array, "K N"], inside: Bool[Array, " N"], alpha: Float[Array, ""], missing: Missing, signal: SignalName
) -> tuple[Int16[Array, "K N"], Float[Array, " K"], Float[Array, " K"]]:
    """Ranks, their scale and the spread of the scores of one date."""
    if missing == "zero":
        values = jnp.where(jnp.isnan(values), 0.0, values)
    values = linear_scores(jnp.where(inside[None], values, jnp.nan), alpha, signal)
    ranks = rank_sums(values.T).T
    square = jnp.sum(ranks**2, axis=1)
    return ranks.astype(jnp.int16), jnp.where(square > 0, lax.rsqrt(jnp.maximum(square, 1.0)), 0.0), spread_of(values)


def spread_of(values: Float[Array, "K N"]) -> Float[Array, " K"]:
    """Variance of each archetype's scores over the stocks that have one; 0 where none or all are equal."""
    known = ~jnp.isnan(values)
    count = jnp.maximum(known.sum(axis=1), 1).astype(jnp.float32)
    mean = jnp.where(known, values, 0.0).sum(axis=1) / count
    return (jnp.where(known, values - mean[:, None], 0.0) ** 2).sum(axis=1) / count
