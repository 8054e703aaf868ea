"""How much of what a search promised came true: the fitness of its weights where they were found, and their RankIC afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

SMALLEST_GAIN = 1e-6
"""A gain in RankIC at or below this is rounding."""


@dataclass(frozen=True)
class Shrinkage:
    """In-sample against out-of-sample, averaged over the evaluated dates on which both are known.

    Uniform weights fit nothing; what they show in the same windows is the luck of the period. The gain over them is what the
    search found, or thought it found.

    Attributes:
        in_sample: mean RankIC of the chosen weights on the look-back windows they were chosen on.
        out_of_sample: mean RankIC of the same weights on the dates they were applied to.
        shrinkage: in_sample − out_of_sample.
        in_sample_gain: in_sample less that of uniform weights on the same windows.
        out_of_sample_gain: out_of_sample less that of uniform weights on the same dates.
        kept: out_of_sample_gain / in_sample_gain: 1 = all of the gain came true, 0 = none; NaN where there was no gain to keep.
        dates: number of dates behind these means.
    """

    in_sample: float
    out_of_sample: float
    shrinkage: float
    in_sample_gain: float
    out_of_sample_gain: float
    kept: float
    dates: int


def shrinkage(
    fitness: Float[np.ndarray, " T"],
    rank_ic: Float[np.ndarray, " T"],
    uniform_fitness: Float[np.ndarray, " T"],
    uniform_rank_ic: Float[np.ndarray, " T"],
) -> Shrinkage:
    """Compare the fitness a search saw with the RankIC that followed; NaN dates are left out of all four means alike.

    Args:
        fitness: of the weights applied on each date, over the window they were found on.
        rank_ic: of the weights applied on each date, on that date.
        uniform_fitness, uniform_rank_ic: the same of uniform weights.
    """
    series = np.stack([fitness, rank_ic, uniform_fitness, uniform_rank_ic]).astype(np.float64)
    known = np.isfinite(series).all(axis=0)
    if not known.any():
        return Shrinkage(np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, dates=0)
    before, after, uniform_before, uniform_after = (float(mean) for mean in series[:, known].mean(axis=1))
    gain_before, gain_after = before - uniform_before, after - uniform_after
    return Shrinkage(
        in_sample=before,
        out_of_sample=after,
        shrinkage=before - after,
        in_sample_gain=gain_before,
        out_of_sample_gain=gain_after,
        kept=gain_after / gain_before if gain_before > SMALLEST_GAIN else np.nan,
        dates=int(known.sum()),
    )
