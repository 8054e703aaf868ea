"""Scores of one's own, from a file, put on the stocks and dates of a run's market data by their labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float32

from massjax.errors import DataError
from massjax.market import Panel
from massjax.row_words import counted, first_few
from massjax.scores.scores import Scores


def scores_from_file(path: Path) -> Scores:
    """Somebody's own scores: a table in parquet or CSV, or a tensor that `precompute` wrote.

    Raises:
        DataError: the table cannot be read, or is not one of scores.
        StoreError: the folder holds no tensor.
    """
    if path.is_dir():
        return Scores.open(path)
    try:
        frame = (
            pl.read_csv(path, schema_overrides={"stock": pl.String, "archetype": pl.String})
            if path.suffix == ".csv"
            else pl.read_parquet(path)
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"scores.path: {path}: cannot be read as {path.suffix or 'parquet'}: {error}") from None
    try:
        found = Scores.from_frame(frame)
    except DataError as error:
        raise DataError(f"scores.path: {path}: {error}") from None
    if not found.archetypes:
        raise DataError(f"scores.path: {path}: holds no score")
    return found


def align(found: Scores, panel: Panel, into: Float32[np.ndarray, "T K N"], rows: slice | Sequence[int]) -> tuple[str, ...]:
    """Copy given scores of all archetypes to the stocks and dates of a panel; NaN where there is none, and off its universe.

    Returns:
        Warnings: stocks and dates on one side alone.

    Raises:
        DataError: the scores and the panel have no stock, or no date, in common.
    """
    stocks = {name: place for place, name in enumerate(found.stocks)}
    dates = {day: place for place, day in enumerate(found.dates.tolist())}
    mine = np.array([stocks.get(name, -1) for name in panel.stocks], dtype=np.intp)
    when = np.array([dates.get(day, -1) for day in panel.dates.tolist()], dtype=np.intp)
    for what, places, theirs, ours in (("stock", mine, found.stocks, panel.stocks), ("date", when, found.dates, panel.dates)):
        if not (places >= 0).any():
            raise DataError(
                f"scores.path: no {what} of the scores is one of the market data: they have {first_few([str(one) for one in theirs], 3)}, "
                f"the market data {first_few([str(one) for one in ours], 3)}; spell them alike"
            )
    score = found.score()
    part = score[np.ix_(np.maximum(when, 0), np.arange(len(found.archetypes)), np.maximum(mine, 0))]
    there = (when >= 0)[:, None, None] & (mine >= 0)[None, None, :] & panel.member.T[:, None, :]
    into[:, rows] = np.where(there, part, np.float32(np.nan))
    member = panel.member.any(axis=1)
    told = []
    for what, lacking, of in (
        ("stock", [str(panel.stocks[n]) for n in np.flatnonzero((mine < 0) & member)], int(member.sum())),
        ("date", [str(panel.dates[t]) for t in np.flatnonzero(when < 0)], len(panel.dates)),
    ):
        if lacking:
            told.append(
                f"the scores given have none of {counted(len(lacking), what)} of {of:,} of the market data, the first being {lacking[0]}"
            )
    extra = sorted(set(found.stocks) - set(panel.stocks))
    if extra:
        told.append(
            f"the scores given have {counted(len(extra), 'stock')} that the market data have not, the first {extra[0]}; they are left out"
        )
    return tuple(told)
