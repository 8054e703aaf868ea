"""The store as its readers see it: axes, scores by labels, windows for a walk, what is finished, what it all is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, UInt8

from massjax.store import journal, reading, runs
from massjax.store.folder import Folder
from massjax.store.info import StoreInfo, gather
from massjax.store.layout import Layout, Unit
from massjax.store.provenance import Provenance
from massjax.store.selection import select
from massjax.store.verify import Report, verify
from massjax.store.windows import BUDGET, ScoreWindow, walk


class StoreReader:
    """What can be read of a score store; holds no file open. What is read is what is there then: compacted blocks and journaled units."""

    def __init__(self, root: Folder, layout: Layout, provenance: Provenance, mode: Literal["r", "r+"]) -> None:
        """Use `create` or `open`."""
        self.root = root
        self.path: Path | str = root.path
        self.layout = layout
        self.provenance = provenance
        self.mode = mode

    def __repr__(self) -> str:
        dates, archetypes, stocks = self.layout.shape
        return f"ScoreStore({str(self.path)!r}, archetypes={archetypes}, stocks={stocks}, dates={dates}, mode={self.mode!r})"

    @property
    def dates(self) -> np.ndarray:
        """datetime64[D] [T]."""
        return self.layout.dates

    @property
    def stocks(self) -> tuple[str, ...]:
        """Names along the stock axis."""
        return self.layout.stocks

    @property
    def archetypes(self) -> tuple[str, ...]:
        """Names along the archetype axis."""
        return self.layout.archetypes

    @property
    def choices(self) -> tuple[str, ...]:
        """The answers, from worst to best."""
        return self.layout.choices

    def scores(self, dates: Any = None, archetypes: Any = None, stocks: Any = None) -> Float[np.ndarray, "K N T"]:
        """Scores in [0, 1]; NaN = missing.

        The result is laid out date-major in memory (a transposed view of what was read).

        Args:
            dates: None for all; (first, last) days, both included; a list of days; or a slice of positions.
            archetypes: None for all; a name; or a list of names, in the order wanted.
            stocks: None for all; a name; or a list of names, in the order wanted.

        Raises:
            StoreError: a label the store does not have, or a damaged chunk, manifest or record, named.
        """
        return self._read("score", dates, archetypes, stocks).astype(np.float32, copy=False)

    def coverage(self, dates: Any = None, archetypes: Any = None, stocks: Any = None) -> Float[np.ndarray, "K N T"]:
        """Raw probability mass that the model put on the choices, float32; NaN = not answered.

        Args:
            dates: None for all; (first, last) days, both included; a list of days; or a slice of positions.
            archetypes: None for all; a name; or a list of names, in the order wanted.
            stocks: None for all; a name; or a list of names, in the order wanted.

        Raises:
            StoreError: a label the store does not have, or a damaged chunk, manifest or record, named.
        """
        return self._read("coverage", dates, archetypes, stocks).astype(np.float32)

    def status(self, dates: Any = None, archetypes: Any = None, stocks: Any = None) -> UInt8[np.ndarray, "K N T"]:
        """Why each cell has a score or none: the number of its `Status`.

        Args:
            dates: None for all; (first, last) days, both included; a list of days; or a slice of positions.
            archetypes: None for all; a name; or a list of names, in the order wanted.
            stocks: None for all; a name; or a list of names, in the order wanted.

        Raises:
            StoreError: a label the store does not have, or a damaged chunk, manifest or record, named.
        """
        return self._read("status", dates, archetypes, stocks)

    def probabilities(
        self, dates: Any = None, archetypes: Any = None, stocks: Any = None, *, calibrated: bool = True
    ) -> Float[np.ndarray, "K N T C"]:
        """Choice probabilities, float32 (stored as float16); NaN = not answered, or a rule.

        Args:
            dates: None for all; (first, last) days, both included; a list of days; or a slice of positions.
            archetypes: None for all; a name; or a list of names, in the order wanted.
            stocks: None for all; a name; or a list of names, in the order wanted.
            calibrated: divide by the choice probabilities of the content-free prompt, where the unit has them, and renormalise.

        Raises:
            StoreError: a label the store does not have, or a damaged chunk, manifest or record, named.
        """
        where = select(self.layout, dates, archetypes, stocks)
        return np.moveaxis(reading.read_probabilities(self.root, self.layout, where, calibrated=calibrated), 0, 2)

    def windows(
        self,
        lookback: int,
        *,
        step: int = 1,
        dates: Any = None,
        archetypes: Any = None,
        stocks: Any = None,
        budget: int = BUDGET,
    ) -> Iterator[ScoreWindow]:
        """Every window of `lookback` successive dates, for stores larger than memory: the next windows are read while one is searched.

        Every date is read once. A caller that keeps no window but the last never makes more than `budget` bytes resident (manifests and
        units that are still in the journal apart).

        Args:
            lookback: dates in a window.
            step: dates between the beginnings of two windows.
            dates: None for all; (first, last) days, both included; a list of days; or a slice of positions. They increase, and windows
                lie within them.
            archetypes: None for all; a name; or a list of names, in the order wanted.
            stocks: None for all; a name; or a list of names, in the order wanted.
            budget: bytes.

        Raises:
            StoreError: a window does not fit into the budget, a label the store does not have, or a damaged chunk, manifest or record.
        """
        return walk(self.root, self.layout, select(self.layout, dates, archetypes, stocks), lookback, step, budget)

    def runs(self) -> list[dict[str, Any]]:
        """The statistics of the runs that wrote into this store, oldest first, each with when it `ended` (UTC)."""
        return runs.read_runs(self.root)

    def _read(self, name: str, dates: Any, archetypes: Any, stocks: Any) -> np.ndarray:
        where = select(self.layout, dates, archetypes, stocks)
        return reading.read_array(self.root, self.layout, name, where).transpose(1, 2, 0)

    def units(self) -> list[Unit]:
        """All units of work, archetype by archetype."""
        return list(self.layout.units())

    def entries(self) -> dict[Unit, journal.Entry]:
        """What is known of every finished unit: key, status counts, statistics, calibration."""
        found: dict[Unit, journal.Entry] = {}
        for block in range(self.layout.blocks):
            found |= reading.entries(self.root, self.layout, block)
        return found

    def missing_units(self, unit_keys: Mapping[Unit, str] | None = None, *, retry_failed: bool = False) -> list[Unit]:
        """The units that must be asked: not there, or there under another key.

        Args:
            unit_keys: the key each unit would be written under now; only these units are considered. None: all units, whatever their key.
            retry_failed: also those in which a request failed.
        """
        there = self.entries()
        wanted: Iterable[Unit] = self.units() if unit_keys is None else unit_keys
        missing = []
        for unit in wanted:
            entry = there.get(unit)
            stale = entry is not None and unit_keys is not None and entry.key != unit_keys[unit]
            if entry is None or stale or (retry_failed and entry.counts.get("failed", 0)):
                missing.append(unit)
        return missing

    def calibration(self) -> Float[np.ndarray, "K C"]:
        """The choice probabilities of the content-free prompt by archetype, float32, of its last written unit; NaN = not calibrated."""
        table = np.full((len(self.archetypes), len(self.choices)), np.nan, dtype=np.float32)
        for unit, entry in sorted(self.entries().items(), key=lambda item: item[1].written):
            if entry.calibration is not None:
                table[unit.archetype] = entry.calibration
        return table

    def info(self, progress: Callable[[int, int], None] | None = None) -> StoreInfo:
        """What the store holds: axes, completeness, distributions, cost, provenance.

        Args:
            progress: called with (blocks done, blocks).
        """
        return gather(self.root, self.layout, self.provenance, progress)

    def verify(self, progress: Callable[[int, int], None] | None = None) -> Report:
        """Read and check every file; `massjax.store.verify` does it for a store that cannot be opened."""
        return verify(self.root, progress)
