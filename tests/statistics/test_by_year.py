from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from massjax.statistics.by_year import by_year
from massjax.statistics.series import summarize


def test_each_year_is_judged_by_its_own_days() -> None:
    days = [date(2020, 6, 1) + timedelta(days=i) for i in range(700)]
    daily = np.random.default_rng(0).normal(size=700)
    daily[5] = np.nan
    found = by_year(daily, days, horizon=5)
    assert list(found) == [2020, 2021, 2022]
    first, second = 214, 214 + 365
    assert found[2020] == summarize(daily[:first], 5)
    assert found[2021] == summarize(daily[first:second], 5)
    assert found[2022] == summarize(daily[second:], 5)
    assert found[2020].dates == first - 1


def test_a_year_without_a_value_is_there_and_says_nothing() -> None:
    found = by_year(np.array([0.5, np.nan]), [date(2020, 12, 31), date(2021, 1, 4)], horizon=1)
    assert found[2021].dates == 0
    assert np.isnan(found[2021].mean)
    assert by_year(np.array([]), [], horizon=1) == {}


def test_dates_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="2 values but 1 dates"):
        by_year(np.zeros(2), [date(2020, 1, 1)], horizon=1)
