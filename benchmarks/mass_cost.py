"""What a run takes: seconds by stage, memory, calls of a language model, tokens and money, the first time and again, against MASS's.

Each run is a process of its own; the first begins without compiled programs, the second finds those of the first. What a language model was
asked is read from the answer log of the configuration's store, with the seconds that it recorded; a second run asks nothing.
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
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mass_runs import DEFAULT_CONTROLS, Source, control_changes
from mass_summaries import Row, known

from massjax.config import RunConfig, load_config
from massjax.errors import MassjaxError

PUBLISHED: Row = {"run": "MASS as published, 512 agents, SSE 50", "time": "every", "seconds a date": 125.0, "USD a date": 0.68}
"""Of arXiv 2505.10278; read off by others, about."""
SCRIPT = Path(__file__).resolve()


class Asked(NamedTuple):
    """What a language model was asked, as a log has it; nothing where all archetypes are rules."""

    calls: int = 0
    prompt_tokens: int = 0
    written_tokens: int = 0
    seconds: float = 0.0


def cost_rows(source: Source, price: float | None) -> list[Row]:
    """A row for each of three runs, the first time and again: whole, without p-values, and the controls alone; and MASS's.

    Args:
        source: the configuration; its first seed is run.
        price: USD for a million prompt tokens; None takes that of the configuration.

    Returns:
        Of the last run, which learns from all known dates, one row that says so where it cannot be run, as with too few dates.
    """
    config = source.config()
    given = config.scoring.price_per_million_tokens if price is None else price
    asked = asked_of(config)
    learned = "rules on the same features, LightGBM"
    variants = (
        ("search, controls, circular-shift null", (DEFAULT_CONTROLS, "evaluate.p_values=true"), asked),
        ("search and controls", (DEFAULT_CONTROLS, "evaluate.p_values=false"), asked),
        ("uniform, best single, rank sum", ("search=[]", DEFAULT_CONTROLS, "evaluate.p_values=false"), asked),
        (learned, (*control_changes(config), "evaluate.p_values=false"), Asked()),
    )
    rows: list[Row] = []
    for name, changes, first in variants:
        with tempfile.TemporaryDirectory() as folder:
            for turn, found in (("first", first), ("again", Asked())):
                try:
                    told = measured_child(source, changes, Path(folder))
                except MassjaxError:
                    if name != learned:
                        raise
                    rows.append({"run": name, "time": "could not be run"})
                    break
                rows.append({"run": name, "time": turn, **figures(told, found, given)})
    return [*rows, PUBLISHED]


def asked_of(config: RunConfig) -> Asked:
    """What the models of a configuration's store were asked, over all of its log."""
    if config.store is None:
        return Asked()
    from massjax.scores.fitting import answer_log

    records = answer_log(config.store).models().values()
    return Asked(
        calls=sum(record.answers + record.failures for record in records),
        prompt_tokens=sum(record.prompt_tokens for record in records),
        written_tokens=sum(record.written_tokens for record in records),
        seconds=sum(record.seconds for record in records),
    )


def figures(told: dict[str, Any], asked: Asked, price: float | None) -> Row:
    """One run in numbers.

    Args:
        told: `seconds` and `cpu` of the process, `dates` that it evaluated, `peak` in GiB.
        asked: of a language model, before it.
        price: USD for a million prompt tokens; None where it is not known, and then the cost is only where nothing was asked.

    Example:
        >>> figures({"seconds": 50.0, "cpu": 60.0, "peak": 1.5, "dates": 100}, Asked(1000, 2_000_000, 1000, 150.0), 0.5)["USD a date"]
        0.01
    """
    money = 0.0 if not asked.calls else None if price is None else asked.prompt_tokens * price / 1e6
    dates, seconds = told["dates"], told["seconds"] + asked.seconds
    return {
        "dates": dates,
        "seconds": seconds,
        "of them asking": asked.seconds,
        "CPU seconds, without asking": told["cpu"],
        "peak GiB": told["peak"],
        "LLM calls": asked.calls,
        "prompt tokens": asked.prompt_tokens,
        "written tokens": asked.written_tokens,
        "USD": money,
        "seconds a date": known(seconds / dates) if dates else None,
        "USD a date": None if money is None or not dates else money / dates,
    }


def measured_child(source: Source, changes: Sequence[str], folder: Path) -> dict[str, Any]:
    """Run a configuration in a process of its own, whose compiled programs are kept in a folder."""
    assignments = [word for change in (*source.assignments, *changes) for word in ("--set", change)]
    devices = [] if source.devices is None else ["--devices", str(source.devices)]
    command = [sys.executable, str(SCRIPT), str(source.file), "--keep", str(folder), *assignments, *devices]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise MassjaxError(f"{source.file}: a run of it ended with {done.returncode}; what it said stands above")
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    told = json.loads(done.stdout.splitlines()[-1])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {**told, "seconds": seconds, "cpu": cpu}


def child(words: Sequence[str] | None = None) -> None:
    """Run a configuration as `python -m massjax.optimize` does, and print what it took as JSON."""
    from scale import Stages

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--devices", type=int, default=None)
    options = parser.parse_args(words)
    stages = Stages()
    from massjax.compile_cache import use_compile_cache
    from massjax.pipeline import run_over
    from massjax.report.run_directory import run_directory, write_run

    use_compile_cache(str(options.keep / "compiled"))
    result = run_over(options.devices, load_config(options.config, options.set), stages.tell)
    stages.begin("writing the run directory")
    with run_directory(options.keep / "run", overwrite=True) as place:
        write_run(result, place)
    stages.end()
    peak = max(row["peak GiB"] for row in stages.rows)
    print(json.dumps({"dates": int(np.count_nonzero(result.evaluated)), "peak": peak}))


if __name__ == "__main__":
    child()
