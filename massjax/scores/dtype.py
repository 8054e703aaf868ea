"""The numbers that a model computes in: what `dtype: auto` comes to on a machine, and why."""

from __future__ import annotations

from massjax.machine import Machine
from massjax.models.settings import ModelSettings


def resolved_dtype(settings: ModelSettings, machine: Machine) -> str:
    """What the setting comes to where no answers are there yet, whose numbers `auto` goes on with."""
    if settings.dtype != "auto" or settings.engine != "vllm":
        return settings.dtype
    if machine.bfloat16:
        return "bfloat16"
    return "float16" if machine.gpus else "float32"


def said_dtype(asked: ModelSettings, resolved: str, machine: Machine) -> str:
    """The numbers that a model computes in, and why."""
    if asked.dtype != "auto":
        return resolved
    if resolved != resolved_dtype(asked, machine):
        return f"{resolved}, as in the answers that are there"
    if resolved == "float32":
        return "float32: this CPU emulates bfloat16, which is slow"
    return f"{resolved}: this GPU has no bfloat16" if resolved == "float16" else resolved


def dtype_warnings(settings: ModelSettings, machine: Machine) -> list[str]:
    """A warning where a CPU is told to compute in numbers that it has to emulate."""
    if settings.engine != "vllm" or settings.dtype != "bfloat16" or machine.gpus or machine.bfloat16:
        return []
    return ["scoring.dtype: this CPU has no instructions for bfloat16 and emulates it, which is slow; float32 (or auto) is faster here"]
