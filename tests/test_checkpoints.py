"""Learning that is stopped and resumed, with real files."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest

from massjax.errors import DataError
from massjax.simulator import learn
from massjax.simulator.settings import SimulationSettings
from massjax.simulator.traits import distribution
from tests.simulator.small_market import SMALL

pytest.importorskip("orbax.checkpoint", reason="checkpoints need orbax: pip install 'massjax[simulate]'")

from massjax.checkpoints import latest_checkpoint, load_checkpoint, save_checkpoint


def learned(state: learn.LearningState, updates: int, settings: SimulationSettings = SMALL) -> learn.LearningState:
    for _ in range(updates):
        state, _ = learn.step(state, distribution(settings.traits), settings)
    return state


@pytest.mark.slow
def test_stopped_and_resumed_is_never_stopped(tmp_path: Path) -> None:
    start = learn.init(jax.random.key(3), SMALL.learning)
    half = learned(start, 2)
    save_checkpoint(tmp_path / "run", half)
    straight = learned(half, 2)
    assert latest_checkpoint(tmp_path / "run") == 2
    resumed = learned(load_checkpoint(tmp_path / "run", learn.init(jax.random.key(0), SMALL.learning)), 2)
    for one, other in zip(jax.tree.leaves(plain(straight)), jax.tree.leaves(plain(resumed)), strict=True):
        np.testing.assert_array_equal(one, other)
    save_checkpoint(tmp_path / "run", resumed)
    assert latest_checkpoint(tmp_path / "run") == 4


def plain(state: learn.LearningState) -> learn.LearningState:
    return state._replace(key=jax.random.key_data(state.key))


def test_what_cannot_be_resumed_is_refused_in_words(tmp_path: Path) -> None:
    state = learn.init(jax.random.key(0), SMALL.learning)
    assert latest_checkpoint(tmp_path / "none") is None
    with pytest.raises(DataError, match="there is no checkpoint to go on from"):
        load_checkpoint(tmp_path / "none", state)
    save_checkpoint(tmp_path / "run", state)
    wider = learn.init(jax.random.key(0), SMALL.learning.replace(hidden=5))
    with pytest.raises(DataError, match="does not fit the settings"):
        load_checkpoint(tmp_path / "run", wider)
