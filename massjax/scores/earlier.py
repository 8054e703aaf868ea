"""The earlier name of `Scores`, for programs that were written with it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from massjax.scores.scores import Scores


class ScoreStore(Scores):
    """`massjax.Scores` under its earlier name."""

    def scores(self) -> Float32[np.ndarray, "K N T"]:
        """The scores of each archetype, stock and date; NaN where there is none: `Scores.to_numpy`.

        Raises:
            StoreError: a chunk is damaged.
        """
        return self.to_numpy()
