from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from scipy import stats

from massjax.statistics.circular_shifts import circular_shifts
from massjax.statistics.intervals import newey_west
from massjax.statistics.memory_probe import before_and_after, memory_probe
from massjax.statistics.partial_correlation import daily_partial_rank_ic

DAYS = [date(2021, 10, 1) + timedelta(days=t) for t in range(120)]


def world(seed: int = 0):
    rng = np.random.default_rng(seed)
    size = rng.normal(size=(15, 1)).repeat(120, axis=1)
    days = rng.normal(size=(15, 122)) + 0.1 * size[:, :1]
    returns = sum(days[:, i : i + 120] for i in range(3))
    blank = size + 0.3 * returns * (np.arange(120) < 80) + rng.normal(size=(15, 120))
    member = rng.random((15, 120)) < 0.95
    return np.where(rng.random((15, 120)) < 0.03, np.nan, blank), returns, size[None], member


@pytest.mark.parametrize("complete", [False, True])
def test_p_is_that_of_shifting_returns_by_hand(complete: bool) -> None:
    blank, returns, controls, member = world()
    if complete:
        blank, member = np.nan_to_num(blank), np.ones_like(member)
    found = memory_probe(blank, returns, controls, member, DAYS, horizon=3, cutoff=DAYS[79], shifts=30)
    for name, kept in (("all dates", slice(None)), ("up to the cut-off", slice(0, 80))):
        y = returns[:, kept]
        draws = [
            np.nanmean(daily_partial_rank_ic(blank[:, kept], np.roll(y, s, axis=1), controls[:, :, kept], member[:, kept]))
            for s in circular_shifts(y.shape[1], least=3, count=30)
        ]
        daily = daily_partial_rank_ic(blank[:, kept], y, controls[:, :, kept], member[:, kept])
        period = found.periods[name]
        assert period.p_value.value == (1 + sum(draw >= np.nanmean(daily) for draw in draws)) / 31
        assert period.partial == newey_west(daily, 3)
    assert found.periods["up to the cut-off"].p_value.value < 0.05
    assert list(found.years) == [2021, 2022]
    assert found.years[2021].dates == 92


def test_distraction_alone_is_not_memory() -> None:
    """A model that ranks large companies first, on dates on which size was paid all the time."""
    rng = np.random.default_rng(2)
    size = rng.normal(size=(20, 1)).repeat(120, axis=1)
    returns = 0.5 * size + rng.normal(size=(20, 120))
    found = memory_probe(size + 0.5 * rng.normal(size=(20, 120)), returns, size[None], np.ones((20, 120), bool), DAYS, horizon=1)
    period = found.periods["all dates"]
    assert period.rank_ic.low > 0.2
    assert period.partial.low < 0 < period.partial.high
    assert period.p_value.value > 0.05


def test_before_and_after_is_welchs_test_of_independent_days() -> None:
    rng = np.random.default_rng(2)
    daily, before = rng.normal(size=300), np.arange(300) < 200
    found = before_and_after(daily, before, horizon=1)
    sides = [newey_west(daily[side], 1) for side in (before, ~before)]
    error = np.hypot(sides[0].standard_error, sides[1].standard_error)
    freedoms = [1.5 * 200 / (sides[0].memory + 1), 1.5 * 100 / (sides[1].memory + 1)]
    freedom = error**4 / sum(side.standard_error**4 / free for side, free in zip(sides, freedoms, strict=True))
    assert found.value == pytest.approx(daily[:200].mean() - daily[200:].mean())
    assert found.standard_error == pytest.approx(error)
    assert found.high - found.value == pytest.approx(error * stats.t.ppf(0.975, freedom))


def test_where_nothing_lies_after_the_cut_off_it_is_said() -> None:
    blank, returns, controls, member = world()
    found = memory_probe(blank, returns, controls, member, DAYS, horizon=3, cutoff=DAYS[-1], shifts=20)
    assert "after the cut-off" not in found.periods
    assert found.difference.reason == "no date with a RankIC lies after the cut-off, so nothing is compared"
    few = before_and_after(np.random.default_rng(0).normal(size=50), np.arange(50) < 45, horizon=3)
    assert few.reason == "too few dates with a RankIC lie after the cut-off for an interval"
    assert np.isnan(few.value)


def test_dates_that_do_not_fit_are_refused() -> None:
    blank, returns, controls, member = world()
    with pytest.raises(ValueError, match="120 columns of scores but 119 dates"):
        memory_probe(blank, returns, controls, member, DAYS[1:], horizon=3)
