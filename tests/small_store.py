"""A small run: two LLM archetypes and a rule, 20 stocks, 12 dates, answered by the plainly named fake model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from massjax.config import RunConfig, load_config

SMALL: dict[str, Any] = {
    "market": {"source": "sp500", "start": "2022-06-01", "end": "2022-06-16"},
    "agents": {
        "features": ["return_1m", "momentum_6m", "volatility_60d", "drawdown_6m"],
        "archetypes": [
            {"name": "trend", "modalities": ["price"]},
            {"name": "careful", "modalities": ["price", "risk"], "risk_aversion": "high"},
            {"name": "low-volatility", "rule": {"volatility_60d": -1.0}},
        ],
    },
    "scoring": {"engine": "fake"},
}


def written(values: dict[str, Any], folder: Path) -> RunConfig:
    """The configuration that a file with these values gives."""
    file = folder / "run.yaml"
    file.write_text(yaml.safe_dump(values))
    return load_config(file)
