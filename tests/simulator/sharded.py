"""Run as a script: simulate and learn over DEVICES devices, and write what came out.

python -m tests.simulator.sharded OUT DEVICES
"""

from __future__ import annotations

import sys
from contextlib import nullcontext

import jax
import numpy as np
import pytest


def main(out: str, devices: int) -> None:
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", devices)

    from massjax.engine.devices import over_devices
    from massjax.errors import ConfigError
    from massjax.simulator import learn
    from massjax.simulator.rollout import simulate
    from massjax.simulator.traits import distribution
    from tests.simulator.small_market import SMALL

    with over_devices(devices) if devices > 1 else nullcontext():
        state = learn.init(jax.random.key(0), SMALL.learning)
        for _ in range(3):
            state, progress = learn.step(state, distribution(SMALL.traits), SMALL)
        done = simulate(state.policy, distribution(SMALL.traits), jax.random.key(1), SMALL.market, markets=8, parts=2)
        found = jax.tree.leaves((state.policy, state.optimizer, progress, done))
        np.savez(out, *map(np.asarray, found))
        if devices > 1:
            alone = SMALL.replace(learning=SMALL.learning.replace(parts=1))
            with pytest.raises(ConfigError, match="1 part cannot be shared out equally over 2 devices"):
                learn.step(state, distribution(SMALL.traits), alone)
    assert len(jax.devices()) == devices


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
