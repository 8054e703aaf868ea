"""Policies in files: arrays by name in `NAME.npz`, and beside it in `NAME.json` the settings that they were learned with."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from massjax.errors import DataError
from massjax.settings import validate
from massjax.simulator.observe import OBSERVED
from massjax.simulator.policy import ACTIONS, Policy, named_arrays, policy_of
from massjax.simulator.settings import SimulationSettings

BUNDLED = Path(__file__).parent / "policies" / "living.npz"
"""The policy that comes with massjax: the default settings, 30 million ticks."""
OUTPUTS = {"actor": ACTIONS, "critic": 1}
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
    arrays = _arrays(path)
    check_shapes(arrays, path)
    beside = path.with_suffix(".json")
    try:
        about = json.loads(beside.read_text(encoding="utf-8"))
        simulation, updates, seed = about["simulation"], int(about["updates"]), int(about["seed"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{beside}: the settings of the policy cannot be read ({error}); keep the two files together") from None
    return SavedPolicy(policy_of(arrays), validate(SimulationSettings, simulation, str(beside)), updates, seed)


def plain_arrays(policy: Policy) -> dict[str, np.ndarray]:
    """The policy's arrays by name, in memory of NumPy."""
    return {name: np.asarray(array) for name, array in named_arrays(policy).items()}


def check_shapes(arrays: Mapping[str, np.ndarray], source: object) -> None:
    """Refuse arrays that are not those of an actor and a critic of two equally wide hidden layers.

    Raises:
        DataError: an array is missing, of another shape, or not finite.
    """
    first = arrays.get("actor_0_weight")
    hidden = first.shape[1] if first is not None and first.ndim == 2 else 0
    for network, outputs in OUTPUTS.items():
        sizes = (len(OBSERVED), hidden, hidden, outputs)
        for layer, (inputs, units) in enumerate(pairwise(sizes)):
            for field, shape in (("weight", (inputs, units)), ("bias", (units,))):
                name = f"{network}_{layer}_{field}"
                found = arrays.get(name)
                if found is None or found.shape != shape:
                    is_there = "missing" if found is None else f"of the shape {list(found.shape)}"
                    raise DataError(f"{source}: is no policy: {name} is {is_there}, expected {list(shape)}")
                if not np.isfinite(found).all():
                    raise DataError(f"{source}: {name} holds what is no number; take the policy of another run")


def differences(simulation: SimulationSettings, made: SimulationSettings) -> tuple[str, ...]:
    """What of the market is otherwise than where the policy was learned, in words: `market.agents 50 (learned with 100)`.

    The number of ticks does not count.
    """
    here, there = (_flat(settings.model_dump(include=set(MEANT))) for settings in (simulation, made))
    used = {"living": "paper", "paper": "living"}[simulation.reward]
    return tuple(
        f"{key} {value} (learned with {there[key]})"
        for key, value in here.items()
        if there[key] != value and key != "market.ticks" and not key.startswith(f"{used}.")
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: the policy cannot be read ({error}); give a policy.npz that a run wrote") from None


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
