"""A calibration small enough for tests: forty markets of eight agents, two free traits."""

from __future__ import annotations

import jax

from massjax.calibrate.settings import CalibrationConfig, ComparedFacts
from massjax.simulator.policy import initial_policy
from massjax.simulator.settings import LearningSettings, MarketSettings, SimulationSettings, TraitSettings

LEARNING = LearningSettings(markets=4, parts=2, hidden=8, minibatches=2, epochs=1)
SMALL = CalibrationConfig(
    simulation=SimulationSettings(market=MarketSettings(agents=8, ticks=121, preopen=16), learning=LEARNING),
    bounds={"rule_share": (0.0, 1.0), "chartist_weight": (0.0, 5.0)},
    facts=ComparedFacts(bar=4, scales=(1,), lags=(1,), memory=(4, 6), draws=50),
    truth=TraitSettings(rule_share=0.5),
    markets=20,
    candidates=8,
    rounds=2,
    least_trades=0.02,
)
POLICY = initial_policy(jax.random.key(0), LEARNING.hidden)


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""
