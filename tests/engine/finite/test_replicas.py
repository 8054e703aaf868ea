"""Replicas of types: the law of their watch lists, the pooled score against a plain reference, and what a draw depends on."""

from __future__ import annotations

from collections import Counter
from itertools import permutations, product

import jax
import numpy as np
import pytest
from scipy import stats

from massjax.engine.finite import pooled as pooling
from massjax.engine.finite.pooled import pool_replicas
from massjax.engine.finite.replicas import LOTS, REPEATS, draw_replicas
from massjax.errors import ConfigError, DataError

KEY = jax.random.key(0)
UNLIKELY = 1e-4
MASK = 0xFFFFFFFF


def threefry(key, counter):
    """Threefry-2x32 of two plain integers each, as in Salmon et al. 2011."""
    keys = (*key, key[0] ^ key[1] ^ 0x1BD11BDA)
    first, second = (counter[0] + keys[0]) & MASK, (counter[1] + keys[1]) & MASK
    for group in range(1, 6):
        for bits in ((13, 15, 26, 6), (17, 29, 16, 24))[(group - 1) % 2]:
            first = (first + second) & MASK
            second = first ^ (((second << bits) | (second >> (32 - bits))) & MASK)
        first = (first + keys[group % 3]) & MASK
        second = (second + keys[(group + 1) % 3] + group) & MASK
    return first, second


def plain_replicas(scores, member, days, replicas, *, watchlist, picks, weights, replacement, daily, temperature):
    """Who watches and picks what, one replica and one stock after the other, in float64."""
    words = tuple(int(word) for word in jax.random.bits(KEY, (2,), "uint32"))
    types, stocks, dates = scores.shape
    looked, picked = np.zeros((2, *scores.shape), int)
    for k, t, a in product(range(types), range(dates), range(replicas)):
        today = threefry(words, (k, int(days[t]) + 1))
        lists = today if daily else threefry(words, (k, 0))
        weight = {n: 1.0 if weights is None else weights[n, t] for n in range(stocks) if member[n, t] and not np.isnan(scores[k, n, t])}
        weight = {n: value for n, value in weight.items() if value > 0}
        if not weight:
            continue
        order = sorted(weight, key=lambda n: -np.log1p(-uniform(threefry(lists, (a, n))[0])) / weight[n])
        length = min(watchlist, len(order))
        if replacement:
            length, total = 1, sum(weight.values())
            for draw in range(1, watchlist):
                if uniform(threefry(lists, (a, REPEATS + draw))[0]) >= sum(weight[n] for n in order[:length]) / total - 1e-6:
                    length = min(length + 1, len(order))
        lots = {n: uniform(threefry(today, (a, n))[1] if daily else threefry(today, (a, n + LOTS))[0]) for n in order}
        noise = {n: -np.log(-np.log1p(-lots[n])) for n in order}
        wanted = {n: (scores[k, n, t], -lots[n]) if temperature == 0 else scores[k, n, t] / temperature + noise[n] for n in order}
        looked[k, order[:length], t] += 1
        picked[k, sorted(order[:length], key=lambda n: wanted[n], reverse=True)[:picks], t] += 1
    return looked, picked


def uniform(word):
    return max(word * 2.0**-32, 2.0**-40)


@pytest.mark.parametrize(
    ("weighted", "replacement", "daily"),
    [
        (True, True, True),
        pytest.param(False, True, False, marks=pytest.mark.slow),
        pytest.param(True, False, False, marks=pytest.mark.slow),
        pytest.param(False, False, True, marks=pytest.mark.slow),
    ],
)
def test_pooled_scores_are_those_of_a_plain_reference(weighted, replacement, daily):
    rng = np.random.default_rng(1)
    scores = np.where(rng.random((2, 9, 5)) < 0.1, np.nan, rng.integers(0, 5, (2, 9, 5)) / 4).astype(np.float32)
    member, days = rng.random((9, 5)) < 0.8, np.array([3, 4, 7, 8, 730_000])
    member[:, 2] = False
    weights = np.where(rng.random((9, 5)) < 0.1, 0.0, rng.random((9, 5))) if weighted else None
    for temperature in (0.0, 0.3):
        how = {"watchlist": 5, "picks": 2, "weights": weights, "replacement": replacement, "daily": daily, "temperature": temperature}
        looked, picked = plain_replicas(scores, member, days, 33, **how)
        drawn = draw_replicas(scores, member, days, 33, key=KEY, **how)
        np.testing.assert_array_equal(drawn.looked, looked)
        np.testing.assert_array_equal(drawn.picked, picked)
        found = scores.copy()
        watching = pool_replicas(found, member, days, 33, key=KEY, **how)
        expected = np.divide(picked, looked, out=np.full(looked.shape, np.nan), where=looked > 0)
        np.testing.assert_array_equal(found, expected.astype(np.float32))
        assert watching.attending == pytest.approx(looked.sum() / (2 * member.sum()))
        assert watching.unseen == pytest.approx((member[None] & (looked == 0)).sum() / (2 * member.sum()))


def lists_of(weights, count, **how):
    """The watch lists of many replicas, one row each."""
    many = np.full((1, len(weights), count), 0.5, np.float32)
    shaped = None if how.pop("alike", False) else np.repeat(np.asarray(weights)[:, None], count, axis=1)
    drawn = draw_replicas(many, np.ones(many.shape[1:], bool), np.arange(count), 1, weights=shaped, picks=1, key=KEY, **how)
    return Counter(tuple(np.flatnonzero(row)) for row in np.asarray(drawn.looked)[0].T)


def p_value(counts, chances):
    assert set(counts) <= set(chances)
    assert sum(chances.values()) == pytest.approx(1)
    total = sum(counts.values())
    return stats.chisquare([counts[one] for one in chances], [total * chance for chance in chances.values()]).pvalue


def test_lists_without_replacement_are_drawn_by_weight_one_after_another():
    weights, chances = [0.5, 0.2, 0.2, 0.1], Counter()
    for order in permutations(range(4), 2):
        chances[tuple(sorted(order))] += weights[order[0]] * weights[order[1]] / (1 - weights[order[0]])
    assert p_value(lists_of(weights, 40_000, watchlist=2), chances) > UNLIKELY


@pytest.mark.slow
def test_lists_with_replacement_are_the_distinct_stocks_of_independent_draws():
    for weights in ([0.4, 0.3, 0.2, 0.1], [0.25] * 4):
        chances = Counter()
        for draws in product(range(4), repeat=3):
            chances[tuple(sorted(set(draws)))] += float(np.prod([weights[n] for n in draws]))
        assert p_value(lists_of(weights, 40_000, watchlist=3, replacement=True), chances) > UNLIKELY
    assert p_value(lists_of(weights, 40_000, watchlist=3, replacement=True, alike=True), chances) > UNLIKELY


@pytest.mark.slow
def test_twenty_draws_of_fifty_with_replacement_watch_16_6_distinct_stocks():
    scores, member = np.random.default_rng(2).random((2, 50, 200)).astype(np.float32), np.ones((50, 200), bool)
    drawn = draw_replicas(scores, member, np.arange(200), 32, watchlist=20, picks=5, replacement=True, key=KEY)
    distinct = np.asarray(drawn.looked).sum(axis=1) / 32
    assert distinct.mean() == pytest.approx(50 * (1 - (49 / 50) ** 20), abs=4 * distinct.std() / np.sqrt(distinct.size))
    assert (np.asarray(drawn.picked).sum(axis=1) == 160).all()


@pytest.mark.slow
def test_fixed_lists_stay_and_fill_up_where_a_stock_leaves():
    scores, member = np.full((1, 12, 6), 0.5, np.float32), np.ones((12, 6), bool)
    member[4, 3:] = False
    looked = np.asarray(draw_replicas(scores, member, np.arange(6), 1, watchlist=5, picks=1, daily=False, key=jax.random.key(4)).looked)[0]
    watched = [set(np.flatnonzero(looked[:, t])) for t in range(6)]
    assert watched[0] == watched[1] == watched[2]
    assert watched[3] == watched[4] == watched[5]
    assert watched[0] - {4} <= watched[3]


@pytest.mark.slow
def test_a_draw_depends_on_its_day_alone_and_pieces_are_the_whole(monkeypatch):
    rng = np.random.default_rng(5)
    scores, member, days = rng.random((2, 8, 7)).astype(np.float32), rng.random((8, 7)) < 0.9, np.arange(100, 107)
    how = {"watchlist": 4, "picks": 2, "replacement": True, "key": KEY}
    whole, pieces = scores.copy(), scores.copy()
    pool_replicas(whole, member, days, 3, **how)
    monkeypatch.setattr(pooling, "AT_ONCE", 40)
    watching = pool_replicas(pieces, member, days, 3, **how)
    np.testing.assert_array_equal(pieces, whole)
    later = draw_replicas(scores[..., 3:], member[:, 3:], days[3:], 3, **how)
    np.testing.assert_array_equal(later.shares(), whole[..., 3:])
    assert 1 <= watching.distinct <= 4


def test_nobody_and_nothing():
    scores, member = np.full((1, 3, 2), np.nan, np.float32), np.ones((3, 2), bool)
    assert pool_replicas(scores, member, np.arange(2), 2, watchlist=2, picks=1, key=KEY) == (0.0, 0.0, 1.0)
    assert np.isnan(scores).all()
    assert draw_replicas(np.zeros((1, 0, 2)), member[:0], np.arange(2), 2, watchlist=2, picks=1, key=KEY).looked.shape == (1, 0, 2)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"days": np.array([1.0, 2.0])}, DataError, "expected 2 whole numbers from 0, one a date"),
        ({"days": np.array([-1, 2])}, DataError, "whole numbers from 0"),
        ({"weights": np.ones((3, 1))}, DataError, r"expected \(stocks, dates\) = \(3, 2\)"),
        ({"weights": np.full((3, 2), -1.0)}, DataError, "finite numbers of at least 0"),
        ({"watchlist": 0, "picks": 0}, ConfigError, "picks"),
        ({"picks": 3}, ConfigError, "1 <= picks <= watchlist"),
        ({"replicas": 0}, ConfigError, "replicas"),
        ({"watchlist": 2**21}, ConfigError, "at most"),
        ({"temperature": -1.0}, ConfigError, "temperature"),
    ],
)
def test_what_cannot_be_drawn_is_named(changes, error, words):
    given = {"days": np.arange(2), "replicas": 2, "watchlist": 2, "picks": 1, "weights": None, "temperature": 0.0, **changes}
    days, replicas = given.pop("days"), given.pop("replicas")
    with pytest.raises(error, match=words):
        draw_replicas(np.full((1, 3, 2), 0.5), np.ones((3, 2), bool), days, replicas, key=KEY, **given)
