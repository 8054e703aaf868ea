"""One stock under two names: series of two identifiers that are the same on all dates they share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from massjax.market.identifiers import twins
from massjax.row_words import counted, first_few

LEAST_SHARED, LEAST_DIFFERENT = 30, 10
"""Dates that both must share, and different values on them, for equal series to tell of one stock; a stablecoin stays at 1."""
PROBES = 20
"""Dates on which equal values are looked for at first."""
CLOSE = 1e-3
"""How far apart, as a share, values of two spellings of one name may be, as those of two vendors are."""
NAMED = 3


def doubles(values: Float[np.ndarray, "N T"], stocks: Sequence[str], path: Path, what: str) -> tuple[str, ...]:
    """A sentence that names pairs of stocks of which one is the other's copy: it would count twice in every rank and portfolio.

    Args:
        values: closes or returns, NaN where unknown.
        stocks: by row.
        path: the file of the values.
        what: they are, in the singular, for the sentence.
    """
    place = {stock: row for row, stock in enumerate(stocks)}
    spelled_alike = {(place[one], place[other]) for one, other in twins(stocks)}
    tolerances = dict.fromkeys(_candidates(values), 0.0) | dict.fromkeys(spelled_alike, CLOSE)
    shared = {pair: _shared(values, *pair, tolerance) for pair, tolerance in sorted(tolerances.items())}
    found = [(*pair, dates) for pair, dates in shared.items() if dates]
    if not found:
        return ()
    named = first_few([f"{stocks[first]} and {stocks[second]} on {counted(dates, 'date')}" for first, second, dates in found], NAMED, "; ")
    pairs = "1 pair of stocks has" if len(found) == 1 else f"{len(found):,} pairs of stocks have"
    return (
        f"{path}: {pairs} the same {what} on every date that both have: {named}; is that one stock under two names, which then "
        "counts twice? Leave out one of them",
    )


def _candidates(values: Float[np.ndarray, "N T"]) -> set[tuple[int, int]]:
    """Pairs with the same value on one of a few dates, spread over all."""
    dates = values.shape[1]
    columns = np.unique(np.linspace(0, max(dates - 1, 0), PROBES).round().astype(int))
    pairs: set[tuple[int, int]] = set()
    for column in columns:
        order = np.argsort(values[:, column], kind="stable")
        order = order[np.isfinite(values[order, column])]
        same = values[order[1:], column] == values[order[:-1], column]
        pairs |= {(int(min(a, b)), int(max(a, b))) for a, b in zip(order[:-1][same], order[1:][same], strict=True)}
    return pairs


def _shared(values: Float[np.ndarray, "N T"], first: int, second: int, tolerance: float) -> int:
    """Dates that both have if the values on them are the same, up to a share of their size, and tell of one stock; else 0."""
    one, other = values[first], values[second]
    both = np.isfinite(one) & np.isfinite(other)
    one, other = one[both], other[both]
    if one.size < LEAST_SHARED or np.unique(one).size < LEAST_DIFFERENT:
        return 0
    return one.size if (np.abs(one - other) <= tolerance * np.abs(one)).all() else 0
