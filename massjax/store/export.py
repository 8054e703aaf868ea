"""Export: the finished cells of a store as one long parquet table, a block at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from massjax.errors import StoreError
from massjax.store import files
from massjax.store.layout import Status
from massjax.store.reader import StoreReader


def export(
    store: StoreReader,
    path: str | os.PathLike[str],
    *,
    calibrated: bool = True,
    replace: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the cells that were asked into a parquet file, which appears whole or not at all; never more than a block is in memory.

    Columns: `date`, `stock`, `archetype`, `score`, `coverage`, `status`, and for each choice `probability_CHOICE`; a row for every cell
    that has a status, missing numbers null.

    Args:
        store: the store.
        path: the file.
        calibrated: whether probabilities are after calibration, as scores are, or as the model gave them.
        replace: whether a file that is there already is replaced.
        progress: called with (blocks done, blocks).

    Returns:
        How many rows were written.

    Raises:
        StoreError: the file is there already or cannot be written, or a part of the store is damaged.
    """
    target = Path(path)
    if target.exists() and not replace:
        raise StoreError(f"{target}: is there already; give another file, or --replace")
    rows, failed = 0, list[Exception]()

    def blocks(columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, batch: int | None) -> Iterator[pl.DataFrame]:
        nonlocal rows
        try:
            for block in range(store.layout.blocks):
                frame = _block(store, block, calibrated)
                rows += len(frame)
                yield frame if columns is None else frame.select(columns)
                if progress is not None:
                    progress(block + 1, store.layout.blocks)
        except StoreError as error:
            failed.append(error)
            raise

    temporary = target.with_name(files.temporary_name())
    with files.told("write", target):
        files.make_folder(target.absolute().parent)
        try:
            # A file opened here: given a path, polars may create it from another thread after a failure was already raised.
            with temporary.open("xb") as file:
                register_io_source(blocks, schema=_schema(store)).sink_parquet(file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
            files.sync_folder(target.absolute().parent)
        except pl.exceptions.PolarsError as error:
            raise failed[0] if failed else StoreError(f"{target}: cannot write: {error}") from None
        finally:
            temporary.unlink(missing_ok=True)
    return rows


def _schema(store: StoreReader) -> dict[str, Any]:
    plain = {"date": pl.Date, "stock": pl.String, "archetype": pl.String, "score": pl.Float32, "coverage": pl.Float32, "status": pl.String}
    return {**plain, **{f"probability_{choice}": pl.Float32 for choice in store.choices}}


_STATUS = pl.Series([status.name.lower() for status in Status])


def _block(store: StoreReader, block: int, calibrated: bool) -> pl.DataFrame:
    """The asked cells of a block, by date, archetype and stock."""
    dates = store.layout.block_dates(block)
    status = np.moveaxis(store.status(dates), 2, 0)
    cells = np.nonzero(status)
    date, archetype, stock = cells
    score, coverage = (np.moveaxis(values(dates), 2, 0)[cells] for values in (store.scores, store.coverage))
    probability = np.moveaxis(store.probabilities(dates, calibrated=calibrated), 2, 0)[cells]
    columns = {
        "date": store.dates[dates][date],
        "stock": pl.Series(store.stocks).gather(stock.astype(np.uint32)),
        "archetype": pl.Series(store.archetypes).gather(archetype.astype(np.uint32)),
        "score": score,
        "coverage": coverage,
        "status": _STATUS.gather(status[cells].astype(np.uint32)),
        **{f"probability_{choice}": np.ascontiguousarray(probability[:, c]) for c, choice in enumerate(store.choices)},
    }
    return pl.DataFrame(columns, schema=_schema(store), nan_to_null=True)
