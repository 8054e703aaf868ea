"""The policy that all candidates share: read from a file, or learned over mixes of agents drawn between the bounds."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import jax
import numpy as np

from massjax.calibrate.candidates import distributions, in_units
from massjax.calibrate.settings import CalibrationConfig
from massjax.errors import DataError
from massjax.progress import Tell
from massjax.simulator import learn
from massjax.simulator.observe import OBSERVED
from massjax.simulator.policy import ACTIONS, Policy, named_arrays, policy_of
from massjax.user_files import special

LEARNING, MIXES = 101, 102
"""What the chances of a key are for."""


def policy_of_config(config: CalibrationConfig, tell: Tell) -> Policy:
    """The policy of the file that the settings name, else one that is learned.

    Raises:
        DataError: the file is missing, or holds no policy.
        ConfigError: the markets of one update cannot be shared out over the devices.
    """
    return learned_policy(config, tell) if config.policy is None else read_policy(config.policy)


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


def read_policy(path: Path) -> Policy:
    """The policy in a file of arrays (.npz).

    Raises:
        DataError: the file is missing, unreadable, or holds no policy.
    """
    if not path.is_file():
        raise DataError(f"policy: {path}: is {special(path) or 'not there'}; name a file of a policy (.npz), or leave it out to learn one")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            policy = policy_of(dict(arrays))
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        what = f"has no array {error}" if isinstance(error, KeyError) else f"cannot be read ({error})"
        raise DataError(
            f"policy: {path}: {what}; expected the arrays of a policy as massjax.simulator.policy.named_arrays names them"
        ) from None
    first, last = policy.actor[0].weight.shape, policy.actor[2].weight.shape
    if first[:1] != (len(OBSERVED),) or last[1:] != (ACTIONS,):
        raise DataError(f"policy: {path}: the actor has layers of {first} to {last}; expected {len(OBSERVED)} inputs and {ACTIONS} outputs")
    return policy


def write_policy(policy: Policy, path: Path) -> None:
    """Write what `read_policy` reads."""
    arrays: dict[str, Any] = {name: np.asarray(array) for name, array in named_arrays(policy).items()}
    np.savez(path, **arrays)
