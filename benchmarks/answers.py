"""A log of ten million answers: opened, planned, and its probabilities put into a tensor of scores; time and peak memory of each step.

    python benchmarks/answers.py [--answers 10000000] [--archetypes 64] [--stocks 500] [--dates 1000] [--rows 4096]
        [--folder DIR] [--out DIR]

The log is made once, in DIR where one is given (and used again from there): as many distinct questions as --answers, which the cells of the
tensor share. What is measured runs in a process of its own. Files come from the page cache: what is measured is the software, hashing
every file included. Keys are read from a file, as a caller has them who has hashed the prompts; hashing is timed beside.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from massjax.answers.files import SCHEMA
from massjax.answers.log import ANSWERED, AnswerLog
from massjax.answers.plan import Batch, plan
from massjax.models.forms import Rate, canonical, form_text
from massjax.models.identity import identity_digest
from massjax.models.question import Prompt, question_keys

IDENTITY = {"engine": "benchmark", "model": "no model: answers are random"}
MODEL = identity_digest(IDENTITY)
FORM = Rate(("1", "2", "3", "4", "5"))
CHOICES = len(FORM.choices)
PLANNED = 1_000_000
"""Prompts that are planned: more need not fit into memory at once."""


def prompts(archetype: int, first: int, last: int) -> list[Prompt]:
    """Some prompts of an archetype, of about the length of the bundled ones' short form."""
    system = f"You are investor {archetype} of a fund. " + "You look at prices, at risk and at the news before you rate a stock. " * 6
    facts = "Return over the last week {:+.1%}, over the last month {:+.1%}; volatility is {} of 10; the trend is {}."
    words = ("rising", "falling", "flat", "broken")
    return [
        Prompt(
            system,
            f"Stock {i}. " + facts.format(i % 997 / 9970 - 0.05, i % 499 / 1996 - 0.1, i % 11, words[i % 4]) + " Rate it from 1 to 5.",
        )
        for i in range(first, last)
    ]


def made(folder: Path, answers: int, archetypes: int, rows: int) -> Path:
    """A log of random answers in files of so many rows, and the keys of its questions beside it."""
    path, beside = folder / f"log-{answers}-{rows}", folder / f"keys-{answers}-{archetypes}.npy"
    if path.exists() and beside.exists():
        return path
    log, rng, keys = AnswerLog(path), np.random.default_rng(0), []
    each = answers // archetypes
    for archetype in range(archetypes):
        for first in range(0, each, rows):
            asked = prompts(archetype, first, min(first + rows, each))
            words = question_keys(MODEL, FORM, asked)
            share = np.float16(rng.dirichlet(np.ones(CHOICES), len(asked))).astype(np.float32)
            keys.append(words)
            log.place.put(*_file(words, asked, share, rng))
    np.save(beside, np.concatenate(keys))
    return path


def _file(words: np.ndarray, asked: list[Prompt], share: np.ndarray, rng: np.random.Generator) -> tuple[str, bytes]:
    from massjax.answers.files import encode

    count = len(asked)
    same = {"model": canonical(IDENTITY), "form": form_text(FORM), "text": None, "reason": None, "words": None, "finish_reason": "stop"}
    same |= {"machine": "1 GPU", "massjax": "benchmark", "picks": None, "asked_at": datetime(2026, 1, 1, tzinfo=UTC), "seconds": 0.0005}
    same |= {"written_tokens": 1, "cached_tokens": 80}
    columns = {
        "key": [key.tobytes() for key in words],
        "system": [prompt.system for prompt in asked],
        "user": [prompt.user for prompt in asked],
        "probability": pl.Series(share, dtype=pl.Array(pl.Float32, CHOICES)).cast(pl.List(pl.Float32)),
        "mass": rng.random(count, np.float32),
        "prompt_tokens": rng.integers(100, 160, count).astype(np.uint32),
    }
    frame = pl.DataFrame(columns).with_columns(pl.lit(value).alias(name) for name, value in same.items())
    return encode(frame.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items()))


def measured(path: Path, answers: int, archetypes: int, stocks: int, dates: int) -> list[dict[str, float | str]]:
    """Seconds, processor seconds and peak memory of each step, in this process."""
    rows: list[dict[str, float | str]] = []

    @contextmanager
    def step(name: str) -> Iterator[None]:
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        yield
        after = resource.getrusage(resource.RUSAGE_SELF)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        rows.append({"step": name, "seconds": time.perf_counter() - began, "CPU seconds": used, "peak GB": after.ru_maxrss * 1024 / 1e9})

    with step("open: every file hashed, keys sorted"):
        log = AnswerLog(path)
    keys = np.load(path.with_name(f"keys-{answers}-{archetypes}.npy"), mmap_mode="r")
    with step("plan: which questions are open"):
        record = log.models()[MODEL]
        assert log.known(keys).all()
        assert record.answers == len(keys) == len(log)
    with step("choices: probabilities of all questions"):
        probability, mass, codes = log.choices(keys, CHOICES)
        assert (codes == ANSWERED).all()
    with step(f"scores [{dates}, {archetypes}, {stocks}] from them"):
        score = probability @ np.linspace(0, 1, CHOICES, dtype=np.float32)
        del probability
        tensor = np.empty((dates, archetypes, stocks), dtype=np.float16)
        each, rng = len(keys) // archetypes, np.random.default_rng(1)
        for date in range(dates):
            cells = rng.integers(0, each, (archetypes, stocks)) + each * np.arange(archetypes)[:, None]
            tensor[date] = np.where(mass[cells] > 0.0, score[cells], np.nan)
        assert np.isfinite(tensor[-1].astype(np.float32)).mean() > 0.9
    del score, mass, codes, tensor
    count = min(PLANNED, answers)
    asked = [prompt for archetype in range(archetypes) for prompt in prompts(archetype, 0, count // archetypes)]
    with step(f"beside it: {len(asked):,} prompts hashed"):
        question_keys(MODEL, FORM, asked)
    with step(f"beside it: --plan of {len(asked):,} prompts, of another model"):
        planned = plan(log, [Batch("0" * 32, FORM, asked)])
        assert planned.open == len(asked)
    return rows


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=None, help="where the log is kept; a temporary folder by default")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder for parquet and Markdown (default: none)")
    for name, value in (("answers", 10_000_000), ("archetypes", 64), ("stocks", 500), ("dates", 1000), ("rows", 4096)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--measure", type=Path, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    sizes = [options.answers // options.archetypes * options.archetypes, options.archetypes, options.stocks, options.dates]
    if options.measure is not None:
        print(json.dumps(measured(options.measure, *sizes)))
        return
    import timing

    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        path = made(folder, sizes[0], options.archetypes, options.rows)
        size = sum(file.stat().st_size for file in path.iterdir())
        words = [f"--{name}={getattr(options, name)}" for name in ("answers", "archetypes", "stocks", "dates")]
        done = subprocess.run([sys.executable, __file__, f"--measure={path}", *words], check=True, capture_output=True, text=True)
        count = len(list(path.iterdir()))
    rows = pl.DataFrame(json.loads(done.stdout))
    whole = {"step": "in all, to the scores", "seconds": rows["seconds"][:4].sum(), "CPU seconds": rows["CPU seconds"][:4].sum()}
    rows = pl.concat([rows[:4], pl.DataFrame([whole | {"peak GB": rows["peak GB"][:4].max()}]), rows[4:]])
    title = f"A log of {sizes[0]:,} answers in {count:,} files, {size / 1e6:,.0f} MB"
    timing.print_table(title, rows)
    timing.write(options.out, "answers", title, rows)


if __name__ == "__main__":
    main()
