"""The content of one unit: what a model (or a rule) answered for one archetype on a few dates, checked and in its stored form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from massjax.errors import StoreError
from massjax.store.files import digest
from massjax.store.layout import ARRAYS, Layout, Status, Unit

_HAVE_SCORE = (Status.SCORED, Status.RULE)


@dataclass(frozen=True)
class UnitScores:
    """What is written for one unit of D dates and N stocks, with C choices.

    Attributes:
        status: one of `Status` for every cell; a finished unit has no `NOT_ASKED`.
        score: the expected choice scaled to [0, 1], after calibration; NaN unless the status is `SCORED` or `RULE`.
        probability: raw choice probabilities, renormalised over the choices, before calibration; NaN where not answered; None for a rule.
        coverage: the raw probability mass on the choices; NaN where not answered; None for a rule.
        calibration: the choice probabilities of the content-free prompt that `score` was calibrated with; None where it was not.
    """

    status: UInt8[np.ndarray, "D N"]
    score: Float[np.ndarray, "D N"]
    probability: Float[np.ndarray, "D N C"] | None = None
    coverage: Float[np.ndarray, "D N"] | None = None
    calibration: Float[np.ndarray, " C"] | None = None


def stored_form(scores: UnitScores, unit: Unit, layout: Layout) -> dict[str, np.ndarray]:
    """The arrays of a unit in the types and byte order in which they are stored, one NaN for all NaNs.

    Raises:
        StoreError: a shape is wrong, a probability or score out of range, or a status contradicts its score; names archetype, date, stock.
    """
    shape = unit.shape
    choices = len(layout.choices)
    empty = np.full(shape, np.nan)
    given: dict[str, Any] = {
        "probability": np.full((*shape, choices), np.nan) if scores.probability is None else scores.probability,
        "score": scores.score,
        "coverage": empty if scores.coverage is None else scores.coverage,
        "status": scores.status,
    }
    arrays = {}
    for name, values in given.items():
        values = np.asarray(values)
        expected = (*shape, choices) if name == "probability" else shape
        if values.shape != expected:
            raise StoreError(f"{layout.describe(unit)}: {name} has shape {values.shape}; expected {expected}")
        arrays[name] = values
    _check(arrays, unit, layout)
    return {name: _plain(values, name) for name, values in arrays.items()}


def _plain(values: np.ndarray, name: str) -> np.ndarray:
    dtype = np.dtype(ARRAYS[name].dtype).newbyteorder("<")
    stored = np.ascontiguousarray(values, dtype=dtype)
    return np.where(np.isnan(stored), dtype.type(np.nan), stored).astype(dtype) if dtype.kind == "f" else stored


def _check(arrays: dict[str, np.ndarray], unit: Unit, layout: Layout) -> None:
    status, score = arrays["status"], arrays["score"]
    has = np.isin(status, _HAVE_SCORE)
    asked = status == Status.SCORED
    total = np.nansum(arrays["probability"], axis=-1)
    known = ~np.isnan(arrays["probability"]).any(axis=-1)
    finished = [code.value for code in Status if code is not Status.NOT_ASKED]
    with np.errstate(invalid="ignore"):
        faults = {
            "a status that is not one of 1 to 5 (a finished unit has no cell that was not asked)": ~np.isin(status, finished),
            "a score outside [0, 1]": has & ~((score >= 0) & (score <= 1)),
            "a score although its status says that there is none (use NaN)": ~has & ~np.isnan(score),
            "a coverage outside [0, 1]": (arrays["coverage"] < 0) | (arrays["coverage"] > 1.001) | (asked & np.isnan(arrays["coverage"])),
            "a negative choice probability": (arrays["probability"] < 0).any(axis=-1),
            "choice probabilities that do not sum to 1": (asked | known) & ~(np.abs(total - 1) < 0.01),
        }
    for fault, where in faults.items():
        if where.any():
            row, column = np.argwhere(where)[0]
            date, stock = layout.dates[unit.start + row], layout.stocks[unit.first + column]
            raise StoreError(f"archetype {layout.archetypes[unit.archetype]!r}, date {date}, stock {stock!r}: {fault}; nothing was written")


def calibration_values(scores: UnitScores, unit: Unit, layout: Layout) -> tuple[float, ...] | None:
    """The calibration of a unit, rounded to float32.

    Raises:
        StoreError: not one positive probability per choice.
    """
    if scores.calibration is None or np.isnan(scores.calibration).all():
        return None
    values = np.asarray(scores.calibration, dtype=np.float32)
    if values.shape != (len(layout.choices),) or not (np.isfinite(values) & (values > 0)).all():
        expected = f"{len(layout.choices)} positive numbers, one per choice"
        raise StoreError(f"{layout.describe(unit)}: calibration must be {expected}; given {values.tolist()}")
    return tuple(float(value) for value in values)


def content_checksum(arrays: dict[str, np.ndarray]) -> str:
    """Checksum of a unit's arrays in stored form, whichever file they are kept in."""
    parts: list[bytes] = []
    for name in ARRAYS:
        parts += [name.encode(), repr(arrays[name].shape).encode(), arrays[name].tobytes()]
    return digest(*parts)


def status_counts(arrays: dict[str, np.ndarray]) -> dict[str, int]:
    """How many cells have each status, by its name in small letters; zeros left out."""
    counts = np.bincount(arrays["status"].reshape(-1), minlength=len(Status))
    return {status.name.lower(): int(counts[status]) for status in Status if counts[status]}
