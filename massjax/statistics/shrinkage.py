"""Shrinkage of a search: the fitness of its weights on the windows they were found on, against their RankIC afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

SMALLEST_GAIN = 1e-6
"""A gain in RankIC at or below this is rounding."""


@dataclass(frozen=True)
class Shrinkage:
    """In-sample against out-of-sample, averaged over the strategy's own dates on which both are known.

    Uniform weights fit nothing; what they show in the same windows is the luck of the period. The gain over them is what the
    search found, or thought it found; it is averaged over the dates on which theirs are known too, which may be fewer: where equal
    weights cancel, as those of a factor and its mirror do, they have no correlation on any date.

    Attributes:
        in_sample: mean RankIC of the chosen weights on the look-back windows they were chosen on.
        out_of_sample: mean RankIC of the same weights on the dates they were applied to.
        shrinkage: in_sample − out_of_sample.
        in_sample_gain: in_sample less that of uniform weights on the same windows.
        out_of_sample_gain: out_of_sample less that of uniform weights on the same dates.
        kept: out_of_sample_gain / in_sample_gain: 1 = all of the gain came true, 0 = none; NaN where there was no gain to keep.
        dates: number of dates behind in_sample, out_of_sample and shrinkage.
        compared: number of those on which uniform weights are known too, behind the gains and what was kept of them.
    """

    in_sample: float
    out_of_sample: float
    shrinkage: float
    in_sample_gain: float
    out_of_sample_gain: float
    kept: float
    dates: int
    compared: int


def shrinkage(
    fitness: Float[np.ndarray, " T"],
    rank_ic: Float[np.ndarray, " T"],
    uniform_fitness: Float[np.ndarray, " T"],
    uniform_rank_ic: Float[np.ndarray, " T"],
) -> Shrinkage:
    """Compare the fitness a search saw with the RankIC that followed, on the dates it has both, and its gains on those it shares.

    Args:
        fitness: of the weights applied on each date, over the window they were found on.
        rank_ic: of the weights applied on each date, on that date.
        uniform_fitness, uniform_rank_ic: of uniform weights, over those windows and on those dates.
    """
    own, uniform = np.stack([fitness, rank_ic]).astype(np.float64), np.stack([uniform_fitness, uniform_rank_ic]).astype(np.float64)
    known = np.asarray(np.isfinite(own).all(axis=0))
    shared = np.asarray(known & np.isfinite(uniform).all(axis=0))
    before, after = _means(own, known)
    shared_before, shared_after = _means(own, shared)
    uniform_before, uniform_after = _means(uniform, shared)
    gain_before, gain_after = shared_before - uniform_before, shared_after - uniform_after
    return Shrinkage(
        in_sample=before,
        out_of_sample=after,
        shrinkage=before - after,
        in_sample_gain=gain_before,
        out_of_sample_gain=gain_after,
        kept=gain_after / gain_before if gain_before > SMALLEST_GAIN else np.nan,
        dates=int(known.sum()),
        compared=int(shared.sum()),
    )


def _means(series: Float[np.ndarray, "S T"], dates: Bool[np.ndarray, " T"]) -> tuple[float, ...]:
    """The mean of each series over the chosen dates; NaN where none is."""
    return tuple(float(mean) for mean in series[:, dates].mean(axis=1)) if dates.any() else (np.nan,) * len(series)
