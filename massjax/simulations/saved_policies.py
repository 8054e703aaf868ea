"""Policies in files: arrays by name in `NAME.npz`, and beside it in `NAME.json` the settings that they were learned with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from massjax.errors import DataError
from massjax.policy_files import policy_of_file
from massjax.settings import validate
from massjax.simulator.policy import Policy, named_arrays
from massjax.simulator.settings import SimulationSettings
from massjax.user_files import read_small

BUNDLED = Path(__file__).parent / "policies" / "living.npz"
"""The policy that comes with massjax: the default settings, 30 million ticks."""
LONGEST_SETTINGS = 2**20
"""Bytes of the file beside a policy."""
MEANT = ("market", "traits", "reward", "living", "paper")
"""Settings that make another market of the same policy."""


class SavedPolicy(NamedTuple):
    """A policy that was learned before.

    Attributes:
        policy: of all agents.
        simulation: the settings that it was learned with.
        updates: that it learned for.
        seed: of the learning.
    """

    policy: Policy
    simulation: SimulationSettings
    updates: int
    seed: int


def read_policy(path: Path = BUNDLED) -> SavedPolicy:
    """The policy of a file `NAME.npz` and its settings of `NAME.json`.

    Raises:
        DataError: a file is missing or damaged, or its arrays are no policy's.

    Example:
        >>> saved = read_policy()
        >>> saved.simulation.market.agents, saved.policy.actor[0].weight.shape
        (100, (11, 64))
    """
    policy = policy_of_file(path)
    beside = path.with_suffix(".json")
    try:
        about = json.loads(read_small(beside, LONGEST_SETTINGS))
        simulation, updates, seed = dict(about["simulation"]), int(about["updates"]), int(about["seed"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(f"{beside}: the settings of the policy cannot be read ({error}); keep the two files together") from None
    return SavedPolicy(policy, validate(SimulationSettings, simulation, str(beside)), updates, seed)


def plain_arrays(policy: Policy) -> dict[str, np.ndarray]:
    """The policy's arrays by name, in memory of NumPy."""
    return {name: np.asarray(array) for name, array in named_arrays(policy).items()}


def differences(simulation: SimulationSettings, made: SimulationSettings) -> tuple[str, ...]:
    """What of the market is otherwise than where the policy was learned, in words: `market.agents 50 (learned with 100)`.

    The number of ticks does not count; of how it was learned, only how far actions are spread, as they are when it is played.
    """
    here, there = (
        _flat({**settings.model_dump(include=set(MEANT)), "learning": {"spread": settings.learning.spread}})
        for settings in (simulation, made)
    )
    used = {"living": "paper", "paper": "living"}[simulation.reward]
    return tuple(
        f"{key} {value} (learned with {there[key]})"
        for key, value in here.items()
        if there[key] != value and key != "market.ticks" and not key.startswith(f"{used}.")
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
