"""The tables of MASS: their numbers from made series, and all five from a small run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from massjax.config import load_config
from massjax.statistics.intervals import newey_west
from massjax.statistics.series import summarize

pytestmark = pytest.mark.usefixtures("scripts")

RUN = """
name: small-mass
market: {source: sp500, start: 2021-06-01, end: 2022-05-31}
agents:
  finite: {replicas: 4, watchlist: 8, picks: 2}
  archetypes:
    - {name: winners, rule: {momentum_6m: 1}}
    - {name: losers, rule: {return_1m: -1}}
    - {name: calm, rule: {volatility_60d: -1}}
evaluate:
  horizon: 5
  lookback: 5
  missing: zero
  fit_signal: disagreement
  warm_start: true
  repetitions: 20
  feature_signs: {momentum_6m: 1, return_1m: -1, volatility_60d: -1}
search: [{method: annealing, chains: 1, steps: 5}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "run.yaml"
    place.write_text(RUN)
    return place


@pytest.fixture
def daily() -> np.ndarray:
    """RankIC of three seeds on 60 dates, some undefined."""
    rng = np.random.default_rng(0)
    values = rng.normal(0.02, 0.1, size=60) + rng.normal(0.0, 0.02, size=(3, 60))
    values[0, 3] = np.nan
    values[:, 7] = np.nan
    return values


def test_a_row_is_the_means_of_the_seeds_with_both_bands(daily):
    from mass_summaries import measured, over_seeds

    row = measured(daily, 5, "RankIC", "RankICIR")
    each = [summarize(one, 5) for one in daily]
    expected = over_seeds(daily)
    assert np.isnan(expected[7])
    assert expected[3] == pytest.approx(daily[1:, 3].mean())
    interval = newey_west(expected, 5)
    assert row["RankIC"] == pytest.approx(100 * np.mean([np.nanmean(one) for one in daily]))
    assert row["RankIC NW"] == pytest.approx(100 * (interval.high - interval.low) / 2)
    assert row["RankIC seeds"] == pytest.approx(100 * np.std([np.nanmean(one) for one in daily], ddof=1))
    assert row["RankICIR"] == pytest.approx(100 * np.mean([one.ratio for one in each]))
    assert set(row) == {"RankIC", "RankIC NW", "RankIC seeds", "RankICIR", "RankICIR seeds"}


def test_what_cannot_be_told_is_none():
    from mass_summaries import figure, measured

    row = measured(np.full((1, 10), np.nan), 5, "IC")
    assert row == {"IC": None, "IC NW": None, "IC seeds": None}
    assert figure(row, "IC") == ""
    assert figure({"IC": 1.0, "IC NW": None, "IC seeds": 0.5}, "IC") == "1.00 ± 0.50"
    assert figure({"IC": -1.234, "IC NW": 2.0, "IC seeds": 0.5}, "IC") == "-1.23 ± 2.00 ± 0.50"


def test_rows_by_year_and_the_null(daily):
    from mass_runs import Series
    from mass_summaries import by_period, performance_rows

    dates = np.arange(np.datetime64("2022-12-01"), np.datetime64("2022-12-01") + 60)
    evaluated = np.arange(60) >= 10
    null = np.linspace(-0.02, 0.02, 41)
    one = Series("annealing", "search", "Annealing", "combined", True, {5: daily}, {5: daily / 2}, evaluated, 5, 0.25, null)
    rows = pl.DataFrame(performance_rows([one], dates), infer_schema_length=None)
    assert rows["period"].to_list() == ["all", "all", "2022", "2023"]
    assert rows["dates"].to_list() == [50, 50, 21, 29]
    assert rows["RankIC"][0] == pytest.approx(100 * np.nanmean(daily[:, 10:], axis=1).mean())
    assert rows["IC"][2] == pytest.approx(50 * np.nanmean(daily[:, 10:31], axis=1).mean())
    assert rows["p"].to_list() == [0.25, None, None, None]
    assert rows["strategy"][1] == "Circular-shift null: Annealing"
    assert rows["RankIC"][1] == pytest.approx(0.0, abs=1e-12)
    assert rows["RankIC NW"][1] == pytest.approx(1.9)
    table = by_period(rows, 5, "RankIC")
    assert table.columns == ["strategy", "signal", "dates", "all", "2022", "2023"]
    assert table["dates"].to_list() == [50, 50]
    assert table["2023"].to_list()[1] == ""


def test_gains_are_differences_on_the_same_dates_and_seeds(daily):
    from mass_runs import Series, gains

    from massjax.evaluate.result import RAW_FEATURES, UNIFORM

    def made(name, kind, signal, ranks, values):
        return Series(name, kind, name, signal, ranks, {5: values}, {5: 2 * values}, np.ones(60, bool), 5, 0.5, np.ones(3))

    search = [made("annealing", "search", "combined", True, daily), made("annealing", "search", "mean", False, daily + 1)]
    uniform = [made(UNIFORM, "control", "combined", True, daily / 2), made(UNIFORM, "control", "mean", False, daily / 4)]
    raw = made(RAW_FEATURES, "control", "features", True, daily / 8)
    found = {(one.strategy, one.signal): one for one in gains([*search, *uniform, raw])}
    assert set(found) == {
        ("annealing less uniform", "combined"),
        ("annealing less uniform", "mean"),
        ("annealing less raw_features", "combined"),
    }
    np.testing.assert_allclose(found["annealing less uniform", "mean"].rank_ic[5], daily + 1 - daily / 4)
    np.testing.assert_allclose(found["annealing less raw_features", "combined"].ic[5], 2 * (daily - daily / 8))
    assert not any(one.ranks or np.isfinite(one.p_value) for one in found.values())


def test_every_ablation_is_a_valid_configuration_that_changes_one_thing(file):
    from mass_runs import control_changes
    from mass_variants import ablations

    config = load_config(file)
    variants = ablations(config)
    assert len({variant.setting for variant in variants}) == len(variants)
    for variant in variants:
        changed = load_config(file, list(variant.changes))
        assert changed.market == config.market
        if variant.group in ("cooling", "iterations"):
            (search,) = changed.search
            assert {name: search[name] for name in ("method", "chains")} == {"method": "annealing", "chains": 1}
            assert changed.evaluate == config.evaluate
    controls = load_config(file, list(control_changes(config)))
    assert controls.agents.finite is None
    assert controls.agents.archetypes == config.agents.archetypes
    assert controls.search == ()


def test_rules_take_the_place_of_models_in_the_control(file):
    from mass_runs import control_changes

    asking = load_config(file, ["agents.archetypes=[{name: reader, modalities: [price]}]", "store=answers"])
    changed = load_config(file, ["store=answers", *control_changes(asking)])
    assert [one.rule for one in changed.agents.archetypes] == [{"momentum_6m": 1}, {"return_1m": -1}, {"volatility_60d": -1}]
    assert changed.store is None


def test_agents_in_all_become_replicas():
    from mass_variants import SIZES, replicas_of

    assert replicas_of(SIZES, 16) == [4, 8, 16, 32, 64, 96, 1024, 8192, 65_536]


def test_returns_compound_by_year_and_in_a_curve():
    from mass_backtest import grown, worth

    returns = np.array([np.nan, -0.001, 0.1, 0.1])
    assert grown(returns) == pytest.approx(0.999 * 1.21 - 1)
    np.testing.assert_allclose(worth(returns), [np.nan, 0.999, 0.999 * 1.1, 0.999 * 1.21])


def test_cost_of_a_date_counts_asking_and_prompt_tokens():
    from mass_cost import Asked, figures

    told = {"seconds": 50.0, "cpu": 60.0, "peak": 1.5, "dates": 100}
    first = figures(told, Asked(1000, 2_000_000, 1000, 150.0), 0.5)
    assert (first["seconds a date"], first["USD"], first["USD a date"]) == (2.0, 1.0, 0.01)
    assert figures(told, Asked(1000, 2_000_000, 1000, 150.0), None)["USD"] is None
    assert figures(told, Asked(), None)["USD a date"] == 0.0


def test_a_page_has_its_tables_by_heading_and_no_folder_of_the_machine(tmp_path, monkeypatch):
    from timing import write

    monkeypatch.setattr("sys.argv", ["mass_tables.py", "cost", "--set", f"market.folder={tmp_path / 'mass_sse50'}"])
    write(tmp_path, "page", "Title", pl.DataFrame({"a": [1.5]}), ["a note"], {"First": pl.DataFrame({"b": ["x"]})})
    page = (tmp_path / "page.md").read_text()
    assert "market.folder=mass_sse50" in page
    assert str(tmp_path) not in page
    assert "## First\n\n| b |" in page
    assert "| a |" not in page
    assert pl.read_parquet(tmp_path / "page.parquet")["a"].to_list() == [1.5]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ablations", "--only", "colour"), "expected one of as configured"),
        (("ablations", "--set", "search=[{method: posterior}]"), "vary annealing"),
        (("scaling", "--set", "agents.finite=null"), "agents.finite: not set"),
        (("performance", "--set", "evaluate.horizn=5"), "did you mean 'horizon'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_run(file, capsys, words, message):
    from mass_tables import main

    assert main([words[0], "--config", str(file), *words[1:]]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_the_tables_of_a_small_run(file, tmp_path, run_script):
    out = tmp_path / "out"
    asked = ("performance", "ablations", "scaling", "backtest")
    words = ("--config", file, "--seeds", 2, "--sizes", 12, "--only", "optimisation", "--out", out)
    done = run_script("mass_tables", *asked, *words)
    assert done.returncode == 0, done.stderr
    names = [f"small_mass_{table}" for table in asked]
    assert sorted(path.name for path in out.iterdir()) == sorted(f"{n}.{kind}" for n in names for kind in ("md", "parquet", "png", "svg"))
    tables = {name.removeprefix("small_mass_"): pl.read_parquet(out / f"{name}.parquet") for name in names}
    shown = {"Annealing", "Uniform weights", "Best single archetype", "Raw features, published signs", "Rules on the same features"}
    shown.add("Circular-shift null: Annealing")
    assert shown <= set(tables["performance"]["strategy"])
    for table in ("ablations", "scaling"):
        assert shown - {"Annealing"} <= set(tables[table]["setting"])
    found = tables["performance"].filter((pl.col("horizon") == 5) & (pl.col("period") == "all"))
    assert set(found.filter(pl.col("strategy") == "Annealing")["signal"]) == {"combined", "mean", "disagreement"}
    none = tables["ablations"].filter(pl.col("group") == "optimisation")
    assert none["RankIC"][0] == pytest.approx(none["uniform"][0])
    assert none["gain"][0] == pytest.approx(0)
    assert tables["scaling"]["agents"].drop_nulls().to_list() == [12]
    assert tables["backtest"]["growth"].is_not_null().all()
    assert str(tmp_path) not in (out / f"{names[0]}.md").read_text()


def test_too_few_dates_to_learn_from_leave_rows_out_and_are_told(file):
    from mass_runs import Baseline, Source
    from mass_tables import _learned

    found, notes = _learned(Baseline(Source(file, ("market.end=2021-07-01",), 1, 1)))
    assert found == []
    assert "LightGBM and the rules beside it are left out: evaluate.lookback: 60 dates do not fit" in notes[0]


@pytest.mark.slow
def test_a_run_of_a_process_of_its_own_is_measured(file, tmp_path):
    from mass_cost import Asked, asked_of, figures, measured_child
    from mass_runs import Source

    source = Source(file, ("evaluate.p_values=false",), devices=1)
    assert asked_of(source.config()) == Asked()
    told = measured_child(source, ("search=[]",), tmp_path)
    row = figures(told, Asked(), None)
    assert row["dates"] == 242
    assert row["LLM calls"] == row["USD"] == 0
    assert row["CPU seconds, without asking"] > 0
    assert 0.1 < row["peak GiB"] < 8
    assert (tmp_path / "run" / "metrics.json").is_file()


@pytest.mark.slow
def test_the_rank_sum_of_2023_is_the_known_one(shared_dir, root):
    from mass_runs import DEFAULT_CONTROLS, Source, series_of
    from mass_summaries import performance_rows

    changes = (f"market.folder={shared_dir / 'data' / 'mass_sse50'}", "market.start=2022-11-01", "search=[]", DEFAULT_CONTROLS)
    runs = Source(root / "configs" / "mass_whole.yaml", changes, seeds=1, devices=1).runs()
    rows = pl.DataFrame(performance_rows(series_of(runs), runs[0].dates), infer_schema_length=None)
    sums = rows.filter((pl.col("signal") == "features") & (pl.col("horizon") == 5) & (pl.col("period") == "2023"))
    assert sums["RankIC"].to_list() == [pytest.approx(9.07, abs=0.01)]
