"""A run with finitely many agents: what is searched and judged are the pooled scores, and the report says how they were drawn."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import polars as pl
import pytest

from massjax.agents import resolve_archetypes
from massjax.agents.rules import rule_scores
from massjax.engine.finite.pooled import pool_replicas
from massjax.errors import ConfigError
from massjax.market import load_panel
from massjax.pipeline import run
from massjax.report.console import summary
from massjax.report.html import run_facts
from massjax.report.tables import metrics_document
from massjax.terminal import result_console
from tests.small_run import small_config

FINITE = {"preset": "mass-code", "replicas": 6, "watchlist": 8, "picks": 3, "seed": 5}


def test_searches_and_controls_see_the_pooled_scores_of_rules_and_of_given_ones_and_the_report_names_the_draw(tmp_path: Path) -> None:
    panel = load_panel(small_config().market)
    given = np.random.default_rng(0).random(panel.member.shape).astype(np.float32)
    cells = {"stock": np.repeat(panel.stocks, panel.dates.size), "date": np.tile(panel.dates, len(panel.stocks)), "score": given.ravel()}
    pl.DataFrame(cells).write_parquet(tmp_path / "scores.parquet")
    evaluate = {"missing": "zero", "p_values": False, "controls": []}
    config = small_config(agents={"finite": FINITE}, evaluate=evaluate, scores={"path": tmp_path / "scores.parquet"})
    result, finite = run(config), config.agents.finite
    assert finite is not None
    rules = rule_scores(panel, resolve_archetypes(config.agents, panel))
    pooled = np.concatenate([np.where(panel.member, given, np.nan)[None], rules])
    days = (panel.dates - np.datetime64("0001-01-01", "D")).astype(np.int64)
    how = {"watchlist": 8, "picks": 3, "replacement": True, "daily": True, "temperature": 0.0}
    watching = pool_replicas(pooled, panel.member, days, 6, key=jax.random.key(5), **how)
    np.testing.assert_allclose(
        result.strategy("uniform").signals["mean"][:, result.evaluated],
        np.nan_to_num(pooled).mean(axis=0)[:, result.evaluated],
        atol=1e-6,
    )
    told = metrics_document(result)["finite_agents"]
    assert told == {**finite.model_dump(mode="json"), "changed": ["replicas", "watchlist", "picks"], **watching._asdict()}
    words = dict(run_facts(result))["Agents"]
    assert words.startswith(
        "5 archetypes × 6 replicas; each draws 8 members to watch, all members alike, with replacement, anew on each date"
    )
    assert "preset mass-code with another replicas, watchlist, picks; seed 5" in words
    with (console := result_console()).capture() as printed:
        console.print(summary(result))
    assert "Agents: 5 archetypes × 6 replicas" in " ".join(printed.get().split())


def test_a_draw_that_the_market_data_cannot_serve_is_refused_before_anything_is_searched() -> None:
    with pytest.raises(ConfigError, match="no feature 'free_market_value' that says how large a stock is"):
        run(small_config(agents={"finite": {"draw": "size_equal"}}))
