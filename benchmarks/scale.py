"""How long a run takes at users' sizes, and how much memory, stage by stage: `massjax.pipeline.run` on made-up prices and rules.

Each size runs in a process of its own, so that its peak is its own; a stage's peak is that of the process while the stage is under way
(on Linux; elsewhere it is the highest so far).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

FEATURES = (
    *("return_1w", "return_1m", "momentum_3m", "momentum_6m", "momentum_12m", "high_52w", "range_20d", "zscore_20d", "average_50_200"),
    *("acceleration_3m", "volatility_20d", "volatility_60d", "drawdown_6m", "downside_6m", "beta_6m", "idiosyncratic_6m", "relative_3m"),
)
"""What made-up rules are made of."""
GIB = 2**30
WHOLE, WRITING = "the whole command", "writing the run directory"


@dataclass(frozen=True)
class Scale:
    """One size of a run, its searches as a configuration lists them, and the repetitions behind its p-values.

    Without a list of searches those by default run; with an empty one the controls alone are judged. Repetitions are 200 unless said.
    """

    archetypes: int
    stocks: int
    dates: int
    search: tuple[dict[str, Any], ...] | None = ()
    repetitions: int | None = None


SCALES = {
    "archetypes": Scale(512, 500, 1250),
    "stocks": Scale(8, 3000, 2500),
    "years": Scale(16, 50, 1500, None),
    "posterior": Scale(512, 500, 1250, None, 4),
}
SHORT = ({"method": "annealing", "chains": 4, "steps": 2},)
QUICK = {
    "archetypes": Scale(24, 12, 300),
    "stocks": Scale(3, 40, 300),
    "years": Scale(4, 12, 300, SHORT),
    "posterior": Scale(24, 12, 300, None, 4),
}
"""The same names at sizes that take seconds."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=tuple(SCALES), nargs="+", default=list(SCALES), help="sizes to run (default: all)")
    parser.add_argument("--quick", action="store_true", help="the same at small sizes, to see that it works")
    parser.add_argument("--devices", type=int, default=None, help="GPUs or CPU cores (default: all)")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder for tables, parquet and Markdown (default: none)")
    parser.add_argument("--run", type=Path, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.run is not None:
        print(json.dumps(measured(options.run, options.devices)))
        return
    from timing import print_table, write

    scales = QUICK if options.quick else SCALES
    rows = pl.concat([table(name, scales[name], options.devices) for name in options.only])
    print_table("time and peak memory by stage", rows)
    notes = [
        "`tensor GiB` is the size of the score tensor in float32; a peak counts all of the process, Python and JAX included (0.3 GiB)."
    ]
    write(options.out, "scale", "Time and peak memory of a run by stage", rows, notes)


def table(name: str, scale: Scale, devices: int | None) -> pl.DataFrame:
    """Run one size in a process of its own.

    Returns:
        One row a stage and one of the whole command: the size, seconds, CPU seconds and peak GiB.
    """
    with tempfile.TemporaryDirectory() as folder:
        make_up(Path(folder), scale)
        command = [sys.executable, __file__, "--run", folder, *([] if devices is None else ["--devices", str(devices)])]
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    stages = json.loads(done.stdout.splitlines()[-1])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    whole = {"stage": WHOLE, "seconds": seconds, "cpu seconds": cpu, "peak GiB": max(stage["peak GiB"] for stage in stages)}
    size = {"size": name, "K": scale.archetypes, "N": scale.stocks, "T": scale.dates}
    tensor = 4 * scale.archetypes * scale.stocks * scale.dates / GIB
    return pl.DataFrame([size | stage | {"tensor GiB": tensor} for stage in (*stages, whole)])


def make_up(folder: Path, scale: Scale, seed: int = 0) -> None:
    """Write prices that follow a market and wander, and the configuration of a run of rules on them, `run.yaml`."""
    rng = np.random.default_rng(seed)
    days = np.arange(np.datetime64("2010-01-04"), np.datetime64("2010-01-04") + 2 * scale.dates + 7)
    days = days[np.is_busday(days)][: scale.dates]
    market = rng.normal(3e-4, 0.008, scale.dates)
    moves = market * rng.uniform(0.5, 1.5, (scale.stocks, 1)) + rng.normal(0.0, 0.018, (scale.stocks, scale.dates))
    stocks = [f"S{n:05d}" for n in range(scale.stocks)]
    prices = {"date": np.tile(days, scale.stocks), "stock": np.repeat(stocks, scale.dates)}
    closes = np.round(50.0 * np.exp(np.cumsum(moves, axis=1)), 4).reshape(-1)
    pl.DataFrame({**prices, "close": closes}).write_parquet(folder / "prices.parquet")
    config: dict[str, Any] = {
        "name": "scale",
        "market": {
            "source": "tables",
            "prices": {"path": "prices.parquet", "date": "date", "stock": "stock", "close": "close"},
            "horizons": [1, 5, 10],
        },
        "agents": {"archetypes": [{"name": f"rule-{k}", "rule": rule(k, rng)} for k in range(scale.archetypes)]},
        "evaluate": {"horizon": 5, "lookback": 60},
    }
    if scale.search is not None:
        config["search"] = list(scale.search)
    if scale.repetitions is not None:
        config["evaluate"]["repetitions"] = scale.repetitions
    (folder / "run.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def rule(number: int, rng: np.random.Generator) -> dict[str, float]:
    """One feature up or down for the first rules, random mixes of three for the others."""
    if number < len(FEATURES):
        return {FEATURES[number]: 1.0 if number % 2 else -1.0}
    return {str(name): float(np.round(rng.uniform(0.1, 1.0) * rng.choice([-1, 1]), 3)) for name in rng.choice(FEATURES, 3, replace=False)}


class Stages:
    """The stages of this process as they begin: what each took, and the most memory that was resident while it was under way."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.begin("starting and importing")

    def begin(self, what: str) -> None:
        """The stage before is over."""
        self.end()
        self._what, self._began, self._cpu = what, time.perf_counter(), time.process_time()
        forget_peak()

    def end(self) -> None:
        """The last stage is over."""
        if hasattr(self, "_what"):
            seconds, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu
            self.rows.append({"stage": self._what, "seconds": seconds, "cpu seconds": cpu, "peak GiB": peak() / GIB})

    def tell(self, what: str, done: int, total: int) -> None:
        """Progress, as `massjax.pipeline.run` tells it."""
        if what != self._what:
            self.begin(what)


def forget_peak() -> None:
    """Let `peak` count from now on, where the system can."""
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> int:
    """The most bytes that were resident since `forget_peak`."""
    if Path("/proc/self/status").exists():
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def measured(folder: Path, devices: int | None) -> list[dict[str, Any]]:
    """Run the configuration of a folder in this process; one row a stage."""
    stages = Stages()
    from massjax.config import load_config
    from massjax.pipeline import run_over
    from massjax.report.run_directory import run_directory, write_run

    result = run_over(devices, load_config(folder / "run.yaml"), stages.tell)
    stages.begin(WRITING)
    with run_directory(folder / "run", overwrite=False) as place:
        write_run(result, place)
    stages.end()
    return stages.rows


if __name__ == "__main__":
    main()
