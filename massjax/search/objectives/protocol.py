"""What a search maximises: the exact value of candidates, whatever they are made of."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from jaxtyping import Array, Float

from massjax.engine.evaluation import Window
from massjax.engine.inputs import SignalName
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
