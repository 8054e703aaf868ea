"""Run as a script: evaluate, search and walk forward over DEVICES devices in PROCESSES processes, and write what came out.

python -m tests.engine.sharded OUT DEVICES [PROCESS PROCESSES PORT]
"""

from __future__ import annotations

import sys

import jax
import numpy as np


def main(out: str, devices: int, process: int = 0, processes: int = 1, port: int = 0) -> None:
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", devices // processes)
    if processes > 1:
        waits = {f"{wait}_seconds": 1800 for wait in ("heartbeat_timeout", "shutdown_timeout")}
        jax.distributed.initialize(f"127.0.0.1:{port}", processes, process, initialization_timeout=1800, **waits)

    import massjax as mj
    from massjax.engine.devices import over_devices
    from tests.engine import slow_reference as slow

    scores, member, returns, _ = slow.panel(5, 6, 24, 14)
    weights = np.random.default_rng(0).dirichlet(np.ones(6), 301).astype(np.float32)
    past = scores[..., :4], member[:, :4], returns[:, :4]
    key = jax.random.key(0)
    with over_devices(devices):
        found = mj.search_window(*past, mj.Annealing(chains=66, steps=6), key=key)
        evolved = mj.search_window(*past, mj.DifferentialEvolution(chains=66, steps=6), key=key)
        climbed = mj.search_window(*past, mj.GradientSearch(restarts=70, steps=12), key=key)
        timing = {"lookback": 4, "gap": 1, "key": key}
        walked = mj.walk_forward(scores, member, returns, mj.Annealing(chains=10, steps=4), **timing)
        warm = mj.walk_forward(scores, member, returns, mj.Annealing(chains=10, steps=4), warm_start=True, **timing)
        results = {
            "fitness": mj.fitness(*past, weights),
            "many stocks": mj.fitness(*slow.panel(6, 6, 140, 2)[:3], weights),
            "weights": found.weights,
            "chain_weights": found.chain_weights,
            "chain_fitness": found.chain_fitness,
            "evolved": evolved.chain_fitness,
            "climbed": climbed.chain_fitness,
            "walked": walked.weights,
            "rank_ic": walked.rank_ic,
            "warm": warm.weights,
        }
        arrays = {name: np.asarray(value) for name, value in results.items()}
    assert len(jax.devices()) == devices
    if process == 0:
        np.savez(out, **arrays)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
