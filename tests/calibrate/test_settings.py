"""Settings of a calibration: what is refused, in words that name the field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from massjax.calibrate.settings import CalibrationConfig, ComparedFacts, load_calibration
from massjax.errors import ConfigError
from massjax.simulator.settings import MarketSettings, SimulationSettings, TraitSettings


def test_the_bundled_configuration_is_the_default_one_with_a_split_and_without_autocorrelations(root: Path) -> None:
    config = load_calibration(root / "configs" / "calibrate.yaml", [])
    assert config.replace(split=None, facts=ComparedFacts()) == CalibrationConfig()
    assert config.facts == ComparedFacts(lags=(), memory=None)
    assert config.rows == 99
    assert config.traits[:2] == ("noise_mean", "noise_spread")


def test_assignments_reach_the_settings_and_unknown_keys_are_named(root: Path) -> None:
    file = root / "configs" / "calibrate.yaml"
    changed = load_calibration(file, ["simulation.market.agents=50", "bounds={risk_mean: [1, 2]}", "policy=p.npz"])
    assert (changed.simulation.market.agents, changed.bounds, changed.traits) == (50, {"risk_mean": (1.0, 2.0)}, ("risk_mean",))
    assert changed.policy == root / "configs" / "p.npz"
    with pytest.raises(ConfigError, match=r"unknown key 'simulation.market.agent' \(did you mean 'agents'\?\)"):
        load_calibration(file, ["simulation.market.agent=50"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"bounds": {}}, "bounds: no trait is free"),
        ({"facts": ComparedFacts(memory=(10, 20))}, "facts.memory: lag 10 in bars of 10 ticks is within the life of an order, 100 ticks"),
        ({"bounds": {"noise": (0.0, 1.0)}}, "there is no trait 'noise'"),
        ({"bounds": {"noise_mean": (0.02, 0.02)}}, "noise_mean needs a lowest value below the highest"),
        ({"bounds": {"rule_share": (0.5, 1.5)}}, "rule_share: Input should be less than or equal to 1"),
        (
            {"bounds": {"discount_lowest": (0.5, 0.9), "discount_highest": (0.8, 0.99)}},
            "discount_lowest: 0.9 is above discount_highest, 0.8",
        ),
        ({"candidates": 100}, "candidates: expected a power of two, such as 128, not 100"),
        ({"simulation": SimulationSettings(market=MarketSettings(ticks=100))}, "leave 9 rows, and these scales and lags need 40"),
        ({"truth": TraitSettings(noise_mean=0.5)}, "truth: noise_mean is 0.5, outside of its bounds"),
        ({"truth": TraitSettings(noise_weight=2.0)}, "truth: noise_weight is 2.0, and has no bounds"),
        ({"truth": TraitSettings(), "volume": "shares"}, "truth: a simulated panel has no dates"),
        ({"markets": 2}, "greater than or equal to 5"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        CalibrationConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"scales": (0,)}, "scales: expected different whole numbers"),
        ({"lags": (1, 1)}, "lags: expected different whole numbers"),
        ({"memory": (5, 4)}, "memory: expected a first lag"),
        ({"scales": (), "lags": (), "memory": None, "hill": False}, "nothing is compared"),
    ],
)
def test_facts_that_cannot_be_compared_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ComparedFacts(**settings)
