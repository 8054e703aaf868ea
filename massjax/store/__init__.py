"""The score store: what every archetype thinks of every stock on every date, with where it comes from, on disk.

store = ScoreStore.create(path, dates=..., stocks=[...], archetypes=[{"name": ..., ...}], choices=("1", ..., "5"), run_key={...},
                          dates_per_unit=20, panel={...}, example_prompt="...")
store = ScoreStore.open(path, expect=run_key, archetypes=definitions, mode="r+")   # StoreError names every differing field
keys = {unit: hash_of_prompts(unit) for unit in store.units()}           # Unit: .dates, .stocks (slices), .archetype (position)
for unit in store.missing_units(keys):                                   # archetype by archetype
    with store.claim(unit, key=keys[unit]):                              # with several writers only; on ClaimedError leave it out
        scores = UnitScores(status=..., score=..., probability=..., coverage=..., calibration=...)
        store.write_unit(unit, scores, key=keys[unit], stats={"prompts": 400, "seconds": 9.5, "reasons": {Reason.LOW_COVERAGE: 3}})
store.compact()                                                          # moves finished blocks into the Zarr chunks

store.scores(dates=("2020-01-01", "2020-03-31"), archetypes=None, stocks=None)   # float32 [K, N, T], NaN = missing
store.probabilities(..., calibrated=True)                                # float32 [K, N, T, C]
store.coverage(...), store.status(...)                                   # [K, N, T]
for window in store.windows(20): window.dates, window.scores             # a walk within a memory budget; the next windows are being read
store.extend(dates=..., stocks=..., archetypes=...)                      # append; nothing is asked again
store.add_run({"prompts": 400, "seconds": 9.5}), store.runs()            # what a run reports at its end
store.info(), store.verify(), store.repair()                             # also `python -m massjax.store info|verify|repair PATH`
export(store, "scores.parquet"), merge(path, [one, other])               # and `... export PATH FILE`, `... merge PATH SOURCE ...`

A path may be a URL of object storage, such as s3://bucket/scores.zarr. docs/store.md lists what a store promises, and which test shows it.
"""

from __future__ import annotations

from massjax.models.failures import Failure, Reason, by_kind
from massjax.store.claims import ClaimedError
from massjax.store.export import export
from massjax.store.info import StoreInfo
from massjax.store.journal import Entry
from massjax.store.layout import Layout, Status, Unit
from massjax.store.merge import Merged, merge
from massjax.store.places import exists
from massjax.store.provenance import Provenance
from massjax.store.repair import Repair, repair
from massjax.store.scores import UnitScores
from massjax.store.store import ScoreStore
from massjax.store.verify import Problem, Report, verify
from massjax.store.windows import ScoreWindow

__all__ = [
    "ClaimedError",
    "Entry",
    "Failure",
    "Layout",
    "Merged",
    "Problem",
    "Provenance",
    "Reason",
    "Repair",
    "Report",
    "ScoreStore",
    "ScoreWindow",
    "Status",
    "StoreInfo",
    "Unit",
    "UnitScores",
    "by_kind",
    "exists",
    "export",
    "merge",
    "repair",
    "verify",
]
