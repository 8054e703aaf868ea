"""Frames and labelled arrays give what their numbers give, or are refused where their labels disagree: never taken by shape alone."""

from __future__ import annotations

from datetime import date
from typing import Any

import jax
import numpy as np
import pandas as pd
import polars as pl
import pytest

import massjax as mj
from massjax.errors import DataError
from massjax.portfolio.backtest import backtest
from massjax.portfolio.settings import BacktestSettings
from massjax.statistics.correlation import daily_ic, daily_rank_ic
from tests.engine import slow_reference as slow

SCORES, MEMBER, RETURNS, WEIGHTS = slow.panel(0, archetypes=3, stocks=4, dates=4, candidates=2)
STOCKS, DATES, KEY = ["A", "B", "BRK.B", "D"], pd.date_range("2024-01-01", periods=4), jax.random.key(0)
MEMBERS, FRAME = pd.DataFrame(MEMBER, STOCKS, DATES), pd.DataFrame(RETURNS, STOCKS, DATES)
SEARCH = mj.Annealing(chains=2, steps=1)

CALLS: dict[str, Any] = {
    "fitness": lambda member, returns: mj.fitness(SCORES, member, returns, WEIGHTS),
    "search_window": lambda member, returns: mj.search_window(SCORES, member, returns, SEARCH, key=KEY).chain_fitness,
    "walk_forward": lambda member, returns: mj.walk_forward(SCORES, member, returns, SEARCH, lookback=1, gap=0, key=KEY).rank_ic,
    "daily_rank_ic": lambda member, returns: daily_rank_ic(SCORES[0], returns, member),
    "daily_ic": lambda member, returns: daily_ic(SCORES[0], returns, member),
    "backtest": lambda member, returns: backtest(SCORES[0], returns, member, BacktestSettings(every=1)).equity,
}


@pytest.mark.parametrize("call", CALLS)
def test_frames_in_one_order_are_their_numbers(call: str) -> None:
    np.testing.assert_array_equal(CALLS[call](MEMBERS, FRAME), CALLS[call](MEMBER, RETURNS))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("other", "message"),
    [
        (FRAME[::-1], "the same stocks in another order: number 1 is 'A' in member and 'D' in (forward_)?returns"),
        (FRAME[FRAME.columns[::-1]], "the same dates in another order: number 1 is '2024-01-01'"),
        (FRAME.set_axis(DATES + pd.Timedelta(days=1), axis=1), "other dates: number 1 is '2024-01-01' in member and '2024-01-02'"),
        (FRAME.rename({"BRK.B": "BRK-B"}), "other stocks: number 3 is 'BRK.B' in member and 'BRK-B'"),
        (FRAME.T, "has dates .2024-01-01, .* where stocks belong"),
    ],
)
def test_frames_that_disagree_are_refused(call: str, other: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        CALLS[call](MEMBERS, other)


def test_dates_are_compared_however_they_are_held() -> None:
    for dates in (DATES.to_numpy(), [day.date() for day in DATES], [str(day.date()) for day in DATES], DATES.tz_localize("Asia/Shanghai")):
        held = FRAME.set_axis(pd.Index(dates), axis=1)
        np.testing.assert_array_equal(mj.fitness(SCORES, MEMBERS, held, WEIGHTS), mj.fitness(SCORES, MEMBER, RETURNS, WEIGHTS))
    with pytest.raises(DataError, match="dates and member have other dates: number 1 is '2023-01-01'"):
        mj.walk_forward(SCORES, MEMBERS, FRAME, SEARCH, lookback=1, gap=0, key=KEY, dates=[date(2023, 1, 1 + i) for i in range(4)])


def test_archetypes_are_compared_too() -> None:
    scores = [pd.DataFrame(values, STOCKS, DATES) for values in SCORES]
    np.testing.assert_array_equal(mj.aggregate(scores, MEMBERS, WEIGHTS).mean, mj.aggregate(SCORES, MEMBER, WEIGHTS).mean)
    with pytest.raises(DataError, match=r"scores\[0\] and scores\[2\] have the same stocks in another order"):
        mj.aggregate([scores[0], scores[1], scores[2][::-1]], MEMBER, WEIGHTS)
    groups = pd.Series([0, 0, 1, 1], STOCKS[::-1])
    with pytest.raises(DataError, match=r"scores\[0\] and groups have the same stocks"):
        mj.sample_agents(scores, MEMBER, 2, watchlist=2, picks=1, temperature=0, key=KEY, watchlists="size", groups=groups)


def test_frames_that_were_given_no_labels_are_taken_by_position() -> None:
    unlabelled = pd.DataFrame(RETURNS)
    np.testing.assert_array_equal(mj.fitness(SCORES, MEMBERS, unlabelled, WEIGHTS), mj.fitness(SCORES, MEMBER, RETURNS, WEIGHTS))
    with pytest.raises(DataError, match="number 1 is '0' in member and '3' in forward_returns"):
        mj.fitness(SCORES, pd.DataFrame(MEMBER), unlabelled[::-1], WEIGHTS)


def test_nullable_and_object_columns_are_numbers() -> None:
    gappy = np.where(np.eye(4, dtype=bool), np.nan, RETURNS)
    expected = mj.fitness(SCORES, MEMBER, gappy, WEIGHTS)
    for frame in (pd.DataFrame(gappy).astype("Float64"), pd.DataFrame(gappy).astype(object).where(~np.eye(4, dtype=bool), None)):
        np.testing.assert_array_equal(mj.fitness(SCORES, pd.DataFrame(MEMBER).astype("boolean"), frame, WEIGHTS), expected)
        np.testing.assert_array_equal(mj.fitness(SCORES, pd.DataFrame(MEMBER).astype(object), frame, WEIGHTS), expected)
    unknown = pd.DataFrame(MEMBER).astype("boolean")
    unknown.iloc[1, 2] = pd.NA
    with pytest.raises(DataError, match=r"member\[1, 2\] is neither True nor False"):
        mj.fitness(SCORES, unknown, RETURNS, WEIGHTS)
    with pytest.raises(DataError, match=r"forward_returns have dtype object and hold '0\.1'"):
        mj.fitness(SCORES, MEMBER, pd.DataFrame([["0.1", 0.2, 0.3, 0.4]] * 4), WEIGHTS)


def test_polars_frames() -> None:
    columns = [str(day.date()) for day in DATES]
    wide = pl.DataFrame(RETURNS, schema=columns)
    expected = mj.fitness(SCORES, MEMBER, RETURNS, WEIGHTS)
    np.testing.assert_array_equal(mj.fitness(SCORES, MEMBERS, wide, WEIGHTS), expected)
    with pytest.raises(DataError, match="the same dates in another order"):
        mj.fitness(SCORES, MEMBERS, wide.select(columns[::-1]), WEIGHTS)
    for labels in (pl.Series("stock", STOCKS), pl.Series("date", [date(2024, 1, 1 + i) for i in range(4)])):
        with pytest.raises(DataError, match=f"have a column '{labels.name}' of type"):
            mj.fitness(SCORES, MEMBER, wide[:, :3].insert_column(0, labels), WEIGHTS)


def test_labelled_arrays_of_xarray() -> None:
    xarray = pytest.importorskip("xarray")
    member = xarray.DataArray(MEMBER, {"stock": STOCKS, "date": DATES}, ("stock", "date"))
    returns = xarray.DataArray(RETURNS, member.coords, member.dims)
    expected = mj.fitness(SCORES, MEMBER, RETURNS, WEIGHTS)
    np.testing.assert_array_equal(mj.fitness(SCORES, member, returns, WEIGHTS), expected)
    np.testing.assert_array_equal(mj.fitness(SCORES, member, FRAME, WEIGHTS), expected)
    with pytest.raises(DataError, match="the same stocks in another order"):
        mj.fitness(SCORES, member, returns[::-1], WEIGHTS)
    with pytest.raises(DataError, match="axis 0 is 'date', expected stocks"):
        mj.fitness(SCORES, member, returns.T, WEIGHTS)
    with pytest.raises(DataError, match="axis 0 is 'asset', expected archetypes"):
        mj.fitness(xarray.DataArray(SCORES, dims=("asset", "k", "date")), MEMBER, RETURNS, WEIGHTS)


@pytest.mark.parametrize("call", ["fitness", "daily_rank_ic", "backtest"])
def test_days_as_numbers_of_eight_digits_are_those_days(call: str) -> None:
    numbers = [int(day.strftime("%Y%m%d")) for day in DATES]
    np.testing.assert_array_equal(CALLS[call](MEMBERS, FRAME.set_axis(numbers, axis=1)), CALLS[call](MEMBER, RETURNS))
    np.testing.assert_array_equal(CALLS[call](MEMBERS, FRAME.set_axis(list(map(str, numbers)), axis=1)), CALLS[call](MEMBER, RETURNS))
    later = FRAME.set_axis([number + 1 for number in numbers], axis=1)
    with pytest.raises(DataError, match="other dates: number 1 is '2024-01-01' in member and '2024-01-02' in"):
        CALLS[call](MEMBERS, later)


def test_codes_as_numbers_are_compared_with_codes_as_text() -> None:
    codes = [600000, 600036, 600519, 601318]
    member, returns = MEMBERS.set_axis(list(map(str, codes)), axis=0), FRAME.set_axis(codes, axis=0)
    np.testing.assert_array_equal(mj.fitness(SCORES, member, returns, WEIGHTS), mj.fitness(SCORES, MEMBER, RETURNS, WEIGHTS))
    with pytest.raises(DataError, match="the same stocks in another order"):
        mj.fitness(SCORES, member, returns.iloc[::-1], WEIGHTS)


def test_where_an_order_can_be_filled_is_aligned_too() -> None:
    def equity(fillable: Any) -> np.ndarray:
        return backtest(SCORES[0], FRAME, MEMBERS, BacktestSettings(every=1), fillable=fillable).equity

    np.testing.assert_array_equal(equity(MEMBERS), equity(MEMBER))
    np.testing.assert_array_equal(equity(MEMBERS.astype(object)), equity(MEMBER))
    with pytest.raises(DataError, match="the same stocks in another order"):
        equity(MEMBERS.iloc[::-1])
    with pytest.raises(DataError, match=r"fillable .* must be booleans of the shape of the signal"):
        equity(MEMBER[:, :2])
