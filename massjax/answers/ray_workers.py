"""Jobs shared out by Ray: each worker does one after the other, and that of a worker that dies is given to another.

Only text and numbers travel, to the workers and back: what a job needs and what came of it, as JSON.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from massjax import errors
from massjax.errors import MassjaxError, ModelError

Job = Callable[[int], dict[str, Any]]
"""Does the job of a number, and says in plain values what came of it."""

STARTS = 3
DEATHS_PER_WORKER = 3
"""A worker that dies more often than this (out of memory, say) ends the run."""


class Worker:
    """One process; becomes a Ray actor. It prepares itself, by loading a model for example, with its first job."""

    def __init__(self, prepare: Callable[[str], Job], told: str) -> None:
        self.prepare, self.told = prepare, told
        self.job: Job | None = None

    def pid(self) -> int:
        """Of this worker's process."""
        return os.getpid()

    def do(self, number: int) -> str:
        """Do a job; what came of it as JSON, or what the user can mend."""
        try:
            if self.job is None:
                self.job = self.prepare(self.told)
            return json.dumps(self.job(number))
        except MassjaxError as error:
            return json.dumps({"error": str(error), "kind": type(error).__name__})


def share_out(
    prepare: Callable[[str], Job],
    told: str,
    jobs: int,
    workers: int,
    *,
    gpus: int = 0,
    finished: Callable[[dict[str, Any]], None],
    started: Callable[[int], None] | None = None,
) -> None:
    """Do the jobs of the numbers from 0 to `jobs` on a Ray cluster (the one `RAY_ADDRESS` names, else one started on this machine).

    Args:
        prepare: called once in every worker with `told`; a function that its process can import.
        told: all that a worker needs to know.
        jobs: how many there are; a job may be begun again, so it must go on where it was left.
        workers: at work at once.
        gpus: that each of them takes, where the cluster has any.
        finished: called with what came of each job, in the order in which they end.
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
        taken = gpus if ray.cluster_resources().get("GPU", 0) else 0
        make = ray.remote(num_cpus=1, num_gpus=taken, max_restarts=0)(Worker)

        def start() -> Any:
            return make.remote(prepare, told)

        waiting, deaths = list(range(jobs)), 0
        busy: dict[Any, tuple[Any, int]] = {}
        idle = [start() for _ in range(min(workers, jobs))]
        if started is not None:
            for worker in idle:
                started(ray.get(worker.pid.remote()))
        while waiting or busy:
            while waiting and idle:
                worker, number = idle.pop(), waiting.pop(0)
                busy[worker.do.remote(number)] = (worker, number)
            (done,), _ = ray.wait(list(busy), num_returns=1)
            worker, number = busy.pop(done)
            try:
                result = json.loads(ray.get(done))
            except RayActorError as error:
                deaths += 1
                if deaths > DEATHS_PER_WORKER * workers:
                    raise ModelError(f"{deaths} workers died, the last with: {error}; what is scored is stored") from None
                waiting.insert(0, number)
                idle.append(start())
                continue
            if "error" in result:
                raise getattr(errors, result["kind"], MassjaxError)(result["error"])
            idle.append(worker)
            finished(result)
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
