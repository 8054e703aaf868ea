"""The numbers that a model computes in: what `scoring.dtype` comes to on a machine and for a store, and why."""

from __future__ import annotations

from massjax.config import RunConfig
from massjax.machine import Machine
from massjax.models.settings import ScoringSettings
from massjax.store import ScoreStore, exists
from massjax.store.folder import Where


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
