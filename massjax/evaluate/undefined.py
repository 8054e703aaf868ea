"""Scores by which no strategy can be judged: none at all, or none that tells two stocks apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from massjax.errors import ConfigError, DataError

MOST_REMARKS = 10
"""Remarks on the data that are repeated where nothing can be evaluated."""


def check_any_score(scores: Float[np.ndarray, "K N T"], archetypes: Sequence[str]) -> None:
    """Refuse scores of which none is known.

    Args:
        scores: NaN where an archetype has none.
        archetypes: their names.

    Raises:
        DataError: naming the archetypes.
    """
    if not any(np.isfinite(day).any() for day in np.moveaxis(scores, 2, 0)):
        names = ", ".join(map(repr, archetypes))
        raise DataError(
            f"no archetype has a score on any date: {names}; "
            "a rule needs features that are known, a language model's scores come from `python -m massjax.precompute`"
        )


def nothing_evaluated(scores: Float[np.ndarray, "K N T"], archetypes: Sequence[str], doubts: Sequence[str]) -> ConfigError:
    """The error of a run in which no look-back window allows a rank correlation, with what may be the reason.

    Args:
        scores: NaN where an archetype has none.
        archetypes: their names; those that never tell two stocks apart are named.
        doubts: remarks on the market data.
    """
    differing = np.zeros(len(archetypes), bool)
    for day in np.moveaxis(scores, 2, 0):
        differing |= np.where(np.isnan(day), np.inf, day).min(axis=1) < np.where(np.isnan(day), -np.inf, day).max(axis=1)
    flat = [repr(name) for name, differs in zip(archetypes, differing, strict=True) if not differs]
    return ConfigError(
        "no date can be evaluated: in no look-back window do scores and forward returns allow a rank correlation; "
        "check that the scores differ between stocks, and that returns are known on the dates that have scores"
        + (f". Never a difference between stocks: {', '.join(flat)}" if flat else "")
        + (f". Of the data: {'; '.join(doubts[:MOST_REMARKS])}" if doubts else "")
    )
