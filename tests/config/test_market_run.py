"""The configuration of a simulated market: what is accepted, and that refusals say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from massjax.config.market_run import MarketRunConfig, default_market_config, load_market_config
from massjax.errors import ConfigError
from massjax.report.run_directory import settings_text
from massjax.simulator.settings import SimulationSettings


def write(folder: Path, text: str) -> Path:
    file = folder / "market.yaml"
    file.write_text(text)
    return file


def test_the_bundled_configuration_is_the_default_one(root: Path) -> None:
    config = load_market_config(root / "configs" / "market.yaml")
    assert default_market_config().name == "market.yaml"
    assert config.simulation == SimulationSettings()
    assert config == MarketRunConfig()


def test_what_is_written_is_read_back_to_an_equal_one(tmp_path: Path) -> None:
    config = load_market_config(write(tmp_path, "simulation: {market: {agents: 50}}\nupdates: 0\npolicy: policy.npz"), ["panel.informed=0"])
    assert config.policy == tmp_path / "policy.npz"
    assert load_market_config(write(tmp_path, settings_text(config))) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("simulation: {market: {agent: 50}}", "unknown key 'simulation.market.agent' (did you mean 'agents'?)"),
        ("evaluation: {markets: 49}", "evaluation.markets: 49 cannot be shared out equally over 2 parts"),
        ("panel: {stocks: 41}", "panel.stocks: 41 cannot be shared out equally over 2 parts"),
        ("panel: {groups: 3, informed: 4}", "panel: informed: 4 of 3 groups cannot be informed; make it 3 or fewer"),
        ("panel: {dates: 1001, ticks_per_date: 1000}", "panel: dates: 1,001 of 1,000 ticks are 1,001,000 ticks of a market"),
        ("panel: {dates: 20, start: 9999-12-20}", "panel: start: 20 weekdays from 9999-12-20 on go beyond the year 9999"),
        ("simulation: {learning: {spread: 1.0e-30}}", "simulation.learning.spread: Input should be greater than or equal to 0.001"),
        ("evaluation: {ticks: 151}", "evaluation.ticks: 151 are too few to look for memory at lags up to 150"),
        ("policy: policy.npz", "policy: is played where updates is 0, and agents are to learn"),
        ("updates: -1", "updates: Input should be greater than or equal to 0"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, message: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(ConfigError) as told:
        load_market_config(file)
    assert str(file) in str(told.value)
    assert message in str(told.value)
