"""What the benchmarks share: synthetic windows, interleaved timing, the exponent of a cost, and results with where they were measured."""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import jax
import numpy as np
import polars as pl
from jax.sharding import PartitionSpec
from jaxtyping import Float
from rich.console import Console
from rich.table import Table
from scipy import stats

import massjax as mj
from massjax.engine.devices import device_count, over_devices

T = TypeVar("T")


@dataclass(frozen=True)
class Size:
    """Shape of one evaluation of `massjax.fitness`."""

    archetypes: int
    stocks: int
    dates: int
    candidates: int


@dataclass(frozen=True)
class Exponent:
    """Cost ~ size ** value, by least squares of the logarithms.

    Attributes:
        value: the exponent.
        error: its standard error; NaN with two points.
        first, last: the smallest and the largest size of the fit.
    """

    value: float
    error: float
    first: int
    last: int

    def __str__(self) -> str:
        uncertain = f" ± {self.error:.2f}" if np.isfinite(self.error) else ""
        return f"{self.value:.2f}{uncertain} from {self.first:,} to {self.last:,}"


def arguments(description: str, sizes: Sequence[int]) -> argparse.ArgumentParser:
    """The options that the cost benchmarks have in common."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(sizes), help="sizes to measure (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds, of which the best counts (default: %(default)s)")
    parser.add_argument("--platform", choices=("cpu", "cuda", "tpu"), default=None, help="where JAX computes (default: what it finds)")
    parser.add_argument("--devices", type=int, default=None, help="GPUs or CPU cores to spread candidates over (default: all)")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder for tables, parquet and Markdown (default: none)")
    return parser


def choose_platform(name: str | None) -> None:
    """Make JAX compute there, or end with a message where it cannot."""
    if name is not None:
        jax.config.update("jax_platforms", name)
    try:
        jax.devices()
    except RuntimeError as error:
        raise SystemExit(f"--platform {name}: JAX has no such device here ({str(error).splitlines()[0]})") from None


def over_all_devices(options: argparse.Namespace) -> AbstractContextManager[object]:
    """The platform that is asked for, and a context in which candidates are spread over its devices; each core of a CPU is one."""
    with suppress(RuntimeError):  # JAX runs already: what it has is what there is
        jax.config.update("jax_num_cpu_devices", options.devices or os.cpu_count() or 1)
    choose_platform(options.platform)
    return over_devices(min(options.devices or len(jax.devices()), len(jax.devices())))


def window(size: Size, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores with ties and gaps [K, N, D], members and forward returns [N, D], and weights [P, K]."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.random((size.archetypes, size.stocks, size.dates), np.float32), 2)
    scores[rng.random(scores.shape, np.float32) < 0.02] = np.nan
    member = rng.random(scores.shape[1:]) < 0.95
    weights = rng.gamma(1.0, size=(size.candidates, size.archetypes)).astype(np.float32) + np.float32(1e-3)
    return scores, member, rng.normal(size=member.shape).astype(np.float32), weights


def on_devices(arrays: Iterable[np.ndarray]) -> list[jax.Array]:
    """The arrays where the devices read them, so that a call does not pay for the way."""
    return [jax.device_put(array, PartitionSpec() if device_count() > 1 else None) for array in arrays]


SETTLED, TIMED = 0.25, 0.25
"""Seconds."""


def best_seconds(calls: Mapping[T, Callable[[], object]], rounds: int) -> dict[T, float]:
    """The shortest time of each call over interleaved rounds, after one round to compile.

    In each round a call is made for `SETTLED` seconds before it is timed, for the threads of the call before it may still be waiting for
    more work, and then once more or as often as `TIMED` seconds allow.
    """
    best = dict.fromkeys(calls, np.inf)
    for turn in range(rounds + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            while True:
                began = time.perf_counter()
                jax.block_until_ready(call())
                ended = time.perf_counter()
                if turn and began - started >= SETTLED:
                    best[name] = min(best[name], ended - began)
                if began - started >= SETTLED and ended - started >= SETTLED + TIMED:
                    break
    return best


def measure_fitness(sizes: Sequence[Size], rounds: int) -> pl.DataFrame:
    """Time `massjax.fitness` at each size.

    Returns:
        One row a size: the shape, seconds a call, evaluations (a candidate on all its dates) a second, and the microseconds of one.
    """
    calls = {size: partial(mj.fitness, *on_devices(window(size))) for size in sizes}
    best = best_seconds(calls, rounds)
    rows = [{"K": s.archetypes, "N": s.stocks, "D": s.dates, "P": s.candidates, "seconds": best[s]} for s in sizes]
    return pl.DataFrame(rows).with_columns(
        evaluations_per_second=pl.col("P") / pl.col("seconds"), microseconds=1e6 * pl.col("seconds") / pl.col("P")
    )


def fit_exponent(sizes: Sequence[float] | Float[np.ndarray, " S"], cost: Sequence[float] | Float[np.ndarray, " S"]) -> Exponent | None:
    """The exponent of the cost in the size; None with fewer than two sizes."""
    if len(sizes) < 2:
        return None
    line = stats.linregress(np.log(np.asarray(sizes, float)), np.log(np.asarray(cost, float)))
    error = float(line.stderr) if len(sizes) > 2 else float("nan")
    return Exponent(float(line.slope), error, int(min(sizes)), int(max(sizes)))


def show(title: str, rows: pl.DataFrame, axis: str, notes: Sequence[str], marks: Mapping[int, str] | None = None) -> None:
    """Print a table of measured sizes, with a mark at some values of the axis (one of K, N, D, P), and notes below."""
    console, table = Console(width=100, highlight=False), Table(title=title, title_justify="left")
    for name in "KNDP":
        table.add_column(name, justify="right", style="bold" if name == axis else "dim")
    for heading in ("evaluations/s", "µs each"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for row in rows.iter_rows(named=True):
        shape = [f"{row[name]:,}" for name in "KNDP"]
        table.add_row(*shape, f"{row['evaluations_per_second']:,.0f}", cell(row["microseconds"]), (marks or {}).get(row[axis], ""))
    console.print(table)
    for note in notes:
        console.print(f"  {note}", soft_wrap=True)


def print_table(title: str, rows: pl.DataFrame) -> None:
    """Print all rows; words to the left, numbers to the right."""
    table = Table(title=title, title_justify="left")
    for name, kind in rows.schema.items():
        table.add_column(name, justify="left" if kind == pl.String else "right")
    for row in rows.iter_rows():
        table.add_row(*map(cell, row))
    Console(width=140).print(table)


def provenance() -> dict[str, str]:
    """Where and how a result was measured: command, versions, device, and the load of the machine."""
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return {
        "command": " ".join(["python", *(shlex.quote(_short(word)) for word in sys.argv)]),
        "massjax": _version(),
        "jax": jax.__version__,
        "python": platform.python_version(),
        "device": f"{jax.devices()[0].platform}: {_device()}",
        "cpus": f"{os.cpu_count()}; candidates spread over {device_count()} device{'s' if device_count() > 1 else ''}",
        "load": f"{load} (mean of the last minute)",
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }


def _short(word: str) -> str:
    """A path as seen from the checkout, without the folders of this machine; also one that a setting is given, as in `folder=/data`."""
    setting, equals, value = word.rpartition("=")
    path = Path(value)
    if not path.is_absolute():
        return word
    return f"{setting}{equals}{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name}"


def _version() -> str:
    root = Path(__file__).resolve().parents[1]
    try:
        found = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "not from a checkout"
    return found.stdout.strip()


def _device() -> str:
    kind = jax.devices()[0].device_kind
    if kind != "cpu" or not Path("/proc/cpuinfo").is_file():
        return kind
    models = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return models[0] if models else kind


def write(
    out: Path | None,
    name: str,
    title: str,
    rows: pl.DataFrame,
    notes: Sequence[str] = (),
    shown: Mapping[str, pl.DataFrame] | None = None,
) -> None:
    """Write `out/name.parquet` and `out/name.md`, each under another name first; nothing where `out` is None.

    Args:
        out: the folder.
        name: of the files.
        title: of the page.
        rows: of the parquet file.
        notes: below the table.
        shown: the tables of the page by heading, in place of the rows.
    """
    if out is None:
        return
    out.mkdir(parents=True, exist_ok=True)
    facts = provenance()
    frame = rows.with_columns(pl.lit(value).alias(f"run_{key}") for key, value in facts.items())
    text = [f"# {title}", "", *(f"- {key}: {f'`{value}`' if key == 'command' else value}" for key, value in facts.items() if value), ""]
    tables = (
        [_markdown(rows), ""] if shown is None else [line for head, part in shown.items() for line in (f"## {head}\n", _markdown(part), "")]
    )
    text += [*tables, *(f"{note}\n" for note in notes)]
    for suffix, save in ((".parquet", frame.write_parquet), (".md", lambda path: path.write_text("\n".join(text), encoding="utf-8"))):
        partial = out / f".{name}{suffix}.partial"
        save(partial)
        partial.replace(out / f"{name}{suffix}")


def _markdown(rows: pl.DataFrame) -> str:
    lines = ["| " + " | ".join(rows.columns) + " |", "|" + "---:|" * len(rows.columns)]
    return "\n".join(lines + ["| " + " | ".join(map(cell, row)) + " |" for row in rows.iter_rows()])


def cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
