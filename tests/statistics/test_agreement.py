from __future__ import annotations

from math import asin, pi

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from massjax.errors import DataError
from massjax.statistics.agreement import Agreement, Consistency, consistency, market_consistency, share_weighted
from massjax.statistics.clusters import Estimate
from massjax.statistics.decisions import MISSING, directions
from tests.statistics import slow_decisions

VALUE = st.sampled_from([1, 0, -1, MISSING])
PAIRS = st.lists(st.tuples(VALUE, VALUE), min_size=1, max_size=40)


def flat_consistency(pairs: list[tuple[int, int]], flipped: bool = False) -> Consistency:
    mine, theirs = (np.array([pair[which] for pair in pairs]) for which in (0, 1))
    if flipped:
        mine, theirs = (np.where(one == MISSING, MISSING, -one) for one in (mine, theirs))
    place = np.arange(len(pairs))
    return consistency(mine, theirs, stocks=place % 5, dates=place // 5)


@settings(deadline=None)
@given(PAIRS)
def test_consistency_chance_and_shares_are_those_counted_with_loops(pairs: list[tuple[int, int]]) -> None:
    found, mine, theirs = flat_consistency(pairs), [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    assert found.compared == len(slow_decisions.known_pairs(mine, theirs))
    assert found.compared + found.missing == len(pairs)
    for agreement, sides in ((found.overall, (1, -1)), (found.overweight, (1,)), (found.underweight, (-1,))):
        if any(one in sides for one, _ in slow_decisions.known_pairs(mine, theirs)):
            assert (agreement.share, agreement.found.value, agreement.chance) == pytest.approx(
                slow_decisions.agreement(mine, theirs, sides)
            )
            assert agreement.excess.value == pytest.approx(agreement.found.value - agreement.chance)
        else:
            assert np.isnan(agreement.found.value)
            assert agreement.found.reason.startswith("no ")


@settings(deadline=None)
@given(PAIRS)
def test_the_share_weighted_identity_always_holds(pairs: list[tuple[int, int]]) -> None:
    found = flat_consistency(pairs)
    assert found.identity_holds
    if found.overweight.found.count and found.underweight.found.count:
        sides = (found.overweight, found.underweight)
        weighted = share_weighted([side.share for side in sides], [side.found.value for side in sides])
        assert weighted == pytest.approx(found.overall.found.value)


@settings(deadline=None)
@given(PAIRS)
def test_swapping_buys_and_sells_swaps_the_sides(pairs: list[tuple[int, int]]) -> None:
    found, flipped = flat_consistency(pairs), flat_consistency(pairs, flipped=True)
    assert numbers(flipped.overall) == pytest.approx(numbers(found.overall), nan_ok=True)
    assert numbers(flipped.overweight) == pytest.approx(numbers(found.underweight), nan_ok=True)


def numbers(agreement: Agreement) -> list[float]:
    ends = [end for one in (agreement.found, agreement.excess) for end in (one.value, one.standard_error, one.low, one.high)]
    return [agreement.share, agreement.chance, *ends]


@pytest.mark.parametrize(
    ("shares", "sides", "published", "holds"),
    [
        ((19.86, 9.87), (44.41, 39.08), 42.64, True),
        ((17.87, 10.12), (43.95, 34.72), 42.88, False),
        ((11.81, 9.05), (45.09, 32.51), 44.77, False),
    ],
)
def test_the_papers_own_figures(shares, sides, published: float, holds: bool) -> None:
    """Of arXiv 2410.00354, Tables 1 and 2: a single trader's overall figure is that of its sides, the others' are not."""
    assert (abs(share_weighted(shares, sides) - published) < 0.01) == holds


def holds(estimate: Estimate, truth: float) -> bool:
    """Within four standard errors, and these small enough to tell."""
    return abs(estimate.value - truth) < 4 * estimate.standard_error < 0.2


def planted_market(rng: np.random.Generator, stocks: int = 60, dates: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Returns, and the net buying of institutions that know a part of them: their correlation is 0.6."""
    returns = rng.normal(size=(stocks, dates))
    return returns, 0.6 * returns + 0.8 * rng.normal(size=(stocks, dates))


def test_planted_institutions_are_as_consistent_with_the_market_as_they_were_made() -> None:
    """Signs of two normal numbers of correlation ρ are the same with probability ½ + arcsin(ρ) / π."""
    returns, net = planted_market(np.random.default_rng(0))
    found = market_consistency(directions(net), returns, horizon=1)
    truth = 0.5 + asin(0.6) / pi
    assert holds(found.overall.found, truth)
    assert holds(found.overweight.found, truth)
    assert holds(found.underweight.found, truth)
    assert found.overweight.chance == pytest.approx((returns > 0).mean())
    assert holds(found.overall.excess, truth - 0.5)


def test_a_planted_desk_agrees_with_institutions_as_often_as_it_was_made() -> None:
    """A desk that sees the institutions' side, and acts on it with probability a, on the other with b."""
    rng = np.random.default_rng(1)
    _, net = planted_market(rng)
    institutions = directions(np.where(np.abs(net) < 0.3, 0.0, net))
    luck, a, b = rng.random(net.shape), 0.3, 0.1
    right = luck < a
    wrong = (luck >= a) & (luck < a + b)
    desk = np.where(right, institutions, np.where(wrong, -institutions, 0))
    found = consistency(desk, institutions)
    assert holds(found.overall.found, a / (a + b))
    assert holds(found.overweight.found, a / (a + b))
    active = (institutions != 0).mean()
    assert holds(found.overall.excess, a / (a + b) - active / 2)
    assert found.underweight.excess.low > 0


def test_a_desk_that_knows_nothing_is_at_the_level_of_chance() -> None:
    rng = np.random.default_rng(2)
    institutions = rng.choice([1, 0, -1], p=[0.3919, 0.2152, 0.3929], size=(60, 400))
    desk = rng.choice([1, 0, -1], p=[0.2, 0.7, 0.1], size=(60, 400))
    found = consistency(desk, institutions)
    assert found.overall.chance == pytest.approx(0.392, abs=0.005)
    for side in (found.overall, found.overweight, found.underweight):
        assert holds(side.excess, 0.0)
        assert side.excess.low < 0 < side.excess.high


def test_interval_of_the_excess_holds_the_truth_as_often_as_it_says() -> None:
    rng, trials, held = np.random.default_rng(3), 300, 0
    for _ in range(trials):
        slant = 0.4 * rng.normal(size=(15, 1)) + 0.4 * rng.normal(size=(1, 40))
        institutions = np.sign(np.round(rng.normal(size=(15, 40)) + slant))
        desk = np.sign(np.round(0.6 * rng.normal(size=(15, 40)) + 0.4 * rng.normal(size=(1, 40))))
        excess = consistency(desk, institutions).overall.excess
        held += excess.low <= 0 <= excess.high
    assert 0.91 < held / trials < 0.99


def test_zero_and_missing_returns_are_counted_as_named() -> None:
    decisions = np.array([[1, 1, 1, -1], [-1, -1, 0, MISSING]])
    returns = np.array([[0.1, 0.0, np.nan, 0.0], [-0.2, 0.3, 0.1, 0.5]])
    found = market_consistency(decisions, returns, horizon=1)
    assert (found.overweight.found.value, found.underweight.found.value, found.missing) == (0.5, pytest.approx(1 / 3), 2)
    assert found.overweight.chance == 0.5
    left_out = market_consistency(decisions, returns, horizon=1, zeros="missing")
    assert (left_out.overweight.found.value, left_out.underweight.found.value, left_out.missing) == (1.0, 0.5, 4)
    assert left_out.overweight.chance == 0.75


def test_overlapping_returns_make_errors_larger() -> None:
    rng = np.random.default_rng(4)
    moves = rng.normal(size=129)
    returns = np.convolve(moves, np.ones(10), "valid")[None] + 0.1 * rng.normal(size=(12, 120))
    decisions = np.where(rng.normal(size=(12, 1)) + np.repeat(rng.normal(size=12), 10)[None] > 0.5, 1, 0)
    overlapping, plain = (market_consistency(decisions, returns, horizon).overall.excess for horizon in (10, 1))
    assert overlapping.value == plain.value
    assert overlapping.standard_error > 1.2 * plain.standard_error


def test_an_organisation_without_active_decisions_has_no_consistency() -> None:
    found = consistency(np.zeros((3, 4)), np.ones((3, 4)))
    assert found.overall.found.reason == "no overweight or underweight decision meets a known one of the reference"
    assert np.isnan([found.overall.found.value, found.identity_gap, found.overall.share]).all()
    assert found.identity_holds
    one_side = consistency(np.ones((3, 4)), np.ones((3, 4)))
    assert (one_side.overall.found.value, one_side.overweight.share, one_side.underweight.share) == (1.0, 1.0, 0.0)
    assert one_side.underweight.found.reason == "no underweight decision meets a known one of the reference"
    assert one_side.underweight.chance == 0.0


def test_nothing_in_common_and_one_stock_are_told() -> None:
    nothing = consistency(np.full((2, 2), MISSING), np.ones((2, 2)))
    assert (nothing.compared, nothing.missing) == (0, 4)
    assert np.isnan(nothing.overall.found.value)
    alone = consistency(np.array([[1, -1, 1]]), np.array([[1, 1, 1]]))
    assert alone.overall.found.value == pytest.approx(2 / 3)
    assert "all of one stock" in alone.overall.excess.reason


def test_other_shapes_and_values_are_named() -> None:
    with pytest.raises(DataError, match=r"decisions have the shape \(2, 3\) and reference \(3, 2\)"):
        consistency(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(DataError, match=r"reference\[0, 1\] is 3"):
        consistency(np.zeros((1, 2)), np.array([[0, 3]]))
    assert share_weighted([0.0, 0.0], [0.5, 0.5]) != share_weighted([1.0, 0.0], [0.5, 0.5])
