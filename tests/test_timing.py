from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from massjax.errors import ConfigError, LeakageError
from massjax.evaluate.searches import first_evaluated
from massjax.evaluate.settings import EvaluateSettings, check_horizon
from massjax.timing import Timing

DATES = np.arange("2024-01-01", "2024-02-01", dtype="datetime64[D]")


@given(st.integers(1, 60), st.integers(0, 20))
def test_with_the_smallest_gap_the_last_return_is_known_at_the_close_of_the_search_and_with_less_it_is_not(horizon: int, lag: int) -> None:
    timing = Timing(lookback=1, horizon=horizon, execution_lag=lag)

    def known_on(gap: int) -> int:
        """The close at which the return of the last look-back date is known, counted from the date of the search."""
        return -gap - 1 + lag + horizon

    assert timing.gap is not None
    assert timing.gap >= 0
    assert not timing.leaks
    assert known_on(timing.gap) <= 0 < known_on(timing.gap - 1)
    if timing.gap:
        with pytest.raises(LeakageError, match="known only 1 dates after the search"):
            Timing(lookback=1, horizon=horizon, execution_lag=lag, gap=timing.gap - 1)
        assert Timing(lookback=1, horizon=horizon, execution_lag=lag, gap=timing.gap - 1, leakage_ablation=True).leaks


@given(st.integers(1, 40) | st.just("auto"), st.integers(0, 12), st.integers(0, 4), st.integers(1, 8), st.integers(1, 200))
def test_the_windows_of_applied_dates_are_those_of_their_searches(lookback, spare: int, delay: int, horizon: int, dates: int) -> None:
    timing = Timing(lookback=lookback, gap=horizon + spare, delay=delay, horizon=horizon)
    start, end, full = timing.windows_of_applied(dates)
    for applied in range(dates):
        searched = applied - delay
        assert full[applied] == (searched >= timing.first_search)
        if full[applied]:
            assert slice(int(start[applied]), int(end[applied])) == timing.window(searched)
            assert end[applied] - start[applied] >= timing.least
            assert end[applied] - 1 + timing.execution_lag + horizon <= searched


def test_mass_looks_back_to_five_days_before() -> None:
    """Five-day returns filled at the close: days t-9 to t-5 (arXiv 2505.10278)."""
    timing = EvaluateSettings(horizon=5, lookback=5).timing(execution_lag=0)
    assert timing.gap == 4
    assert timing.window(20) == slice(11, 16)
    assert timing.first_applied == first_evaluated([timing], DATES) == 5 + 4 + 1
    assert EvaluateSettings(horizon=5, lookback=5, gap=7).timing(execution_lag=0).gap == 7


def test_weights_are_not_traded_on_at_the_close_that_makes_their_returns_known() -> None:
    """MASS's leakage ablation (`data_leakage` in its code): filled at the close, the weights of a search apply on its own date."""
    own = {"lookback": 5, "horizon": 5, "execution_lag": 0, "delay": 0}
    with pytest.raises(LeakageError, match=r"delay=0 sees the future: .* execution lag of 0 .* leakage_ablation: true .* as MASS's"):
        Timing(**own)
    ablation = Timing(**own, leakage_ablation=True)
    assert ablation.leaks
    assert ablation.applied_too_soon
    assert not ablation.gap_leaks
    assert ablation.first_applied == ablation.first_search == 9
    with pytest.raises(LeakageError, match="weights found on 2024-01-10 would be traded on at its close"):
        EvaluateSettings(horizon=5, lookback=5, delay=0).timing(0, dates=DATES)
    for later in ({"execution_lag": 1}, {"delay": 1}, {"horizon": None, "gap": 4}):
        assert not Timing(**own | later).leaks


def test_all_that_is_known_is_looked_back_on_from_the_fewest_dates_that_tell_anything() -> None:
    timing = Timing(lookback="auto", horizon=5, execution_lag=1)
    assert (timing.least, timing.first_search, timing.first_applied) == (60, 65, 66)
    assert timing.window(65) == slice(0, 60)
    assert timing.window(200) == slice(0, 195)


def test_a_look_back_that_does_not_fit_is_refused_with_how_many_dates_it_needs() -> None:
    settings = EvaluateSettings(horizon=1, lookback=28)
    assert first_evaluated([settings.timing(0)], DATES) == 29
    with pytest.raises(
        ConfigError, match=r"lookback: 28 dates do not fit: .* needs 32 dates, the market data has 31 \(2024-01-01 to 2024-01-31\)"
    ):
        first_evaluated([settings.timing(1, lookback=2), settings.replace(gap=1).timing(1)], DATES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lookback": "all"}, "expected a whole number >= 1, or 'auto'"),
        ({"lookback": True}, "lookback=True: expected a whole number"),
        ({"delay": 0.5}, "delay=0.5: expected a whole number"),
        ({"horizon": None}, "gap and horizon are both not given"),
        ({"execution_lag": -1}, "execution_lag=-1: expected a whole number >= 0"),
        ({"leakage_ablation": "no"}, "expected True or False"),
    ],
)
def test_bad_numbers_are_named(changes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Timing(**{"lookback": 5, "horizon": 5} | changes)


def test_a_horizon_without_returns_is_refused_with_those_that_have_some() -> None:
    check_horizon(EvaluateSettings(horizon=5), {1: None, 5: None})
    with pytest.raises(ConfigError, match="over 4 weeks, only over: 1, 5; choose one of these"):
        check_horizon(EvaluateSettings(horizon=4), {5: None, 1: None}, "week")
