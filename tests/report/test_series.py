"""The daily series of a run, as they lie on disk and as other tools read them."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from massjax.report.run import RunResult
from massjax.report.run_directory import run_directory, write_run
from massjax.report.series import holdings_frame, returns_frame
from massjax.statistics.correlation import daily_rank_ic

METHODS = ["annealing", "uniform", "best_single", "equal_risk", "raw_features"]


@pytest.fixture(scope="module")
def folder(small_run: RunResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "small"
    with run_directory(path) as partial:
        write_run(small_run, partial)
    return path


def test_returns_compound_to_the_printed_total_and_make_up_all_figures(folder: Path, small_run: RunResult) -> None:
    table = pd.read_parquet(folder / "returns.parquet").set_index("date")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert list(table.columns) == [*METHODS, "benchmark"]
    assert isinstance(table.index, pd.DatetimeIndex)
    assert table.index[0] == pd.Timestamp(small_run.panel.dates[small_run.evaluated.argmax() + 1])
    assert table.index[-1] == pd.Timestamp(small_run.panel.dates[-1])
    for name in table.columns:
        figures = metrics["benchmark"] if name == "benchmark" else metrics["strategies"][name]["portfolio"]
        daily = table[name]
        assert daily.iloc[0] == pytest.approx(-0.0005, rel=1e-12), "half a round trip of 0.1 %"
        total = (1 + daily).prod() - 1
        assert total == pytest.approx(figures["total_return"], rel=1e-12)
        assert daily.mean() / daily.std() * 252**0.5 == pytest.approx(figures["sharpe"], rel=1e-9)
        assert daily.std() * 252**0.5 == pytest.approx(figures["volatility"], rel=1e-9)
        years = (daily.index[-1] - daily.index[0]).days / 365.25
        assert (1 + total) ** (1 / years) - 1 == pytest.approx(figures["cagr"], rel=1e-9)
        active = daily - table["benchmark"]
        if name != "benchmark":
            assert active.mean() / active.std() * 252**0.5 == pytest.approx(figures["information_ratio"], rel=1e-9)


def test_rank_ic_holds_every_signal_and_horizon_of_every_method(folder: Path, small_run: RunResult) -> None:
    table = pl.read_parquet(folder / "rank_ic.parquet")
    assert table.columns == ["date", "method", "signal", "horizon", "rank_ic"]
    assert table.height == len(METHODS) * 3 * 3 * int(small_run.evaluated.sum())
    metrics = json.loads((folder / "metrics.json").read_text())
    for name in METHODS:
        strategy = small_run.strategy(name)
        for signal, values in strategy.signals.items():
            for horizon, returns in small_run.panel.forward_returns.items():
                found = table.filter(method=name, signal=signal, horizon=horizon)
                expected = daily_rank_ic(values, returns, small_run.panel.member)[small_run.evaluated]
                np.testing.assert_array_equal(found["date"].to_numpy().astype("datetime64[D]"), small_run.panel.dates[small_run.evaluated])
                np.testing.assert_array_equal(found["rank_ic"].to_numpy(), expected)
        ranked = table.filter(method=name, signal=metrics["strategies"][name]["ranked_by"])
        for horizon, of_horizon in metrics["strategies"][name]["horizons"].items():
            mean = ranked.filter(horizon=int(horizon))["rank_ic"].mean()
            assert mean == pytest.approx(of_horizon["rank_ic"]["mean"], rel=1e-12)


def test_holdings_are_the_weights_after_the_trades_of_the_date(folder: Path, small_run: RunResult) -> None:
    table = pl.read_parquet(folder / "holdings.parquet")
    assert table.columns == ["date", "method", "stock", "weight"]
    assert (table["weight"] > 0).all()
    np.testing.assert_allclose(table.group_by("method", "date").agg(pl.col("weight").sum())["weight"], 1.0, rtol=1e-12)
    first = small_run.panel.dates[small_run.evaluated.argmax() + 1].item()
    bought = table.filter(pl.col("date") == first, method="uniform")
    signal = small_run.strategy("uniform").signals["combined"][:, small_run.evaluated.argmax()]
    assert set(bought["stock"]) == {small_run.panel.stocks[n] for n in np.argsort(-signal)[:4]}
    np.testing.assert_allclose(bought["weight"], 0.25)
    wide = table.filter(method="benchmark").pivot(on="stock", index="date", values="weight", aggregate_function="sum").fill_null(0.0)
    weights, prices = wide.select(small_run.panel.stocks).to_numpy(), small_run.panel.prices[:, -wide.height :].T  # type: ignore[index]
    grown = (weights[:-1] * prices[1:] / prices[:-1]).sum(axis=1) - 1
    on_disk = pl.read_parquet(folder / "returns.parquet")["benchmark"].to_numpy()[1:]
    held = small_run.benchmark.backtest  # type: ignore[union-attr]
    paid = held.cost[1 - wide.height :] / held.equity[-wide.height : -1]
    np.testing.assert_allclose(grown - paid, on_disk, rtol=1e-9, atol=1e-15)


def test_dates_of_all_files_are_dates_for_pandas_and_can_be_joined(folder: Path) -> None:
    for name in ("returns", "rank_ic", "holdings", "weights", "signals"):
        frame = pd.read_parquet(folder / f"{name}.parquet")
        assert pd.api.types.is_datetime64_any_dtype(frame["date"]), name
        assert (frame["date"] == frame["date"].dt.normalize()).all(), name
    both = pl.read_parquet(folder / "holdings.parquet").join(pl.read_parquet(folder / "signals.parquet"), on=["date", "stock", "method"])
    assert both.height
    assert both.filter(pl.col("date") == date(2022, 5, 31)).height


def test_without_a_backtest_the_files_are_there_and_empty(small_run: RunResult) -> None:
    none = replace(small_run, benchmark=None, strategies=tuple(replace(s, portfolio=None) for s in small_run.strategies))
    assert returns_frame(none).columns == ["date"]
    assert returns_frame(none).is_empty()
    assert holdings_frame(none).columns == ["date", "method", "stock", "weight"]


def test_a_leakage_ablation_is_marked_in_every_series(leaking_run: RunResult) -> None:
    assert all(name.endswith("(leakage ablation)") for name in returns_frame(leaking_run).columns[1:])
    assert holdings_frame(leaking_run)["method"].str.ends_with("(leakage ablation)").all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_python_of_the_docs_runs(folder: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of docs/series.md one after the other on this run, without those of a library that is not installed."""
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", (root / "docs" / "series.md").read_text(encoding="utf-8"), re.DOTALL):
        with suppress(ModuleNotFoundError):
            exec(compile(block.replace("runs/demo", str(folder)), "series.md", "exec"), names)
    assert isinstance(names["held"], pl.DataFrame)


@pytest.mark.filterwarnings("ignore")
def test_quantstats_reads_the_returns(folder: Path) -> None:
    stats = pytest.importorskip("quantstats", reason="pip install 'massjax[bench]'").stats
    returns = pd.read_parquet(folder / "returns.parquet").set_index("date")["annealing"]
    figures = json.loads((folder / "metrics.json").read_text())["strategies"]["annealing"]["portfolio"]
    assert stats.comp(returns) == pytest.approx(figures["total_return"], rel=1e-12)
    assert stats.sharpe(returns) == pytest.approx(figures["sharpe"], rel=1e-9)
    assert stats.volatility(returns) == pytest.approx(figures["volatility"], rel=1e-9)
    assert stats.max_drawdown(returns) == pytest.approx(figures["max_drawdown"], rel=1e-9)


@pytest.mark.filterwarnings("ignore")
def test_pyfolio_reads_the_returns_and_the_holdings(folder: Path) -> None:
    pyfolio = pytest.importorskip("pyfolio", reason="pip install 'massjax[bench]'")
    returns = pd.read_parquet(folder / "returns.parquet").set_index("date")["annealing"]
    held = pd.read_parquet(folder / "holdings.parquet").query("method == 'annealing'").pivot(index="date", columns="stock", values="weight")
    positions = held.fillna(0).assign(cash=lambda weights: 1 - weights.sum(axis=1))
    figures = json.loads((folder / "metrics.json").read_text())["strategies"]["annealing"]["portfolio"]
    found = pyfolio.timeseries.perf_stats(returns, positions=positions)
    assert found["Cumulative returns"] == pytest.approx(figures["total_return"], rel=1e-9)
    assert found["Sharpe ratio"] == pytest.approx(figures["sharpe"], rel=1e-9)
    assert found["Max drawdown"] == pytest.approx(figures["max_drawdown"], rel=1e-9)
    assert found["Gross leverage"] == pytest.approx(1.0)


@pytest.mark.filterwarnings("ignore")
def test_alphalens_reads_the_signals_with_prices_shifted_by_the_execution_lag(folder: Path, small_run: RunResult) -> None:
    """Its information coefficient is the daily RankIC on disk, which it is not with prices left where they are."""
    alphalens = pytest.importorskip("alphalens", reason="pip install 'massjax[bench]'")
    signals = pd.read_parquet(folder / "signals.parquet").query("method == 'annealing' and evaluated")
    factor = signals.set_index(["date", "stock"])["combined"]
    panel, lag = small_run.panel, small_run.config.market.execution_lag
    prices = pd.DataFrame(panel.prices.T, panel.dates, panel.stocks)  # type: ignore[union-attr]
    on_disk = pd.read_parquet(folder / "rank_ic.parquet").query("method == 'annealing' and signal == 'combined' and horizon == 5")

    def information(prices: pd.DataFrame) -> pd.Series:
        clean = alphalens.utils.get_clean_factor_and_forward_returns(factor, prices, periods=(1, 5), quantiles=5, max_loss=1.0)
        return alphalens.performance.factor_information_coefficient(clean)["5D"]

    both = pd.concat([information(prices.shift(-lag).dropna(how="all")), on_disk.set_index("date")["rank_ic"]], axis=1).dropna()
    assert len(both) > 60
    np.testing.assert_allclose(both["5D"], both["rank_ic"], atol=1e-9)
    assert np.abs(information(prices) - on_disk.set_index("date")["rank_ic"]).max() > 0.05
