"""What is known only after a date changes no weight, signal or fitness up to it: every method and control, through the whole run."""

from __future__ import annotations

from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from massjax.config import RunConfig
from massjax.pipeline import run
from massjax.report.run import RunResult
from massjax.settings import validate

pytestmark = pytest.mark.slow
STOCKS, DATES, TODAY = 9, 130, 112
HORIZON, LAG = 2, 1
RULES = {"a": {"a": 1.0}, "b": {"b": 1.0}, "ab": {"a": 1.0, "b": -0.5}, "trend": {"return_1w": 1.0}}
SEARCHES: list[dict[str, Any]] = [
    {"method": "posterior"},
    {"method": "posterior", "lookback": 40},
    {"method": "annealing", "chains": 4, "steps": 3, "lookback": 20},
    {"method": "annealing", "chains": 4, "steps": 3, "objective": {"kind": "shrunk_mean", "turnover": 0.1}, "average": 0.5},
    {"method": "differential_evolution", "chains": 4, "steps": 3, "lookback": 20, "objective": {"kind": "worst_fold"}},
    {"method": "gradient", "restarts": 2, "steps": 3, "lookback": 20},
]


def world(spoilt: bool) -> dict[str, np.ndarray]:
    """Prices, features and members of [T, N]; where spoilt, all after `TODAY` is another world's."""
    rng, other = np.random.default_rng(0), np.random.default_rng(1)
    steps = 0.02 * rng.normal(size=(DATES, STOCKS))
    arrays = {"a": rng.normal(size=steps.shape), "b": rng.normal(size=steps.shape), "member": rng.random(steps.shape) < 0.9}
    arrays["a"][:-LAG] += 20 * steps[LAG:]
    if spoilt:
        later = slice(TODAY + 1, None)
        steps[later] = 0.05 * other.normal(size=steps[later].shape)
        for name in "ab":
            arrays[name][later] = other.normal(size=steps[later].shape)
        arrays["member"][later] = other.random(steps[later].shape) < 0.7
    return arrays | {"close": 50 * np.exp(np.cumsum(steps, axis=0))}


def run_over(folder: Path, signal: str, spoilt: bool) -> RunResult:
    """The run over one of the two worlds, which are the same up to `TODAY`."""
    arrays = world(spoilt)
    days = [date(2020, 1, 1) + timedelta(days=i) for i in range(DATES)]
    keys = {"date": np.repeat(days, STOCKS).tolist(), "stock": [f"s{i}" for i in range(STOCKS)] * DATES}
    folder.mkdir()
    for file, names in (("prices", ["close"]), ("features", ["a", "b"])):
        pl.DataFrame(keys | {name: arrays[name].ravel() for name in names}).write_parquet(folder / f"{file}.parquet")
    pl.DataFrame(keys).filter(pl.Series(arrays["member"].ravel())).write_parquet(folder / "members.parquet")
    controls = ["equal_risk", "raw_features", "permuted_scores", *(["lightgbm"] if find_spec("lightgbm") else [])]
    values = {
        "market": {
            "source": "tables",
            "prices": {"path": folder / "prices.parquet", "close": "close"},
            "membership": {"path": folder / "members.parquet"},
            "features": [{"path": folder / "features.parquet", "modality": "numbers", "columns": {"a": "a", "b": "b"}}],
            "horizons": [HORIZON],
            "execution_lag": LAG,
        },
        "agents": {"archetypes": [{"name": name, "rule": rule} for name, rule in RULES.items()]},
        "evaluate": {"horizon": HORIZON, "signal": signal, "lookback": "auto", "p_values": False, "controls": controls},
        "search": SEARCHES,
    }
    return run(validate(RunConfig, values, source="test"))


@pytest.fixture(scope="module", params=["mean", "combined", "disagreement"])
def worlds(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunResult, RunResult]:
    folder = tmp_path_factory.mktemp(request.param)
    return run_over(folder / "one", request.param, False), run_over(folder / "other", request.param, True)


def test_the_worlds_are_one_until_today_and_two_afterwards(worlds: tuple[RunResult, RunResult]) -> None:
    one, other = (result.panel.forward_returns[HORIZON] for result in worlds)
    known = TODAY - HORIZON - LAG + 1
    np.testing.assert_array_equal(one[:, :known], other[:, :known])
    assert not np.array_equal(one[:, known], other[:, known])


def test_nothing_up_to_a_date_depends_on_what_comes_after_it(worlds: tuple[RunResult, RunResult]) -> None:
    before = slice(TODAY + 1)
    known = slice(TODAY - HORIZON - LAG + 1)
    names = [strategy.name for strategy in worlds[0].strategies]
    assert len(names) == len(SEARCHES) + 5 + bool(find_spec("lightgbm"))
    for name in names:
        one, other = (result.strategy(name) for result in worlds)
        np.testing.assert_array_equal(one.weights[before], other.weights[before], err_msg=name)
        np.testing.assert_array_equal(one.fitness[before], other.fitness[before], err_msg=name)
        np.testing.assert_array_equal(one.evaluated[before], other.evaluated[before], err_msg=name)
        for signal in one.signals:
            np.testing.assert_array_equal(one.signals[signal][:, before], other.signals[signal][:, before], err_msg=f"{name}: {signal}")
        np.testing.assert_array_equal(one.rank_ic[HORIZON][known], other.rank_ic[HORIZON][known], err_msg=name)


def test_what_comes_after_the_date_is_used_once_it_is_known(worlds: tuple[RunResult, RunResult]) -> None:
    later = slice(TODAY + 1, None)
    for name in (strategy.name for strategy in worlds[0].strategies if strategy.name not in ("uniform", "raw_features", "lightgbm")):
        one, other = (result.strategy(name) for result in worlds)
        assert not np.array_equal(one.weights[later], other.weights[later]), name
