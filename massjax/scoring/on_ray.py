"""Precompute on Ray workers: each holds a language model and does parts of the work.

Scores go from each worker into the store, on a file system that all see or in object storage, whose credentials are in the environment
of the workers; only the settings travel to them, and only counts come back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from massjax.answers.cost import Tally
from massjax.answers.ray_workers import Job, share_out
from massjax.config import RunConfig
from massjax.machine import this_machine
from massjax.progress import Tell
from massjax.scoring.answering import model_for
from massjax.scoring.dtype import with_dtype
from massjax.scoring.passes import run_passes
from massjax.scoring.placing import open_or_create, shards_of
from massjax.scoring.work import prepare

PARTS_PER_WORKER = 4
"""So that little is done again when a worker dies, and that the last one to finish keeps the others waiting for little."""
SHARING = "asking prompts on Ray, in parts"


def run_on_ray(
    config: RunConfig,
    path: Path | str,
    workers: int,
    progress: Tell | None = None,
    started: Callable[[int], None] | None = None,
) -> Tally:
    """Do all the work of a configuration on a Ray cluster (the one `RAY_ADDRESS` names, else one started on this machine).

    Args:
        workers: models at work at once; each takes `scoring.tensor_parallel_size` GPUs where the cluster has any.
        progress: called with what is done, the parts finished, and the parts.
        started: called with the process number of every worker that starts.

    Raises:
        ModelError: Ray is not installed, or workers die again and again.
        MassjaxError: what a worker could not do and the user can mend.
    """
    parts, tally, done = workers * PARTS_PER_WORKER, Tally(), 0

    def finished(counts: dict[str, Any]) -> None:
        nonlocal done
        tally.include(counts)
        done += 1
        if progress is not None:
            progress(SHARING, done, parts)

    told = json.dumps({"config": config.model_dump_json(), "path": str(path), "parts": parts})
    share_out(part_asker, told, parts, workers, gpus=config.scoring.tensor_parallel_size, finished=finished, started=started)
    return tally


def part_asker(told: str) -> Job:
    """What a worker does: ask what is missing of a part of the work, told by its number; the model is loaded with the first."""
    document = json.loads(told)
    config, path = RunConfig.model_validate_json(document["config"]), document["path"]
    work = prepare(with_dtype(config, path, this_machine()))
    model = model_for(work)
    store = open_or_create(work, path, model.identity())
    shards = shards_of(work, store, document["parts"])

    def ask(part: int) -> dict[str, Any]:
        return asdict(run_passes(work, store, model, units=frozenset(shards[part]), claim=False))

    return ask
