"""What a method found is refused by name unless it is weights: an estimator's of all dates, or a search's of the dates searched."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from massjax.errors import ConfigError
from massjax.row_words import counted
from massjax.search.base import Estimator, Search

ROUNDING = 1e-3
"""How far the sum of weights may lie from 1, and a mean RankIC beyond it."""


def check_estimated(method: Estimator, weights: object, dates: int, archetypes: int) -> Float[np.ndarray, "T K"]:
    """What an estimator found, if it is weights.

    Raises:
        ConfigError: naming the estimator, and the first date on which its weights are unknown, negative, or do not sum to 1.
    """
    found, name = np.asarray(weights), type(method).__name__
    if found.shape != (dates, archetypes):
        raise ConfigError(
            f"{name}: its weights have shape {found.shape}; expected one row a date, one column an archetype: {(dates, archetypes)}"
        )
    if found.dtype.kind not in "fiub":
        raise ConfigError(f"{name}: its weights have dtype {found.dtype}; expected real numbers")
    advice = "an estimator returns non-negative weights that sum to 1, equal ones where it knows nothing"
    _check_distributions(name, found, np.arange(dates), dates, advice)
    return found


def check_searched(
    method: Search, weights: Float[np.ndarray, "S K"], fitness: Float[np.ndarray, " S"], defined: Bool[np.ndarray, " S"], first: int
) -> None:
    """Refuse what a search of one's own found that is no weights, or no RankIC; where its value is undefined, nothing is used.

    Args:
        method: the search.
        weights, fitness: found on each date.
        defined: whether the value of what was found is.
        first: index of the first date searched.

    Raises:
        ConfigError: naming the search, and the first date on which its weights are unknown, negative, or do not sum to 1, or its fitness
            lies outside [-1, 1].
    """
    name, advice = type(method).__name__, "a search hands `best` what `objective.judge` returns"
    _check_distributions(name, weights[defined], first + np.flatnonzero(defined), len(weights), advice)
    wrong = defined & (np.abs(fitness) > 1 + ROUNDING)
    if wrong.any():
        at = int(wrong.argmax())
        raise ConfigError(f"{name}: on the date of index {first + at} its fitness is {fitness[at]}, which is no mean RankIC; {advice}")


def _check_distributions(name: str, found: Float[np.ndarray, "S K"], indices: Int[np.ndarray, " S"], dates: int, advice: str) -> None:
    for wrong, what in (
        (~np.isfinite(found).all(axis=1), "are not finite"),
        ((found < 0).any(axis=1), "are negative"),
        (np.abs(found.sum(axis=1, dtype=np.float64) - 1) > ROUNDING, "do not sum to 1"),
    ):
        if wrong.any():
            first = int(wrong.argmax())
            raise ConfigError(
                f"{name}: on {counted(int(wrong.sum()), 'date')} of {dates} its weights {what}, first on the date of index "
                f"{indices[first]}: {found[first].tolist()}; {advice}"
            )
