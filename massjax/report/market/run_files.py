"""The files of a simulated market's run directory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from massjax.report.market.page import render_market
from massjax.report.market.result import MarketResult
from massjax.report.market.tables import metrics_document
from massjax.report.run_directory import CONFIG, METRICS, REPORT, Kind, disk_told, settings_text

TICKS, AGENTS, LEARNING = "ticks.parquet", "agents.parquet", "learning.parquet"
POLICY, MADE = "policy.npz", "policy.json"
MARKET_RUN = Kind(
    "a run of a simulated market",
    own=frozenset({CONFIG, METRICS, REPORT, TICKS, AGENTS, LEARNING, POLICY, MADE}),
    always=frozenset({CONFIG, METRICS}),
    either=frozenset({TICKS}),
)


def write_market_run(result: MarketResult, folder: Path) -> None:
    """Write the files of a run into `folder`; `learning.parquet` only where something was learned.

    Raises:
        MassjaxError: the disk is full or read-only.
    """
    page = render_market(result)
    metrics = json.dumps(metrics_document(result), indent=2, allow_nan=False) + "\n"
    with disk_told(folder.parent, MARKET_RUN):
        (folder / CONFIG).write_text(settings_text(result.config), encoding="utf-8")
        (folder / METRICS).write_text(metrics, encoding="utf-8")
        (folder / REPORT).write_text(page, encoding="utf-8")
        result.ticks.write_parquet(folder / TICKS)
        result.agents.write_parquet(folder / AGENTS)
        if not result.learning.is_empty():
            result.learning.write_parquet(folder / LEARNING)
        with (folder / POLICY).open("wb") as file:
            np.savez(file, **dict(result.policy))  # type: ignore[arg-type]
        (folder / MADE).write_text(json.dumps(result.made, indent=1, allow_nan=False) + "\n", encoding="utf-8")
