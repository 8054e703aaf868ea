"""What the questions of an archetype are about: every stock on every date, or every text by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float16, Float32, Int8, UInt8

from massjax.agents.facts import Fact

NOTHING = 254
"""In the place of a code where nothing is asked."""


class Found(NamedTuple):
    """What answers come to, at each place of a view or at each stock and date.

    Attributes:
        score: in [0, 1]; NaN where there is none.
        mass: the least raw probability on the choices of any answer that counts; NaN where not all are there.
        code: 0 where there is a score; why there is none, as `massjax.agents.protocols.turns.Replies` has it; or `NOTHING`.
        decision: 1, 0 or -1, or `NO_DECISION`; None of a protocol that does not decide.
    """

    score: Float32[np.ndarray, "N T"]
    mass: Float16[np.ndarray, "N T"]
    code: UInt8[np.ndarray, "N T"]
    decision: Int8[np.ndarray, "N T"] | None


@dataclass(frozen=True, eq=False)
class View:
    """Every stock on every date.

    Attributes:
        facts: known at the close of each date.
        member: True where the stock is in the universe.
    """

    facts: tuple[Fact, ...]
    member: Bool[np.ndarray, "N T"]

    def about(self, place: tuple[int, int]) -> tuple[int, int, str]:
        """Stock and date of a place, and words for what else it is about."""
        return (*place, "")

    def places(self, stock: int, date: int) -> list[tuple[int, int]]:
        """The places that a stock's score on a date comes from."""
        return [(stock, date)]

    def at_cells(self, found: Found) -> Found:
        """What is found, at each stock and date."""
        return found
