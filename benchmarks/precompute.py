"""Precompute against a bare vLLM loop over the same prompts in the same order, with the same engine, in one process.

    python benchmarks/precompute.py --config configs/demo.yaml --prompts 400 --rounds 3

The bare loop is one `llm.generate` over the token ids of all prompts. Precompute is `ask_missing` into a new store: rendering, looking up
what is known, tokenising, asking unit by unit, calibration, writing and compacting. The prefix cache is emptied before each.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from massjax.agents import Prompt
from massjax.config import load_config
from massjax.scoring.asking import ask_missing
from massjax.scoring.placing import open_or_create
from massjax.scoring.vllm_engine import VLLMEngine
from massjax.scoring.work import Work, prepare


def small_work(config_path: Path, prompts: int) -> Work:
    """The configuration's first dates, as many as it takes to have about `prompts` distinct prompts."""
    work = prepare(load_config(config_path))
    per_date = [np.concatenate([d[:, t] for d in work.digests.values()]) for t in range(len(work.panel.dates))]
    seen: set[int] = set()
    for day, digests in zip(work.panel.dates, per_date, strict=True):
        seen.update(digests[digests > 0].tolist())
        if len(seen) >= prompts:
            market = work.config.market.replace(end=day.item())
            return prepare(work.config.replace(market=market))
    return work


def asked_order(work: Work) -> list[Prompt]:
    """Every distinct prompt once, in the order in which precompute asks."""
    order: dict[Prompt, None] = {}
    size = work.config.layout.dates_per_unit
    for start in range(0, len(work.panel.dates), size):
        for prompts in work.prompts.values():
            index = prompts.index[:, start : start + size]
            unit = {prompts.prompts[i] for i in np.unique(index[index >= 0])}
            order.update(dict.fromkeys(sorted(unit)))
    return list(order)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"))
    parser.add_argument("--prompts", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    work = small_work(options.config, options.prompts)
    engine = VLLMEngine(work.config.scoring)
    prompts = asked_order(work)
    identity = engine.identity()
    engine.ask(prompts[:8])
    seconds: dict[str, list[float]] = {"bare loop": [], "precompute": []}
    cells = 0
    for _ in range(options.rounds):
        engine._llm.reset_prefix_cache()
        began = time.perf_counter()
        ids = [engine._tokenizer.encode(engine._wrap(prompt), add_special_tokens=False) for prompt in prompts]
        engine._llm.generate([{"prompt_token_ids": row} for row in ids], engine._sampling, use_tqdm=False)
        seconds["bare loop"].append(time.perf_counter() - began)

        engine._llm.reset_prefix_cache()
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            store = open_or_create(replace(work), Path(folder) / "scores.zarr", identity)
            tally = ask_missing(replace(work), store, engine)
            seconds["precompute"].append(time.perf_counter() - began)
            cells = tally.cells
            assert tally.prompts == len(prompts), (tally.prompts, len(prompts))
    engine.close()

    table = Table(title=f"{len(prompts):,} distinct prompts for {cells:,} scores; median of {options.rounds} rounds")
    for column in ("", "seconds", "prompts/s", "scores/s", "share of the bare loop"):
        table.add_column(column, justify="left" if not column else "right")
    bare = statistics.median(seconds["bare loop"])
    for name, taken in seconds.items():
        median = statistics.median(taken)
        table.add_row(name, f"{median:.1f}", f"{len(prompts) / median:.1f}", f"{cells / median:.0f}", f"{bare / median:.0%}")
    Console().print(table)


if __name__ == "__main__":
    main()
