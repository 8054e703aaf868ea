"""Where the work of a run lies in a score store: matching axes and keys of units."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from massjax.agents.archetype import Archetype
from massjax.answers.sharding import Bundle, split
from massjax.errors import StoreError
from massjax.scoring.templates import PromptLayout
from massjax.scoring.work import Work, definition, describe_panel, prompts_key, rule_key, settings_key
from massjax.store import ScoreStore, Unit, exists
from massjax.store.folder import Where
from massjax.store.provenance import differences


def open_or_create(work: Work, path: Where, identity: Mapping[str, str]) -> ScoreStore:
    """The store of a run, made or extended to hold all its dates, stocks and archetypes.

    Args:
        identity: of the language model; with the settings it makes up the store's run key.

    Raises:
        StoreError: the store at `path` was made with another model, prompt or setting, each differing field being named, or
            covers dates or stocks that the configuration does not.
    """
    run_key = {**settings_key(work.config, work.template), **{f"engine.{name}": value for name, value in identity.items()}}
    for attempt in range(_ATTEMPTS):
        if not exists(path):
            try:
                return _create(work, path, run_key)
            except StoreError:
                if not exists(path):
                    raise
        store = ScoreStore.open(path, expect=run_key, mode="r+")
        check_definitions(work, store, work.archetypes)
        check_axes(work, store)
        try:
            _extend(work, store)
            return store
        except StoreError:
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_PAUSE)
    raise AssertionError("unreachable")


_ATTEMPTS, _PAUSE = 20, 0.5
"""Several workers may make or extend a store at the same moment: one does, the others find it done a little later."""


def _create(work: Work, path: Where, run_key: Mapping[str, Any]) -> ScoreStore:
    example = next((prompts.prompts[0] for prompts in work.prompts.values() if prompts.prompts), None)
    return ScoreStore.create(
        path,
        dates=work.panel.dates,
        stocks=list(work.panel.stocks),
        archetypes=[definition(a) for a in work.archetypes],
        choices=work.config.scoring.choices,
        run_key=run_key,
        dates_per_unit=work.config.layout.dates_per_unit,
        panel=describe_panel(work.panel, work.config),
        example_prompt="\n\n".join(example) if example else "",
    )


def check_axes(work: Work, store: ScoreStore) -> None:
    """Refuse a store that this run could not extend to what it wants.

    Raises:
        StoreError: the store holds dates or stocks that the run has not, or begins later than it.
    """
    panel, dates = work.panel, store.dates
    absent = dates[~np.isin(dates, panel.dates)]
    if len(absent):
        raise StoreError(
            f"{store.path}: holds {len(absent)} dates that the market data has not, the first being {absent[0]}; "
            "widen market.start and market.end to include them, or use another store"
        )
    new = panel.dates[~np.isin(panel.dates, dates)]
    if len(new) and new[0] < dates[-1]:
        raise StoreError(
            f"{store.path}: begins at {dates[0]}, the market data at {new[0]}; a store grows only at its end: use another store"
        )
    for name in store.stocks:
        if name not in panel.stocks:
            raise StoreError(f"{store.path}: holds stock {name!r}, which this run has not; add it again, or use another store")


def check_definitions(work: Work, store: ScoreStore, archetypes: Iterable[Archetype]) -> None:
    """Refuse an archetype that the store has under the same name and with another definition.

    The store may have archetypes that the run has not, in any order, and the run may have new ones.

    Raises:
        StoreError: naming the archetype, each field that differs with both values, and how many prompts a new name would ask.
    """
    stored = {definition["name"]: definition for definition in store.provenance.archetypes}
    for archetype in archetypes:
        lines = differences(stored.get(archetype.name, definition(archetype)), definition(archetype))
        if lines:
            count = f"only its {work.weight(archetype):,} prompts are asked" if archetype.kind == "llm" else "a rule asks nothing"
            raise StoreError(
                f"{store.path}: archetype {archetype.name!r} was scored under another definition; give it a new name in agents.archetypes: "
                f"{count}, and all scores that are there stay; or use another store:\n  " + "\n  ".join(lines)
            )


def _extend(work: Work, store: ScoreStore) -> None:
    dates = work.panel.dates[~np.isin(work.panel.dates, store.dates)]
    stocks = [s for s in work.panel.stocks if s not in set(store.stocks)]
    archetypes = [definition(a) for a in work.archetypes if a.name not in set(store.archetypes)]
    if len(dates) or stocks or archetypes:
        store.extend(dates=dates, stocks=stocks, archetypes=archetypes, panel=describe_panel(work.panel, work.config))


def own_units(work: Work, store: ScoreStore) -> list[Unit]:
    """The units of the store that belong to the run's archetypes; it may have others."""
    names = {archetype.name for archetype in work.archetypes}
    return [unit for unit in store.units() if store.archetypes[unit.archetype] in names]


def shards_of(work: Work, store: ScoreStore, count: int) -> list[list[Unit]]:
    """All units of the run's archetypes in `count` parts of about as many distinct prompts.

    The cut depends on the configuration, the market data and the store's axes, never on what is finished. An archetype stays whole
    unless it is more than a part's share, because prompts repeat and begin alike within it; one with stages always does, because
    its texts must not be written twice.
    """
    units: dict[str, list[Unit]] = {archetype.name: [] for archetype in work.archetypes}
    for unit in own_units(work, store):
        units[store.archetypes[unit.archetype]].append(unit)
    weights = {a.name: float(work.weight(a)) if a.kind == "llm" else 0.01 for a in work.archetypes}
    return split([Bundle(weights[a.name], units[a.name], whole=bool(a.stages)) for a in work.archetypes], count)


def asked_together(store: ScoreStore, units: Sequence[Unit], layout: PromptLayout) -> list[list[Unit]]:
    """Units in the order of asking; the prompts of those in one list are sorted together.

    Archetype first: block by block, archetype by archetype. Facts first: the archetypes of a block are asked together, so that prompts
    about the same facts are neighbours.
    """
    if layout == "archetype-first":
        return [[unit] for unit in sorted(units, key=lambda unit: (store.layout.block(unit), unit.archetype, unit.first, unit.start))]
    together: dict[tuple[int, int, int], list[Unit]] = {}
    for unit in sorted(units, key=lambda unit: (store.layout.block(unit), unit.first, unit.start, unit.archetype)):
        together.setdefault((store.layout.block(unit), unit.first, unit.start), []).append(unit)
    return list(together.values())


def unit_keys(work: Work, store: ScoreStore) -> dict[Unit, str]:
    """The key every unit of the store would be written under now; those of archetypes whose stages lack texts have none yet."""
    ready = {a.name for a in work.archetypes if a.kind == "rule" or a.name in work.prompts}
    return {unit: unit_key(work, store, unit) for unit in store.units() if store.archetypes[unit.archetype] in ready}


def unit_key(work: Work, store: ScoreStore, unit: Unit) -> str:
    """The key of one unit, from the prompts or the rule scores of its cells."""
    archetype = archetype_of(work, store, unit)
    if archetype.kind == "rule":
        return rule_key(archetype, cells(work, store, unit, work.rule_scores[archetype.name]))
    digests = cells(work, store, unit, work.digests[archetype.name])
    return prompts_key(digests, work.content_free(archetype) if work.config.scoring.calibrate else None)


def archetype_of(work: Work, store: ScoreStore, unit: Unit) -> Archetype:
    """The archetype a unit belongs to."""
    name = store.archetypes[unit.archetype]
    return next(a for a in work.archetypes if a.name == name)


def cells(work: Work, store: ScoreStore, unit: Unit, values: np.ndarray) -> np.ndarray:
    """The cells of a unit, [dates, stocks], out of an array over the panel's [stocks, dates]."""
    columns = np.searchsorted(work.panel.dates, store.dates[unit.dates])
    position = {stock: row for row, stock in enumerate(work.panel.stocks)}
    rows = np.array([position[stock] for stock in store.stocks[unit.stocks]], dtype=np.intp)
    return values[np.ix_(rows, columns)].T
