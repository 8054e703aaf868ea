"""Typed, validated settings, read from YAML and overridable on the command line."""

from massjax.config.agents import AgentsSettings, Archetype, Draw, Grid, Stage
from massjax.config.base import Settings, validate
from massjax.config.evaluate import BacktestSettings, EvaluateSettings
from massjax.config.market import (
    FeatureColumn,
    FeaturesTable,
    MarketSettings,
    MembershipTable,
    PricesTable,
    ReturnsTable,
    StocksTable,
    TextsTable,
)
from massjax.config.run import RunConfig, default_config, load_config
from massjax.config.scoring import EndpointSettings, ScoringSettings, StoreSettings

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
    "PricesTable",
    "ReturnsTable",
    "RunConfig",
    "ScoringSettings",
    "Settings",
    "Stage",
    "StocksTable",
    "StoreSettings",
    "TextsTable",
    "default_config",
    "load_config",
    "validate",
]
