"""Scores with a model's memory taken out of them: what such a view of the cached answers comes to, and where there is none."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, UInt8


class ViewCode(IntEnum):
    """What was done about a stock and date; its `meaning` is what is printed."""

    VIEWED = 0
    AS_ANSWERED = 1
    NO_ANSWER = 2
    NO_BLANK_ANSWER = 3
    LOW_MASS = 4
    LOW_BLANK_MASS = 5
    NO_PAST = 6
    NO_MEMBER = 7

    @property
    def meaning(self) -> str:
        """In words."""
        return MEANINGS[self]


MEANINGS = {
    ViewCode.VIEWED: "memory taken out",
    ViewCode.AS_ANSWERED: "kept as answered: the date lies after the model's cut-off",
    ViewCode.NO_ANSWER: "no score: there is no answer with facts",
    ViewCode.NO_BLANK_ANSWER: "no score: there is no answer without facts to take off",
    ViewCode.LOW_MASS: "no score: the answer with facts has too little mass on the choices",
    ViewCode.LOW_BLANK_MASS: "no score: the answer without facts has too little mass on the choices",
    ViewCode.NO_PAST: "no score: too few dates lie before to tell how much is memory",
    ViewCode.NO_MEMBER: "no score: the stock is not in the universe",
}


class HindsightView(NamedTuple):
    """Scores with memory taken out.

    Attributes:
        score: in [0, 1]; NaN where there is none.
        code: values of `ViewCode`: what was done, or why there is no score.
    """

    score: Float32[np.ndarray, "N T"]
    code: UInt8[np.ndarray, "N T"]

    def counts(self, member: Bool[np.ndarray, "N T"]) -> dict[str, int]:
        """How many members and dates each thing was done about, in words, the most frequent first."""
        found = np.bincount(self.code[member], minlength=len(ViewCode))
        return {ViewCode(code).meaning: int(found[code]) for code in np.argsort(-found, kind="stable") if found[code]}


def codes_of(
    answered: Bool[np.ndarray, "N T"],
    blank_answered: Bool[np.ndarray, "N T"],
    mass: Float[np.ndarray, "N T"] | None = None,
    blank_mass: Float[np.ndarray, "N T"] | None = None,
    minimum_mass: float = 0.0,
) -> UInt8[np.ndarray, "N T"]:
    """Which answers a view can be made of, and what the others lack; the first of the reasons counts in the order of `ViewCode`.

    Args:
        answered, blank_answered: where there are answers with facts, and without.
        mass, blank_mass: probability on the choices of either; NaN = no answer. None where it has been looked at before.
        minimum_mass: the least of it that an answer counts with.
    """
    low = np.zeros(answered.shape, bool) if mass is None else ~(mass >= minimum_mass)
    blank_low = np.zeros(answered.shape, bool) if blank_mass is None else ~(blank_mass >= minimum_mass)
    reasons = (
        (~answered, ViewCode.NO_ANSWER),
        (~blank_answered, ViewCode.NO_BLANK_ANSWER),
        (low, ViewCode.LOW_MASS),
        (blank_low, ViewCode.LOW_BLANK_MASS),
    )
    return np.select([where for where, _ in reasons], [code for _, code in reasons], ViewCode.VIEWED).astype(np.uint8)


SMALLEST_PROBABILITY = 2.0**-24
"""The smallest number above 0 that answers are stored with (float16): a choice that is stored with 0 is taken to have this."""
SMALLEST_ODDS = 2.0**-11
"""Scores closer to 0 or 1 than this are moved to it: stored probabilities near 1 are rounded by as much."""


def log_odds(score: Float[np.ndarray, "N T"]) -> Float64[np.ndarray, "N T"]:
    """log(s / (1 − s)) of scores, those within 2⁻¹¹ of 0 and 1 moved there, so that it lies in ±7.6.

    Example:
        >>> import numpy as np
        >>> from massjax.scores.hindsight import log_odds
        >>> log_odds(np.array([[0.0, 0.5, 0.75, 1.0]])).round(2).tolist()
        [[-7.62, 0.0, 1.1, 7.62]]
    """
    inside = np.clip(score.astype(np.float64), SMALLEST_ODDS, 1 - SMALLEST_ODDS)
    return np.log(inside) - np.log1p(-inside)


def of_log_odds(values: Float64[np.ndarray, "N T"]) -> Float32[np.ndarray, "N T"]:
    """Scores of log-odds, 1 / (1 + exp(−x)), in float32."""
    return (0.5 * (1 + np.tanh(0.5 * values))).astype(np.float32)
