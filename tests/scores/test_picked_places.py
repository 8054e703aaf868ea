"""Picks by place: shares, bands and the test against the uniform, by a plain count and by the law of the statistic."""

from __future__ import annotations

import math

import numpy as np
import pytest

from massjax.scores.picked_places import picked_places


def random_picks(random: np.random.Generator, questions: int, length: int, count: int) -> np.ndarray:
    return np.argsort(random.random((questions, length)), axis=1)[:, :count].astype(np.int16)


def test_shares_are_counts_of_lists_long_enough_and_failed_lists_do_not_count() -> None:
    short = np.array([[0, 1], [1, 2], [-1, -1]], np.int16)
    long = np.array([[3, 0], [3, 1]], np.int16)
    found = picked_places([(3, short), (4, long)])
    assert found is not None
    assert found.lists.tolist() == [4, 4, 4, 2]
    np.testing.assert_allclose(found.share, [2 / 4, 3 / 4, 1 / 4, 2 / 2])
    np.testing.assert_allclose(found.uniform, [(2 * 2 / 3 + 2 * 2 / 4) / 4] * 3 + [2 / 4])
    np.testing.assert_allclose(found.half_width[3], 1.959963984540054 * math.sqrt(0.25 / 2))
    assert picked_places([(3, short[2:])]) is None
    assert picked_places([]) is None


def test_the_p_value_is_uniform_where_places_are_alike_and_small_where_they_are_not() -> None:
    random = np.random.default_rng(0)
    values, outside = [], 0
    for _ in range(400):
        found = picked_places([(8, random_picks(random, 60, 8, 3)), (5, random_picks(random, 40, 5, 3))])
        assert found is not None
        values.append(found.p_value)
        outside += int((abs(found.share - found.uniform) > found.half_width).sum())
    assert np.mean(np.array(values) < 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(values) == pytest.approx(0.5, abs=0.05)
    assert outside / (400 * 8) == pytest.approx(0.05, abs=0.015)
    first = np.where(random.random((100, 1)) < 0.3, np.array([[0, 1, 2]]), random_picks(random, 100, 8, 3))
    biased = picked_places([(8, first)])
    assert biased is not None
    assert biased.p_value < 1e-6
    assert biased.share[0] > biased.uniform[0] + biased.half_width[0]


def test_lists_picked_whole_say_nothing() -> None:
    found = picked_places([(2, np.array([[0, 1]], np.int16))])
    assert found is not None
    assert math.isnan(found.p_value)
    assert found.half_width.tolist() == [0.0, 0.0]
