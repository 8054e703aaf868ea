"""Typed, validated settings, read from YAML and overridable on the command line."""

from massjax.agents.archetype import Archetype
from massjax.agents.settings import (
    AgentsSettings,
    Draw,
    FiniteSettings,
    Grid,
    HindsightSettings,
    ProtocolSettings,
    Role,
    RoleChange,
    Stage,
    StyleSettings,
)
from massjax.config.market_run import MarketEvaluation, MarketRunConfig, PanelSettings, load_market_config
from massjax.config.run import RunConfig, default_config, load_config
from massjax.evaluate.settings import EvaluateSettings
from massjax.market.settings import (
    FeatureColumn,
    FeaturesTable,
    MarketSettings,
    MassSettings,
    MembershipTable,
    PricesTable,
    ReturnsTable,
    StocksTable,
    TextsTable,
)
from massjax.models.settings import EndpointSettings, ModelSettings, ScoringSettings
from massjax.portfolio.settings import BacktestSettings
from massjax.scores.settings import ScoresSettings
from massjax.settings import Settings, validate
from massjax.simulator.settings import LearningSettings, LivingReward, PaperReward, SimulationSettings, TraitSettings

__all__ = [
    "AgentsSettings",
    "Archetype",
    "BacktestSettings",
    "Draw",
    "EndpointSettings",
    "EvaluateSettings",
    "FeatureColumn",
    "FeaturesTable",
    "FiniteSettings",
    "Grid",
    "HindsightSettings",
    "LearningSettings",
    "LivingReward",
    "MarketEvaluation",
    "MarketRunConfig",
    "MarketSettings",
    "MassSettings",
    "MembershipTable",
    "ModelSettings",
    "PanelSettings",
    "PaperReward",
    "PricesTable",
    "ProtocolSettings",
    "ReturnsTable",
    "Role",
    "RoleChange",
    "RunConfig",
    "ScoresSettings",
    "ScoringSettings",
    "Settings",
    "SimulationSettings",
    "Stage",
    "StocksTable",
    "StyleSettings",
    "TextsTable",
    "TraitSettings",
    "default_config",
    "load_config",
    "load_market_config",
    "validate",
]
