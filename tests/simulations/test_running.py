"""Parts of a run that need no market."""

from __future__ import annotations

from pathlib import Path

import pytest

from massjax.config.market_run import MarketRunConfig
from massjax.simulations.populations import mean_traits
from massjax.simulations.running import checkpoints_of, sharing
from massjax.simulator.settings import TraitSettings


@pytest.mark.parametrize(("parts", "most", "devices"), [(2, 16, 2), (6, 4, 3), (7, 4, 1), (1, 8, 1), (8, 1, 1), (8, 0, 1)])
def test_devices_share_parts_out_equally(parts: int, most: int, devices: int) -> None:
    assert sharing(parts, most) == devices


def test_homogeneous_agents_have_the_mean_of_each_trait() -> None:
    traits = mean_traits(TraitSettings(noise_mean=0.03, risk_mean=1.5, discount_lowest=0.9, discount_highest=0.98))
    assert (traits.noise_mean, traits.noise_spread, traits.risk_mean, traits.risk_spread) == (0.03, 0, 1.5, 0)
    assert traits.discount_lowest == traits.discount_highest == 0.94


def test_checkpoints_are_those_of_what_learning_hangs_on(tmp_path: Path) -> None:
    config = MarketRunConfig()
    place = checkpoints_of(config, tmp_path / "runs" / "a")
    assert place.parent == tmp_path / "runs"
    assert place == checkpoints_of(config.replace(name="other", updates=5), tmp_path / "runs" / "b"), "more updates go on from there"
    assert place != checkpoints_of(config.replace(seed=1), tmp_path / "runs" / "a")
    learning = config.simulation.learning.replace(clip=0.1)
    assert place != checkpoints_of(config.replace(simulation=config.simulation.replace(learning=learning)), tmp_path / "runs" / "a")
