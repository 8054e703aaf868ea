"""Scores with their labels: archetype × stock × date, from precompute or from anybody's frame of scores."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import zarr
from jaxtyping import Float16, Float32, Int8, Shaped, UInt8

from massjax.agents.protocols.turns import NO_DECISION
from massjax.errors import StoreError, did_you_mean
from massjax.scores import tensor
from massjax.scores.frames import labelled_cells
from massjax.scores.made_from import MadeFrom
from massjax.scores.places import Place, inside, names_in
from massjax.scores.status import Status

if TYPE_CHECKING:
    import xarray

TENSORS = "scores"
"""The folder of a store that its tensors are in."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of archetypes about stocks on dates, with their labels; read from disk when they are asked for.

    Attributes:
        archetypes: K names.
        stocks: N names.
        dates: T days, increasing.
        place: where they are; empty for a frame's.

    Example:
        >>> import polars as pl, massjax as mj
        >>> frame = pl.DataFrame({"date": ["2024-01-02", "2024-01-02"], "stock": ["AAA", "BBB"], "archetype": "mine", "score": [0.2, 0.9]})
        >>> scores = mj.Scores.from_frame(frame)
        >>> scores
        Scores(1 archetype × 2 stocks × 1 date, 2024-01-02 to 2024-01-02)
        >>> scores.to_numpy()[:, :, 0].round(2).tolist()
        [[0.20000000298023224, 0.8999999761581421]]
    """

    archetypes: tuple[str, ...]
    stocks: tuple[str, ...]
    dates: Shaped[np.ndarray, " T"]
    place: str
    _group: zarr.Group | None = None
    _cells: tensor.Cells | None = None
    _made_from: MadeFrom | None = None

    def __repr__(self) -> str:
        sizes = ((self.archetypes, "archetype"), (self.stocks, "stock"), (self.dates, "date"))
        shape = " × ".join(f"{len(axis):,} {name}{'' if len(axis) == 1 else 's'}" for axis, name in sizes)
        extent = f", {self.dates[0]} to {self.dates[-1]}" if len(self.dates) else ""
        return f"Scores({shape}{extent})"

    @classmethod
    def open(cls, place: str | os.PathLike[str]) -> Scores:
        """The scores at a place: a tensor, or a store, of whose tensors the one that was written last is taken.

        Args:
            place: a folder or a URL.

        Raises:
            StoreError: there are none, or a chunk of them is missing.
        """
        where: Place = place if isinstance(place, str) else Path(place)
        found = tensors_in(where)
        if not found:
            return cls._of(where, tensor.open_group(where))
        return cls._of(found[-1], tensor.open_group(found[-1]))

    @classmethod
    def _of(cls, place: Place, group: zarr.Group) -> Scores:
        names = [tuple(str(name) for name in tensor.read(group, axis).tolist()) for axis in ("archetype", "stock")]
        return cls(names[0], names[1], tensor.read(group, "date").astype("datetime64[D]"), str(place), group)

    @classmethod
    def from_frame(cls, frame: Any) -> Scores:
        """Somebody's own scores as a long table: a row for each archetype, stock and date that has one.

        Args:
            frame: of polars or pandas, or whatever polars makes a frame of, with the columns `date`, `stock`, `archetype` and `score`; the
                score in [0, 1], higher for stocks that are thought to do better. Without `archetype` all rows are one archetype's.

        Raises:
            DataError: a column is missing or of the wrong type, a score is out of range, or two rows are about the same cell; names them.
        """
        archetypes, stocks, dates, score = labelled_cells(frame)
        status = np.where(np.isnan(score), Status.NOT_ASKED, Status.SCORED).astype(np.uint8)
        cells = tensor.Cells(score, np.full(score.shape, np.nan, np.float16), status)
        return cls(archetypes, stocks, dates, "", None, cells)

    @cached_property
    def made_from(self) -> MadeFrom | None:
        """What they were made from; None for a frame's."""
        return self._made_from if self._group is None else tensor.made_from(self._group)

    @cached_property
    def written(self) -> datetime:
        """When they were written; the beginning of all clocks where that is not known."""
        kept: Any = {} if self._group is None else self._group.attrs["massjax"]
        try:
            return datetime.fromisoformat(str(kept.get("written", "")))
        except ValueError:
            return datetime.fromtimestamp(0, UTC)

    def score(self, dates: slice = slice(None)) -> Float32[np.ndarray, "T K N"]:
        """Scores of some dates, date-major: expected choices in [0, 1]; NaN where there is none.

        Raises:
            StoreError: a chunk is damaged.
        """
        return self._read("score", dates)

    def mass(self, dates: slice = slice(None)) -> Float16[np.ndarray, "T K N"]:
        """Raw probability that the model put on the choices, date-major; NaN where no model answered."""
        return self._read("mass", dates)

    def probability(self, dates: slice = slice(None)) -> Float16[np.ndarray, "T K N C"]:
        """Probability of each choice as answered, date-major, in the order of `scoring.choices`; NaN where no model answered.

        Raises:
            StoreError: the tensor holds none: `scoring.keep_probabilities` was off when it was written.
        """
        if self._group is None or "probability" not in self._group:
            raise StoreError(
                f"{self.place or 'these scores'}: hold no probabilities of choices; set scoring.keep_probabilities and run "
                "python -m massjax.precompute, which writes them from the answers and asks nothing"
            )
        return self._read("probability", dates)

    def decision(self, dates: slice = slice(None)) -> Int8[np.ndarray, "T K N"]:
        """Hard decisions, date-major: 1 long, 0 neither, -1 short; -128 where there is none, as of archetypes that only rate."""
        if not self.decides:
            return np.full(self.status(dates).shape, NO_DECISION, np.int8)
        return self._read("decision", dates)

    @property
    def decides(self) -> bool:
        """Whether any archetype decides, instead of only rating."""
        return "decision" in self._group if self._group is not None else self._cells is not None and self._cells.decision is not None

    def status(self, dates: slice = slice(None)) -> UInt8[np.ndarray, "T K N"]:
        """Why each cell has a score or has none, date-major; see `massjax.scores.status.Status`."""
        return self._read("status", dates)

    def _read(self, name: str, dates: slice) -> Any:
        if self._cells is not None:
            return getattr(self._cells, name)[dates]
        assert self._group is not None
        return tensor.read(self._group, name, dates)

    def to_numpy(self) -> Float32[np.ndarray, "K N T"]:
        """Scores as an array [archetypes, stocks, dates]."""
        return np.moveaxis(self.score(), 0, 2)

    def to_polars(self) -> pl.DataFrame:
        """A row for each cell that has a status: `date`, `stock`, `archetype`, `score`, `mass`, `status`, what is missing null.

        Where an archetype decides there is a column `decision`, of `long`, `neither` and `short`.
        """
        score, mass, status = self.score(), self.mass(), self.status()
        date, archetype, stock = np.nonzero(status)
        places = (date, archetype, stock)
        words = pl.Series([one.name.lower() for one in Status])
        columns = {
            "date": self.dates[date],
            "stock": pl.Series(self.stocks, dtype=pl.String).gather(stock.astype(np.uint32)),
            "archetype": pl.Series(self.archetypes, dtype=pl.String).gather(archetype.astype(np.uint32)),
            "score": score[places],
            "mass": mass[places].astype(np.float32),
            "status": words.gather(status[places].astype(np.uint32)),
        }
        table = pl.DataFrame(columns, nan_to_null=True)
        if not self.decides:
            return table
        said = pl.Series("decision", [None, "short", "neither", "long"], dtype=pl.String)
        found = self.decision()[places]
        return table.with_columns(said.gather(np.where(found == NO_DECISION, 0, found.astype(np.int64) + 2).astype(np.uint32)))

    def to_xarray(self) -> xarray.Dataset:
        """The scores, masses and statuses as a data set of xarray, with labelled axes.

        Raises:
            StoreError: xarray is not installed.
        """
        try:
            import xarray
        except ImportError:
            raise StoreError("xarray is not installed: pip install xarray") from None
        axes = ("date", "archetype", "stock")
        values: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
            name: (axes, getattr(self, name)()) for name in ("score", "mass", "status", *(["decision"] if self.decides else []))
        }
        labels: dict[str, Any] = {
            "date": self.dates.astype("datetime64[ns]"),
            "archetype": list(self.archetypes),
            "stock": list(self.stocks),
        }
        if self._group is not None and "probability" in self._group:
            values["probability"] = ((*axes, "choice"), self.probability())
            labels["choice"] = tensor.read(self._group, "choice").tolist()
        return xarray.Dataset(values, labels)

    def positions(self, axis: str, labels: Sequence[str]) -> np.ndarray:
        """Where labels are on the axis `archetype` or `stock`.

        Raises:
            StoreError: one is not there.
        """
        known = self.archetypes if axis == "archetype" else self.stocks
        places = {label: place for place, label in enumerate(known)}
        for label in labels:
            if label not in places:
                raise StoreError(f"{self.place or 'the scores'}: {axis} {label!r} is not among them{did_you_mean(label, known)}")
        return np.array([places[label] for label in labels], dtype=np.intp)


def tensor_names(store: Place) -> list[str]:
    """The names of the tensors of a store; what else is in their folder is somebody's own, and left alone."""
    return [name for name in names_in(inside(store, TENSORS)) if re.fullmatch("[0-9a-f]{32}", name)]


def tensors_in(store: Place) -> list[Place]:
    """The tensors of a store, the one that was written last at the end."""
    found = []
    for name in tensor_names(store):
        place = inside(store, TENSORS, name)
        group = tensor.open_group(place)
        kept: Any = group.attrs["massjax"]
        found.append((str(kept.get("written", "")), str(place), place))
    return [place for _, _, place in sorted(found, key=lambda one: one[:2])]
