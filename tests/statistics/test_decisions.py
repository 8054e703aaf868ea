from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from massjax.errors import DataError
from massjax.statistics.decisions import (
    MISSING,
    approval_rate,
    check_decisions,
    cross_table,
    decision_shares,
    directions,
)

FLAT = st.lists(st.sampled_from([1, 0, -1, MISSING]), min_size=4, max_size=40)


@settings(deadline=None)
@given(FLAT)
def test_shares_are_counts_over_what_is_known(flat: list[int]) -> None:
    size = len(flat)
    found = decision_shares(np.array(flat), stocks=range(size), dates=range(size))
    known = [one for one in flat if one != MISSING]
    assert found.missing == size - len(known)
    for side, share in ((1, found.overweight), (0, found.neutral), (-1, found.underweight)):
        assert share.count == len(known)
        if known:
            assert share.value == pytest.approx(known.count(side) / len(known))
        else:
            assert np.isnan(share.value)
            assert share.reason == "no decision is known"


def test_neutral_is_a_decision_and_missing_is_none() -> None:
    found = decision_shares(np.array([[1, 0, 0, MISSING], [MISSING, 0, -1, MISSING]]))
    assert (found.overweight.value, found.neutral.value, found.underweight.value) == (0.2, 0.6, 0.2)
    assert found.missing == 3


@pytest.mark.parametrize("answers", [np.array([[1, 0, np.nan], [0, 0, 1]]), np.array([[1, 0, MISSING], [0, 0, 1]])])
def test_approval_is_the_share_of_follow_among_answers(answers: np.ndarray) -> None:
    assert approval_rate(answers).value == 0.4
    assert approval_rate(answers).count == 5


def test_approval_of_booleans_and_of_nothing() -> None:
    assert approval_rate(np.array([[True, False], [True, True]])).value == 0.75
    nothing = approval_rate(np.full((2, 2), np.nan))
    assert np.isnan(nothing.value)
    assert nothing.reason == "no answer of follow or not follow is known"


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([1, 0, -1, MISSING]), st.sampled_from([1, 0, -1, MISSING])), max_size=60))
def test_cross_table_counts_pairs(pairs: list[tuple[int, int]]) -> None:
    first, second = (np.array([pair[which] for pair in pairs], dtype=np.int8) for which in (0, 1))
    found = cross_table(first, second)
    assert found.counts.tolist() == [[pairs.count((mine, theirs)) for theirs in (1, 0, -1)] for mine in (1, 0, -1)]
    assert found.counts.sum() + found.missing == len(pairs)
    assert found.margins[0].tolist() == found.counts.sum(axis=1).tolist()
    np.testing.assert_array_equal(cross_table(second, first).counts, found.counts.T)


def test_cross_table_is_pandas() -> None:
    week, year = np.random.default_rng(0).choice([1, 0, -1], size=(2, 8, 30))
    theirs = pd.crosstab(week.ravel(), year.ravel()).loc[[1, 0, -1], [1, 0, -1]]
    found = cross_table(week, year)
    np.testing.assert_array_equal(found.counts, theirs.to_numpy())
    assert found.identical == pytest.approx((week == year).mean())


def test_directions_name_what_zero_is() -> None:
    values = np.array([[3.5, 0.0, -0.0], [-1e-300, np.nan, 1e300]])
    assert directions(values).tolist() == [[1, 0, 0], [-1, MISSING, 1]]
    assert directions(values, zeros="missing").tolist() == [[1, MISSING, MISSING], [-1, MISSING, 1]]


@pytest.mark.parametrize("make", [np.asarray, pd.DataFrame, lambda rows: pl.DataFrame(rows, orient="row"), list])
def test_decisions_are_taken_from_any_table_of_numbers(make) -> None:
    assert check_decisions("decisions", make([[1.0, 0.0], [-1.0, float("nan")]])).tolist() == [[1, 0], [-1, MISSING]]


@pytest.mark.parametrize(
    ("given_values", "said"),
    [
        (np.array([[1, 2, 0]]), r"institutions\[0, 1\] is 2; expected 1 \(overweight\), 0 \(neutral\), -1 \(underweight\) or MISSING"),
        (np.array([[1, 2, 7]]), r"is 2 \(2 in all\)"),
        (np.array([0.5, 1.0]), r"institutions\[0\] is 0.5"),
        (np.array([np.inf]), r"institutions\[0\] is inf"),
        (np.array(["long"]), "dtype <U4"),
        (np.array([True, False]), "dtype bool"),
        (np.array([1, 0], dtype="datetime64[D]"), r"dtype datetime64\[D\]"),
    ],
)
def test_what_is_no_decision_is_named(given_values: np.ndarray, said: str) -> None:
    with pytest.raises(DataError, match=said):
        check_decisions("institutions", given_values)


def test_other_faults_are_named() -> None:
    with pytest.raises(DataError, match=r"first have the shape \(2,\) and second \(3,\)"):
        cross_table(np.array([1, 0]), np.array([1, 0, 1]))
    with pytest.raises(DataError, match=r"answers\[0\] is -1; expected 1 \(follow\), 0 \(not follow\)"):
        approval_rate(np.array([-1, 0]), stocks=[0, 1], dates=[0, 1])
    with pytest.raises(DataError, match=r"values\[1\] is infinite"):
        directions(np.array([0.1, -np.inf]))
    with pytest.raises(DataError, match="zeros is 'up'"):
        directions(np.array([0.0]), zeros="up")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="flat decisions lack their stocks and dates"):
        decision_shares(np.array([1, 0]))
