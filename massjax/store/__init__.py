"""The score store: what every archetype thinks of every stock on every date, with where it comes from, on disk.

store = ScoreStore.create(path, dates=..., stocks=[...], archetypes=[{"name": ..., ...}], choices=("1", ..., "5"), run_key={...},
                          dates_per_unit=20, panel={...}, example_prompt="...")
store = ScoreStore.open(path, expect=run_key, archetypes=definitions, mode="r+")   # StoreError names every differing field
keys = {unit: hash_of_prompts(unit) for unit in store.units()}           # Unit: .dates, .stocks (slices), .archetype (position)
for unit in store.missing_units(keys):                                   # archetype by archetype
    with store.claim(unit, key=keys[unit]):                              # with several writers only; on ClaimedError leave it out
        scores = UnitScores(status=..., score=..., probability=..., coverage=..., calibration=...)
        store.write_unit(unit, scores, key=keys[unit], stats={"prompts": 400, "seconds": 9.5, "reasons": {"low coverage": 3}})
store.compact()                                                          # moves finished blocks into the Zarr chunks

store.scores(dates=("2020-01-01", "2020-03-31"), archetypes=None, stocks=None)   # float32 [K, N, T], NaN = missing
store.probabilities(..., calibrated=True)                                # float32 [K, N, T, C]
store.coverage(...), store.status(...)                                   # [K, N, T]
store.extend(dates=..., stocks=..., archetypes=...)                      # append; nothing is asked again
store.info(), store.verify(), store.repair()                             # also `python -m massjax.store info|verify|repair PATH`
"""

from __future__ import annotations

from massjax.store.claims import ClaimedError
from massjax.store.info import StoreInfo
from massjax.store.journal import Entry
from massjax.store.layout import Layout, Status, Unit
from massjax.store.provenance import Provenance
from massjax.store.repair import Repair, repair
from massjax.store.scores import UnitScores
from massjax.store.store import ScoreStore
from massjax.store.verify import Problem, Report, verify

__all__ = [
    "ClaimedError",
    "Entry",
    "Layout",
    "Problem",
    "Provenance",
    "Repair",
    "Report",
    "ScoreStore",
    "Status",
    "StoreInfo",
    "Unit",
    "UnitScores",
    "repair",
    "verify",
]
