"""A market small enough for tests."""

from __future__ import annotations

from massjax.simulator.settings import LearningSettings, MarketSettings, SimulationSettings

SMALL = SimulationSettings(
    market=MarketSettings(agents=8, ticks=48, preopen=16, cash=15_000, shares=20),
    learning=LearningSettings(markets=8, parts=2, hidden=8, epochs=2, minibatches=2),
)
