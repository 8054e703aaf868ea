"""Answers that are known already, by prompt: from finished units of the store, and from the log of a run that was stopped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Shaped, UInt64

from massjax.models.probabilities import ROUNDING
from massjax.scoring.placing import archetype_of, cells
from massjax.scoring.work import Work
from massjax.store import ScoreStore, Unit
from massjax.store.log import ANSWERS, Log

CELLS_READ_AT_ONCE = 20_000_000
"""Choice probabilities read from the store at once."""


_MOST = 1.0 + ROUNDING
"""A stored answer with more probability than this on its choices is asked for again; earlier versions kept what a server made up."""


class Answered:
    """Answers by prompt fingerprint: raw choice probabilities and their mass, float16 as they are stored."""

    def __init__(self, choices: int) -> None:
        self._rows: dict[int, int] = {}
        self._values = np.empty((1024, choices + 1), dtype=np.float16)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, digest: int) -> bool:
        return digest in self._rows

    def add(self, digests: Iterable[int], probability: Float[np.ndarray, "B C"], mass: Float[np.ndarray, " B"]) -> None:
        """Remember answers; one that is known already is kept."""
        for digest, p, m in zip(digests, probability, mass, strict=True):
            row = self._rows.setdefault(digest, len(self._rows))
            if row == len(self._values):
                self._values = np.concatenate([self._values, np.empty_like(self._values)])
            if row == len(self._rows) - 1:
                self._values[row, :-1], self._values[row, -1] = p, m

    def look_up(self, digests: UInt64[np.ndarray, "D N"]) -> tuple[Float[np.ndarray, "D N C"], Float[np.ndarray, "D N"]]:
        """Choice probabilities and their mass for every cell, NaN where nothing is known."""
        distinct, inverse = np.unique(digests, return_inverse=True)
        rows = np.array([self._rows.get(int(digest), -1) for digest in distinct], dtype=np.intp)
        table = np.full((len(distinct), self._values.shape[1]), np.nan, dtype=np.float16)
        table[rows >= 0] = self._values[rows[rows >= 0]]
        values = table[inverse.reshape(digests.shape)]
        return values[..., :-1], values[..., -1]


def answer_log(store: ScoreStore) -> Log:
    """Where answers wait for the rest of their unit, so that a run that is stopped asks none of them again."""
    return Log(store.root, ANSWERS)


def log_answers(log: Log, digests: Sequence[int], probability: np.ndarray, mass: np.ndarray) -> None:
    """Keep answers durably, as one record: counts of answers and choices, fingerprints, then probabilities and mass in float16."""
    if digests:
        head = np.array([len(digests), probability.shape[1]], dtype="<u8").tobytes()
        table = np.concatenate([probability, mass[:, None]], axis=1).astype("<f2")
        log.append(head + np.array(digests, dtype="<u8").tobytes() + table.tobytes())


def logged_answers(log: Log, answered: Answered, wanted: set[int]) -> None:
    """Add what earlier runs logged about the wanted prompts."""
    for body in log.records():
        count, choices = (int(v) for v in np.frombuffer(body, dtype="<u8", count=2))
        digests = np.frombuffer(body, dtype="<u8", count=count, offset=16).tolist()
        table = np.frombuffer(body, dtype="<f2", offset=16 + 8 * count).reshape(count, choices + 1)
        known = [row for row, digest in enumerate(digests) if digest in wanted and table[row, -1] <= _MOST]
        answered.add([digests[row] for row in known], table[known, :-1], table[known, -1])


def stored_answers(work: Work, store: ScoreStore, units: Sequence[Unit], answered: Answered, wanted: set[int]) -> None:
    """Add what finished units of the store say about the wanted prompts; every block is read once (in parts, where it is large).

    Args:
        units: finished under the keys they would have now.
    """
    wanted_sorted = np.array(sorted(wanted), dtype=np.uint64)
    by_block: dict[int, dict[str, list[tuple[Unit, np.ndarray]]]] = {}
    for unit in units:
        archetype = archetype_of(work, store, unit)
        if archetype.kind == "llm":
            digests = cells(work, store, unit, work.digests[archetype.name])
            if np.isin(digests, wanted_sorted).any():
                by_block.setdefault(store.layout.block(unit), {}).setdefault(archetype.name, []).append((unit, digests))
    for block, by_archetype in by_block.items():
        dates = store.layout.block_dates(block)
        step = max(1, CELLS_READ_AT_ONCE // ((dates.stop - dates.start) * len(store.stocks) * len(store.choices)))
        names = list(by_archetype)
        for start in range(0, len(names), step):
            part = names[start : start + step]
            probability = store.probabilities(dates=dates, archetypes=part, calibrated=False)
            mass = store.coverage(dates=dates, archetypes=part)
            for name, p, m in zip(part, probability, mass, strict=True):
                for unit, digests in by_archetype[name]:
                    inside = (unit.stocks, slice(unit.start - dates.start, unit.stop - dates.start))
                    _add_cells(answered, digests, np.swapaxes(p[inside], 0, 1), m[inside].T, wanted_sorted)


def _add_cells(
    answered: Answered,
    digests: UInt64[np.ndarray, "D N"],
    probability: Float[np.ndarray, "D N C"],
    mass: Float[np.ndarray, "D N"],
    wanted: Shaped[np.ndarray, " W"],
) -> None:
    known = np.isfinite(mass) & (mass <= _MOST) & np.isin(digests, wanted)
    distinct, first = np.unique(digests[known], return_index=True)
    answered.add(distinct.tolist(), probability[known][first], mass[known][first])


def stored_priors(store: ScoreStore, units: Sequence[Unit]) -> dict[str, Float[np.ndarray, " C"]]:
    """Answers to the content-free prompts that the given units were calibrated with, by archetype."""
    entries = store.entries()
    found = {store.archetypes[unit.archetype]: entries[unit].calibration for unit in units}
    return {name: np.array(prior, dtype=np.float32) for name, prior in found.items() if prior is not None}
