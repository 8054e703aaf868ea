"""Samples are whole, evenly spaced dates, and draws of a date depend on that date alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st

from massjax.hindsight.sampling import donors, drawn_blocks, share_of_dates, spaced_dates


@given(st.integers(1, 60), st.integers(1, 60))
def test_spaced_dates_are_as_many_as_wanted_and_even(dates: int, count: int) -> None:
    found = spaced_dates(np.ones(dates, bool), count)
    assert found.size == len(set(found.tolist())) == min(count, dates)
    gaps = np.diff(found)
    assert gaps.size == 0 or gaps.max() - gaps.min() <= 1
    assert share_of_dates(np.ones(dates, bool), 1.0).all()


def test_a_share_is_of_the_usable_dates() -> None:
    usable = np.arange(20) % 2 == 0
    kept = share_of_dates(usable, 0.3)
    assert kept.sum() == 3
    assert (kept <= usable).all()
    assert share_of_dates(usable, 0.01).sum() == 1
    assert share_of_dates(np.zeros(5, bool), 0.5).sum() == 0


@given(st.integers(0, 5), st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=7))
def test_every_stock_with_facts_gets_those_of_another_once(seed: int, rows: list[list[bool]]) -> None:
    askable = np.array(rows)
    found = donors(askable, seed, np.arange(6))
    for t in range(6):
        there = np.flatnonzero(askable[:, t])
        expected = there.tolist() if there.size > 1 else []
        assert sorted(found[there, t].tolist()) == expected if expected else (found[:, t] == -1).all()
        assert (found[:, t] != np.arange(len(rows))).all()
    later = donors(askable[:, 3:], seed, np.arange(3, 6))
    assert np.array_equal(found[:, 3:], later)


def test_blocks_have_at_most_as_many_stocks_as_wanted() -> None:
    askable = np.ones((7, 10), bool)
    askable[1:, 4] = False
    found = drawn_blocks(askable, 12, 4, 0, np.arange(10))
    assert found.sum(axis=0).tolist() == [0, 4, 0, 0, 0, 4, 0, 0, 4, 0]
    assert not drawn_blocks(askable[:1], 12, 4, 0, np.arange(10)).any()
