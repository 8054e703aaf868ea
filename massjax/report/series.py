"""The series of a run as frames: `returns.parquet`, `rank_ic.parquet`, `holdings.parquet` and `luck.parquet`."""

from __future__ import annotations

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Shaped

from massjax.evaluate.result import BENCHMARK
from massjax.portfolio.backtest import Backtest
from massjax.portfolio.performance import daily_returns
from massjax.report.run import RunResult

DATE = pl.Datetime("us")
"""Midnight of the day, without a zone: pandas reads it as datetime64, where it would make Python objects of a parquet date."""


def method_name(result: RunResult, name: str) -> str:
    """What a strategy is called in the files of a run; in a leakage ablation the name says so."""
    return f"{name} (leakage ablation)" if result.config.evaluate.leakage_ablation else name


def returns_frame(result: RunResult) -> pl.DataFrame:
    """Column date, and one for each strategy and for the benchmark: return of its portfolio from the close of the date before, after costs.

    From the first purchase on, whose date holds what that cost: the returns compound to the total of `metrics.json`, and its figures
    are made of them. Null before a portfolio's first purchase. No rows where the market data has nothing to backtest on.
    """
    held = _backtests(result)
    columns = [daily_returns(backtest) for _, backtest in held]
    begun = np.any(np.isfinite(columns), axis=0) if columns else np.zeros(result.panel.dates.shape, bool)
    series = [pl.Series(name, values[begun]) for (name, _), values in zip(held, columns, strict=True)]
    return pl.DataFrame([_dates(result.panel.dates[begun]), *series]).with_columns(pl.col(pl.Float64).fill_nan(None))


def rank_ic_frame(result: RunResult) -> pl.DataFrame:
    """Columns date, method, signal, horizon, rank_ic: of every strategy, by each of its signals, with the returns over each horizon.

    One row for each evaluated date; null where the correlation is undefined or the returns are not yet known. The signal that ranks a
    strategy's stocks is `ranked_by` in `metrics.json`.
    """
    frames = [
        pl.DataFrame([_dates(result.panel.dates[result.evaluated]), pl.Series("rank_ic", daily[result.evaluated]).fill_nan(None)]).select(
            "date",
            method=pl.lit(method_name(result, strategy.name)),
            signal=pl.lit(signal),
            horizon=pl.lit(horizon, pl.Int32),
            rank_ic="rank_ic",
        )
        for strategy in result.strategies
        for signal, by_horizon in strategy.daily_rank_ic.items()
        for horizon, daily in by_horizon.items()
    ]
    return pl.concat(frames)


def holdings_frame(result: RunResult) -> pl.DataFrame:
    """Columns date, method, stock, weight: share of the portfolio in each stock held at the close of the date, after its trades.

    What the weights of a date lack to 1 is cash. No rows where the market data has nothing to backtest on.
    """
    schema = pl.Schema({"date": DATE, "method": pl.String(), "stock": pl.String(), "weight": pl.Float64()})
    stocks = pl.Series(result.panel.stocks, dtype=pl.String)
    frames = [_held(name, backtest, result.panel.dates, stocks) for name, backtest in _backtests(result)]
    return pl.concat([pl.DataFrame(schema=schema), *frames])


def luck_frame(result: RunResult) -> pl.DataFrame:
    """Columns method, repetition, rank_ic: mean RankIC out of sample of each strategy in each repetition of the null, from 1.

    Null where a repetition left it undefined. No rows where the run has no p-values.
    """
    schema = pl.Schema({"method": pl.String(), "repetition": pl.Int32(), "rank_ic": pl.Float64()})
    frames = [
        pl.DataFrame({"repetition": np.arange(1, drawn.size + 1, dtype=np.int32), "rank_ic": drawn}).select(
            pl.lit(method_name(result, name)).alias("method"), "repetition", pl.col("rank_ic").fill_nan(None)
        )
        for name, drawn in _null_draws(result)
    ]
    return pl.concat([pl.DataFrame(schema=schema), *frames])


def _null_draws(result: RunResult) -> list[tuple[str, Float[np.ndarray, " R"]]]:
    found = [(strategy.name, strategy.evidence.luck) for strategy in result.strategies if strategy.evidence is not None]
    return [(name, luck.null_rank_ic.astype(np.float64)) for name, luck in found if luck is not None]


def _held(name: str, backtest: Backtest, dates: Shaped[np.ndarray, " T"], stocks: pl.Series) -> pl.DataFrame:
    held: Bool[np.ndarray, "T N"] = backtest.holdings.T > 0
    when, which = np.nonzero(held)
    weights: Float[np.ndarray, " M"] = backtest.holdings.T[held] / backtest.equity[when]
    columns = [_dates(dates[when]), pl.Series("stock", stocks.gather(which)), pl.Series("weight", weights)]
    return pl.DataFrame(columns).select("date", method=pl.lit(name), stock="stock", weight="weight")


def _backtests(result: RunResult) -> list[tuple[str, Backtest]]:
    held = [(strategy.name, strategy.portfolio) for strategy in result.strategies] + [(BENCHMARK, result.benchmark)]
    return [(method_name(result, name), portfolio.backtest) for name, portfolio in held if portfolio is not None]


def _dates(dates: Shaped[np.ndarray, " M"]) -> pl.Series:
    return pl.Series("date", dates.astype("datetime64[us]"), dtype=DATE)
