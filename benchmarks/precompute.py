"""Precompute against a bare vLLM loop at its best settings, and against vLLM as it comes, over the same prompts in the same order.

    python benchmarks/precompute.py --config configs/demo.yaml --prompts 512 --rounds 3

The bare loop is one `llm.generate` over the token ids of all prompts. Precompute is the loop that asks, into a new store: rendering,
looking up what is known, tokenising, asking, keeping answers, calibration and the score tensor. vLLM's defaults are a second process
without any setting but the model and the size of the cache (by default most of the memory, which the first process has a share of); a
third one is told the configuration's dtype as well, as a CPU without bfloat16 emulates it. Rounds are interleaved, and the prefix cache
is emptied before each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl
import timing

from massjax.answers.ask import sharing_order
from massjax.answers.log import AnswerLog
from massjax.config import load_config
from massjax.models.identity import identity_digest
from massjax.models.in_process import VLLM
from massjax.models.loading import Models
from massjax.models.question import Prompt, Question
from massjax.scores.asking import ask_everything
from massjax.scores.build import Resolver
from massjax.scores.fitting import answer_log, resolver_of
from massjax.scores.inputs import Inputs, prepare
from massjax.scores.writing import write_scores

ANSWER = "benchmark: "
DEFAULTS = {"vLLM's defaults": "auto", "vLLM's defaults, and the configuration's dtype": None}


def small_inputs(config_path: Path, prompts: int, model: str) -> Inputs:
    """The configuration's first dates, as many as it takes to have about `prompts` distinct prompts."""
    config = load_config(config_path)
    inputs, end = prepare(config), 8
    while True:
        market = config.market.replace(end=inputs.panel.dates[min(end, len(inputs.panel.dates)) - 1].item())
        found = prepare(config.replace(market=market))
        if len(all_questions(fresh(found, AnswerLog(Path(tempfile.gettempdir(), "massjax-no-log")), model))) >= prompts:
            return found
        if end >= len(inputs.panel.dates):
            return inputs
        end *= 2


def fresh(inputs: Inputs, log: AnswerLog, model: str) -> Resolver:
    return resolver_of(inputs, log, {"": model})[0]


def all_questions(resolver: Resolver) -> list[Question]:
    """Every question once, in the order in which precompute asks."""
    return sharing_order([question for archetype in resolver.inputs.asking for question in resolver.turn(archetype).questions])


def defaults(options: argparse.Namespace) -> None:
    """The child process: vLLM with its own settings; a round for every line on standard input."""
    import vllm

    job = json.loads(Path(options.job).read_text())
    llm = vllm.LLM(model=job["model"], dtype=job["dtype"], max_logprobs=32)
    sampling = vllm.SamplingParams(max_tokens=1, temperature=0, logprob_token_ids=job["choices"], detokenize=False)
    prompts = [{"prompt_token_ids": ids} for ids in job["ids"]]
    llm.generate(prompts[:8], sampling, use_tqdm=False)
    print(f"{ANSWER}ready", flush=True)
    for _ in sys.stdin:
        llm.reset_prefix_cache()
        began = time.perf_counter()
        llm.generate(prompts, sampling, use_tqdm=False)
        print(f"{ANSWER}{time.perf_counter() - began}", flush=True)


def start_defaults(job: dict[str, Any], file: Path) -> subprocess.Popen[str]:
    """The child, ready to be asked; its job is written to the file."""
    file.write_text(json.dumps(job))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VLLM_")}
    environment |= {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_CPU_KVCACHE_SPACE": os.environ["VLLM_CPU_KVCACHE_SPACE"]}
    child = subprocess.Popen(
        [sys.executable, __file__, "--job", str(file)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    answer(child)
    return child


def one_round(child: subprocess.Popen[str]) -> float:
    """Seconds that the child takes for all prompts."""
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()
    return float(answer(child))


def answer(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith(ANSWER):
            return line.removeprefix(ANSWER).strip()
    raise SystemExit("the process with vLLM's defaults ended")


def bare_loop(model: VLLM, prompts: list[Prompt], prefill: str, sampling: Any) -> float:
    model._llm.reset_prefix_cache()
    began = time.perf_counter()
    ids = [model.chat.ids(prompt, prefill=prefill) for prompt in prompts]
    model._llm.generate([{"prompt_token_ids": row} for row in ids], sampling, use_tqdm=False)
    return time.perf_counter() - began


def precompute(model: VLLM, inputs: Inputs, digest: str, prompts: int) -> float:
    model._llm.reset_prefix_cache()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        resolver, order = resolver_of(inputs, answer_log(Path(folder)), {"": digest})
        resolver, tally = ask_everything(resolver, Models({"": inputs.config.scoring}, lambda _: model), layout=order.layout)
        write_scores(resolver, Path(folder), {"": model.identity()})
        seconds = time.perf_counter() - began
    assert tally.answered == prompts, (tally, prompts)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"))
    parser.add_argument("--prompts", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--no-defaults", action="store_const", const={}, default=DEFAULTS, dest="defaults", help="leave vLLM's defaults out"
    )
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder for parquet and Markdown (default: none)")
    parser.add_argument("--job", default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        return defaults(options)

    import vllm

    scoring = load_config(options.config).scoring
    model = VLLM(scoring)
    digest = identity_digest(model.identity())
    inputs = small_inputs(options.config, options.prompts, digest)
    questions = all_questions(fresh(inputs, AnswerLog(Path(tempfile.gettempdir(), "massjax-no-log")), digest))
    prompts = [question.prompt for question in questions]
    model.answer(questions[:8])
    choices = [sequences[0][0] for sequences in model.chat.spelled(scoring.choices, scoring.prefill).spellings]
    sampling = vllm.SamplingParams(max_tokens=1, temperature=0, logprob_token_ids=choices, detokenize=False)
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        children = {}
        for name, dtype in options.defaults.items():
            ids = [model.chat.ids(prompt, prefill=scoring.prefill) for prompt in prompts]
            job = {"model": str(model.folder), "dtype": dtype or scoring.dtype, "choices": choices, "ids": ids}
            children[name] = running.enter_context(start_defaults(job, Path(folder) / f"{len(children)}.json"))
        for number in range(options.rounds):
            taken = {"bare loop, best settings": bare_loop(model, prompts, scoring.prefill, sampling)}
            taken["precompute"] = precompute(model, inputs, digest, len(prompts))
            taken |= {name: one_round(child) for name, child in children.items()}
            for name, value in taken.items():
                seconds.setdefault(name, []).append(value)
            print(f"round {number + 1}: " + ", ".join(f"{name} {value:.1f} s" for name, value in taken.items()), file=sys.stderr)
    model.close()
    report(seconds, len(prompts), options.rounds, options.out)


def report(seconds: dict[str, list[float]], prompts: int, rounds: int, out: Path | None) -> None:
    own = seconds["precompute"]
    rows = [
        {
            "what": name,
            "best, s": min(taken),
            "median, s": statistics.median(taken),
            "prompts/s, best": prompts / min(taken),
            "precompute is, best": min(taken) / min(own),
            "precompute is, median of rounds": statistics.median(other / mine for other, mine in zip(taken, own, strict=True)),
        }
        for name, taken in seconds.items()
    ]
    title = f"{prompts:,} distinct prompts; best and median of {rounds} interleaved rounds; ratios of prompts a second"
    frame = pl.DataFrame(rows)
    timing.print_table(title, frame)
    timing.write(out, "precompute", f"Precompute against vLLM: {title}", frame)


if __name__ == "__main__":
    main()
