from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from massjax.errors import ConfigError
from massjax.evaluate.settings import EvaluateSettings
from massjax.evaluate.span import check_horizon, first_evaluated, resolve_gap, smallest_gap

DATES = np.arange("2024-01-01", "2024-02-01", dtype="datetime64[D]")


@given(st.integers(1, 60), st.integers(0, 20))
def test_with_the_smallest_gap_the_last_return_is_known_at_the_close_of_the_search_and_with_less_it_is_not(horizon: int, lag: int) -> None:
    def known_on(gap: int) -> int:
        """The close at which the return of the last look-back date is known, counted from the date of the search."""
        return -gap - 1 + lag + horizon

    gap = smallest_gap(horizon, lag)
    assert gap >= 0
    assert known_on(gap) <= 0 < known_on(gap - 1)


def test_mass_looks_back_to_five_days_before() -> None:
    """Five-day returns filled at the close: days t-9 to t-5 (arXiv 2505.10278)."""
    settings = EvaluateSettings(horizon=5, lookback=5)
    gap = resolve_gap(settings, execution_lag=0)
    assert gap == 4
    assert first_evaluated(settings, gap, DATES, 0) == 5 + 4 + 1
    assert resolve_gap(settings.replace(gap=7), execution_lag=0) == 7


def test_a_look_back_that_does_not_fit_is_refused_with_how_many_dates_it_needs() -> None:
    settings = EvaluateSettings(horizon=1, lookback=28)
    assert first_evaluated(settings, 1, DATES, 0) == 30
    with pytest.raises(
        ConfigError, match=r"lookback: 28 dates do not fit: .* needs 32 dates, the market data has 31 \(2024-01-01 to 2024-01-31\)"
    ):
        first_evaluated(settings, 1, DATES, 1)


def test_a_horizon_without_returns_is_refused_with_those_that_have_some() -> None:
    check_horizon(EvaluateSettings(horizon=5), {1: None, 5: None})
    with pytest.raises(ConfigError, match="over 4 weeks, only over: 1, 5; choose one of these"):
        check_horizon(EvaluateSettings(horizon=4), {5: None, 1: None}, "week")
