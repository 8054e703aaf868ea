from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from massjax.engine.inputs import SignalName
from massjax.evaluate import repeated as module
from massjax.evaluate.draws import Draws, make_draws
from massjax.evaluate.procedures import row_means
from massjax.evaluate.repeated import Repetitions, judged_dates, signal_rank_ic, single_rank_ics, sums_rank_ic, weights_rank_ic
from massjax.statistics.circular_shifts import Null
from massjax.timing import Timing

K, N, T = 3, 9, 60


def made(seed: int = 0, holes: float = 0.1) -> Repetitions:
    rng = np.random.default_rng(seed)
    scores = rng.random((K, N, T)).astype(np.float32)
    scores[rng.random(scores.shape) < holes] = np.nan
    returns = rng.normal(size=(N, T)).astype(np.float32)
    returns[rng.random(returns.shape) < holes / 2] = np.nan
    returns[:, -5:] = np.nan
    member = rng.random((N, T)) >= holes
    draws = make_draws(returns, [Timing(lookback=10, horizon=5)], 12)
    return Repetitions(draws, scores, member, returns, None, np.arange(20, T - 5, 2), 0.5, "mean", "renormalize")


def slow(signal: np.ndarray, returns: np.ndarray) -> float:
    known = np.isfinite(signal) & np.isfinite(returns)
    return float(spearmanr(signal[known], returns[known]).statistic) if known.sum() > 1 else np.nan


def test_the_first_draw_is_what_happened_and_the_others_are_whole_turns_of_it() -> None:
    repetitions = made()
    draws, known = repetitions.draws, T - 5
    np.testing.assert_array_equal(draws.returns(repetitions.returns, 0), repetitions.returns)
    assert draws.null.method == "circular shifts"
    for draw in range(1, len(draws)):
        moved = draws.returns(repetitions.returns, draw)
        np.testing.assert_array_equal(moved[:, known:], repetitions.returns[:, known:])
        shift = int((np.arange(known) - draws.columns[draw, :known])[-1])
        assert 6 <= shift <= known - 6
        np.testing.assert_array_equal(moved[:, :known], np.roll(repetitions.returns[:, :known], shift, axis=1))


def test_a_long_history_keeps_returns_clear_of_the_scores_that_are_made_of_them() -> None:
    draws = make_draws(np.ones((2, 800)), [Timing(lookback="auto", horizon=5)], 50)
    shifts = (np.arange(800)[None, :] - draws.columns[1:])[:, -1]
    assert shifts.min() == 252
    assert shifts.max() == 800 - 6
    assert not draws.reason


def test_a_shorter_history_uses_all_shifts_and_says_what_they_do_to_scores_made_of_returns() -> None:
    draws = make_draws(np.ones((2, 130)), [Timing(lookback="auto", horizon=5)], 400)
    shifts = (np.arange(130)[None, :] - draws.columns[1:])[:, -1]
    np.testing.assert_array_equal(shifts, np.arange(6, 125))
    assert "no more than 119 shifts" in draws.reason
    assert "reversal's RankIC and fitness too small" in draws.reason


def test_no_shift_counts_twice() -> None:
    draws = make_draws(np.ones((2, 800)), [Timing(lookback="auto", horizon=5)], 5000)
    assert len(np.unique(draws.columns, axis=0)) == len(draws) == 800 - 5 - 252 + 1
    assert "no more than 543 shifts" in draws.reason


def test_a_short_history_deals_stocks_and_says_what_that_assumes() -> None:
    draws = make_draws(np.random.default_rng(0).normal(size=(6, 40)), [Timing(lookback=25, horizon=5)], 30)
    assert draws.null.method == "stock permutations"
    assert "exchangeable" in draws.reason
    assert all(sorted(row) == list(range(6)) for row in draws.stocks.tolist())
    np.testing.assert_array_equal(draws.columns, np.tile(np.arange(40), (31, 1)))


@pytest.mark.parametrize("holes", [0.0, 0.2])
def test_a_signal_is_ranked_against_the_returns_of_each_draw(holes: float) -> None:
    repetitions = made(1, holes)
    signal = np.random.default_rng(2).normal(size=(N, T))
    found = signal_rank_ic(repetitions, signal)
    for draw in range(len(repetitions.draws)):
        drawn = repetitions.draws.returns(repetitions.returns, draw)
        expected = [slow(np.where(repetitions.member[:, t], signal[:, t], np.nan), drawn[:, t]) for t in repetitions.dates]
        np.testing.assert_allclose(found[draw], expected, atol=2e-6)


@pytest.mark.parametrize("signal", ["mean", "combined"])
def test_weights_of_each_draw_are_ranked_against_its_returns(signal: SignalName) -> None:
    repetitions = made(3)
    dates = repetitions.dates
    weights = np.random.default_rng(4).dirichlet(np.ones(K), (len(repetitions.draws), dates.size))
    found = weights_rank_ic(repetitions, weights, dates, signal)
    for draw in range(len(repetitions.draws)):
        drawn = repetitions.draws.returns(repetitions.returns, draw)
        for place, t in enumerate(dates):
            s = np.where(repetitions.member[:, t], repetitions.scores[:, :, t].astype(np.float64), np.nan)
            w = np.where(np.isfinite(s), weights[draw, place][:, None], 0.0)
            total = np.where(w.sum(0) > 0, w.sum(0), np.nan)
            mean = (w * np.nan_to_num(s)).sum(0) / total
            spread = np.sqrt((w * np.nan_to_num(s - mean) ** 2).sum(0) / total)
            ranking = mean if signal == "mean" else 0.5 * mean - 0.5 * spread
            assert found[draw, place] == pytest.approx(slow(ranking, drawn[:, t]), abs=2e-6, nan_ok=True)


def test_single_archetypes_are_exact_where_nothing_is_missing_and_close_on_average_elsewhere() -> None:
    for holes, error, bias in ((0.0, 2e-6, 2e-6), (0.1, 0.06, 0.006)):
        repetitions = made(5, holes)
        found = single_rank_ics(repetitions, repetitions.scores, slice(0, 4), "renormalize")
        expected = np.full(found.shape, np.nan)
        for draw in range(4):
            drawn = repetitions.draws.returns(repetitions.returns, draw)
            for k, t in np.ndindex(K, T):
                expected[draw, k, t] = slow(np.where(repetitions.member[:, t], repetitions.scores[k, :, t], np.nan), drawn[:, t])
        known = np.isfinite(expected)
        np.testing.assert_array_equal(np.isfinite(found), known)
        off = found[known] - expected[known]
        assert np.abs(off).mean() < error
        assert abs(off.mean()) < bias


def test_sums_of_ranks_take_the_signs_of_their_draw() -> None:
    repetitions = made(6, 0.0)
    rng = np.random.default_rng(7)
    ranks = rng.integers(-20, 20, size=(2, N, repetitions.dates.size)) / 8
    signs = rng.choice([-1.0, 1.0], size=(len(repetitions.draws), 2, repetitions.dates.size))
    found = sums_rank_ic(repetitions, ranks, signs)
    for draw in range(len(repetitions.draws)):
        drawn = repetitions.draws.returns(repetitions.returns, draw)
        for place, t in enumerate(repetitions.dates):
            total = signs[draw, :, place] @ ranks[:, :, place]
            assert found[draw, place] == pytest.approx(slow(total, drawn[:, t]), abs=2e-6)


def test_many_stocks_are_sorted_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    repetitions = made(8, 0.0)
    weights = np.random.default_rng(9).dirichlet(np.ones(K), (len(repetitions.draws), repetitions.dates.size))
    signal = np.random.default_rng(10).normal(size=(N, T))
    few = weights_rank_ic(repetitions, weights, repetitions.dates, "mean"), signal_rank_ic(repetitions, signal)
    monkeypatch.setattr(module, "PAIRS_UP_TO", 4)
    many = weights_rank_ic(repetitions, weights, repetitions.dates, "mean"), signal_rank_ic(repetitions, signal)
    for a, b in zip(few, many, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


def test_dates_are_left_out_evenly_where_the_work_is_too_much() -> None:
    returns = np.ones((400, 1000))
    returns[:, -7:] = np.nan
    evaluated = np.arange(1000) >= 100
    few = judged_dates(evaluated, returns, 500, 201)
    assert 10 < few.size < 893
    assert np.unique(np.diff(few)).size == 1
    assert judged_dates(evaluated, returns[:5], 3, 201).size == 893


def test_a_draw_is_kept_by_its_number() -> None:
    null = Null("stock permutations", 2, "")
    draws = Draws(null, np.zeros((3, 4), int), np.arange(6).reshape(3, 2), "")
    repetitions = Repetitions(draws, np.zeros((1, 2, 4)), np.ones((2, 4), bool), np.zeros((2, 4)), None, np.arange(4), 0.5, "mean", "zero")
    np.testing.assert_array_equal(repetitions.only(np.array([2, 0])).draws.stocks, [[4, 5], [0, 1]])
    np.testing.assert_array_equal(row_means(np.array([[1.0, np.nan, 3.0], [np.nan] * 3])), [2.0, np.nan])


def test_archetypes_alone_are_ranked_on_evenly_spread_dates_and_on_those_of_the_repetitions(monkeypatch: pytest.MonkeyPatch) -> None:
    repetitions = made(11, 0.0)
    every = single_rank_ics(repetitions, repetitions.scores, slice(None), "renormalize")
    monkeypatch.setattr(module, "RANKED", repetitions.scores.size // 7)
    chosen = module.ranked_dates(repetitions, K)
    assert set(repetitions.dates) < set(chosen)
    assert chosen.size < T
    few = single_rank_ics(repetitions, repetitions.scores, slice(None), "renormalize")
    np.testing.assert_array_equal(np.isfinite(few[0]).any(axis=0), chosen < T - 5)
    np.testing.assert_allclose(few, every[:, :, chosen], atol=1e-6)
    np.testing.assert_array_equal(repetitions.alone, few)


def test_permuted_stocks_are_gathered_one_by_one() -> None:
    repetitions = made(12, 0.0)
    stocks = np.random.default_rng(13).permuted(repetitions.draws.stocks, axis=1)
    dealt = replace(repetitions, draws=replace(repetitions.draws, stocks=stocks))
    found = single_rank_ics(dealt, dealt.scores, slice(2, 4), "renormalize")
    for place, draw in enumerate((2, 3)):
        drawn = dealt.draws.returns(dealt.returns, draw)
        expected = [[slow(dealt.scores[k, :, t], drawn[:, t]) for t in range(T)] for k in range(K)]
        np.testing.assert_allclose(found[place], expected, atol=2e-6)
