"""How many rows of a panel make a year."""

from __future__ import annotations

import numpy as np
import pytest

from massjax.market.calendar import periods_per_year, weekdays


def business_days(first: str, last: str) -> np.ndarray:
    dates = np.arange(first, last, dtype="datetime64[D]")
    return dates[np.is_busday(dates)]


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
    ],
)
def test_rows_a_year_of_usual_calendars(dates: np.ndarray, periods: int) -> None:
    assert periods_per_year(dates) == periods


def test_a_year_without_data_does_not_count() -> None:
    whole = np.arange("2015-01-02", "2023-01-01", 7, dtype="datetime64[D]")
    paused = whole[(whole < np.datetime64("2018-01-01")) | (whole > np.datetime64("2019-06-01"))]
    assert periods_per_year(paused) == 52


def test_weekdays_count_from_monday() -> None:
    assert weekdays(np.array(["2022-01-03", "2022-01-08", "2022-01-09"], dtype="datetime64[D]")).tolist() == [0, 5, 6]
