"""Whether a model picks by place: how often the stock at each place of a shuffled list was picked, against what is the same for all.

Lists are shuffled by a seed, so that without a position bias each of the L places of a list is as likely as another to be among its c
picks, whatever the stocks are. Over Q lists of one length the number of picks at a place then has mean Q c / L and variance
Q (c / L) (1 - c / L); with the covariances, which come from c being fixed,

    X² = (L - 1) / L · Σ_p (O_p - Q c / L)² / (Q (c / L) (1 - c / L))

is asymptotically chi-squared with L - 1 degrees of freedom. Lists of several lengths add up, in X² and in degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import chdtrc

HALF_WIDTH = 1.959963984540054
"""Standard deviations of an interval of 95 %."""


class PickedPlaces(NamedTuple):
    """Picks by place in a list.

    Attributes:
        lists: answered lists that have a stock at each place.
        share: of them the share that picked the stock there.
        uniform: the same where all places of a list are alike.
        half_width: half of the interval around `uniform` in which each share by itself lies with a chance of 95 % then.
        p_value: chance of an X² as large as the one found, or larger, where all places are alike; NaN where nothing tells.
    """

    lists: Int[np.ndarray, " L"]
    share: Float[np.ndarray, " L"]
    uniform: Float[np.ndarray, " L"]
    half_width: Float[np.ndarray, " L"]
    p_value: float


def picked_places(lists: Iterable[tuple[int, Int[np.ndarray, "Q P"]]]) -> PickedPlaces | None:
    """Count picks by place, and test whether all places are alike.

    Args:
        lists: of each kind of question, how long its lists are, and which places were picked of each; -1 without an answer.

    Returns:
        None where no list was picked from.

    Example:
        A hundred lists of four, always the first and the second picked:

        >>> found = picked_places([(4, np.tile([0, 1], (100, 1)))])
        >>> found.share.tolist(), found.uniform.tolist(), found.half_width.round(3).tolist(), found.p_value < 1e-9
        ([1.0, 1.0, 0.0, 0.0], [0.5, 0.5, 0.5, 0.5], [0.098, 0.098, 0.098, 0.098], True)
    """
    counted = [(length, picks[(picks >= 0).all(axis=1)]) for length, picks in lists]
    counted = [(length, picks) for length, picks in counted if len(picks)]
    if not counted:
        return None
    longest = max(length for length, _ in counted)
    offered, observed, expected, variance = np.zeros(longest, np.int64), *np.zeros((3, longest))
    statistic, freedom = 0.0, 0
    for length, picks in counted:
        questions, share = len(picks), picks.shape[1] / length
        found = np.bincount(picks.reshape(-1), minlength=length).astype(float)
        offered[:length] += questions
        observed[:length] += found
        expected[:length] += questions * share
        variance[:length] += questions * share * (1.0 - share)
        if share < 1.0:
            statistic += (length - 1) / length * float(((found - questions * share) ** 2).sum()) / (questions * share * (1.0 - share))
            freedom += length - 1
    p_value = float(chdtrc(freedom, statistic)) if freedom else math.nan
    return PickedPlaces(offered, observed / offered, expected / offered, HALF_WIDTH * np.sqrt(variance) / offered, p_value)
