"""Where the work of a run lies in a score store: matching axes, keys of units, and the check before scores are used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from massjax.config import Archetype
from massjax.errors import StoreError
from massjax.scoring.work import Work, definition, describe_panel, digests_of, prompts_key, rule_key, settings_key
from massjax.store import ScoreStore, Unit

SAMPLED_UNITS = 24


def open_or_create(work: Work, path: Path, engine_key: Mapping[str, str]) -> ScoreStore:
    """The store of a run, made or extended to hold all its dates, stocks and archetypes.

    Args:
        engine_key: the engine's identity; with the settings it makes up the store's run key.

    Raises:
        StoreError: the store at `path` was made with another model, prompt or setting, each differing field being named, or
            covers dates or stocks that the configuration does not.
    """
    run_key = {**settings_key(work.config, work.template), **{f"engine.{name}": value for name, value in engine_key.items()}}
    definitions = [definition(a) for a in work.archetypes]
    if not path.exists():
        llm = [a for a in work.archetypes if a.kind == "llm"]
        example = work.prompts_between(llm[0], slice(0, 1)).prompts if llm else []
        return ScoreStore.create(
            path,
            dates=work.panel.dates,
            stocks=list(work.panel.stocks),
            archetypes=definitions,
            choices=work.config.scoring.choices,
            run_key=run_key,
            dates_per_unit=work.config.layout.dates_per_unit,
            panel=describe_panel(work.panel, work.config),
            example_prompt="\n\n".join(example[0]) if example else "",
        )
    store = ScoreStore.open(path, expect=run_key, archetypes=definitions, mode="r+")
    _extend(work, store)
    return store


def _extend(work: Work, store: ScoreStore) -> None:
    panel = work.panel
    dates, overlap = store.dates, np.isin(panel.dates, store.dates)
    if overlap.sum() != len(dates):
        absent = dates[~np.isin(dates, panel.dates)]
        raise StoreError(
            f"{store.path}: holds {len(absent)} dates that the market data has not, the first being {absent[0]}; "
            "widen market.start and market.end to include them, or use another store"
        )
    new_dates = panel.dates[~overlap]
    if len(new_dates) and new_dates[0] < dates[-1]:
        raise StoreError(
            f"{store.path}: begins at {dates[0]}, the market data at {new_dates[0]}; a store grows only at its end: use another store"
        )
    for kind, held, wanted in (
        ("stock", store.stocks, panel.stocks),
        ("archetype", store.archetypes, tuple(a.name for a in work.archetypes)),
    ):
        for name in held:
            if name not in wanted:
                raise StoreError(f"{store.path}: holds {kind} {name!r}, which this run has not; add it again, or use another store")
    new_stocks = [s for s in panel.stocks if s not in set(store.stocks)]
    new_archetypes = [definition(a) for a in work.archetypes if a.name not in set(store.archetypes)]
    if len(new_dates) or new_stocks or new_archetypes:
        store.extend(dates=new_dates, stocks=new_stocks, archetypes=new_archetypes)


def unit_keys(work: Work, store: ScoreStore) -> dict[Unit, str]:
    """The key every unit of the store would be written under now."""
    return {unit: unit_key(work, store, unit) for unit in store.units()}


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


def check_scores(work: Work, store: ScoreStore) -> None:
    """Refuse scores that other prompts, data or settings gave rise to, before they are used.

    Settings and archetype definitions are compared whole; prompts are rendered again for a fixed sample of the finished units.

    Raises:
        StoreError: naming each differing setting, or the archetype and dates whose prompts differ.
    """
    expected = settings_key(work.config, work.template)
    held = store.provenance.run_key
    differing = [
        f"{name}: the store has {held.get(name)!r}, this run {value!r}" for name, value in expected.items() if held.get(name) != value
    ]
    if differing:
        raise StoreError(f"{store.path}: holds the scores of another setting\n  " + "\n  ".join(differing))
    definitions = {d["name"]: d for d in store.provenance.archetypes}
    for archetype in work.archetypes:
        if archetype.kind == "rule":
            continue
        if archetype.name not in definitions:
            raise StoreError(
                f"{store.path}: has no scores of archetype {archetype.name!r}; run python -m massjax.precompute with this config"
            )
        if dict(definitions[archetype.name]) != definition(archetype):
            raise StoreError(
                f"{store.path}: archetype {archetype.name!r} was scored as {dict(definitions[archetype.name])}, this run defines it as "
                f"{definition(archetype)}; give the changed archetype another name, or use another store"
            )
    for unit in _sample(work, store):
        _check_unit(work, store, unit)


def _sample(work: Work, store: ScoreStore) -> list[Unit]:
    wanted = {a.name for a in work.archetypes if a.kind == "llm"}
    inside = set(work.panel.dates.tolist())
    units = [
        unit
        for unit in store.entries()
        if store.archetypes[unit.archetype] in wanted
        and all(day in inside for day in store.dates[unit.dates].tolist())
        and set(store.stocks[unit.stocks]) <= set(work.panel.stocks)
    ]
    units.sort()
    if len(units) <= SAMPLED_UNITS:
        return units
    return [units[i] for i in np.linspace(0, len(units) - 1, SAMPLED_UNITS).round().astype(int)]


def _check_unit(work: Work, store: ScoreStore, unit: Unit) -> None:
    archetype = archetype_of(work, store, unit)
    columns = np.searchsorted(work.panel.dates, store.dates[unit.dates])
    first, last = int(columns[0]), int(columns[-1]) + 1
    digests = np.zeros(work.panel.member.shape, dtype=np.uint64)
    digests[:, first:last] = digests_of(work.prompts_between(archetype, slice(first, last)))
    key = prompts_key(cells(work, store, unit, digests), work.content_free(archetype) if work.config.scoring.calibrate else None)
    if key != store.entries()[unit].key:
        raise StoreError(
            f"{store.path}: {store.layout.describe(unit)}: was scored from other prompts than this configuration and data give; "
            "the market data, the features shown or massjax's prompts have changed. "
            "Run python -m massjax.precompute to ask again, or use another store"
        )
