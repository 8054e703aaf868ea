"""How long asking will take: from what the store's past runs took where there are any, else from an assumption that is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from massjax.machine import Machine
from massjax.models.settings import ScoringSettings
from massjax.row_words import counted
from massjax.store.info import add_up

CORE_FLOPS = 50e9
"""Operations a second that a core of a CPU is assumed to reach: measured with 135 million parameters in float32 on AVX2."""
GPU_FLOPS = 100e12
"""Operations a second that a GPU is assumed to reach: about a third of what an A100 promises."""
PROMPT_SECONDS = 0.002
"""What vLLM's scheduler is assumed to take for a prompt, however small the model."""
SERVER_SECONDS = 1.0
"""What a server is assumed to take for a reply, with `scoring.endpoint.concurrency` of them at once."""
FAKE_RATE = 2000.0
"""Prompts a second of the fake model."""
CPU_BLOCK, GPU_BLOCK = 32, 16
"""Tokens in a block of the prefix cache, which answers whole blocks only: of what a prompt shares, half a block is computed again."""
UNKNOWN_PARAMETERS = 1_000_000_000
"""Assumed of a model whose files are not here."""
START_SECONDS = 30.0
"""What vLLM is assumed to take to start, a billion parameters more or less aside."""
FEW_PROMPTS = 16
"""A run of fewer tells little of the next one's speed."""

CORRECTED = "corrected after the first batch"


@dataclass(frozen=True)
class Estimate:
    """How long asking will take.

    Attributes:
        seconds: of asking.
        start: seconds until the model is ready, not among `seconds`.
        basis: what the estimate rests on, for the user to judge.
    """

    seconds: float
    start: float
    basis: str


@dataclass(frozen=True)
class Load:
    """What is to be asked.

    Attributes:
        prompts: how many.
        tokens: in all of them; `shared` of them repeat the prompt before, so that the prefix cache can answer them.
    """

    prompts: int
    tokens: int
    shared: int


def estimate(
    load: Load,
    scoring: ScoringSettings,
    machine: Machine,
    parameters: int | None = None,
    runs: Sequence[Mapping[str, Any]] = (),
    units: Mapping[str, Any] | None = None,
) -> Estimate:
    """The time that a load takes.

    Args:
        machine: where it would be asked.
        parameters: of the model; None where its files are not here.
        runs: statistics of the store's past runs.
        units: the numbers that all units of the store were written with, summed; for stores whose runs left no record.
    """
    start = START_SECONDS + (parameters or UNKNOWN_PARAMETERS) / 1e9 if scoring.engine == "vllm" and load.prompts else 0.0
    if scoring.prompts_per_second is not None:
        rate = scoring.prompts_per_second
        return Estimate(load.prompts / rate, start, f"at {rate:g} prompts a second (scoring.prompts_per_second)")
    for past, where in _past(runs, units or {}, machine):
        found = _measured(load, past, where)
        if found is not None:
            return Estimate(found[0], start, found[1])
    seconds, basis = _assumed(load, scoring, machine, parameters)
    return Estimate(seconds, start, f"assumed {basis}; {CORRECTED}")


def _past(runs: Sequence[Mapping[str, Any]], units: Mapping[str, Any], machine: Machine) -> list[tuple[Mapping[str, Any], str]]:
    """What was measured, the most telling first, each with where."""
    here = [run for run in runs if run.get("machine") == str(machine)]
    elsewhere = [run for run in runs if run.get("machine") != str(machine)]
    others = sorted({str(run.get("machine", "a machine that is not recorded")) for run in elsewhere})
    return [
        (add_up(here), f"{counted(len(here), 'past run')} of this store on {machine}"),
        (add_up(elsewhere), f"{counted(len(elsewhere), 'past run')} of this store on {', '.join(others)}"),
        (units, "this store, on a machine that is not recorded"),
    ]


def _measured(load: Load, past: Mapping[str, Any], where: str) -> tuple[float, str] | None:
    prompts, tokens, cached, seconds = (float(past.get(name, 0)) for name in ("prompts", "prompt_tokens", "cached_tokens", "seconds"))
    if prompts < FEW_PROMPTS or seconds <= 0:
        return None
    if tokens <= cached:
        rate = prompts / seconds
        return load.prompts / rate, f"at {rate:,.3g} prompts a second, as in {where}"
    rate = (tokens - cached) / seconds
    left = load.tokens - load.shared if cached else load.tokens
    return left / rate, f"at {rate:,.0f} tokens a second, as in {where}"


def _assumed(load: Load, scoring: ScoringSettings, machine: Machine, parameters: int | None) -> tuple[float, str]:
    if scoring.engine == "fake":
        return load.prompts / FAKE_RATE, f"{FAKE_RATE:,.0f} prompts a second of the fake engine"
    if scoring.endpoint is not None:
        rate = scoring.endpoint.concurrency / SERVER_SECONDS
        return load.prompts / rate, f"{rate:,.0f} prompts a second of the server: {scoring.endpoint.concurrency} at once, 1 s each"
    gpus = min(machine.gpus, scoring.tensor_parallel_size)
    reached = gpus * GPU_FLOPS if gpus else machine.cores * CORE_FLOPS
    rate = reached / (2 * (parameters or UNKNOWN_PARAMETERS))
    size = "" if parameters else ", of a model of 1 billion parameters (its files are not here)"
    block = scoring.block_size or (GPU_BLOCK if gpus else CPU_BLOCK)
    computed = load.tokens - max(0, load.shared - load.prompts * block // 2)
    seconds = computed / rate + load.prompts * PROMPT_SECONDS
    return seconds, f"{_rounded(rate):,} tokens a second on {Machine(gpus, machine.cores, machine.bfloat16)}{size}"


def _rounded(rate: float) -> int:
    """To two digits: an assumption has no more."""
    return int(float(f"{rate:.1e}"))
