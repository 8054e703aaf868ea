"""Learning of a policy with progress, an early warning, and checkpoints from which the same command goes on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from massjax.errors import DataError, MassjaxError
from massjax.progress import Speaker
from massjax.row_words import counted
from massjax.settings import LONGEST_SHOWN
from massjax.simulator import learn
from massjax.simulator.measures import LEAST_TRADES_OF_UNTRAINED
from massjax.simulator.policy import Policy
from massjax.simulator.settings import SimulationSettings
from massjax.simulator.traits import distribution

LEARNING = "learning"
"""The stage, as it is told."""
FIRST_UPDATES, LAST_UPDATES = 5, 10
"""Updates at the beginning that stand for untrained agents, and at the end that stand for those of now."""
LEAST_TRADES_ON_THE_WAY = 0.02
"""Share of ticks with a trade below which a market is called dry whatever it began with."""
REMARKS = 10
"""Lines of figures while agents learn."""
CHECKPOINT_SECONDS = 15.0
STATES, CURVE = "states", "curve.json"

Row = dict[str, float]


class Learned(NamedTuple):
    """What came of learning.

    Attributes:
        policy: of all agents.
        curve: how the markets of each update fared, fields of `massjax.simulator.learn.Progress`.
        warning: that the market dries up; empty where it does not.
    """

    policy: Policy
    curve: tuple[Row, ...]
    warning: str


def learn_policy(settings: SimulationSettings, updates: int, seed: int, speaker: Speaker, checkpoints: Path | None = None) -> Learned:
    """Let agents learn for some updates, from the latest checkpoint on where there is one.

    Args:
        updates: in all, those before the checkpoint included; at least 1.
        seed: of the policy, and of all that happens.
        speaker: told of each update, ten times of how markets fare, and once where they dry up.
        checkpoints: folder of the checkpoints of these very settings and seed; None keeps none.

    Raises:
        MassjaxError: a checkpoint does not fit, or cannot be written.
    """
    state, curve = _begun(settings, updates, seed, checkpoints)
    if curve:
        speaker.say(f"going on after {counted(len(curve), 'update')}, from the checkpoint in {checkpoints}")
    traits, saved, warning = distribution(settings.traits), time.monotonic(), drying_up(curve)
    for done in range(len(curve), updates):
        speaker.tell(LEARNING, done, updates)
        state, progress = learn.step(state, traits, settings)
        curve.append({name: float(value) for name, value in progress._asdict().items()})
        if (done + 1) % max(1, updates // REMARKS) == 0:
            speaker.say(progress_words(done + 1, updates, curve[-1]))
        if not warning and (warning := drying_up(curve)):
            speaker.say(f"warning: {warning}")
        if checkpoints is not None and done + 1 < updates and time.monotonic() - saved >= CHECKPOINT_SECONDS:
            save(checkpoints, state, curve)
            saved = time.monotonic()
    speaker.tell(LEARNING, updates, updates)
    return Learned(state.policy, tuple(curve), drying_up(curve))


def progress_words(done: int, updates: int, row: Row) -> str:
    """How the markets of an update fared, in one line.

    Example:
        >>> progress_words(10, 938, {"trades": 0.185, "mispricing": 0.0132, "reward": 0.0187})
        'update 10 of 938: trades in 18.5 % of the ticks, mispricing 0.0132, reward 0.0187'
    """
    return (
        f"update {done:,} of {updates:,}: trades in {100 * row['trades']:.1f} % of the ticks, mispricing {row['mispricing']:.4f}, "
        f"reward {row['reward']:.4f}"
    )


def drying_up(curve: Sequence[Row]) -> str:
    """The early warning: that the last ten updates traded far less than the first five, or that a market stands still; else empty.

    Far less is less than a quarter, or trades in less than 2 % of the ticks. The echo of expiring orders then passes for memory.

    Example:
        >>> alive = [{"trades": 0.3, "least_deviation": 0.002}] * 20
        >>> drying_up(alive)
        ''
        >>> drying_up([*alive, *[{"trades": 0.01, "least_deviation": 0.001}] * 10])[:55]
        'the market dries up: trades in 1.0 % of the ticks after'
    """
    if len(curve) < FIRST_UPDATES + LAST_UPDATES:
        return ""
    first = fmean(row["trades"] for row in curve[:FIRST_UPDATES])
    last = fmean(row["trades"] for row in curve[-LAST_UPDATES:])
    still = all(row["least_deviation"] == 0 for row in curve[-LAST_UPDATES:])
    if last >= max(LEAST_TRADES_ON_THE_WAY, LEAST_TRADES_OF_UNTRAINED * first) and not still:
        return ""
    what = "a market stands still" if still else "the market dries up"
    return (
        f"{what}: trades in {100 * last:.1f} % of the ticks after {counted(len(curve), 'update')}, {100 * first:.1f} % at the beginning; "
        "agents that learn not to trade seldom begin again: use the reward `living` with a taste for trends (simulation.living.trend)"
    )


def save(checkpoints: Path, state: learn.LearningState, curve: Sequence[Row]) -> None:
    """Write a checkpoint: the curve first, so that it is never shorter than the state.

    Raises:
        MassjaxError: the disk is full or read-only.
    """
    from massjax.checkpoints import save_checkpoint

    partial = checkpoints / f"{CURVE}.partial"
    try:
        checkpoints.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(list(curve)), encoding="utf-8")
        os.replace(partial, checkpoints / CURVE)
        save_checkpoint(checkpoints / STATES, state)
    except OSError as error:
        raise MassjaxError(
            f"{checkpoints}: the checkpoint after {counted(len(curve), 'update')} cannot be written ({error.strerror or error}); free some "
            "space or make the folder writable, and the same command goes on from the checkpoint before it"
        ) from error


def can_be_resumed() -> bool:
    """Whether orbax, which writes checkpoints, is installed."""
    return find_spec("orbax") is not None and find_spec("orbax.checkpoint") is not None


def _begun(settings: SimulationSettings, updates: int, seed: int, checkpoints: Path | None) -> tuple[learn.LearningState, list[Row]]:
    """Where learning begins: at the latest checkpoint, or anew where there is none, or one of more updates than are asked for."""
    start = learn.init(jax.random.key(seed), settings.learning)
    if checkpoints is None or not (checkpoints / CURVE).is_file():
        return start, []
    from massjax.checkpoints import latest_checkpoint, load_checkpoint

    curve = _curve(checkpoints / CURVE)
    made = latest_checkpoint(checkpoints / STATES)
    if made is None or made > updates or len(curve) < made:
        return start, []
    try:
        return _uncommitted(load_checkpoint(checkpoints / STATES, start)), curve[:made]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{checkpoints / STATES}: the checkpoint is damaged ({str(error)[:LONGEST_SHOWN]}); remove the folder {checkpoints}, and "
            "learning begins anew"
        ) from error


def _curve(file: Path) -> list[Row]:
    try:
        curve = json.loads(file.read_text(encoding="utf-8"))
        return [{name: float(row[name]) for name in learn.Progress._fields} for row in curve]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: the checkpoint is damaged ({error}); remove the folder {file.parent}, and learning begins anew") from None


def _uncommitted(state: learn.LearningState) -> learn.LearningState:
    """The state bound to no device, as a new one is, so that the programs are those of learning that never stopped."""
    plain = state._replace(key=jax.random.key_data(state.key))
    loose = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)), plain)
    return loose._replace(key=jax.random.wrap_key_data(loose.key, impl=jax.random.key_impl(state.key)))
