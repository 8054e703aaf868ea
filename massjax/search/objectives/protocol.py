"""What a search maximises: the exact value of candidates, whatever it is made of, and what of it has a gradient."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from jaxtyping import Array, Float

from massjax.engine.inputs import SignalName
from massjax.engine.windows import Window
from massjax.search.evaluated import Evaluated


@runtime_checkable
class Objective(Protocol):
    """What a search maximises over one look-back window; a pytree, so that it passes through `jax.jit`, `jax.vmap` and `jax.export`."""

    @property
    def window(self) -> Window:
        """Scores and returns of the look-back dates."""

    @property
    def alpha(self) -> Float[Array, ""]:
        """Share of the mean in the combined signal."""

    @property
    def signal(self) -> SignalName:
        """Which signal ranks the stocks while searching."""

    def judge(self, weights: Float[Array, "P K"]) -> Evaluated:
        """Scale weights to sum 1 and give their exact value, the one that decides every search; NaN where it is undefined."""

    def daily(self, weights: Float[Array, "P K"]) -> Float[Array, "P D"]:
        """RankIC of each candidate on each date of the window; NaN on dates that are skipped."""


@runtime_checkable
class DailyObjective(Objective, Protocol):
    """An objective that is a function of daily correlations and weights, so that a gradient search can climb it."""

    def of_daily(self, daily: Float[Array, "P D"], weights: Float[Array, "P K"]) -> Float[Array, " P"]:
        """The value that daily correlations of candidates come to, `judge` to rounding where they are those of `daily`.

        It is what a gradient search differentiates, with smooth correlations in place of the exact ones.

        Args:
            daily: NaN on dates that are skipped.
            weights: of the candidates, summing to 1.
        """
