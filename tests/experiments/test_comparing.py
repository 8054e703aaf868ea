"""Comparisons of variants against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest

from massjax.experiments.comparing import Answers, compare, counted_once, likeliest_side
from massjax.statistics.decisions import MISSING

RNG = np.random.default_rng(0)


def answers(score: np.ndarray, follows: np.ndarray) -> Answers:
    decision = np.where(np.isnan(score), MISSING, np.sign(score - 0.5)).astype(np.int8)
    return Answers(score, decision, {"head": follows.astype(np.int8)})


def test_pairs_are_counted_one_by_one() -> None:
    score = RNG.choice([0.2, 0.5, 0.9], size=(6, 30))
    other = np.where(RNG.random(score.shape) < 0.3, 0.9, score)
    other[0, 0] = np.nan
    first_follows, second_follows = RNG.random((2, *score.shape)) < np.array([0.2, 0.5])[:, None, None]
    found = compare("desk", ("a", "b"), answers(score, first_follows), answers(other, second_follows))
    known = ~np.isnan(other)
    counts = [[int((known & (np.sign(score - 0.5) == x) & (np.sign(other - 0.5) == y)).sum()) for y in (1, 0, -1)] for x in (1, 0, -1)]
    assert found.crossed.counts.tolist() == counts
    assert found.changed == pytest.approx((known & (np.sign(score - 0.5) != np.sign(other - 0.5))).sum() / known.sum())
    assert found.score_change.value == pytest.approx((other - score)[known].mean())
    assert found.correlation == pytest.approx(np.corrcoef(score[known], other[known])[0, 1])
    pair = found.approvals["head"]
    assert pair.first_only == int((first_follows & ~second_follows).sum())
    assert pair.second_only == int((second_follows & ~first_follows).sum())
    assert pair.p_value == pair.smallest_p == 2.0**-5, "six stocks cannot tell more"
    longs = found.sides["long"]
    assert (longs.first_only, longs.second_only) == (0, counts[1][0] + counts[2][0])
    assert longs.missing == 1


def test_stocks_and_dates_that_share_what_is_asked_are_one_pair() -> None:
    """Copies of an answer are no evidence: noise in 40 situations, each shared by nine stocks and dates, is judged as 40 pairs."""
    situation = RNG.permutation(np.repeat(np.arange(40), 9)).reshape(15, 24)
    situation[0, 0] = -1
    first, second = RNG.random((2, 40))
    follows = RNG.random((2, 40)) < 0.5
    copied = [
        Answers(score[situation], np.sign(score[situation] - 0.5).astype(np.int8), {"head": yes[situation].astype(np.int8)}, situation)
        for score, yes in ((first, follows[0]), (second, follows[1]))
    ]
    found = compare("desk", ("a", "b"), *copied)
    head, (one, other) = found.approvals["head"], follows
    assert (head.pairs, head.first_only, head.second_only) == (40, int((one & ~other).sum()), int((other & ~one).sum()))
    assert found.crossed.counts.sum() == 40
    assert found.score_change.value == pytest.approx((second - first).mean())
    assert found.shares[0].missing == 0, "shares are of all stocks and dates"
    once = counted_once(*copied)
    assert sorted(situation[once].tolist()) == list(range(40))
    for number in range(40):
        stock, date = np.argwhere(once & (situation == number))[0]
        assert (date, stock) == min((t, n) for n, t in np.argwhere(situation == number).tolist())


def test_pairs_are_shared_only_where_both_variants_share_them() -> None:
    one = Answers(np.full((2, 2), 0.9), np.ones((2, 2), np.int8), {}, np.array([[0, 0], [0, 0]]))
    other = Answers(np.full((2, 2), 0.9), np.ones((2, 2), np.int8), {}, np.array([[5, 6], [5, 5]]))
    assert counted_once(one, other).tolist() == [[True, True], [False, False]]


def test_variants_that_agree_differ_in_nothing() -> None:
    score = RNG.random((4, 10))
    follows = RNG.random(score.shape) < 0.5
    found = compare("desk", ("a", "b"), answers(score, follows), answers(score, follows))
    assert (found.changed, found.score_change.value, found.approvals["head"].p_value) == (0.0, 0.0, 1.0)
    assert found.correlation == pytest.approx(1.0)


def test_nothing_in_common_gives_no_figure_and_says_why() -> None:
    score, nothing = RNG.random((2, 3)), np.full((2, 3), np.nan)
    follows = np.zeros((2, 3))
    found = compare("desk", ("a", "b"), answers(score, follows), answers(nothing, np.full((2, 3), MISSING)))
    assert np.isnan([found.changed, found.score_change.value, found.correlation, found.sides["long"].p_value]).all()
    assert found.sides["long"].reason == "no pair has both answers"


def test_the_likeliest_choice_says_which_side() -> None:
    five = np.array([[[0.0, 0.1, 0.2, 0.6, 0.1], [0.9, 0.1, 0.0, 0.0, 0.0], [0.1, 0.1, 0.6, 0.1, 0.1]]])
    assert likeliest_side(five).tolist() == [[1, -1, 0]]
