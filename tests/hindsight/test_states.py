"""The state of a model's memory from what its blank answers came to: `none found` is said where some would have been."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from massjax.hindsight.controls import Controls
from massjax.hindsight.probing import Probed
from massjax.hindsight.running import Hindsight
from massjax.hindsight.settings import MeasureSettings
from massjax.hindsight.states import model_states
from massjax.scores.measured import ModelState
from massjax.statistics.memory_probe import memory_probe
from massjax.statistics.probe_power import probe_power


def state(stocks: int, dates: int, horizon: int = 5, *, remembered: float = 1.0, level: float = 0.05) -> ModelState:
    """Of a model whose blank answers are the returns that followed, the other way round where `remembered` is −1."""
    returns = np.random.default_rng(0).normal(size=(stocks, dates))
    days = tuple(date(2022, 1, 3) + timedelta(days=t) for t in range(dates))
    blank, none = remembered * returns, np.empty((0, stocks, dates))
    probe = memory_probe(blank, returns, none, np.ones(returns.shape, bool), days, horizon)
    power = probe_power(0.03, stocks, dates, horizon, controls=0)
    one = Probed("", blank, stocks * dates, dates, {horizon: probe}, power, "", Controls((), none, ()), "")
    settings, stock_names = MeasureSettings(level=level), tuple(f"S{n}" for n in range(stocks))
    found = Hindsight(settings, {}, horizon, days, stock_names, {"": None}, {"": "fake "}, {"": {"engine": "fake"}}, probed=(one,))
    return model_states(found)[0]


@pytest.mark.parametrize(("stocks", "dates", "level"), [(2, 8, 0.05), (3, 8, 0.05), (3, 1, 0.05), (10, 30, 0.01)])
def test_where_nothing_could_be_found_the_state_is_undefined(stocks: int, dates: int, level: float) -> None:
    found = state(stocks, dates, level=level)
    assert found.points == pytest.approx(100)
    assert (found.state, found.reason) == ("undefined", f"too few dates and stocks for a p-value of {level:g} or less")


def test_where_it_could_be_found_it_is_and_else_none() -> None:
    assert state(10, 60).state == state(10, 8).state == "found"
    assert state(10, 60, remembered=-1.0).state == "none found"
