from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import spearmanr

from massjax.evaluate.controls import (
    best_single,
    equal_risk,
    learned_signs,
    lookback_mean,
    signed_sum,
    single_rank_ic,
    uniform_weights,
)
from massjax.timing import Lookback, Timing


def problem(seed: int, archetypes: int = 4, stocks: int = 8, dates: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    returns = rng.standard_normal((stocks, dates))
    scores = 0.2 * returns + rng.standard_normal((archetypes, stocks, dates))
    scores[rng.random(scores.shape) < 0.05] = np.nan
    return scores, rng.random((stocks, dates)) < 0.9, returns


@settings(max_examples=20)
@given(st.integers(0, 999), st.integers(1, 12), st.integers(0, 6), st.integers(0, 2))
def test_best_single_is_the_best_of_the_look_back_and_nothing_later(seed: int, lookback: int, gap: int, delay: int) -> None:
    scores, member, returns = problem(seed)
    found = best_single(scores, member, returns, timing=Timing(lookback=lookback, gap=gap, delay=delay))
    for t in range(40):
        window = range(t - delay - gap - lookback, t - delay - gap)
        if window.start < 0:
            np.testing.assert_allclose(found.weights[t], 0.25)
            assert np.isnan(found.fitness[t])
            continue
        means = [np.nanmean([slow_rank_ic(scores[k, :, d], returns[:, d], member[:, d]) for d in window]) for k in range(4)]
        assert found.weights[t].argmax() == int(np.argmax(np.round(means, 12)))
        assert found.weights[t].sum() == 1.0
        assert found.fitness[t] == pytest.approx(max(means), abs=1e-12)


def slow_rank_ic(scores: np.ndarray, returns: np.ndarray, member: np.ndarray) -> float:
    known = member & np.isfinite(scores)
    return float(spearmanr(scores[known], returns[known]).statistic)


def test_the_future_changes_nothing() -> None:
    scores, member, returns = problem(1)
    lookback, gap, delay, today = 5, 3, 1, 25
    before = best_single(scores, member, returns, timing=Timing(lookback=lookback, gap=gap, delay=delay)).weights[: today + 1]
    changed = returns.copy()
    changed[:, today - delay - gap :] = np.random.default_rng(9).standard_normal(changed[:, today - delay - gap :].shape)
    after = best_single(scores, member, changed, timing=Timing(lookback=lookback, gap=gap, delay=delay)).weights[: today + 1]
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("lookback", ["auto", 9])
def test_risks_and_signs_learnt_from_the_past_do_not_see_the_future(lookback: Lookback) -> None:
    values, member, returns = problem(2)
    timing = Timing(lookback=lookback, gap=3, delay=1)
    today, known = 37, 37 - 1 - 3
    daily = single_rank_ic(values, member, returns)
    changed = daily.copy()
    changed[:, known:] = -9.0 * np.arange(1, 5)[:, None]
    for learnt in (lambda daily, timing: equal_risk(daily, timing).weights.T, learned_signs):
        before, after = learnt(daily, timing), learnt(changed, timing)
        np.testing.assert_array_equal(before[:, : today + 1], after[:, : today + 1])
        assert (before[:, today + 1 :] != after[:, today + 1 :]).any()


def test_the_rank_sum_of_features_on_a_date_is_of_that_date() -> None:
    values, member, _ = problem(3)
    today, signs = 20, np.sign(np.random.default_rng(4).normal(size=(4, 40)))
    later, others = values.copy(), member.copy()
    later[..., today + 1 :], others[:, today + 1 :] = 1 - later[..., today + 1 :], ~others[:, today + 1 :]
    before, after = (signed_sum(list(v), signs, m)[:, : today + 1] for v, m in ((values, member), (later, others)))
    np.testing.assert_array_equal(before, after)


def test_missing_scores_are_left_out_or_count_as_zero() -> None:
    scores = np.array([[[0.9], [np.nan], [0.1]]])
    member, returns = np.ones((3, 1), bool), np.array([[3.0], [1.0], [2.0]])
    assert single_rank_ic(scores, member, returns)[0, 0] == pytest.approx(1.0)
    assert single_rank_ic(scores, member, returns, missing="zero")[0, 0] == pytest.approx(spearmanr([0.9, 0, 0.1], [3, 1, 2]).statistic)


def test_without_any_rank_ic_weights_stay_uniform() -> None:
    found = best_single(
        np.full((3, 4, 10), 0.5),
        np.ones((4, 10), bool),
        np.random.default_rng(0).random((4, 10)),
        timing=Timing(lookback=3, gap=1, delay=1),
    )
    np.testing.assert_allclose(found.weights, 1 / 3)
    assert np.isnan(found.fitness).all()


def test_lookback_mean_skips_unknown_dates_and_needs_a_full_window() -> None:
    daily = np.array([1.0, np.nan, 3.0, np.nan, np.nan, 9.0])
    np.testing.assert_allclose(lookback_mean(daily, Timing(lookback=2, gap=0, delay=1)), [np.nan, np.nan, np.nan, 1.0, 3.0, 3.0][:6])
    assert np.isnan(lookback_mean(daily, Timing(lookback=2, gap=0, delay=0))[5])
    assert np.isnan(lookback_mean(daily, Timing(lookback=7, gap=0, delay=0))).all()


def test_uniform_weights_are_equal_over_the_chosen() -> None:
    np.testing.assert_allclose(uniform_weights(np.array([True, False, True]), 2), [[0.5, 0, 0.5]] * 2)
