"""A small run of the whole pipeline on real prices, with rules in the place of language models."""

from __future__ import annotations

from typing import Any

from massjax.config import RunConfig
from massjax.settings import validate

SMALL: dict[str, Any] = {
    "name": "small",
    "market": {"source": "sp500", "start": "2022-01-03", "end": "2022-05-31"},
    "agents": {
        "archetypes": [
            {"name": "winners", "rule": {"momentum_6m": 1}},
            {"name": "losers", "rule": {"return_1m": -1}},
            {"name": "calm", "rule": {"volatility_60d": -1}},
            {"name": "calm-winners", "rule": {"volatility_60d": -1, "momentum_12m": 0.5}},
        ]
    },
    "evaluate": {"horizon": 5, "lookback": 15, "repetitions": 20},
    "search": [{"method": "annealing", "chains": 8, "steps": 6}],
}


def small_config(**changes: Any) -> RunConfig:
    """The small configuration with some sections changed: `small_config(evaluate={"lookback": 20})`."""
    values = {
        name: {**section, **changes.pop(name, {})} if isinstance(section, dict) else changes.pop(name, section)
        for name, section in SMALL.items()
    }
    return validate(RunConfig, {**values, **changes}, source="small")
