"""The numbers that a model computes in: what `dtype: auto` comes to on a machine, or to go on with what was answered before, and why."""

from __future__ import annotations

from massjax.machine import Machine
from massjax.models.settings import ModelSettings


def resolved_dtype(settings: ModelSettings, machine: Machine, held: str | None = None) -> str:
    """What `dtype` comes to.

    Args:
        held: that of the answers which the new ones go with, where there are some; `auto` goes on with it, on whichever machine.
    """
    if settings.dtype != "auto":
        return settings.dtype
    if held is not None:
        return held
    if settings.engine != "vllm":
        return "auto"
    if machine.bfloat16:
        return "bfloat16"
    return "float16" if machine.gpus else "float32"


def said_dtype(asked: ModelSettings, resolved: str, machine: Machine) -> str:
    """The numbers that a model computes in, and why."""
    if asked.dtype != "auto":
        return resolved
    if resolved != resolved_dtype(asked, machine):
        return f"{resolved}, as in the store"
    if resolved == "float32":
        return "float32: this CPU emulates bfloat16, which is slow"
    return f"{resolved}: this GPU has no bfloat16" if resolved == "float16" else resolved


def dtype_warnings(settings: ModelSettings, machine: Machine) -> list[str]:
    """A warning where a CPU is told to compute in numbers that it has to emulate."""
    if settings.engine != "vllm" or settings.dtype != "bfloat16" or machine.gpus or machine.bfloat16:
        return []
    return ["scoring.dtype: this CPU has no instructions for bfloat16 and emulates it, which is slow; float32 (or auto) is faster here"]
