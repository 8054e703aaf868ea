"""The score tensor of a run: what language models said, read from a store, and what rules say, computed here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Shaped

from massjax.agents.rules import rule_scores_by_date
from massjax.errors import ConfigError, StoreError
from massjax.machine import free_host_bytes
from massjax.market import Panel
from massjax.row_words import first_few
from massjax.scoring.checking import check_stored_scores
from massjax.scoring.memory import check_memory
from massjax.scoring.work import Work
from massjax.store import ScoreStore

READ_AT_ONCE = 1 << 25
"""Scores read from a store at once, where the units of the store are not larger."""


class GatheredScores(NamedTuple):
    """Scores of all archetypes of a run, in their order.

    Attributes:
        scores: in [0, 1]; NaN where an archetype has none, or the stock is not a member. Date-major in memory.
        store: where the language models' scores come from; None where all archetypes are rules.
        warnings: what the store lacks.
    """

    scores: Float[np.ndarray, "K N T"]
    store: ScoreStore | None
    warnings: tuple[str, ...] = ()


def gather_scores(work: Work) -> GatheredScores:
    """Read the scores of LLM archetypes from the store of the configuration, compute those of rule archetypes from the panel.

    Raises:
        ConfigError: there are LLM archetypes but no store, or the scores do not fit into memory.
        StoreError: the store is missing or damaged, holds the scores of something else, or lacks a date, stock or archetype.
    """
    panel, archetypes = work.panel, work.archetypes
    asked = [k for k, archetype in enumerate(archetypes) if archetype.kind == "llm"]
    names = [archetypes[k].name for k in asked]
    store = _open(work, names) if asked else None
    check_memory(len(archetypes), len(panel.stocks), len(panel.dates), free_host_bytes())
    scores = np.empty((len(panel.dates), len(archetypes), len(panel.stocks)), np.float32)
    rules = [k for k, archetype in enumerate(archetypes) if archetype.kind == "rule"]
    if rules:
        for dates, part in rule_scores_by_date(panel, [archetypes[k] for k in rules]):
            scores[dates, _run_of(rules)] = part
    if store is None:
        return GatheredScores(np.moveaxis(scores, 0, 2), None)
    for dates in _parts(len(panel.dates), store.layout.dates_per_unit, len(names) * len(panel.stocks)):
        scores[dates, _run_of(asked)] = _stored(store, panel, names, dates)
    return GatheredScores(np.moveaxis(scores, 0, 2), store, unasked_warnings(store, names, panel.dates, panel.stocks))


def _parts(dates: int, unit: int, a_date: int) -> Iterator[slice]:
    """Successive dates, whole units of a store, of about `READ_AT_ONCE` scores; `a_date` is the number of scores of one."""
    step = max(1, READ_AT_ONCE // (a_date * unit)) * unit
    return (slice(start, min(start + step, dates)) for start in range(0, dates, step))


def _stored(store: ScoreStore, panel: Panel, names: Sequence[str], dates: slice) -> Float32[np.ndarray, "B K N"]:
    """What a store holds of some successive dates, NaN off the universe."""
    try:
        part = store.scores(dates=panel.dates[dates], archetypes=names, stocks=panel.stocks)
    except StoreError as error:
        hint = "run precompute with this config to add what is missing, or narrow market.start, market.end or the stocks"
        raise StoreError(f"{store.path}: {error} ({hint})") from error
    by_date = np.moveaxis(part, 2, 0)
    np.copyto(by_date, np.float32(np.nan), where=~panel.member[:, dates].T[:, None])
    return by_date


def _run_of(positions: Sequence[int]) -> slice | list[int]:
    """Positions as a slice, where they follow one another."""
    first, last = positions[0], positions[-1]
    return slice(first, last + 1) if len(positions) == last + 1 - first else list(positions)


def _open(work: Work, names: Sequence[str]) -> ScoreStore:
    path = work.config.store
    if path is None:
        told = first_few([repr(name) for name in names], 3)
        raise ConfigError(
            f"store: not set, but {len(names)} archetypes ask a language model ({told}); name the score store with `store:` in the "
            "config or --store PATH (`python -m massjax.precompute` makes one), or use rule archetypes only"
        )
    store = ScoreStore.open(path)
    check_stored_scores(work, store)
    return store


def unasked_warnings(
    store: ScoreStore, archetypes: Sequence[str], dates: Shaped[np.ndarray, " T"], stocks: Sequence[str]
) -> tuple[str, ...]:
    """A warning where wanted units of the store have not been asked, or were dropped by a repair: they are NaN, as what has no answer is.

    Args:
        archetypes: names of those that ask a language model.
        dates: wanted, in order.
        stocks: wanted.
    """
    columns = {day: column for column, day in enumerate(dates.tolist())}
    row = {store.archetypes.index(name): k for k, name in enumerate(archetypes)}
    asked = {stock: place for place, stock in enumerate(store.stocks)}
    places = {asked[stock] for stock in stocks}
    finished, lacking = np.zeros((2, len(archetypes), len(dates)), bool)
    there = store.entries()
    for unit in store.units():
        if unit.archetype in row and any(place in places for place in range(unit.first, unit.last)):
            inside = [columns[day] for day in store.dates[unit.dates].tolist() if day in columns]
            (finished if unit in there else lacking)[row[unit.archetype], inside] = True
    without = ~finished.any(axis=0)
    partly = lacking.any(axis=0) & ~without
    advice = f"run `python -m massjax.precompute --store {store.path}` with this config to ask for what is missing"
    told = [
        f"{count} of {len(dates)} dates {what}, the first being {dates[where.argmax()]}; {advice}"
        for where, what in ((without, "have no score"), (partly, "lack the scores of some archetypes"))
        if (count := int(where.sum()))
    ]
    return tuple(told)


def store_facts(store: ScoreStore | None) -> dict[str, Any]:
    """What a report says of the store: where it is and what made it."""
    if store is None:
        return {}
    made = store.provenance
    return {"path": str(store.path), "created": made.created, "massjax": made.version, "panel": dict(made.panel), **made.run_key}
