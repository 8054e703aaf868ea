from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from statsmodels.stats.multitest import multipletests

from massjax.statistics.circular_shifts import p_value
from massjax.statistics.multiple import holm, romano_wolf


@pytest.mark.parametrize("searches", [1, 2, 5, 12])
def test_holm_is_that_of_statsmodels(searches: int) -> None:
    p = np.random.default_rng(searches).integers(1, 30, searches) / 200  # with ties
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-12)


def test_holm_passes_over_what_has_no_p_value() -> None:
    np.testing.assert_allclose(holm(np.array([np.nan, 0.02, np.nan, 0.01])), [np.nan, 0.02, np.nan, 0.02])
    assert np.isnan(holm(np.array([np.nan]))).all()
    assert holm(np.array([])).size == 0


def plainly(observed: list[float], draws: list[list[float]]) -> list[float]:
    """Romano and Wolf's procedure with loops: the most telling search is judged against the best of all, the next against the rest."""
    units = [(np.mean(row), np.std(row)) for row in draws]
    found = [(x - mean) / sd for x, (mean, sd) in zip(observed, units, strict=True)]
    null = [[(x - mean) / sd for x in row] for row, (mean, sd) in zip(draws, units, strict=True)]
    left, adjusted, floor = set(range(len(observed))), [0.0] * len(observed), 0.0
    while left:
        best = max(left, key=lambda s: found[s])
        beaten = sum(max(null[s][b] for s in left) >= found[best] for b in range(len(draws[0])))
        floor = adjusted[best] = max(floor, (1 + beaten) / (1 + len(draws[0])))
        left.remove(best)
    return adjusted


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(5, 40))
def test_romano_wolf_is_the_procedure_written_with_loops(seed: int, searches: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    draws = rng.normal(size=(searches, count)) * rng.uniform(0.1, 5, size=(searches, 1)) + rng.normal(size=(1, count))
    observed = rng.normal(size=searches) * 2
    np.testing.assert_allclose(romano_wolf(observed, draws), plainly(observed.tolist(), draws.tolist()), rtol=1e-12)


def test_one_search_alone_keeps_its_p_value_and_more_never_lower_it() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(4, 199))
    observed = np.array([2.5, 1.0, 0.2, 3.0])
    alone = np.array([p_value(float(x), row).value for x, row in zip(observed, draws, strict=True)])
    np.testing.assert_allclose(romano_wolf(observed[:1], draws[:1]), alone[:1])
    assert (romano_wolf(observed, draws) >= alone - 1e-12).all()


def test_what_is_undefined_counts_for_nothing() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(3, 99))
    observed = np.array([2.0, np.nan, 1.0])
    with_gap = romano_wolf(observed, draws)
    np.testing.assert_allclose(with_gap[[0, 2]], romano_wolf(observed[[0, 2]], draws[[0, 2]]))
    assert np.isnan(with_gap[1])
    draws[0, :9] = np.nan
    np.testing.assert_allclose(romano_wolf(observed[[0, 2]], draws[[0, 2]]), romano_wolf(observed[[0, 2]], draws[[0, 2], 9:]))
    assert np.isnan(romano_wolf(observed, np.full((3, 5), np.nan))).all()
    assert np.isnan(romano_wolf(np.array([1.0, 1.0]), np.array([[np.nan, 0.0], [0.0, np.nan]]))).all()


def test_searches_that_never_move_are_not_significant() -> None:
    assert romano_wolf(np.zeros(2), np.zeros((2, 50))).tolist() == [1.0, 1.0]


def test_false_calls_stay_at_the_level_however_alike_the_searches_are() -> None:
    rng, trials, level = np.random.default_rng(0), 1500, 0.1
    for alike in (0.0, 0.9):
        any_call = any_single = 0
        for _ in range(trials):
            common, own = rng.normal(size=(1, 100)), rng.normal(size=(5, 100))
            values = np.sqrt(alike) * common + np.sqrt(1 - alike) * own
            observed, draws = values[:, 0], values[:, 1:]
            any_call += romano_wolf(observed, draws).min() <= level
            any_single += min(p_value(float(x), row).value for x, row in zip(observed, draws, strict=True)) <= level
        assert any_call / trials == pytest.approx(level, abs=0.03)
        assert any_single / trials > 1.4 * level
