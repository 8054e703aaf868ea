"""A posterior over agent distributions that are judged exactly, for signals that are not linear in the weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int16, Key

from massjax.engine.blocks import map_items, together_of
from massjax.engine.inputs import Missing, SignalName
from massjax.engine.opinions import Opinions, balance, prepare_opinions
from massjax.engine.ranks import rank_sums
from massjax.engine.signals import ranking_signal
from massjax.engine.windows import as_rows
from massjax.mapped import Room

CONCENTRATIONS = (4.0, 1.0, 0.3, 0.1)
"""Of the Dirichlet distributions that candidates are drawn from, in equal shares: from near uniform to nearly single archetypes."""
FEWEST, MOST, RANKS = 64, 512, 1 << 27
"""Candidates at least and at most, and ranks of their signals held where there are more than the least: a quarter of a gigabyte."""
SKILLS = np.array([0.0, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.14, 0.2], np.float32)
"""Grid of the skill that a candidate may have, all equally likely before."""


@partial(jax.tree_util.register_dataclass, data_fields=("weights", "ranks", "scale", "scores", "alpha"), meta_fields=("signal", "missing"))
@dataclass(frozen=True)
class Exact:
    """Candidates and their signals, which no return decides.

    Attributes:
        weights: agent distributions, uniform first.
        ranks: twice the centred rank of each stock by each candidate's signal; whole numbers.
        scale: what makes a row of `ranks` a vector of norm 1.
        scores: as given, the dates first, for the signals of other weights.
        alpha: share of the mean in the combined signal.
        signal: which signal ranks the stocks.
        missing: what a missing score counts as.
    """

    weights: Float[Array, "P K"]
    ranks: Int16[Any, "T P N"]
    scale: Float[Any, "T P"]
    scores: Float[Any, "T K N"]
    alpha: Float[Array, ""]
    signal: SignalName
    missing: Missing


def draw_candidates(archetypes: int, count: int, key: Key[Array, ""]) -> Float[Array, "P K"]:
    """Uniform weights, and draws from Dirichlet distributions of several concentrations."""
    share = -(-(count - 1) // len(CONCENTRATIONS))
    keys = jax.random.split(key, len(CONCENTRATIONS))
    drawn = [jax.random.dirichlet(k, jnp.full(archetypes, c), (share,)) for k, c in zip(keys, CONCENTRATIONS, strict=True)]
    drawn = [some + 1e-6 for some in drawn]
    every = jnp.concatenate([jnp.full((1, archetypes), 1.0 / archetypes), *drawn])[:count]
    return every / every.sum(axis=1, keepdims=True)


def prepare_exact(
    history: tuple[Any, Bool[Any, "T N"]],
    alpha: Float[Array, ""],
    signal: SignalName,
    missing: Missing,
    key: Key[Array, ""],
    room: Room,
) -> Exact:
    """Rank the stocks by the signal of each candidate, on all dates.

    Args:
        history: scores [K, N] and membership of each date.
        alpha: share of the mean in the combined signal.
        signal: which signal ranks the stocks.
        missing: what a missing score counts as.
        key: randomness of the candidates.
        room: makes the array of the ranks.
    """
    dates, archetypes, stocks = history[0].shape
    weights = draw_candidates(archetypes, candidates_of(stocks, dates), key)
    together = together_of((archetypes + len(weights)) * stocks, dates)
    ranks, scale = map_items(rank_candidates, history, weights, alpha, options=(signal, missing), together=together, room=room)
    return Exact(weights, ranks, scale, history[0], alpha, signal, missing)


def candidates_of(stocks: int, dates: int) -> int:
    """How many candidates are judged."""
    return int(np.clip(RANKS // (stocks * dates), FEWEST, MOST))


def rank_candidates(
    scores: Float[Array, "K N"], member: Bool[Array, " N"], weights: Float[Array, "P K"], alpha: Array, signal: SignalName, missing: Missing
) -> tuple[Int16[Array, "P N"], Float[Array, " P"]]:
    """Ranks of the stocks of one date by each candidate's signal, and their scale."""
    ranks = signal_ranks(scores, member, weights, alpha, signal, missing)
    return ranks.astype(jnp.int16), inverse_norm(ranks)


def signal_ranks(
    scores: Float[Array, "K N"], member: Bool[Array, " N"], weights: Float[Array, "P K"], alpha: Array, signal: SignalName, missing: Missing
) -> Float[Array, "P N"]:
    """Twice the centred rank of each stock of one date by the signal of each of P agent distributions; 0 where there is none."""
    rows = as_rows(Opinions(*prepare_opinions(scores[:, :, None], member[:, None], missing)))
    return rank_sums(ranking_signal(rows, balance(weights).T, alpha, signal)).T


def inverse_norm(ranks: Float[Array, "P N"]) -> Float[Array, " P"]:
    """What scales each row to norm 1; 0 where all ranks tie."""
    square = (ranks**2).sum(axis=1)
    return jnp.where(square > 0, lax.rsqrt(jnp.maximum(square, 1.0)), 0.0)


def rank_ic_of_date(ranks: Int16[Array, "P N"], scale: Float[Array, " P"], returns: Float[Array, "G N"]) -> Float[Array, "G P"]:
    """RankIC of each candidate on one date, from ranks of returns of norm 1 under each of G draws."""
    return (ranks.astype(jnp.float32) @ returns.T).T * scale[None]


def candidate_mean(weights: Float[Array, "P K"], fitness: Float[Array, "T P"], variance: Float[Array, " T"]) -> Float[Array, "T K"]:
    """Posterior mean of the best agent distribution, given the mean RankIC of each candidate and the variance of that mean.

    The returns of a date, ranked and scaled to norm 1, are taken as `rho s_p` plus noise, s_p the ranked signal of the one candidate that
    is right; the log-likelihood of p and its skill rho is then `(rho F_p - rho^2 / 2) / v`, v the variance of F by chance: a Gibbs
    posterior whose temperature v / rho is known, averaged over rho. What candidates have in common is taken out, so that no evidence
    gives uniform weights.

    Args:
        fitness: mean RankIC over the dates known at each date.
        variance: of that mean by chance, autocorrelation included; infinity where nothing is known.
    """
    skills = jnp.asarray(SKILLS)[:, None]

    def date(inputs: tuple[Array, Array]) -> Array:
        mean, noise = inputs
        probability = jax.nn.softmax((skills * mean[None] - skills**2 / 2) / noise, axis=(0, 1)).sum(axis=0)
        moved = jnp.maximum(weights[0] + (probability - 1.0 / len(weights)) @ weights, 0.0)
        return moved / moved.sum()

    return lax.map(date, (fitness, variance))


def compare_on_date(
    scores: Float[Array, "K N"],
    member: Bool[Array, " N"],
    pair: tuple[Float[Array, "G K"], Float[Array, "G K"]],
    returns: Float[Array, "G N"],
    alpha: Float[Array, ""],
    signal: SignalName,
    missing: Missing,
) -> Float[Array, "G 2"]:
    """RankIC, on one date, of the second weights less that of the first, and the squared distance of their ranked signals, by draw."""
    both = jnp.stack(pair, axis=1).reshape(-1, scores.shape[0])
    ranks = signal_ranks(scores, member, both + 1e-9, alpha, signal, missing)
    unit = (ranks * inverse_norm(ranks)[:, None]).reshape(-1, 2, scores.shape[1])
    apart = unit[:, 1] - unit[:, 0]
    return jnp.stack([(apart * returns).sum(axis=1), (apart**2).sum(axis=1)], axis=1)
