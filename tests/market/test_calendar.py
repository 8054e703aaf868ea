"""How many rows of a panel make a year."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from massjax.market.calendar import calendar_warnings, long_gaps, mixed_calendars, periods_per_year, spans, weekdays


def business_days(first: str, last: str) -> np.ndarray:
    dates = np.arange(first, last, dtype="datetime64[D]")
    return dates[np.is_busday(dates)]


def days_of_week(first: str, last: str, kept: set[int]) -> np.ndarray:
    dates = np.arange(first, last, dtype="datetime64[D]")
    return dates[np.isin(weekdays(dates), list(kept))]


@pytest.mark.parametrize(
    ("dates", "periods"),
    [
        (np.arange("2020-01-01", "2023-01-01", dtype="datetime64[D]"), 365),
        (np.arange("2020-01-03", "2023-01-01", 7, dtype="datetime64[D]"), 52),
        (np.arange("2018-01", "2023-01", dtype="datetime64[M]").astype("datetime64[D]"), 12),
        (np.arange("2010-01", "2023-01", 3, dtype="datetime64[M]").astype("datetime64[D]"), 4),
        (np.arange("2020-01-01", "2023-01-01", 14, dtype="datetime64[D]"), 26),
        (business_days("2020-01-01", "2023-01-01"), 261),
        (business_days("2022-01-03", "2022-02-05"), 252),
        (np.arange("2022-01-03", "2022-02-05", dtype="datetime64[D]"), 365),
        (np.array(["2022-01-03"], dtype="datetime64[D]"), 252),
        (business_days("2022-01-03", "2022-10-01"), 252),
        (np.append(business_days("2022-01-03", "2022-02-05"), np.array(["2022-02-05", "2022-02-06"], dtype="datetime64[D]")), 252),
        (days_of_week("2022-01-03", "2022-03-05", {6, 0, 1, 2, 3}), 252),
        (days_of_week("2022-01-03", "2022-03-05", {0, 1, 2, 3, 4, 5}), 302),
        (days_of_week("2020-01-03", "2022-12-31", {0, 1, 2, 3, 4, 5}), 313),
        (days_of_week("2020-01-03", "2022-12-31", {0, 2, 4}), 157),
        (np.arange("2020", "2030", dtype="datetime64[Y]").astype("datetime64[D]"), 1),
        (np.arange("1990", "2030", 2, dtype="datetime64[Y]").astype("datetime64[D]"), 0.5),
    ],
)
def test_rows_a_year_of_usual_calendars(dates: np.ndarray, periods: int) -> None:
    assert periods_per_year(dates) == pytest.approx(periods, rel=1e-3)


def test_a_year_without_data_does_not_count() -> None:
    whole = np.arange("2015-01-02", "2023-01-01", 7, dtype="datetime64[D]")
    paused = whole[(whole < np.datetime64("2018-01-01")) | (whole > np.datetime64("2019-06-01"))]
    assert periods_per_year(paused) == 52


def test_weekdays_count_from_monday() -> None:
    assert weekdays(np.array(["2022-01-03", "2022-01-08", "2022-01-09"], dtype="datetime64[D]")).tolist() == [0, 5, 6]


@pytest.mark.parametrize(
    ("periods", "rows"),
    [
        (252, (5, 21, 63, 126, 252)),
        (243, (5, 21, 63, 126, 252)),
        (261, (5, 21, 63, 126, 252)),
        (365, (7, 30, 91, 182, 365)),
        (313, (6, 26, 78, 156, 313)),
        (126, (2, 10, 32, 63, 126)),
        (52, (1, 4, 13, 26, 52)),
        (26, (None, 2, 6, 13, 26)),
        (12, (None, 1, 3, 6, 12)),
        (4, (None, None, 1, 2, 4)),
        (1, (None, None, None, None, 1)),
    ],
)
def test_rows_of_a_week_a_month_a_quarter_half_a_year_and_a_year(periods: float, rows: tuple[int | None, ...]) -> None:
    found = spans(periods)
    assert (found.week, found.month, found.quarter, found.half_year, found.year) == rows


@pytest.mark.parametrize(("periods", "rows"), [(252, 20), (365, 20), (52, 4), (126, 10), (12, 1), (4, None)])
def test_twenty_days_are_four_weeks_where_rows_are_not_days(periods: float, rows: int | None) -> None:
    assert spans(periods).days(20) == rows


@pytest.mark.parametrize(
    ("dates", "said"),
    [
        (np.arange("2020-01-03", "2021-02-26", 7, dtype="datetime64[D]"), "rows are weekly: 52 periods a year"),
        (np.arange("2018-01", "2023-01", dtype="datetime64[M]").astype("datetime64[D]"), "rows are monthly: 12 periods"),
        (np.arange("2010-01", "2023-01", 3, dtype="datetime64[M]").astype("datetime64[D]"), "rows are quarterly: 4 periods"),
        (np.arange("2020-01-03", "2021-02-26", 2, dtype="datetime64[D]"), "rows are 2 days apart: 183 periods"),
        (
            np.datetime64("2020-01-03") + np.cumsum([1, 30, 2, 20, 3, 9, 14, 1, 25]),
            "rows are at irregular dates, 11.5 days apart at the median",
        ),
    ],
)
def test_rows_that_are_not_days_are_told(dates: np.ndarray, said: str) -> None:
    (warning,) = calendar_warnings(dates, periods_per_year(dates))
    assert warning.startswith(said)


def test_nothing_is_said_of_days() -> None:
    for dates in (business_days("2020-01-01", "2022-01-01"), np.arange("2020-01-01", "2022-01-01", dtype="datetime64[D]")):
        assert calendar_warnings(dates, periods_per_year(dates)) == ()


def test_coins_beside_stocks_are_told() -> None:
    dates = np.arange("2020-01-01", "2020-12-31", dtype="datetime64[D]")
    listed = np.ones((5, len(dates)), dtype=bool)
    listed[3:, weekdays(dates) >= 5] = False
    listed[4, :100] = False
    (warning,) = mixed_calendars(listed, dates, tuple("ABCDE"), Path("prices.csv"))
    assert warning.startswith("prices.csv: 2 of 5 stocks (D, E) have no row on 104 of 365 dates on which others have (first 2020-01-04)")


@pytest.mark.parametrize("kind", ["full", "random holes", "late and early", "few holidays", "one suspended"])
def test_one_calendar_with_holes_is_one(kind: str) -> None:
    dates = np.arange("2020-01-01", "2020-12-31", dtype="datetime64[D]")
    listed, rng = np.ones((5, len(dates)), dtype=bool), np.random.default_rng(0)
    match kind:
        case "random holes":
            listed &= rng.random(listed.shape) < 0.7
        case "late and early":
            listed[3:, :200], listed[:2, 300:] = False, False
        case "few holidays":
            listed[2:, ::40] = False
        case "one suspended":
            listed[4, 100:250] = False
    assert mixed_calendars(listed, dates, tuple("ABCDE"), Path("prices.csv")) == ()


def test_a_month_is_no_gap_of_monthly_rows() -> None:
    monthly = np.arange("2015-01", "2022-01", dtype="datetime64[M]").astype("datetime64[D]")
    assert long_gaps(monthly) == long_gaps(monthly[:1]) == ()
    assert len(long_gaps(np.delete(monthly, [20, 21, 22]))) == 1
    spread = np.sort(np.concatenate([np.arange(f"{year}-01-01", f"{year}-06-01", dtype="datetime64[D]") for year in range(2000, 2010)]))
    assert len(long_gaps(spread)) == 6
    assert long_gaps(spread)[-1] == "4 more stretches of more than a month without a date"
