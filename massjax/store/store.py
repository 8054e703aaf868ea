"""The score store: create, open, ask what is missing, write units, compact, read, grow."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, UInt8

from massjax.errors import StoreError
from massjax.store import chunks, claims, compact as compacting, files, journal, provenance as prov, reading
from massjax.store.info import StoreInfo, gather
from massjax.store.layout import Layout, Unit, grow, new_layout
from massjax.store.provenance import Provenance
from massjax.store.repair import Repair, repair
from massjax.store.scores import (
    UnitScores,
    calibration_values,
    content_checksum,
    status_counts,
    stored_form,
)
from massjax.store.verify import Report, verify


class ScoreStore:
    """Scores of archetypes × stocks × dates on disk, with what determined them.

    Made by `create` or `open`; holds no file open. What is read is what is there at that moment: compacted blocks and journaled units.
    """

    def __init__(self, root: Path, layout: Layout, provenance: Provenance, mode: Literal["r", "r+"]) -> None:
        """Use `create` or `open`."""
        self.path = root
        self.layout = layout
        self.provenance = provenance
        self.mode = mode

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        dates: Any,
        stocks: Sequence[str],
        archetypes: Sequence[Mapping[str, Any]],
        choices: Sequence[str],
        run_key: Mapping[str, Any],
        dates_per_unit: int = 20,
        panel: Mapping[str, Any] | None = None,
        example_prompt: str = "",
        chunk: tuple[int, int] | None = None,
    ) -> ScoreStore:
        """Make an empty store; it appears at `path` whole or not at all.

        Args:
            path: a folder that is not there yet.
            dates: [T] days, increasing.
            stocks: [N] names.
            archetypes: [K] full definitions, JSON-like, each with a distinct `name`.
            choices: [C] answers from worst to best.
            run_key: everything that determines the answers of the whole store (see `Provenance`).
            dates_per_unit: dates in a block: the unit of reading (a window of dates reads few blocks) and of work.
            panel: description and fingerprint of the market data.
            example_prompt: one prompt as it is sent.
            chunk: (archetypes, stocks) in a chunk; by default all, up to 16 MB of scores. Give more than there are to leave room to grow.

        Raises:
            StoreError: something is there already; an axis is empty or has a label twice; the folder cannot be written to.
        """
        root = Path(path)
        if root.exists() or root.is_symlink():
            raise StoreError(f"{root}: is there already; open it to go on with it, or give another path")
        layout = new_layout(dates, stocks, [_name(a) for a in archetypes], choices, dates_per_unit, chunk)
        definitions = [dict(archetype) for archetype in archetypes]
        provenance = Provenance(dict(run_key), definitions, dict(panel or {}), example_prompt, journal.now(), prov.massjax_version())
        encoded = prov.encode_group(layout, provenance)
        temporary = root.parent / files.temporary_name()
        with files.told("create", root):
            files.make_folder(root.parent)
            try:
                prov.write_group(temporary, layout, provenance)
                temporary.rename(root)
            except (OSError, StoreError):
                shutil.rmtree(temporary, ignore_errors=True)
                raise
            files.sync_folder(root.parent)
        return cls(root, *prov.decode_group(encoded), "r+")

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        expect: Mapping[str, Any] | None = None,
        archetypes: Sequence[Mapping[str, Any]] | None = None,
        mode: Literal["r", "r+"] = "r",
    ) -> ScoreStore:
        """Open a store.

        Args:
            path: its folder.
            expect: the run key that the caller would write under.
            archetypes: definitions the caller would write; those whose name the store has must be the same, `extend` adds the others.
            mode: `r` to read, `r+` to write.

        Raises:
            StoreError: no store there; damaged metadata; or another run key or archetype, with every differing field and both values.
        """
        root = Path(path)
        layout, provenance = prov.read_group(root)
        chunks.check_all_metadata(root, layout)
        prov.check_expected(root, provenance, expect, archetypes)
        return cls(root, layout, provenance, mode)

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
            stocks: likewise.

        Raises:
            StoreError: a label the store does not have, or a damaged chunk, manifest or record, named.
        """
        return self._read("score", dates, archetypes, stocks).astype(np.float32, copy=False)

    def coverage(self, dates: Any = None, archetypes: Any = None, stocks: Any = None) -> Float[np.ndarray, "K N T"]:
        """Raw probability mass on the choices, float32; NaN = not answered. Arguments as for `scores`."""
        return self._read("coverage", dates, archetypes, stocks).astype(np.float32)

    def status(self, dates: Any = None, archetypes: Any = None, stocks: Any = None) -> UInt8[np.ndarray, "K N T"]:
        """`Status` of every cell. Arguments as for `scores`."""
        return self._read("status", dates, archetypes, stocks)

    def probabilities(
        self, dates: Any = None, archetypes: Any = None, stocks: Any = None, *, calibrated: bool = True
    ) -> Float[np.ndarray, "K N T C"]:
        """Choice probabilities, float32 (stored as float16); NaN = not answered, or a rule.

        Args:
            dates: as for `scores`.
            archetypes: as for `scores`.
            stocks: as for `scores`.
            calibrated: divide by the choice probabilities of the content-free prompt, where the unit has them, and renormalise.
        """
        where = reading.select(self.layout, dates, archetypes, stocks)
        return np.moveaxis(reading.read_probabilities(self.path, self.layout, where, calibrated=calibrated), 0, 2)

    def _read(self, name: str, dates: Any, archetypes: Any, stocks: Any) -> np.ndarray:
        where = reading.select(self.layout, dates, archetypes, stocks)
        return np.moveaxis(reading.read(self.path, self.layout, name, where), 0, 2)

    def units(self) -> list[Unit]:
        """All units of work, archetype by archetype."""
        return list(self.layout.units())

    def entries(self) -> dict[Unit, journal.Entry]:
        """What is known of every finished unit: key, status counts, statistics, calibration."""
        found: dict[Unit, journal.Entry] = {}
        for block in range(self.layout.blocks):
            found |= reading.entries(self.path, self.layout, block)
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

    @contextlib.contextmanager
    def claim(self, unit: Unit, *, key: str | None = None) -> Iterator[None]:
        """Keep other processes from working on a unit within a `with` block. It is given up when the process dies.

        Args:
            unit: one of `units()`.
            key: what it would be written under; a unit that is finished under this key is not worth claiming.

        Raises:
            ClaimedError: another live process works on it, or has finished it in the meantime.
        """
        self._writable()
        what = f"{self.path}: {self.layout.describe(unit)}"
        with claims.claimed(self.path, unit.name, what):
            there = None if key is None else reading.entry(self.path, self.layout, unit)
            if there is not None and key is not None and there.answers(key):
                raise claims.ClaimedError(f"{what} was finished by another process in the meantime, {there.written}; leave it out")
            yield

    def write_unit(self, unit: Unit, scores: UnitScores, *, key: str, stats: Mapping[str, Any] | None = None) -> bool:
        """Journal one finished unit, durably: when this returns, it survives a power cut.

        Args:
            unit: one of `units()`.
            scores: what was answered.
            key: hash of everything that determines the answers of this unit (final prompt token ids and so on).
            stats: what to remember of it: numbers (`prompts`, `tokens`, `seconds`) or a mapping of numbers (`reasons`); `info` sums them.

        Returns:
            False where the unit was already there under this key (what was there is kept).

        Raises:
            StoreError: scores of the wrong shape or range; disk full or read-only. Nothing is written then, and nothing lost.
        """
        self._writable()
        if unit not in self.layout.known:
            raise StoreError(f"{self.path}: {unit} is not a unit of this store; use those of `units()`")
        arrays = stored_form(scores, unit, self.layout)
        calibration = calibration_values(scores, unit, self.layout)
        entry = journal.Entry(key, content_checksum(arrays), status_counts(arrays), dict(stats or {}), calibration, journal.now())
        data = journal.encode(unit, entry, arrays)
        with files.mutex(claims.lock_path(self.path)):
            there = reading.entry(self.path, self.layout, unit)
            if there is not None and there.answers(key):
                return False
            files.write(journal.path(self.path, self.layout, unit), data)
        return True

    def compact(self, *, partial: bool = False) -> list[int]:
        """Move journaled units into the chunks, block by block; cheap where there is nothing to move.

        Args:
            partial: also blocks in which units are still missing.

        Returns:
            The blocks that were compacted. A block on which another process is at work is left to it.
        """
        self._writable()
        self._reload()
        claims.sweep(self.path)
        done = []
        for block in journal.blocks(self.path):
            if partial or compacting.is_complete(self.path, self.layout, block):
                with contextlib.suppress(claims.ClaimedError):
                    if compacting.compact_block(self.path, block):
                        done.append(block)
        return done

    def info(self, progress: Callable[[int, int], None] | None = None) -> StoreInfo:
        """What the store holds: axes, completeness, distributions, cost, provenance.

        Args:
            progress: called with (blocks done, blocks).
        """
        return gather(self.path, self.layout, self.provenance, progress)

    def verify(self, progress: Callable[[int, int], None] | None = None) -> Report:
        """Read and check every file; `massjax.store.verify` does it for a store that cannot be opened."""
        return verify(self.path, progress)

    def repair(self, progress: Callable[[int, int], None] | None = None) -> Repair:
        """Drop what is damaged, so that it is asked again; `massjax.store.repair` does it for a store that cannot be opened."""
        self._writable()
        done = repair(self.path, progress)
        self._reload()
        return done

    def extend(
        self,
        *,
        dates: Any = (),
        stocks: Sequence[str] = (),
        archetypes: Sequence[Mapping[str, Any]] = (),
        panel: Mapping[str, Any] | None = None,
    ) -> None:
        """Append to the axes; nothing that is there is asked again. One process does this while none compacts.

        Args:
            dates: later than all stored.
            stocks: new names.
            archetypes: definitions with new names.
            panel: the description of the market data as it is now; None keeps the old one.

        Raises:
            StoreError: a label is there already, a date is not later, or another process is compacting.
        """
        self._writable()
        with files.mutex(claims.lock_path(self.path)):
            self._reload()
            busy = [name for name in claims.living(self.path) if name.startswith("block-")]
            if busy:
                raise StoreError(f"{self.path}: {busy[0]} is being compacted by another process; extend the store when it is done")
            layout = grow(self.layout, dates=dates, stocks=stocks, archetypes=[_name(a) for a in archetypes])
            definitions = [*self.provenance.archetypes, *(dict(a) for a in archetypes)]
            described = self.provenance.panel if panel is None else dict(panel)
            prov.write_group(self.path, layout, replace(self.provenance, archetypes=definitions, panel=described))
            self._reload()

    def _reload(self) -> None:
        self.layout, self.provenance = prov.read_group(self.path)

    def _writable(self) -> None:
        if self.mode != "r+":
            raise StoreError(f"{self.path}: was opened to read only; open it with mode='r+' to write")


def _name(archetype: Mapping[str, Any]) -> str:
    name = archetype.get("name")
    if not isinstance(name, str):
        raise StoreError(f"every archetype needs a name; given {dict(archetype)!r}")
    return name
