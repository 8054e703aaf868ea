"""The score store: create, open, ask what is missing, write units, compact, read, grow."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from massjax.errors import StoreError
from massjax.store import chunks, claims, compact as compacting, journal, provenance as prov, reading, runs
from massjax.store.folder import Where
from massjax.store.layout import Unit, grow, new_layout
from massjax.store.places import open_folder
from massjax.store.provenance import Provenance
from massjax.store.reader import StoreReader
from massjax.store.repair import Repair, repair
from massjax.store.scores import (
    UnitScores,
    calibration_values,
    content_checksum,
    status_counts,
    stored_form,
)
from massjax.version import massjax_version


class ScoreStore(StoreReader):
    """Scores of archetypes × stocks × dates on disk, with what determined them.

    Made by `create` or `open`; holds no file open. What is read is what is there at that moment: compacted blocks and journaled units.
    """

    @classmethod
    def create(
        cls,
        path: Where,
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
            path: a folder that is not there yet, or a URL such as `s3://bucket/scores.zarr` (see `massjax.store.folder`).
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
        root = open_folder(path)
        if root.exists():
            raise StoreError(f"{root}: is there already; open it to go on with it, or give another path")
        layout = new_layout(dates, stocks, [_name(a) for a in archetypes], choices, dates_per_unit, chunk)
        definitions = [dict(archetype) for archetype in archetypes]
        provenance = Provenance(dict(run_key), definitions, dict(panel or {}), example_prompt, journal.now(), massjax_version())
        encoded = prov.encode_group(layout, provenance)
        with root.create() as new:
            prov.write_group(new, layout, provenance)
        return cls(root, *prov.decode_group(encoded), "r+")

    @classmethod
    def open(
        cls,
        path: Where,
        *,
        expect: Mapping[str, Any] | None = None,
        archetypes: Sequence[Mapping[str, Any]] | None = None,
        mode: Literal["r", "r+"] = "r",
    ) -> ScoreStore:
        """Open a store.

        Args:
            path: its folder or URL.
            expect: the run key that the caller would write under.
            archetypes: definitions the caller would write; those whose name the store has must be the same, `extend` adds the others.
            mode: `r` to read, `r+` to write.

        Raises:
            StoreError: no store there; damaged metadata; or another run key or archetype, with every differing field and both values.
        """
        root = open_folder(path)
        layout, provenance = prov.read_group(root)
        chunks.check_all_metadata(root, layout)
        prov.check_expected(root, provenance, expect, archetypes)
        return cls(root, layout, provenance, mode)

    def add_run(self, statistics: Mapping[str, Any]) -> None:
        """Keep the statistics of a run of precompute, for `info`; see docs/store.md for the names that it prints.

        Raises:
            StoreError: they cannot be stored as JSON.
        """
        self._writable()
        runs.add(self.root, statistics)

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
        with claims.claimed(self.root, unit.name, what):
            there = None if key is None else reading.entry(self.root, self.layout, unit)
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
        data = journal.encode_unit(unit, entry, arrays)
        with self.root.mutex():
            there = reading.entry(self.root, self.layout, unit)
            if there is not None and there.answers(key):
                return False
            self.root.write(journal.file(self.layout, unit), data)
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
        claims.sweep(self.root)
        done = []
        for block in journal.blocks(self.root):
            if partial or compacting.is_complete(self.root, self.layout, block):
                with contextlib.suppress(claims.ClaimedError):
                    if compacting.compact_block(self.root, block):
                        done.append(block)
        return done

    def repair(self, progress: Callable[[int, int], None] | None = None) -> Repair:
        """Drop what is damaged, so that it is asked again; `massjax.store.repair` does it for a store that cannot be opened."""
        self._writable()
        done = repair(self.root, progress)
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
        with self.root.mutex():
            self._reload()
            busy = [name for name in claims.living(self.root) if name.startswith("block-")]
            if busy:
                raise StoreError(f"{self.path}: {busy[0]} is being compacted by another process; extend the store when it is done")
            layout = grow(self.layout, dates=dates, stocks=stocks, archetypes=[_name(a) for a in archetypes])
            definitions = [*self.provenance.archetypes, *(dict(a) for a in archetypes)]
            described = self.provenance.panel if panel is None else dict(panel)
            prov.write_group(self.root, layout, replace(self.provenance, archetypes=definitions, panel=described))
            self._reload()

    def _reload(self) -> None:
        self.layout, self.provenance = prov.read_group(self.root)

    def _writable(self) -> None:
        if self.mode != "r+":
            raise StoreError(f"{self.path}: was opened to read only; open it with mode='r+' to write")


def _name(archetype: Mapping[str, Any]) -> str:
    name = archetype.get("name")
    if not isinstance(name, str):
        raise StoreError(f"every archetype needs a name; given {dict(archetype)!r}")
    return name
