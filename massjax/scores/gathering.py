"""The score tensor of a run: what language models said, read from a tensor or a table, and what rules say, computed here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32

from massjax.agents.rules import rule_scores_by_date
from massjax.errors import ConfigError, StoreError
from massjax.machine import free_host_bytes
from massjax.market import Panel
from massjax.row_words import counted, first_few
from massjax.scores.fitting import fitting_scores
from massjax.scores.given import align
from massjax.scores.inputs import Inputs
from massjax.scores.memory import score_array
from massjax.scores.places import Place
from massjax.scores.scores import Scores
from massjax.scores.status import Status

READ_AT_ONCE = 1 << 25
"""Scores read at once."""


class GatheredScores(NamedTuple):
    """Scores of all archetypes of a run, in their order.

    Attributes:
        scores: in [0, 1]; NaN where an archetype has none, or the stock is not a member. Date-major in memory.
        source: facts about where the language models' scores come from, for the report; empty where all archetypes are rules.
        warnings: what is missing.
        decisions: of archetypes that decide, by name, about how many members they were for long, neither and short.
        styles: of archetypes that a model wrote styles for, by name, what these mostly are.
    """

    scores: Float[np.ndarray, "K N T"]
    source: dict[str, Any]
    warnings: tuple[str, ...] = ()
    decisions: Mapping[str, tuple[int, int, int]] = MappingProxyType({})
    styles: Mapping[str, Mapping[str, str]] = MappingProxyType({})


def gather_scores(inputs: Inputs, *, windows: bool = False, whole: Sequence[str] = (), held: int = 0) -> GatheredScores:
    """Read the scores of archetypes that ask a model, compute those of rules from the market data.

    Args:
        inputs: what the run wants.
        windows: whether only a few dates of the scores are read at once, so that a file may hold those that are too many for memory.
        whole: the searches that read more, for the message.
        held: bytes that a search holds beside scores in memory.

    Raises:
        ConfigError: some archetypes ask a model but there is no store, or the scores do not fit into memory.
        StoreError: the store is missing or damaged, or lacks an answer that this run needs.
    """
    panel, archetypes = inputs.panel, inputs.archetypes
    asked = [k for k, archetype in enumerate(archetypes) if archetype.asks]
    given = [k for k, archetype in enumerate(archetypes) if archetype.protocol == "given"]
    names = [archetypes[k].name for k in asked]
    sizes = len(panel.dates), len(archetypes), len(panel.stocks)
    scores = score_array(*sizes, free_host_bytes(), windows=windows, whole=whole, held=held)
    found = fitting_scores(inputs, _store(inputs, names)) if asked else None
    rules = [k for k, archetype in enumerate(archetypes) if archetype.kind == "rule"]
    if rules:
        for dates, part in rule_scores_by_date(panel, [archetypes[k] for k in rules]):
            scores[dates, _run_of(rules)] = part
    source: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
    decisions: Mapping[str, tuple[int, int, int]] = {}
    styles: Mapping[str, Mapping[str, str]] = {}
    if inputs.given is not None and inputs.config.scores is not None:
        source = {**source_facts(inputs.given), "path": str(inputs.config.scores.path)}
        warnings = align(inputs.given, panel, scores, _run_of(given))
    if found is not None:
        source = {**source_facts(found), **({"given": source} if source else {})}
        warnings = (*warnings, *copy_scores(found, panel, names, scores, _run_of(asked)))
        decisions = count_decisions(found, panel, names)
        styles = {} if found.made_from is None else found.made_from.styles
    return GatheredScores(np.moveaxis(scores, 0, 2), source, warnings, decisions, styles)


def copy_scores(
    found: Scores, panel: Panel, names: Sequence[str], into: Float32[np.ndarray, "T K N"], rows: slice | list[int]
) -> tuple[str, ...]:
    """Copy the scores of some archetypes about the stocks and dates of a panel, NaN off its universe, some dates at a time.

    Returns:
        Warnings of dates on which what was to be asked has no answer.

    Raises:
        StoreError: a stock, date or archetype of the run is not among the scores, or they are damaged.
    """
    lacking, none = np.zeros((2, len(panel.dates)), bool)
    for dates, span, cells, member in _blocks(found, panel, names):
        part, status = found.score(span)[cells], found.status(span)[cells]
        into[dates, rows] = np.where(member, part, np.float32(np.nan))
        missing = member & np.isin(status, (Status.NOT_ASKED, Status.FAILED))
        lacking[dates] = missing.any(axis=(1, 2))
        none[dates] = lacking[dates] & ~(member & (status == Status.SCORED)).any(axis=(1, 2))
    return _unanswered(panel, lacking & ~none, none)


def count_decisions(found: Scores, panel: Panel, names: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """About how many members of a panel, over all dates, each archetype that decides was for long, neither and short.

    Raises:
        StoreError: a stock, date or archetype of the run is not among the scores, or they are damaged.
    """
    if not found.decides:
        return {}
    counts = np.zeros((len(names), 3), np.int64)
    for _, span, cells, member in _blocks(found, panel, names):
        part = found.decision(span)[cells]
        counts += np.stack([(member & (part == side)).sum(axis=(0, 2)) for side in (1, 0, -1)], axis=1)
    return {name: (int(up), int(none), int(down)) for name, (up, none, down) in zip(names, counts, strict=True) if up + none + down}


def _blocks(
    found: Scores, panel: Panel, names: Sequence[str]
) -> Iterator[tuple[slice, slice, tuple[np.ndarray, ...], Bool[np.ndarray, "D 1 N"]]]:
    """Some dates of a panel at a time: which, the span of the scores' dates that holds them, their cells in it, and the members."""
    stocks, kept, columns = found.positions("stock", panel.stocks), found.positions("archetype", names), _dates_in(found, panel)
    for dates in _parts(len(panel.dates), len(found.archetypes) * len(found.stocks)):
        there = columns[dates]
        span = slice(int(there[0]), int(there[-1]) + 1)
        yield dates, span, np.ix_(there - there[0], kept, stocks), panel.member[:, dates].T[:, None]


def _unanswered(panel: Panel, lacking: Bool[np.ndarray, " T"], none: Bool[np.ndarray, " T"]) -> tuple[str, ...]:
    advice = "run `python -m massjax.precompute` with this config to ask again for what has no answer"
    return tuple(
        f"{counted(int(where.sum()), 'date')} of {len(panel.dates)} {what}, the first being {panel.dates[where.argmax()]}; {advice}"
        for where, what in ((none, "have no score"), (lacking, "lack the scores of some archetypes or stocks"))
        if where.any()
    )


def _dates_in(found: Scores, panel: Panel) -> np.ndarray:
    places = np.searchsorted(found.dates, panel.dates)
    there = found.dates[np.minimum(places, len(found.dates) - 1)] == panel.dates
    if not there.all():
        extent = f"{found.dates[0]} to {found.dates[-1]}"
        raise StoreError(
            f"{found.place or 'the scores'}: {counted(int((~there).sum()), 'date')} of the market data are not among the scores, the first "
            f"{panel.dates[(~there).argmax()]}; they have {extent}: run precompute with this config, or narrow market.start, market.end"
        )
    return places


def _parts(dates: int, a_date: int) -> Iterator[slice]:
    """Successive dates of about `READ_AT_ONCE` scores; `a_date` is the number of scores of one."""
    step = max(1, READ_AT_ONCE // max(1, a_date))
    return (slice(start, min(start + step, dates)) for start in range(0, dates, step))


def _run_of(positions: Sequence[int]) -> slice | list[int]:
    """Positions as a slice, where they follow one another."""
    first, last = positions[0], positions[-1]
    return slice(first, last + 1) if len(positions) == last + 1 - first else list(positions)


def _store(inputs: Inputs, names: Sequence[str]) -> Place:
    if inputs.config.store is None:
        told = first_few([repr(name) for name in names], 3)
        raise ConfigError(
            f"store: not set, but {len(names)} archetypes ask a language model ({told}); name the score store with `store:` in the "
            "config or --store PATH (`python -m massjax.precompute` makes one), or use rule archetypes only"
        )
    return inputs.config.store


def source_facts(found: Scores) -> dict[str, Any]:
    """What a report says of scores: where they are, and what made them."""
    made = found.made_from
    if made is None:
        return {"path": found.place}
    models = {name or "scoring": dict(identity) for name, identity in made.models.items()}
    return {"path": found.place, **{name: value for name, value in made.settings.items() if name != "stages"}, "identity": models}
