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
from massjax.pipeline import precompute, run
from massjax.report.console import summary
from massjax.report.html import render_report, run_facts
from massjax.report.tables import metrics_document
from massjax.scores.scores import Scores
from massjax.terminal import result_console
from tests.small_run import small_config

FINITE = {"preset": "mass-code", "replicas": 6, "watchlist": 8, "picks": 3, "seed": 5}


@pytest.mark.slow
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
    assert "preset mass-code but for replicas, watchlist, picks; seed 5" in words
    with (console := result_console()).capture() as printed:
        console.print(summary(result))
    assert "Agents: 5 archetypes × 6 replicas" in " ".join(printed.get().split())


def test_a_draw_that_the_market_data_cannot_serve_is_refused_before_anything_is_searched() -> None:
    with pytest.raises(ConfigError, match="no feature 'free_market_value' that says how large a stock is"):
        run(small_config(agents={"finite": {"draw": "size_equal"}}))


def test_picks_of_a_model_are_pooled_already_and_rules_by_their_scores_and_styles_are_columns_of_the_report(tmp_path: Path) -> None:
    own = [{"name": "asked", "modalities": ["price", "risk"]}, {"name": "calm", "rule": {"volatility_60d": -1}}]
    finite = {"replicas": 3, "watchlist": 8, "picks": 3, "picked_by": "model", "style": {"when": "once"}}
    evaluate = {"missing": "zero", "p_values": False, "controls": []}
    changes = {"agents": {"archetypes": own, "finite": finite}, "evaluate": evaluate, "store": tmp_path / "store"}
    config = small_config(scoring={"engine": "fake"}, **changes)
    precompute(config)
    result = run(config)
    panel, said = load_panel(config.market), Scores.open(tmp_path / "store")
    picked = np.moveaxis(said.score()[:, said.archetypes.index("asked")], 0, 1)
    assert set(np.round(np.unique(picked[np.isfinite(picked)]) * 6).tolist()) <= {0, 2, 3, 4, 6}, "shares of one to three replicas"
    rules = rule_scores(panel, resolve_archetypes(config.agents, panel)[1:])
    days = (panel.dates - np.datetime64("0001-01-01", "D")).astype(np.int64)
    how = {"watchlist": 8, "picks": 3, "replacement": False, "daily": True, "temperature": 0.0}
    pool_replicas(rules, panel.member, days, 3, key=jax.random.key(0), **how)
    mean = (np.nan_to_num(picked) + np.nan_to_num(rules[0])) / 2
    np.testing.assert_allclose(result.strategy("uniform").signals["mean"][:, result.evaluated], mean[:, result.evaluated], atol=1e-6)
    words = dict(run_facts(result))["Agents"]
    assert "and picks 3, what the model says in one answer, or without a model the best by their score" in words
    assert "all members alike or as its style says" in words
    styles = [one["style"] for one in metrics_document(result)["archetypes"]]
    assert set(styles[0]) == {"risk_appetite", "holding_period", "watch_list"}
    assert styles[1] is None
    page = render_report(result)
    assert "holding period" in page
    assert styles[0]["holding_period"] in page
