"""The check before stored scores are used: were they given for the same settings, archetypes, prompts and data?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from massjax.agents.archetype import asks_a_model
from massjax.errors import StoreError
from massjax.scoring.placing import archetype_of, cells, check_axes, check_definitions
from massjax.scoring.work import Work, digests_of, prompts_key, settings_key
from massjax.store import ScoreStore, Unit

SAMPLED_UNITS = 24


def check_settings(work: Work, store: ScoreStore) -> None:
    """Refuse a store made with other settings, another kind of model or one of another name.

    What only the loaded model knows (hashes of the model's files, versions) is compared when precompute opens the store.

    Raises:
        StoreError: naming each setting that differs, with both values.
    """
    expected = settings_key(work.config, work.template)
    held = {name: store.provenance.run_key.get(name) for name in expected}
    if work.config.scoring.dtype == "auto":
        expected["dtype"] = held["dtype"]
    if asks_a_model(work.archetypes):
        scoring = work.config.scoring
        expected["engine"], held["engine"] = scoring.engine, str(store.provenance.run_key.get("engine.engine", "")).partition(" ")[0]
        if scoring.model:
            expected["model"], held["model"] = Path(scoring.model).name, store.provenance.panel.get("model")
    differing = [f"{name}: the store has {held[name]!r}, this run {value!r}" for name, value in expected.items() if held[name] != value]
    if differing:
        raise StoreError(
            f"{store.path}: holds the scores of something else; use another store, or the settings it was made with:\n  "
            + "\n  ".join(differing)
        )


def check_continues(work: Work, store: ScoreStore) -> None:
    """Refuse a store that this run could not go on with: other settings, archetypes of other definitions, axes that cannot be extended.

    Raises:
        StoreError: naming what differs.
    """
    check_settings(work, store)
    check_definitions(work, store, work.archetypes)
    check_axes(work, store)


def check_stored_scores(work: Work, store: ScoreStore) -> None:
    """Refuse scores that other prompts, data or settings gave rise to, before they are used.

    Settings and archetype definitions are compared whole; prompts are rendered again for a fixed sample of the finished units.

    Raises:
        StoreError: naming each differing setting, or the archetype and dates whose prompts differ.
    """
    check_settings(work, store)
    for archetype in work.archetypes:
        if archetype.kind == "llm" and archetype.name not in store.archetypes:
            raise StoreError(
                f"{store.path}: has no scores of archetype {archetype.name!r}; run python -m massjax.precompute with this config"
            )
    check_definitions(work, store, [a for a in work.archetypes if a.kind == "llm"])
    entries = store.entries()
    for unit in _sample(work, store, entries):
        _check_unit(work, store, unit, entries[unit].key)


def _sample(work: Work, store: ScoreStore, finished: Iterable[Unit]) -> list[Unit]:
    wanted = {a.name for a in work.archetypes if a.kind == "llm"}
    inside = set(work.panel.dates.tolist())
    units = [
        unit
        for unit in finished
        if store.archetypes[unit.archetype] in wanted
        and all(day in inside for day in store.dates[unit.dates].tolist())
        and set(store.stocks[unit.stocks]) <= set(work.panel.stocks)
    ]
    units.sort()
    if len(units) <= SAMPLED_UNITS:
        return units
    return [units[i] for i in np.linspace(0, len(units) - 1, SAMPLED_UNITS).round().astype(int)]


def _check_unit(work: Work, store: ScoreStore, unit: Unit, stored_key: str) -> None:
    archetype = archetype_of(work, store, unit)
    columns = np.searchsorted(work.panel.dates, store.dates[unit.dates])
    first, last = int(columns[0]), int(columns[-1]) + 1
    digests = np.zeros(work.panel.member.shape, dtype=np.uint64)
    digests[:, first:last] = digests_of(work.prompts_between(archetype, slice(first, last)))
    key = prompts_key(cells(work, store, unit, digests), work.content_free(archetype) if work.config.scoring.calibrate else None)
    if key != stored_key:
        raise StoreError(
            f"{store.path}: {store.layout.describe(unit)}: was scored from other prompts than this configuration and data give; "
            "the market data, the features shown or massjax's prompts have changed. "
            "Run python -m massjax.precompute to ask again, or use another store"
        )
