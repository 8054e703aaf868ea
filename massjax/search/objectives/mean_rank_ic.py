"""The mean of the daily RankIC over a look-back window: MASS's fitness, and the objective unless another is set."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
from jax import lax
from jaxtyping import Array, Float

from massjax.engine.evaluation import window_fitness, window_rank_ic
from massjax.engine.inputs import SignalName
from massjax.engine.windows import Window
from massjax.search.evaluated import Evaluated, normalise
from massjax.search.objectives.reductions import mean_of_days


@partial(jax.tree_util.register_dataclass, data_fields=("window", "alpha"), meta_fields=("signal",))
@dataclass(frozen=True)
class MeanRankIC:
    """Mean RankIC over one look-back window (the fitness of MASS's backward optimization, arXiv 2505.10278).

    Attributes:
        window: scores and returns of the look-back dates.
        alpha: share of the mean in the combined signal.
        signal: which signal ranks the stocks while searching.
    """

    window: Window
    alpha: Float[Array, ""]
    signal: SignalName

    def judge(self, weights: Float[Array, "P K"]) -> Evaluated:
        """Scale weights to sum 1 and give their exact fitness, the one that decides every search; NaN where it is undefined."""
        weights = lax.optimization_barrier(normalise(weights))
        return Evaluated(weights, window_fitness(self.window, weights, self.alpha, self.signal))

    def daily(self, weights: Float[Array, "P K"]) -> Float[Array, "P D"]:
        """RankIC of each candidate on each date of the window; NaN on dates that are skipped."""
        return window_rank_ic(self.window, lax.optimization_barrier(normalise(weights)), self.alpha, self.signal)

    def of_daily(self, daily: Float[Array, "P D"], weights: Float[Array, "P K"]) -> Float[Array, " P"]:
        """The mean of daily correlations over the dates that are not NaN, whatever the weights."""
        del weights
        return mean_of_days(daily)
