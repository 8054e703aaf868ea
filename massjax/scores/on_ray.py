"""Precompute on Ray workers: each holds a language model and asks the questions of its parts of the work.

Answers go from each worker into the log, on a file system that all see or in object storage, whose credentials are in the environment
of the workers; only the settings travel to them, and only counts come back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from massjax.answers.ask import Tally
from massjax.answers.ray_workers import Job, share_out
from massjax.config import RunConfig
from massjax.machine import this_machine
from massjax.models.loading import Models
from massjax.progress import Tell
from massjax.scores.asked_models import asked_models
from massjax.scores.asking import Part, ask_everything
from massjax.scores.fitting import answer_log, resolver_of
from massjax.scores.inputs import prepare

PARTS_PER_WORKER = 4
"""So that little is done again when a worker dies, and that the last one to finish keeps the others waiting for little."""
SHARING = "asking on Ray, in parts"


def run_on_ray(
    config: RunConfig,
    store: Path | str,
    workers: int,
    progress: Tell | None = None,
    started: Callable[[int], None] | None = None,
) -> Tally:
    """Ask all that a configuration lacks on a Ray cluster (the one `RAY_ADDRESS` names, else one started on this machine).

    Args:
        config: the settings.
        store: the folder of log and tensors.
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

    told = json.dumps({"config": config.model_dump_json(), "store": str(store), "parts": parts})
    share_out(part_asker, told, parts, workers, gpus=config.scoring.tensor_parallel_size, finished=finished, started=started)
    return tally


def part_asker(told: str) -> Job:
    """What a worker does: ask what is open of a part of the work, told by its number; a model is loaded with its first question."""
    document = json.loads(told)
    config, store, machine = RunConfig.model_validate(json.loads(document["config"])), document["store"], this_machine()
    inputs, log = prepare(config), answer_log(store)
    models = asked_models(inputs, log, machine)
    resolver, order = resolver_of(inputs, log, {name: asked.digest for name, asked in models.items()}, store)
    at_hand = Models({name: asked.settings for name, asked in models.items()})

    def ask(part: int) -> dict[str, Any]:
        log.refresh()
        share = Part(part + 1, document["parts"])
        return ask_everything(resolver, at_hand, layout=order.layout, part=share)[1].document()

    return ask
