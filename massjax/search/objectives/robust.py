"""Objectives other than the mean RankIC: a robust value of the daily RankIC, less penalties on the weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from massjax.engine.devices import spread_candidates
from massjax.engine.evaluation import window_fitness, window_rank_ic
from massjax.engine.inputs import SignalName
from massjax.engine.windows import Window
from massjax.search.evaluated import Evaluated, normalise
from massjax.search.objectives.mean_rank_ic import MeanRankIC
from massjax.search.objectives.penalties import divergence, moved_share
from massjax.search.objectives.protocol import DailyObjective
from massjax.search.objectives.reductions import REDUCTIONS, mean_of_days, stretches
from massjax.search.objectives.settings import BLOCKS, ObjectiveSettings


@partial(jax.tree_util.register_dataclass, data_fields=("window", "alpha", "previous"), meta_fields=("signal", "settings"))
@dataclass(frozen=True)
class RobustRankIC:
    """A value of the daily RankIC over one look-back window, less penalties on the weights; see `ObjectiveSettings` for which.

    Attributes:
        window: scores and returns of the look-back dates.
        alpha: share of the mean in the combined signal.
        previous: weights found for the date before, summing to 1.
        signal: which signal ranks the stocks while searching.
        settings: which value, and which penalties.
    """

    window: Window
    alpha: Float[Array, ""]
    previous: Float[Array, " K"]
    signal: SignalName
    settings: ObjectiveSettings

    def judge(self, weights: Float[Array, "P K"]) -> Evaluated:
        """Scale weights to sum 1 and give their exact value, the one that decides the search; NaN where it is undefined."""
        weights = lax.optimization_barrier(normalise(weights))
        return Evaluated(weights, spread_candidates(_exact, weights, self))

    def daily(self, weights: Float[Array, "P K"]) -> Float[Array, "P D"]:
        """RankIC of each candidate on each date of the window; NaN on dates that are skipped."""
        return window_rank_ic(self.window, lax.optimization_barrier(normalise(weights)), self.alpha, self.signal)

    def of_daily(self, daily: Float[Array, "P D"], weights: Float[Array, "P K"]) -> Float[Array, " P"]:
        """The value that daily correlations of candidates come to; differentiable almost everywhere in both.

        Args:
            daily: NaN on dates that are skipped.
            weights: summing to 1.
        """
        if self.settings.kind == "mean":
            return mean_of_days(daily) - self.penalty(weights)
        usable = (self.window.returns.ranks != 0).any(axis=1)
        members = stretches(usable, self.settings.blocks or BLOCKS)
        return REDUCTIONS[self.settings.kind](daily, members) - self.penalty(weights)

    def penalty(self, weights: Float[Array, "P K"]) -> Float[Array, " P"]:
        """What is taken off the value of candidates, whose weights sum to 1."""
        settings, total = self.settings, jnp.zeros(len(weights), jnp.float32)
        if settings.kl_uniform:
            equal = jnp.full(weights.shape[1], 1.0 / weights.shape[1], jnp.float32)
            total = total + settings.kl_uniform * divergence(weights, equal)
        if settings.kl_previous:
            total = total + settings.kl_previous * divergence(weights, self.previous)
        if settings.turnover:
            total = total + settings.turnover * moved_share(weights, self.previous)
        return total


def _exact(weights: Float[Array, "P K"], objective: RobustRankIC) -> Float[Array, " P"]:
    if objective.settings.kind == "mean":
        return window_fitness(objective.window, weights, objective.alpha, objective.signal) - objective.penalty(weights)
    return objective.of_daily(window_rank_ic(objective.window, weights, objective.alpha, objective.signal), weights)


def make_objective(
    settings: ObjectiveSettings, window: Window, alpha: Float[Array, ""], signal: SignalName, previous: Float[Array, " K"]
) -> DailyObjective:
    """The objective that settings describe over one window; by default the mean RankIC.

    Args:
        settings: which value, and which penalties.
        window: of `massjax.engine.prepare_window`.
        alpha: share of the mean in the combined signal.
        signal: which signal ranks the stocks while searching.
        previous: weights found for the date before, summing to 1.
    """
    if settings.plain:
        return MeanRankIC(window, alpha, signal)
    return RobustRankIC(window, alpha, previous, signal, settings)
