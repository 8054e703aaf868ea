"""Tables of a simulated market's report, and the documents that are made of the same figures."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any, NamedTuple

from massjax.report.market.result import BAR, HILL, MarketResult, Population
from massjax.report.market.words import TRAIT_WORDS, interval, memory_lags, memory_of, opening, regularities
from massjax.report.wording import number
from massjax.simulator.measures import BEHAVIOURS, TRAITS

FACTS = (
    ("Excess kurtosis, 1 tick", "excess kurtosis, 1 tick", 2),
    ("10 ticks", "excess kurtosis, 10 ticks", 2),
    ("100 ticks", "excess kurtosis, 100 ticks", 2),
    ("Hill's index, 10 ticks", HILL, 2),
    ("Autocorrelation of r, lag 1", "r autocorrelation, lag 1", 3),
    ("of |r|, lag 1", "|r| autocorrelation, lag 1", 3),
    ("lag 10", "|r| autocorrelation, lag 10", 3),
    ("lag 50", "|r| autocorrelation, lag 50", 3),
    ("Volume and volatility", "volume-volatility, bars of 10 ticks", 2),
    ("Trade signs, lag 1", "trade sign autocorrelation, lag 1", 3),
    ("Gain–loss asymmetry", "gain-loss asymmetry", 2),
)
"""Rows of the table of stylised facts: heading, name of the fact, digits."""


class Row(NamedTuple):
    """A row of a table: its heading and cells."""

    heading: str
    cells: tuple[str, ...]


def health_rows(result: MarketResult) -> tuple[Row, ...]:
    """Health of each population: trades, mispricing, correlation with the fundamental, variance of the stillest market."""
    return tuple(
        Row(
            one.label,
            (
                number(100 * one.health.trades, 1),
                number(one.health.mispricing, 4),
                number(one.health.correlation),
                f"{one.health.least_variance:.1e}",
            ),
        )
        for one in result.populations
    )


def fact_rows(result: MarketResult) -> tuple[Row, ...]:
    """Stylised facts of each population with their intervals."""
    first, last = memory_lags(result.config.simulation.market.agents)
    rows = (*FACTS, (f"of |r| over {BAR} ticks, mean of lags {first}–{last}", memory_of(result.config), 4))
    return tuple(Row(heading, tuple(interval(one.facts[name], digits) for one in result.populations)) for heading, name, digits in rows)


def relation_rows(population: Population) -> tuple[Row, ...]:
    """Rank correlations inside markets of each trait with each behaviour, and z against permuted traits."""
    rows = []
    for trait in TRAITS:
        found = [population.relation(trait, behaviour) for behaviour in BEHAVIOURS]
        cells = tuple("" if one is None else f"{number(one.correlation, sign=True)} (z {number(one.z, 0)})" for one in found)
        rows.append(Row(TRAIT_WORDS[trait].capitalize(), cells))
    return tuple(rows)


def metrics_document(result: MarketResult) -> dict[str, Any]:
    """What `metrics.json` holds; a figure that is not defined is null."""
    return _plain(
        {
            "opening": opening(result),
            "policy": result.policy_words,
            "platform": result.platform,
            "seconds": dict(result.seconds),
            "warnings": list(result.warnings),
            "regularities": [one._asdict() for one in regularities(result)],
            "populations": {
                one.name: {
                    "label": one.label,
                    "about": one.about,
                    "health": one.health._asdict(),
                    "ailments": list(one.ailments),
                    "facts": {name: asdict(fact) for name, fact in one.facts.items()},
                    "relations": [relation._asdict() for relation in one.relations],
                }
                for one in result.populations
            },
        }
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
