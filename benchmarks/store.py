"""Reading the score store: windows against numpy reading the same bytes from one file, and a walk over a store larger than its budget.

    python benchmarks/store.py [--folder FOLDER] [--archetypes 64] [--stocks 500] [--dates 1000] [--budget-mb 24] [--out DIR]

The store is made once, in FOLDER where one is given (and used again from there). The best of interleaved rounds is reported, because
machines are noisy; compare the ratios rather than the absolute figures. Files come from the page cache: what is measured is the software.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import timing
import zarr
from rich.console import Console
from rich.progress import track

from massjax.store import ScoreStore, Status, UnitScores

WINDOW = 20
AT_REST = 2.5
"""Seconds after which a manifest is taken to be what it was: a younger one is read anew for every window."""


def made(folder: Path, archetypes: int, stocks: int, dates: int) -> tuple[ScoreStore, Path]:
    """A store of random scores, and a plain file of the same scores, date-major."""
    path, plain = folder / "bench.zarr", folder / "bench.f32"
    if not path.exists():
        store = ScoreStore.create(
            path,
            dates=np.arange(np.datetime64("2020-01-01"), np.datetime64("2020-01-01") + dates),
            stocks=[f"S{n}" for n in range(stocks)],
            archetypes=[{"name": f"a{k}"} for k in range(archetypes)],
            choices=("1", "2", "3", "4", "5"),
            run_key={"engine": "benchmark"},
        )
        rng = np.random.default_rng(0)
        for unit in track(store.units(), "writing", console=Console(stderr=True), transient=True):
            store.write_unit(unit, UnitScores(np.full(unit.shape, Status.RULE), rng.random(unit.shape)), key="benchmark")
        store.compact()
    store = ScoreStore.open(path)
    with plain.open("wb") as file:
        for start in range(0, dates, WINDOW):
            np.moveaxis(store.scores(slice(start, start + WINDOW)), 2, 0).tofile(file)
    time.sleep(AT_REST)
    return store, plain


def best_seconds(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The shortest time of each call over interleaved rounds."""
    best = dict.fromkeys(calls, np.inf)
    for _ in range(rounds):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - began)
    return best


def each(read: Callable[[int], object], places: list[int]) -> None:
    """Read one window after the other, and keep none."""
    for start in places:
        read(start)


def windows(store: ScoreStore, plain: Path, rounds: int) -> pl.DataFrame:
    """Windows that begin with a block, in the middle of one, and anywhere."""
    dates, archetypes, stocks = store.layout.shape
    array = zarr.open_group(str(store.path), mode="r")["score"]
    starts = np.random.default_rng(1).integers(0, dates - WINDOW + 1, size=8).tolist()

    cells = archetypes * stocks

    def ours(start: int) -> np.ndarray:
        return store.scores(slice(start, start + WINDOW))

    def numpy_read(start: int) -> np.ndarray:
        return np.fromfile(plain, dtype="<f4", count=WINDOW * cells, offset=start * cells * 4).reshape(WINDOW, archetypes, stocks)

    def zarr_read(start: int) -> object:
        return array[start : start + WINDOW]

    rows = []
    middle = dates // 2 // WINDOW * WINDOW
    for name, places in (("one block", [middle]), ("across two blocks", [middle + 7]), ("anywhere, mean of 8", starts)):
        for start in places:
            np.testing.assert_array_equal(np.moveaxis(ours(start), 2, 0), numpy_read(start))
        best = best_seconds({"massjax": partial(each, ours, places), "numpy": partial(each, numpy_read, places)}, rounds)
        best |= best_seconds({"zarr": partial(each, zarr_read, places)}, 3)
        ms = {key: value / len(places) * 1e3 for key, value in best.items()}
        ratio = ms["massjax"] / ms["numpy"]
        rows.append({"window": name, "massjax, ms": ms["massjax"], "numpy, ms": ms["numpy"], "ratio": ratio, "zarr-python, ms": ms["zarr"]})
    return pl.DataFrame(rows)


def search(scores: np.ndarray) -> float:
    """Something to do with a window, which lets other threads run: a few mixes of all archetypes."""
    weights = np.full((16, scores.shape[0]), 1 / scores.shape[0], dtype=np.float32)
    return float(np.matmul(weights, np.moveaxis(scores, 2, 0)).std())


def walk(store: ScoreStore, budget: int, rounds: int) -> pl.DataFrame:
    """A walk-forward, one window a date: reading alone, searching alone, and both, with the memory that is held."""
    first = store.scores(slice(0, WINDOW))
    count = len(store.dates) - WINDOW + 1

    def searched() -> None:
        for _ in range(count):
            search(first)

    def read() -> None:
        for _ in store.windows(WINDOW, budget=budget):
            pass

    def both() -> None:
        for window in store.windows(WINDOW, budget=budget):
            search(window.scores)

    def one_by_one() -> None:
        for start in range(count):
            search(store.scores(slice(start, start + WINDOW)))

    best = best_seconds({"read": read, "search": searched, "both": both, "one by one": one_by_one}, rounds)
    tracemalloc.start()
    read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    rows = {
        "windows read, nothing done with them": best["read"],
        "search alone, of one window in memory": best["search"],
        "windows read while the last is searched": best["both"],
        "each window read, then searched": best["one by one"],
    }
    frame = pl.DataFrame({"walk": list(rows), "seconds": list(rows.values())})
    held = [peak / 1e6 if name.startswith("windows read") else None for name in rows]
    return frame.with_columns(
        (pl.col("seconds") / best["search"]).alias("of the search alone"), pl.Series("held at most, MB", held, dtype=pl.Float64)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=None, help="where the store is kept; a temporary folder by default")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder for parquet and Markdown (default: none)")
    for name, value in (("archetypes", 64), ("stocks", 500), ("dates", 1000), ("rounds", 30), ("budget-mb", 24)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    size = options.archetypes * options.stocks * options.dates * 4 / 1e6
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        store, plain = made(folder, options.archetypes, options.stocks, options.dates)
        read = windows(store, plain, options.rounds)
        walked = walk(store, options.budget_mb * 1_000_000, max(1, options.rounds // 10))
    reading = f"Reading windows of {WINDOW} dates of [{options.archetypes}, {options.stocks}, {options.dates}]"
    walking = f"A window of {WINDOW} dates for every date, from a store of {size:.0f} MB, with a budget of {options.budget_mb} MB"
    for name, title, rows in (("store", reading, read), ("store_walk", walking, walked)):
        timing.print_table(title, rows)
        timing.write(options.out, name, title, rows)


if __name__ == "__main__":
    main()
