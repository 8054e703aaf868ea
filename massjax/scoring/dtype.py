"""The numbers that a model computes in: what `scoring.dtype` comes to on a machine and for a store."""

from __future__ import annotations

from massjax.config import RunConfig
from massjax.machine import Machine
from massjax.models.dtype import dtype_warnings, resolved_dtype, said_dtype
from massjax.store import ScoreStore, exists
from massjax.store.folder import Where

__all__ = ["dtype_warnings", "resolved_dtype", "said_dtype", "with_dtype"]


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
