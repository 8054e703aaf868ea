"""Precompute shared out by Ray: each worker holds an engine and does parts of the work; the part of one that dies is given to another.

Only plain settings travel to the workers, only counts come back: scores go from each worker into the store, on a file system that all
see or in object storage, whose credentials are in the environment of the workers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from massjax import errors
from massjax.answers.cost import Tally
from massjax.answers.sharding import split
from massjax.config import RunConfig
from massjax.errors import MassjaxError, ModelError
from massjax.machine import this_machine
from massjax.models.language_model import Engine
from massjax.progress import Tell
from massjax.scoring.dtype import with_dtype
from massjax.scoring.engines import engine_for
from massjax.scoring.passes import run_passes
from massjax.scoring.placing import open_or_create
from massjax.scoring.work import Work, prepare
from massjax.store import ScoreStore, Unit

PARTS_PER_WORKER = 4
"""So that little is done again when a worker dies, and that the last one to finish keeps the others waiting for little."""
SHARING = "asking prompts on Ray, in parts"
STARTS = 3
DEATHS_PER_WORKER = 3
"""A worker that dies more often than this (out of memory, say) ends the run."""


class Worker:
    """One process with an engine; becomes a Ray actor. The engine is loaded with the first part."""

    def __init__(self, config: str, path: str, parts: int) -> None:
        self.config, self.path, self.parts = RunConfig.model_validate_json(config), path, parts
        self.ready: tuple[Work, ScoreStore, Engine, list[list[Unit]]] | None = None

    def pid(self) -> int:
        """Of this worker's process."""
        return os.getpid()

    def do(self, part: int) -> str:
        """Ask what is missing of a part; the tally as JSON, or what the user can mend."""
        try:
            if self.ready is None:
                work = prepare(with_dtype(self.config, self.path, this_machine()))
                engine = engine_for(work)
                store = open_or_create(work, self.path, engine.identity())
                self.ready = work, store, engine, split(work, store, self.parts)
            work, store, engine, shards = self.ready
            return json.dumps(asdict(run_passes(work, store, engine, units=frozenset(shards[part]), claim=False)))
        except MassjaxError as error:
            return json.dumps({"error": str(error), "kind": type(error).__name__})


def run_on_ray(
    config: RunConfig,
    path: Path | str,
    workers: int,
    progress: Tell | None = None,
    started: Callable[[int], None] | None = None,
) -> Tally:
    """Do all the work of a configuration on a Ray cluster (the one `RAY_ADDRESS` names, else one started on this machine).

    Args:
        workers: engines at work at once; each takes `scoring.tensor_parallel_size` GPUs where the cluster has any.
        progress: called with what is done, the parts finished, and the parts.
        started: called with the process number of every worker that starts.

    Raises:
        ModelError: Ray is not installed, or workers die again and again.
        MassjaxError: what a worker could not do and the user can mend.
    """
    try:
        import ray
        from ray.exceptions import RayActorError
    except ImportError:
        raise ModelError("Ray is not installed; install massjax[ray]") from None
    own = not ray.is_initialized()
    if own:
        _start(ray)
    try:
        gpus = config.scoring.tensor_parallel_size if ray.cluster_resources().get("GPU", 0) else 0
        parts = workers * PARTS_PER_WORKER
        make = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0)(Worker)
        text = config.model_dump_json()

        def start() -> Any:
            return make.remote(text, str(path), parts)

        waiting, tally, deaths, done = list(range(parts)), Tally(), 0, 0
        busy: dict[Any, tuple[Any, int]] = {}
        idle = [start() for _ in range(min(workers, parts))]
        if started is not None:
            for worker in idle:
                started(ray.get(worker.pid.remote()))
        while waiting or busy:
            while waiting and idle:
                worker, part = idle.pop(), waiting.pop(0)
                busy[worker.do.remote(part)] = (worker, part)
            (finished,), _ = ray.wait(list(busy), num_returns=1)
            worker, part = busy.pop(finished)
            try:
                result = json.loads(ray.get(finished))
            except RayActorError as error:
                deaths += 1
                if deaths > DEATHS_PER_WORKER * workers:
                    raise ModelError(f"{deaths} workers died, the last with: {error}; what is scored is stored") from None
                waiting.insert(0, part)
                idle.append(start())
                continue
            if "error" in result:
                raise getattr(errors, result["kind"], MassjaxError)(result["error"])
            done += 1
            _merge(tally, result)
            idle.append(worker)
            if progress is not None:
                progress(SHARING, done, parts)
        return tally
    finally:
        if own:
            ray.shutdown()


def _start(ray: Any) -> None:
    """Join or start a cluster; Ray gives itself half a minute to start, which a busy machine may need more than once."""
    for attempt in range(STARTS):
        try:
            ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
            return
        except Exception as error:
            ray.shutdown()
            if attempt == STARTS - 1:
                raise ModelError(f"Ray cannot be started: {error}") from None


def _merge(tally: Tally, other: dict[str, Any]) -> None:
    for name, value in other.items():
        if name == "distinct":
            continue
        if name == "reasons":
            tally.reasons.update(value)
        elif name == "examples":
            tally.examples = {**value, **tally.examples}
        else:
            setattr(tally, name, getattr(tally, name) + value)
