from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import polars as pl
import pytest

from massjax.agents import knowledge_cutoff_warnings
from massjax.agents.archetype import Archetype
from massjax.config import RunConfig
from massjax.errors import ConfigError, DataError, LeakageError, StoreError
from massjax.evaluate.walk_forward import walk_forward
from massjax.market import load_panel
from massjax.market.settings import MarketSettings
from massjax.pipeline import precompute, run
from massjax.progress import SILENT
from massjax.report.remarks import left_out_warnings
from massjax.report.run import RunResult, made_by_fake
from massjax.scores.inputs import prepare
from massjax.scores.outcome import Asked, NothingToAsk
from massjax.scores.plan import Plan
from massjax.search import Annealing
from massjax.settings import validate
from massjax.statistics.correlation import daily_rank_ic
from tests.small_run import small_config
from tests.small_store import written

WITHOUT_JAX = "import sys, massjax.pipeline; print({'jax', 'numba', 'vllm'} & sys.modules.keys())"
LIGHT = "import sys, massjax.optimize, massjax.precompute; print({'numpy', 'polars', 'pydantic', 'rich'} & sys.modules.keys())"
SSE50_SIGNS = (-1, -1, -1, 1, -1, 1)


def test_the_controls_stand_beside_the_search_on_the_same_dates(small_run: RunResult) -> None:
    assert [s.name for s in small_run.strategies] == ["annealing", "uniform", "best_single", "equal_risk", "raw_features"]
    assert [s.kind for s in small_run.strategies] == ["search"] + 4 * ["control"]
    for strategy in small_run.strategies:
        assert set(strategy.metrics) == {1, 5, 10}
        total = 0.0 if strategy.name == "raw_features" else 1.0
        np.testing.assert_allclose(strategy.weights.sum(axis=1), total, rtol=1e-5)
        assert np.isnan(strategy.rank_ic[5][~small_run.evaluated]).all()
        assert strategy.name == "raw_features" or np.isfinite(strategy.fitness[small_run.evaluated]).all()
        assert strategy.portfolio is not None
        assert np.isfinite(strategy.portfolio.backtest.equity).argmax() == small_run.evaluated.argmax() + 1
        assert len(strategy.portfolio.band.sharpes) == 5


def test_evaluation_begins_after_look_back_gap_and_delay(small_run: RunResult) -> None:
    evaluate = small_run.config.evaluate
    assert evaluate.gap == 5, "horizon 5, filled one close later"
    assert small_run.evaluated.argmax() == 15 + 5 + 1
    assert small_run.evaluated[21:].all()
    before = small_run.strategy("annealing").weights[:21]
    np.testing.assert_allclose(before, 0.25)


def test_uniform_weights_are_the_plain_mean_of_the_archetypes(small_run: RunResult) -> None:
    work = prepare(small_run.config)
    mean = np.mean([work.rule_scores[a.name] for a in work.archetypes], axis=0, dtype=np.float64)
    spread = np.std([work.rule_scores[a.name] for a in work.archetypes], axis=0, dtype=np.float64)
    uniform = small_run.strategy("uniform")
    np.testing.assert_allclose(uniform.signals["mean"], mean, atol=1e-6)
    np.testing.assert_allclose(uniform.signals["combined"], 0.5 * mean - 0.5 * spread, atol=1e-6)
    frame, returns = pd.DataFrame(uniform.signals["combined"]), pd.DataFrame(small_run.panel.forward_returns[5])
    expected = frame.rank().corrwith(returns.rank())[small_run.evaluated]
    assert uniform.metrics[5].rank_ic.mean == pytest.approx(expected.mean(), abs=1e-9)
    assert uniform.metrics[5].rank_ic.ratio == pytest.approx(expected.mean() / expected.std(), abs=1e-9)
    assert uniform.rank_ic_by_signal["combined"] == uniform.metrics[5].rank_ic


def test_the_search_is_walk_forward_with_the_runs_settings(small_run: RunResult) -> None:
    config, panel = small_run.config, small_run.panel
    work = prepare(config)
    scores = np.stack([work.rule_scores[a.name] for a in work.archetypes])
    key = jax.random.fold_in(jax.random.key(config.seed), 0)
    found = walk_forward(scores, panel.member, panel.forward_returns[5], Annealing(chains=8, steps=6), lookback=15, gap=5, delay=1, key=key)
    annealing = small_run.strategy("annealing")
    np.testing.assert_array_equal(annealing.weights, found.weights)
    np.testing.assert_array_equal(annealing.signals["combined"], found.combined)
    np.testing.assert_allclose(annealing.rank_ic[5], np.where(small_run.evaluated, found.rank_ic, np.nan), atol=1e-5)
    np.testing.assert_allclose(annealing.ic[5], np.where(small_run.evaluated, found.ic, np.nan), atol=1e-5)


def test_in_sample_is_at_least_what_the_controls_show_on_the_same_windows(small_run: RunResult) -> None:
    annealing, uniform = small_run.strategy("annealing"), small_run.strategy("uniform")
    dates = small_run.evaluated
    assert (annealing.fitness[dates] >= uniform.fitness[dates] - 1e-5).all(), "the search starts from uniform weights"
    shrinkage = annealing.shrinkage
    assert shrinkage.in_sample_gain == pytest.approx(shrinkage.in_sample - uniform.shrinkage.in_sample)
    assert uniform.shrinkage.in_sample_gain == uniform.shrinkage.out_of_sample_gain == 0.0


def test_the_same_seed_gives_the_same_run(small_run: RunResult) -> None:
    again, other = run(small_config()), run(small_config(seed=1))
    np.testing.assert_array_equal(again.strategy("annealing").weights, small_run.strategy("annealing").weights)
    assert again.strategy("annealing").metrics == small_run.strategy("annealing").metrics
    assert (other.strategy("annealing").weights != small_run.strategy("annealing").weights).any()


def test_progress_names_the_stages_and_counts_the_dates() -> None:
    told: list[tuple[str, int, int]] = []
    run(small_config(), lambda what, done, total: told.append((what, done, total)))
    assert [what for what, done, _ in told if not done] == [
        "reading the market data", "reading the scores", "searching walk-forward: annealing", "judging against the controls",
        "repeating the procedure where returns are luck",
    ]  # fmt: skip
    searched = [(done, total) for what, done, total in told if "annealing" in what and done]
    assert searched[-1][0] == searched[-1][1] > 0


def test_two_searches_of_one_method_get_two_names() -> None:
    result = run(small_config(search=[{"method": "annealing", "chains": 2, "steps": 1}] * 2))
    assert [s.name for s in result.strategies if s.kind == "search"] == ["annealing-1", "annealing-2"]
    assert result.config.search[0]["cooling"] == 0.95, "defaults are written out"


def test_a_strategy_that_is_judged_on_fewer_dates_is_named_with_their_number(small_run: RunResult) -> None:
    assert left_out_warnings(small_run.strategies, small_run.evaluated, small_run.panel.dates) == ()
    annealing, fewer = small_run.strategy("annealing"), small_run.evaluated.copy()
    fewer[30:33] = False
    short = (replace(annealing, evaluated=fewer), *small_run.strategies[1:])
    (sentence,) = left_out_warnings(short, small_run.evaluated, small_run.panel.dates)
    told, first = int(small_run.evaluated.sum()), small_run.panel.dates[30]
    assert sentence.startswith(f"Annealing has no weights of its own on 3 of {told} evaluated dates (first {first})")


def test_leakage_is_refused_or_marked() -> None:
    with pytest.raises(LeakageError, match=r"2022-.*Set gap >= 5"):
        run(small_config(evaluate={"gap": 4}))
    result = run(small_config(evaluate={"gap": 0, "leakage_ablation": True}))
    assert result.config.evaluate.leakage_ablation
    assert result.config.evaluate.gap == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluate": {"lookback": 500}}, r"^evaluate\.lookback: 500 dates do not fit.*has 103 \(2022-01-03 to 2022-05-31\)"),
        (
            {"search": [{"method": "annealing"}, {"method": "posterior", "lookback": 500}]},
            r"^search\.1\.lookback: 500 dates do not fit: .*has 103",
        ),
        (
            {"market": {"end": "2022-03-31"}, "search": [{"method": "posterior", "lookback": "auto"}]},
            r"^search\.0\.lookback: 60 dates do not fit \(the fewest that auto begins with\): .*has 62",
        ),
        ({"evaluate": {"horizon": 3}}, "no forward returns over 3 trading days, only over: 1, 5, 10"),
        ({"search": [{"method": "annealing"}, {"method": "anealing"}]}, r"^search\.1: .*did you mean 'annealing'"),
        ({"search": [{"method": "annealing", "chans": 3}]}, r"^search\.0: .*did you mean 'chains'"),
        ({"search": [{"method": "gradient", "restarts": True}]}, r"^search\.0: .*restarts: expected a number, found true"),
        ({"search": [{"method": "gradient", "restarts": 1, "prior": [1, 2]}]}, r"^search\.0: prior has 2 weights, the scores 4 archetypes"),
        (
            {"agents": {"archetypes": [{"name": "a", "modalities": ["price"]}]}},
            r"store: not set, but 1 archetypes ask a language model \('a'\)",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_with_what_to_do(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run(small_config(**changes))


def test_a_store_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"holds no scores; run python -m massjax\.precompute"):
        run(small_config(agents={"archetypes": [{"name": "a", "modalities": ["price"]}]}, store=tmp_path / "none"))


def test_archetypes_without_a_score_are_named(tmp_path: Path) -> None:
    panel = load_panel(small_config().market)
    rows = [(day, stock) for stock in panel.stocks for day in panel.dates.tolist()]
    keys = pl.DataFrame(rows, schema=["date", "stock"], orient="row")
    keys.with_columns(close=pl.Series(np.asarray(panel.prices).reshape(-1))).write_parquet(tmp_path / "prices.parquet")
    keys.with_columns(nothing=pl.lit(None, dtype=pl.Float64), alike=pl.lit(1.0)).write_parquet(tmp_path / "features.parquet")
    market = {
        "source": "tables",
        "prices": {"path": tmp_path / "prices.parquet"},
        "features": [{"path": tmp_path / "features.parquet", "modality": "x", "columns": {"nothing": "nothing", "alike": "alike"}}],
    }
    silent, alike = {"name": "silent", "rule": {"nothing": 1}}, {"name": "same-for-all", "rule": {"alike": 1}}
    with pytest.raises(DataError, match="no archetype has a score on any date: 'silent'"):
        run(small_config(market=market, agents={"archetypes": [silent]}))
    told = r"no date can be evaluated.*Never a difference between stocks: 'silent', 'same-for-all'\. Of the data: .*'nothing' is unknown"
    with pytest.raises(ConfigError, match=told):
        run(small_config(market=market, agents={"archetypes": [silent, alike]}))
    with pytest.raises(ConfigError, match=r"no date can be evaluated.*Never a difference between stocks: 'silent', 'same-for-all'"):
        run(small_config(market=market, agents={"archetypes": [silent, alike]}, search=[]))
    result = run(small_config(market=market, agents={"archetypes": [silent, {"name": "winners", "rule": {"momentum_3m": 1}}]}))
    assert any("silent (0.0%)" in warning for warning in result.warnings)


def test_a_model_that_may_remember_is_warned_of_in_the_words_of_precompute() -> None:
    dates, cutoff = load_panel(small_config().market).dates, date(2022, 1, 7)
    asked = [Archetype(name="reader", modalities=("price",)), Archetype(name="rule", rule={"momentum_6m": 1.0})]
    (warning,) = knowledge_cutoff_warnings(cutoff, dates, asked, mask=True, texts=False)
    assert "knowledge ends 2022-01-07" in warning
    assert "on 5 of 103 dates" in warning
    (warning,) = knowledge_cutoff_warnings(cutoff, dates, asked, mask=False, texts=False, taken_out=True)
    assert "agents.hindsight takes out of the scores what it can tell is memory, which helps; python -m massjax.hindsight" in warning
    (named,) = knowledge_cutoff_warnings(cutoff, dates, asked, model="small", mask=True, texts=False)
    assert named.startswith("small: the model's knowledge ends 2022-01-07")
    assert knowledge_cutoff_warnings(cutoff, dates, asked[1:], mask=True, texts=False) == [], "a rule remembers nothing"
    assert knowledge_cutoff_warnings(None, dates, asked, mask=True, texts=False) == []


@pytest.mark.parametrize(("horizon", "words"), [(1, "1 trading day fewer than 30"), (5, "5 trading days fewer than 60")])
def test_few_dates_are_warned_of(horizon: int, words: str) -> None:
    result = run(small_config(market={"end": "2022-02-25"}, evaluate={"horizon": horizon}))
    dates = result.strategy("uniform").metrics[horizon].rank_ic.dates
    (warning,) = [warning for warning in result.warnings if "too few to conclude" in warning]
    assert warning == f"only {dates} dates can be judged; with returns over {words} are too few to conclude anything"


def test_without_a_search_the_controls_stand_alone_on_the_dates_of_a_search(small_run: RunResult) -> None:
    result = run(small_config(search=[]))
    assert result.searches == ()
    assert [s.name for s in result.strategies] == ["uniform", "best_single", "equal_risk", "raw_features"]
    np.testing.assert_array_equal(result.evaluated, small_run.evaluated)
    for strategy in result.strategies:
        assert strategy.metrics == small_run.strategy(strategy.name).metrics
        assert strategy.shrinkage == small_run.strategy(strategy.name).shrinkage


@pytest.mark.parametrize(
    ("store", "fake"),
    [
        ({"path": "s", "engine.engine": "fake", "panel": {"model": "Qwen2.5-72B"}}, True),
        ({"engine": {"engine": "fake 2"}}, True),
        ({"engine.engine": "vllm 0.11", "panel": {"model": "fake-news-7b"}, "scale": 1}, False),
        ({"engine.engine": "openai", "archetype": "fake"}, False),
        ({}, False),
    ],
)
def test_a_store_says_itself_that_its_scores_are_fake(store: dict[str, Any], fake: bool) -> None:
    assert made_by_fake(store) is fake


def test_reproduces_the_published_figures_on_the_sse50(shared_dir: Path) -> None:
    market = {"source": "mass", "folder": shared_dir / "data" / "mass_sse50", "end": "2023-12-29", "execution_lag": 0}
    every = load_panel(validate(MarketSettings, market, source="test")).dates
    lookback, gap, delay = 20, 4, 1
    start = every[np.searchsorted(every, np.datetime64("2023-01-01")) - lookback - gap - delay]
    rule = {f"price_value_feature_{i}": sign for i, sign in enumerate(SSE50_SIGNS)}
    values = {
        "market": {**market, "start": str(start)},
        "agents": {"archetypes": [{"name": "features", "rule": rule}]},
        "evaluate": {"horizon": 5, "lookback": lookback, "signal": "mean", "feature_signs": rule},
        "search": [{"method": "annealing", "chains": 1, "steps": 0}],
    }
    result = run(validate(RunConfig, values, source="test"))
    assert result.config.evaluate.gap == gap
    assert int(result.evaluated.sum()) == 242
    for strategy in result.strategies:
        found, five = {h: 100 * m.rank_ic.mean for h, m in strategy.metrics.items()}, strategy.metrics[5]
        assert found == pytest.approx({1: 5.85, 5: 9.07, 10: 12.90}, abs=0.01)
        assert 100 * five.rank_ic.ratio == pytest.approx(41.59, abs=0.01)
        assert (100 * five.ic.mean, 100 * five.ic.ratio) == pytest.approx((8.18, 37.36), abs=0.01)
        assert strategy.portfolio is not None, "one-day forward returns are enough for a backtest"


def test_archetypes_are_judged_alone(small_run: RunResult) -> None:
    work = prepare(small_run.config)
    for facts in small_run.archetypes:
        scores = work.rule_scores[facts.archetype.name].astype(np.float64)
        daily = daily_rank_ic(scores, small_run.panel.forward_returns[5], small_run.panel.member)[small_run.evaluated]
        assert facts.rank_ic.mean == pytest.approx(np.nanmean(daily))
        assert facts.coverage == 1.0
        assert facts.mean_weight["uniform"] == pytest.approx(0.25)


def test_a_run_on_weekly_prices_with_a_suspension_and_a_delisting_says_both_and_annualises_by_weeks(tmp_path: Path) -> None:
    rng, weeks = np.random.default_rng(0), [date.fromordinal(date(2021, 1, 1).toordinal() + 7 * week) for week in range(45)]
    close = 100 * np.exp(np.cumsum(0.002 * rng.standard_normal((6, 45)), axis=1))
    close[4, 17:22] = close[5, 30:] = np.nan
    rows = [(weeks[t], f"S{n}", close[n, t], float(n)) for n in range(6) for t in range(45)]
    table = pl.DataFrame(rows, schema=["date", "stock", "close", "sig"], orient="row")
    table.filter(pl.col("close").is_not_nan()).write_parquet(tmp_path / "prices.parquet")
    table.write_parquet(tmp_path / "features.parquet")
    features = {"path": str(tmp_path / "features.parquet"), "modality": "mine", "columns": {"sig": "sig"}}
    market = {"source": "tables", "prices": {"path": str(tmp_path / "prices.parquet")}, "features": [features], "horizons": [1]}
    evaluate = {"horizon": 1, "lookback": 5, "signal": "mean", "backtest": {"every": 5, "quantile": 0.3, "delisting_return": -0.5}}
    agents = {"archetypes": [{"name": "high", "rule": {"sig": 1}}]}
    search = [{"method": "annealing", "chains": 2, "steps": 1}]
    values = {"name": "weekly", "market": {**market, "price_features": False}, "agents": agents, "evaluate": evaluate, "search": search}
    result = run(validate(RunConfig, values, source="weekly"))
    held = result.strategy("uniform").portfolio
    assert held is not None
    assert held.performance.periods_per_year == 52.0
    assert [(result.panel.stocks[ended.stock], ended.last) for ended in held.backtest.ended] == [("S5", 29)]
    assert held.performance.total_return == pytest.approx(-0.25, abs=0.02), "half of the money was in it"
    assert held.performance.unfilled == 6, "each tranche once while S4 is suspended, and a purchase of S5 after its last price"
    assert (np.diff(held.backtest.holdings[4, 17:22]) == 0).all()
    assert any("S5 (last price 2021-07-23)" in told for told in result.warnings)
    assert any("could not be filled on the date of the fill" in told for told in result.warnings)


def test_precompute_plans_asks_a_part_then_the_rest_and_finds_nothing_left(small: dict[str, Any], tmp_path: Path) -> None:
    config, warned, told = written(small, tmp_path), list[str](), list[str]()
    speaker = SILENT._replace(tell=lambda what, done, total: told.append(what), warn=warned.append)
    planned = precompute(config, plan=True, speaker=speaker)
    assert isinstance(planned, Plan)
    assert (planned.scores, planned.stored) == (480, 0)
    assert not Path(str(config.store)).exists()
    assert list(dict.fromkeys(told)) == ["reading the market data", "writing the prompts"]
    assert "scoring.engine is 'fake': the scores are noise, for tests of the machinery only" in warned

    part = precompute(config, shard=(1, 2))
    assert isinstance(part, Asked)
    assert part.written is None
    assert 0 < part.waiting == planned.to_ask - part.tally.asked
    rest = precompute(config)
    assert isinstance(rest, Asked)
    assert rest.tally.asked == part.waiting
    assert rest.written is not None
    assert (rest.written.scored, rest.written.rules) == (480, planned.rule_scores)

    held = precompute(config)
    assert isinstance(held, NothingToAsk)
    assert (held.written.scored, held.unread) == (480, ())


@pytest.mark.parametrize("shard", [(0, 3), (-1, 3), (4, 3), (1, 0)])
def test_a_shard_that_is_none_is_refused_before_anything_is_asked(tmp_path: Path, shard: tuple[int, int]) -> None:
    config = small_config().replace(store=tmp_path / "store")
    with pytest.raises(ConfigError, match=r"expected \(i, n\) with i from 1 to n"):
        precompute(config, shard=shard)
    assert list(tmp_path.iterdir()) == []


def test_precompute_is_told_of_contradictions(small: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^store: not set"):
        precompute(small_config())
    with pytest.raises(ConfigError, match="--shard and --ray: give one of them"):
        precompute(written(small, tmp_path), shard=(1, 2), ray_workers=2)
    with pytest.raises(ConfigError, match="--ray 0: expected at least 1 worker"):
        precompute(written(small, tmp_path), ray_workers=0)


@pytest.mark.parametrize("script", [WITHOUT_JAX, LIGHT], ids=["asking needs no JAX", "a signal is heard before anything is imported"])
def test_what_takes_time_is_imported_where_it_is_used(script: str) -> None:
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_the_report_is_told_where_and_how_stocks_were_ranked(small_run: RunResult) -> None:
    assert small_run.platform == jax.default_backend()
    assert small_run.ranking in ("compiled", "pairs"), "there are 20 stocks"
