"""Typed, validated settings, read from YAML and overridable on the command line."""

from massjax.agents.archetype import Archetype
from massjax.agents.settings import AgentsSettings, Draw, Grid, ProtocolSettings, Role, RoleChange, Stage
from massjax.config.run import RunConfig, default_config, load_config
from massjax.evaluate.settings import EvaluateSettings
from massjax.market.settings import (
    FeatureColumn,
    FeaturesTable,
    MarketSettings,
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

__all__ = [
    "AgentsSettings",
    "Archetype",
    "BacktestSettings",
    "Draw",
    "EndpointSettings",
    "EvaluateSettings",
    "FeatureColumn",
    "FeaturesTable",
    "Grid",
    "MarketSettings",
    "MembershipTable",
    "ModelSettings",
    "PricesTable",
    "ProtocolSettings",
    "ReturnsTable",
    "Role",
    "RoleChange",
    "RunConfig",
    "ScoresSettings",
    "ScoringSettings",
    "Settings",
    "Stage",
    "StocksTable",
    "TextsTable",
    "default_config",
    "load_config",
    "validate",
]
