"""Decisions counted with loops in plain Python: the reference of the fast computations."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from massjax.statistics.decisions import MISSING

Flat = Sequence[int]


def known_pairs(decisions: Flat, reference: Flat) -> list[tuple[int, int]]:
    return [(mine, theirs) for mine, theirs in zip(decisions, reference, strict=True) if MISSING not in (mine, theirs)]


def agreement(decisions: Flat, reference: Flat, sides: Sequence[int]) -> tuple[float, float, float]:
    """Share of all active decisions, consistency, and chance; there must be a decision of each side."""
    pairs = known_pairs(decisions, reference)
    chosen = [(mine, theirs) for mine, theirs in pairs if mine in sides]
    active = [mine for mine, _ in pairs if mine != 0]
    chance = 0.0
    for mine, _ in chosen:
        chance += sum(theirs == mine for _, theirs in pairs) / len(pairs)
    return len(chosen) / len(active), sum(mine == theirs for mine, theirs in chosen) / len(chosen), chance / len(chosen)


def clusters(labels: Sequence[object], values: Sequence[float]) -> list[float]:
    return [sum(value for label, value in zip(labels, values, strict=True) if label == one) for one in dict.fromkeys(labels)]


def two_way_variance(values: Sequence[float], stocks: Sequence[object], dates: Sequence[object]) -> float:
    """Σ of products of all pairs of values that have a stock or a date in common, or one of the two ways alone, whichever is most."""
    by_stock = by_date = either = 0.0
    for i, j in itertools.product(range(len(values)), repeat=2):
        product, stock, date = values[i] * values[j], stocks[i] == stocks[j], dates[i] == dates[j]
        by_stock, by_date, either = by_stock + product * stock, by_date + product * date, either + product * (stock or date)
    return max(by_stock, by_date, either)


def sign_flips(sums: Sequence[float], threshold: float) -> float:
    """Share of all combinations of signs that reach a threshold."""
    reached = [abs(sum(s * d for s, d in zip(signs, sums, strict=True))) >= threshold - 1e-9 for signs in _signs(len(sums))]
    return sum(reached) / len(reached)


def clustered_mcnemar(values: Sequence[float], stocks: Sequence[object], dates: Sequence[object]) -> float:
    total, variance = abs(sum(values)), two_way_variance(values, stocks, dates)
    ways = [clusters(stocks, values), clusters(dates, values)]
    return max(sign_flips(sums, total * (sum(d * d for d in sums) / variance) ** 0.5) for sums in ways)


def _signs(count: int) -> itertools.product:
    return itertools.product((-1, 1), repeat=count)
