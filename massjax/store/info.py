"""What a store holds, in numbers: how complete it is, how its scores are distributed, what they cost, and where they come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from massjax.store import claims, journal, reading, runs
from massjax.store.folder import Folder
from massjax.store.journal import Entry
from massjax.store.layout import Layout, Status, Unit
from massjax.store.provenance import Provenance
from massjax.store.selection import select

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The quantiles of scores and coverage that `info` gives."""


@dataclass(frozen=True)
class ArchetypeInfo:
    """One row of the archetype axis.

    Attributes:
        name: its label.
        definition: the whole definition it was asked with.
        units, finished: units of work, and how many are finished.
        status: cells by `Status`, by name in small letters, of the finished units.
        scores, coverage: the `QUANTILES` of its scores and coverages (to float16 precision), empty where there are none.
        tenths: how many scores lie in each tenth of [0, 1].
    """

    name: str
    definition: Mapping[str, Any]
    units: int
    finished: int
    status: Mapping[str, int]
    scores: tuple[float, ...]
    coverage: tuple[float, ...]
    tenths: tuple[int, ...]


@dataclass(frozen=True)
class StoreInfo:
    """What `ScoreStore.info` tells.

    Attributes:
        path: where the store is.
        dates: first and last date, and how many.
        stocks, choices: labels.
        archetypes: one entry a row.
        dates_per_unit: dates in a block.
        units, finished, journaled: units of work; finished ones; finished ones not yet in the chunks.
        stats: the numbers given with the units, summed (`prompts`, `seconds`, ...).
        runs: what the runs that wrote into the store reported at their ends, oldest first.
        bytes, files: size on disk.
        provenance: run key, panel, an example prompt, when and by which version it was made.
        writers: what live processes are working on.
    """

    path: str
    dates: tuple[str, str, int]
    stocks: tuple[str, ...]
    choices: tuple[str, ...]
    archetypes: tuple[ArchetypeInfo, ...]
    dates_per_unit: int
    units: int
    finished: int
    journaled: int
    stats: Mapping[str, Any]
    runs: tuple[Mapping[str, Any], ...]
    bytes: int
    files: int
    provenance: Provenance
    writers: tuple[str, ...]

    @property
    def status(self) -> dict[str, int]:
        """Cells by status over all archetypes."""
        return {name: total for name in _STATUS if (total := sum(archetype.status.get(name, 0) for archetype in self.archetypes))}


_STATUS = tuple(status.name.lower() for status in Status)


def gather(root: Folder, layout: Layout, provenance: Provenance, progress: Callable[[int, int], None] | None = None) -> StoreInfo:
    """Read a store through and count.

    Raises:
        StoreError: a chunk, manifest or record is damaged.
    """
    histograms = {name: np.zeros((len(layout.archetypes), _PATTERNS), dtype=np.int64) for name in ("score", "coverage")}
    finished: dict[Unit, Entry] = {}
    for block in range(layout.blocks):
        finished |= reading.entries(root, layout, block)
        where = select(layout, slice(layout.block_dates(block).start, layout.block_dates(block).stop))
        for name, histogram in histograms.items():
            _count(histogram, reading.read_array(root, layout, name, where))
        if progress is not None:
            progress(block + 1, layout.blocks)
    per_archetype = len(layout.known) // len(layout.archetypes)
    archetypes = []
    for position, name in enumerate(layout.archetypes):
        own = [entry for unit, entry in finished.items() if unit.archetype == position]
        scores, coverage = histograms["score"][position], histograms["coverage"][position]
        archetypes.append(
            ArchetypeInfo(
                name=name,
                definition=provenance.archetypes[position],
                units=per_archetype,
                finished=len(own),
                status=add_up(entry.counts for entry in own),
                scores=_quantiles(scores),
                coverage=_quantiles(coverage),
                tenths=_tenths(scores),
            )
        )
    sizes = root.sizes()
    return StoreInfo(
        path=str(root),
        dates=(str(layout.dates[0]), str(layout.dates[-1]), len(layout.dates)),
        stocks=layout.stocks,
        choices=layout.choices,
        archetypes=tuple(archetypes),
        dates_per_unit=layout.dates_per_unit,
        units=len(layout.known),
        finished=len(finished),
        journaled=sum(len(journal.units(root, layout, block)) for block in journal.blocks(root)),
        stats=add_up(entry.stats for entry in finished.values()),
        runs=tuple(runs.read_runs(root)),
        bytes=sum(sizes.values()),
        files=len(sizes),
        provenance=provenance,
        writers=tuple(f"{name}: process {holder['pid']} on {holder['host']}" for name, holder in claims.living(root).items()),
    )


def add_up(mappings: Any) -> dict[str, Any]:
    """The sum of mappings of numbers, and of mappings in them; what is not a number is left out."""
    total: dict[str, Any] = {}
    for mapping in mappings:
        for name, value in mapping.items():
            if isinstance(value, Mapping):
                inner = total.get(name)
                total[name] = add_up([inner if isinstance(inner, Mapping) else {}, value])
            elif isinstance(value, int | float) and not isinstance(value, bool):
                total[name] = total.get(name, 0) + value
    return total


_PATTERNS = 1 << 15
"""Bit patterns of the float16 numbers that are not negative: in order, so that a histogram over them gives quantiles without sorting."""


def _count(histogram: np.ndarray, values: np.ndarray) -> None:
    for position in range(values.shape[1]):
        row = values[:, position].astype(np.float16)
        patterns = row[np.isfinite(row) & (row >= 0)].view(np.uint16) & (_PATTERNS - 1)
        histogram[position] += np.bincount(patterns, minlength=_PATTERNS)


def _quantiles(histogram: np.ndarray) -> tuple[float, ...]:
    total = int(histogram.sum())
    if total == 0:
        return ()
    ranks = np.ceil(np.array(QUANTILES) * total).clip(1, total)
    patterns = np.searchsorted(np.cumsum(histogram), ranks).astype(np.uint16)
    return tuple(float(value) for value in patterns.view(np.float16))


def _tenths(histogram: np.ndarray) -> tuple[int, ...]:
    values = np.arange(_PATTERNS, dtype=np.uint16).view(np.float16).astype(np.float32)
    tenth = np.minimum(np.nan_to_num(values, nan=1, posinf=1) * 10, 9).astype(np.intp)
    return tuple(int(count) for count in np.bincount(tenth, weights=histogram, minlength=10))
