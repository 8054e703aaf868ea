"""Scores of one's own, from a file, put on the stocks and dates of a run's market data by their labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import polars.selectors as cs
from jaxtyping import Float32

from massjax.errors import DataError
from massjax.market import Panel
from massjax.market.alignment import misaligned
from massjax.market.identifiers import PLAIN, Conventions
from massjax.market.reading import as_dates, as_numbers, as_stocks, read_columns
from massjax.row_words import counted, first_few
from massjax.scores.scores import Scores

SETTING = "scores.path"


def scores_from_file(path: Path, conventions: Conventions = PLAIN) -> Scores:
    """Somebody's own scores: a table in parquet, CSV or tab-separated text, or a tensor that `precompute` wrote.

    Args:
        conventions: how the table writes dates and stocks, as all tables of the market do.

    Raises:
        DataError: the table cannot be read, or is not one of scores.
        StoreError: the folder holds no tensor.
    """
    if path.is_dir():
        return Scores.open(path)
    frame = read_columns(path, SETTING, ("date", "stock", "score"), ("archetype",))
    stock = frame["stock"] if frame["stock"].dtype.is_integer() else as_stocks(frame, "stock", path, conventions)
    keys = pl.DataFrame({"date": as_dates(frame, "date", path, conventions), "stock": stock})
    score = as_numbers(frame, "score", path, keys)
    frame = frame.with_columns((cs.by_name("archetype", require_all=False) & cs.string()).str.strip_chars())
    try:
        found = Scores.from_frame(frame.with_columns(keys["date"], keys["stock"], score.alias("score")))
    except DataError as error:
        raise DataError(f"{SETTING}: {path}: {error}") from None
    if not found.archetypes:
        raise DataError(f"{SETTING}: {path}: holds no score")
    return found


def align(found: Scores, panel: Panel, into: Float32[np.ndarray, "T K N"], rows: slice | Sequence[int]) -> tuple[str, ...]:
    """Copy given scores of all archetypes to the stocks and dates of a panel; NaN where there is none, and off its universe.

    Returns:
        Warnings: stocks and dates on one side alone.

    Raises:
        DataError: the scores and the panel have no stock, or no date, in common.
    """
    score = found.score()
    told = list(_unlike(found, score, panel))
    stocks = {name: place for place, name in enumerate(found.stocks)}
    dates = {day: place for place, day in enumerate(found.dates.tolist())}
    mine = np.array([stocks.get(name, -1) for name in panel.stocks], dtype=np.intp)
    when = np.array([dates.get(day, -1) for day in panel.dates.tolist()], dtype=np.intp)
    if not (when >= 0).any():
        raise DataError(
            f"{SETTING}: no date of the scores is one of the market data: they have {first_few([str(one) for one in found.dates], 3)}, "
            f"the market data {first_few([str(one) for one in panel.dates], 3)}"
        )
    part = score[np.ix_(np.maximum(when, 0), np.arange(len(found.archetypes)), np.maximum(mine, 0))]
    there = (when >= 0)[:, None, None] & (mine >= 0)[None, None, :] & panel.member.T[:, None, :]
    into[:, rows] = np.where(there, part, np.float32(np.nan))
    lacking = np.flatnonzero(when < 0)
    if len(lacking):
        told.append(
            f"the scores given have none of {counted(len(lacking), 'date')} of {len(panel.dates):,} of the market data, the first being "
            f"{panel.dates[lacking[0]]}"
        )
    return tuple(told)


def _unlike(found: Scores, score: Float32[np.ndarray, "T K N"], panel: Panel) -> tuple[str, ...]:
    """What is to be told of stocks that are on one side alone, or spelled otherwise, as of any table of the market."""
    counts = np.isfinite(score).sum(axis=(0, 1))
    rows = pl.Series(np.repeat(np.array(found.stocks, dtype=object), counts).tolist(), dtype=pl.String)
    members = [panel.stocks[n] for n in np.flatnonzero(panel.member.any(axis=1))]
    return misaligned(rows, panel.stocks, members, Path(found.place or SETTING), names_others=True)
