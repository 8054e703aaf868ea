"""What the searches of a configuration are called, and how one says which it is."""

from __future__ import annotations

import numpy as np
import pytest

import massjax as mj
from massjax.errors import ConfigError
from massjax.evaluate.searches import listed_searches, search_names
from massjax.evaluate.settings import EvaluateSettings
from massjax.machine import FreeMemory


def test_a_search_of_ones_own_does_not_take_the_name_of_a_control_or_a_column() -> None:
    assert search_names(["own:uniform", "own:date", "own:Climber"]) == ["uniform-search", "date-search", "Climber"]


def test_of_two_searches_by_one_method_each_has_a_number() -> None:
    assert search_names(["annealing", "gradient", "annealing"]) == ["annealing-1", "gradient", "annealing-2"]


def test_the_class_of_a_search_of_ones_own_is_printed_as_it_is_written() -> None:
    methods = ["differential_evolution", "massjax.search:GradientSearch", "annealing", "annealing", "cmaes"]
    labels = [search.label for search in listed_searches([{"method": method} for method in methods])]
    assert labels == ["Differential evolution", "GradientSearch", "Annealing 1", "Annealing 2", "CMA-ES"]


def test_defaults_are_written_out_beside_the_method() -> None:
    (search,) = listed_searches([{"method": "annealing", "chains": 3}])
    written = search.written_out()
    assert next(iter(written)) == "method"
    assert (written["method"], written["chains"], written["cooling"]) == ("annealing", 3, 0.95)
    assert listed_searches([written]) == (search,)
    assert listed_searches([]) == ()


def test_an_error_names_the_place_of_the_search() -> None:
    with pytest.raises(ConfigError, match=r"^search\.1: .*did you mean 'annealing'"):
        listed_searches([{"method": "annealing"}, {"method": "anealing"}])
    _, large = listed_searches([{"method": "annealing"}, {"method": "annealing", "chains": 1000}])
    with pytest.raises(ConfigError, match=r"^search\.1: 1,000 chains .* take 1 chains or fewer"):
        large.check_memory(10, 10, FreeMemory(None, 700))


def test_the_posterior_reads_blocks_whatever_its_look_back() -> None:
    searches = listed_searches([{"method": "posterior"}, {"method": "annealing"}, {"method": "annealing", "lookback": "auto"}])
    settings = EvaluateSettings(horizon=5, lookback=60)
    assert [search.reads_windows(settings) for search in searches] == [True, True, False]


def test_what_the_posterior_holds_is_compared_with_what_is_free() -> None:
    (search,) = listed_searches([{"method": "posterior"}])
    held = search.search.held_bytes(512, 500, 1250)
    assert held.like_scores == 2 * (512 + 214) * 500 * 1250
    needed = held.beside + held.like_scores + 4 * 512 * 500 * 1250
    search.check_memory(512, 1250, FreeMemory(None, needed), stocks=500)
    with pytest.raises(ConfigError, match=r"search\.0: Posterior over 512 archetypes, 500 stocks and 1,250 dates needs .* with"):
        search.check_memory(512, 1250, FreeMemory(None, needed - 1), stocks=500)
    search.check_memory(512, 1250, FreeMemory(None, held.beside), stocks=500, mapped=True)
    with pytest.raises(ConfigError, match=r"beside scores in a file"):
        search.check_memory(512, 1250, FreeMemory(None, held.beside - 1), stocks=500, mapped=True)


@pytest.mark.parametrize("method", [{"method": "annealing", "chains": 4, "steps": 5}, {"method": "posterior", "lookback": 8}])
def test_what_is_promised_is_of_the_signal_that_ranks_whichever_weights_are_fitted_to(method: dict[str, object]) -> None:
    rng = np.random.default_rng(3)
    scores, returns, member = rng.random((3, 9, 30)).astype(np.float32), rng.normal(size=(9, 30)), np.ones((9, 30), bool)
    (search,) = listed_searches([method])
    settings = EvaluateSettings(horizon=1, lookback=8, delay=1, fit_signal="mean", signal="combined", alpha=0.5)
    dates = np.datetime64("2024-01-01") + np.arange(30)
    found = search.walk(scores, member, {1: returns}, settings, execution_lag=1, seed=0, dates=dates, daily_returns=returns)
    timing = search.timing(settings, 1, dates)
    own = np.flatnonzero(found.own)
    assert own.size > 5
    for t in own:
        window = timing.window(t - timing.delay)
        part = (values[..., window] for values in (scores, member, returns))
        expected = mj.fitness(*part, found.weights[t][None].astype(np.float32), signal="combined", alpha=0.5)[0]
        assert found.fitness[t] == pytest.approx(float(expected), abs=2e-6)
