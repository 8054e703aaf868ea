"""The policy that all candidates share: read from a file, or learned over mixes of agents drawn between the bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np

from massjax.calibrate.candidates import distributions, in_units
from massjax.calibrate.settings import CalibrationConfig
from massjax.policy_files import policy_of_file
from massjax.progress import Tell
from massjax.simulator import learn
from massjax.simulator.policy import Policy, named_arrays

LEARNING, MIXES = 101, 102
"""What the chances of a key are for."""


def policy_of_config(config: CalibrationConfig, tell: Tell) -> Policy:
    """The policy of the file that the settings name, else one that is learned.

    Raises:
        DataError: the file is missing, or holds no policy.
        ConfigError: the markets of one update cannot be shared out over the devices.
    """
    return learned_policy(config, tell) if config.policy is None else policy_of_file(config.policy)


def learned_policy(config: CalibrationConfig, tell: Tell) -> Policy:
    """A policy learned over mixes of agents: the traits of each update are drawn evenly between their bounds.

    A policy that has met one mix alone would be asked, in all others, for what it has not learned.
    """
    state = learn.init(jax.random.fold_in(jax.random.key(config.seed), LEARNING), config.simulation.learning)
    points = np.random.default_rng([config.seed, MIXES]).random((config.updates, len(config.traits)))
    for number, point in enumerate(points):
        mix = jax.tree.map(lambda leaf: leaf[0], distributions(in_units(point[None], config), config))
        state, progress = learn.step(state, mix, config.simulation)
        jax.block_until_ready(progress)
        tell("learning a policy for all mixes", number + 1, config.updates)
    return state.policy


def write_policy(policy: Policy, path: Path) -> None:
    """Write what `policy_of_file` reads."""
    arrays: dict[str, Any] = {name: np.asarray(array) for name, array in named_arrays(policy).items()}
    np.savez(path, **arrays)
