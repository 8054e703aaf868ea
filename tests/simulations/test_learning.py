"""The early warning of learning, and checkpoints that cannot be written or read."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import pytest

from massjax.errors import DataError, MassjaxError
from massjax.progress import SILENT
from massjax.simulations.learning import CURVE, Row, drying_up, learn_policy, save
from massjax.simulator import learn
from massjax.simulator.settings import LearningSettings, SimulationSettings

SMALL = SimulationSettings(learning=LearningSettings(hidden=4))


def curve(*parts: tuple[int, float], least: float = 0.002) -> list[Row]:
    return [{"trades": trades, "least_deviation": least} for updates, trades in parts for _ in range(updates)]


@pytest.mark.parametrize(
    ("rows", "warned"),
    [
        (curve((20, 0.38)), ""),
        (curve((5, 0.38), (10, 0.096)), ""),
        (curve((5, 0.38), (10, 0.094)), "the market dries up: trades in 9.4 % of the ticks after 15 updates, 38.0 % at the beginning"),
        (curve((5, 0.01), (10, 0.01)), "the market dries up: trades in 1.0 %"),
        (curve((5, 0.38), (9, 0.0)), ""),
        (curve((20, 0.38), least=0.0), "a market stands still"),
    ],
)
def test_a_market_that_dries_up_is_told_early(rows: list[Row], warned: str) -> None:
    assert drying_up(rows).startswith(warned)
    assert bool(drying_up(rows)) == bool(warned)


def test_a_checkpoint_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    state = learn.init(jax.random.key(0), SMALL.learning)
    with pytest.raises(
        MassjaxError, match=r"file/run: the checkpoint after 15 updates cannot be written \(Not a directory\); free some space"
    ):
        save(tmp_path / "file" / "run", state, curve((15, 0.1)))


@pytest.mark.parametrize("text", ["", "{", "5", "[1]", json.dumps(curve((2, 0.1)))])
def test_a_damaged_checkpoint_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / CURVE).write_text(text)
    with pytest.raises(DataError, match=r"curve\.json: the checkpoint is damaged .*; remove the folder .*, and learning begins anew"):
        learn_policy(SMALL, 3, 0, SILENT, tmp_path)
