"""A posterior over agent distributions that are judged exactly, for signals that are not linear in the weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int16, Key

from massjax.engine.inputs import Missing, SignalName
from massjax.engine.ranks import rank_sums
from massjax.engine.signals import Opinions, balance, prepare_opinions, ranking_signal
from massjax.engine.windows import as_rows

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
        scores: as given, for the signals of other weights.
        alpha: share of the mean in the combined signal.
        signal: which signal ranks the stocks.
        missing: what a missing score counts as.
    """

    weights: Float[Array, "P K"]
    ranks: Int16[Array, "T P N"]
    scale: Float[Array, "T P"]
    scores: Float[Array, "K N T"]
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
    scores: Float[Array, "K N T"],
    member: Bool[Array, "N T"],
    alpha: Float[Array, ""],
    signal: SignalName,
    missing: Missing,
    key: Key[Array, ""],
) -> Exact:
    """Rank the stocks by the signal of each candidate, on all dates."""
    archetypes, stocks, dates = scores.shape
    weights = draw_candidates(archetypes, int(np.clip(RANKS // (stocks * dates), FEWEST, MOST)), key)

    def rank_date(date: Array) -> tuple[Array, Array]:
        ranks = signal_ranks(scores, member, date, weights, alpha, signal, missing)
        return ranks.astype(jnp.int16), inverse_norm(ranks)

    ranks, scale = lax.map(rank_date, jnp.arange(dates))
    return Exact(weights, ranks, scale, scores, alpha, signal, missing)


def signal_ranks(
    scores: Array, member: Array, date: Array, weights: Float[Array, "P K"], alpha: Array, signal: SignalName, missing: Missing
) -> Float[Array, "P N"]:
    """Twice the centred rank of each stock of one date by the signal of each of P agent distributions; 0 where there is none."""
    today = lax.dynamic_slice_in_dim(scores, date, 1, axis=2), lax.dynamic_slice_in_dim(member, date, 1, axis=1)
    rows = as_rows(Opinions(*prepare_opinions(*today, missing)))
    return rank_sums(ranking_signal(rows, balance(weights).T, alpha, signal)).T


def inverse_norm(ranks: Float[Array, "P N"]) -> Float[Array, " P"]:
    """What scales each row to norm 1; 0 where all ranks tie."""
    square = (ranks**2).sum(axis=1)
    return jnp.where(square > 0, lax.rsqrt(jnp.maximum(square, 1.0)), 0.0)


def daily_rank_ic(exact: Exact, returns: Float[Array, "T N"]) -> Float[Array, "T P"]:
    """RankIC of each candidate on each date, from ranks of returns of norm 1."""

    def date(inputs: tuple[Array, Array, Array]) -> Array:
        ranks, scale, today = inputs
        return (ranks.astype(jnp.float32) @ today) * scale

    return lax.map(date, (exact.ranks, exact.scale, returns))


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


def compare_exactly(
    exact: Exact,
    member: Bool[Array, "N T"],
    returns: Float[Array, "T N"],
    pair: tuple[Float[Array, "T K"], Float[Array, "T K"]],
) -> tuple[Float[Array, " T"], Float[Array, " T"]]:
    """RankIC of the second weights of each date less that of the first, and the squared distance of their ranked signals."""

    def date(inputs: tuple[Array, Array, Array, Array]) -> tuple[Array, Array]:
        number, one, other, today = inputs
        ranks = signal_ranks(exact.scores, member, number, jnp.stack([one, other]) + 1e-9, exact.alpha, exact.signal, exact.missing)
        unit = ranks * inverse_norm(ranks)[:, None]
        return (unit[1] - unit[0]) @ today, ((unit[1] - unit[0]) ** 2).sum()

    return lax.map(date, (jnp.arange(len(returns)), *pair, returns))
