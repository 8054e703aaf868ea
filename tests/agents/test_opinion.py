"""From probabilities to an opinion, against sums over all that can happen, written out."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from massjax.agents.protocols.opinion import Sides, combined, directions, opinion_of, sides
from massjax.agents.protocols.roles import Role
from massjax.agents.protocols.turns import NO_DECISION

TRADER = Role(name="trader", form="decide")
HEAD = Role(name="head", form="decide", sees=("trader",), follows=("trader",))
BUY, NONE, SELL = [0.7, 0.2, 0.1], [0.2, 0.6, 0.2], [0.1, 0.2, 0.7]


def opinion(*, trader: Any, head: Any) -> tuple[float, int]:
    found = opinion_of([TRADER, HEAD], ["head"], "mean", [np.array(trader), np.array(head)])
    assert found.decision is not None
    return float(found.score), int(found.decision)


@pytest.mark.parametrize(
    ("trader", "head", "score", "decision"),
    [
        (BUY, [0.8, 0.2], 0.5 + 0.5 * 0.8 * 0.6, 1),
        (SELL, [0.8, 0.2], 0.5 - 0.5 * 0.8 * 0.6, -1),
        (SELL, [1.0, 0.0], 0.2, -1),
        (BUY, [0.3, 0.7], 0.5 + 0.5 * 0.3 * 0.6, 0),
        (SELL, [0.0, 1.0], 0.5, 0),
        (NONE, [0.9, 0.1], 0.5, 0),
        (BUY, [0.5, 0.5], 0.5 + 0.5 * 0.5 * 0.6, 0),
        ([0.4, 0.2, 0.4], [0.9, 0.1], 0.5, 0),
        ([1.0, 0.0, 0.0], [1.0, 0.0], 1.0, 1),
        ([0.0, 0.0, 1.0], [1.0, 0.0], 0.0, -1),
        ([np.nan] * 3, [0.9, 0.1], np.nan, NO_DECISION),
        (BUY, [np.nan] * 2, np.nan, NO_DECISION),
    ],
)
def test_following_a_short_is_a_sell_and_not_following_is_neither(trader: Any, head: Any, score: float, decision: int) -> None:
    found = opinion(trader=trader, head=head)
    assert found[0] == pytest.approx(score, abs=1e-7, nan_ok=True)
    assert found[1] == decision


def test_choices_stand_for_positions_in_their_order() -> None:
    five = Role(name="t", form="decide", choices=("strong buy", "buy it", "hold", "sell it", "dump"))
    assert directions(five).tolist() == [1.0, 0.5, 0.0, -0.5, -1.0]
    assert directions(Role(name="r", form="rate")).tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]
    found = sides(five, np.array([0.1, 0.4, 0.2, 0.2, 0.1]))
    assert (float(found.up), float(found.down), int(found.hard)) == (pytest.approx(0.3), pytest.approx(0.2), 1)


def test_with_two_traders_the_head_follows_one_of_them_or_neither() -> None:
    one, two = TRADER, Role(name="other", form="decide")
    head = Role(name="head", form="decide", sees=("trader", "other"), follows=("trader", "other"))
    votes, said = [one, two, head], [np.array(BUY), np.array(SELL), np.array([0.2, 0.5, 0.3])]
    found = opinion_of(votes, ["head"], "mean", said)
    assert found.decision is not None
    assert float(found.score) == pytest.approx(0.5 + 0.5 * (0.2 * 0.6 - 0.5 * 0.6))
    assert int(found.decision) == -1


def test_heads_in_a_row() -> None:
    chief = Role(name="chief", form="decide", sees=("head",), follows=("head",))
    found = opinion_of([TRADER, HEAD, chief], ["chief"], "mean", [np.array(BUY), np.array([0.8, 0.2]), np.array([0.6, 0.4])])
    assert float(found.score) == pytest.approx(0.5 + 0.5 * 0.6 * 0.8 * 0.6)


SHARES = hnp.arrays(np.float64, st.integers(1, 5).map(lambda count: (count, 3)), elements=st.floats(0.01, 1.0))


@settings(max_examples=60, deadline=None)
@given(SHARES)
def test_a_majority_is_the_sum_over_all_that_its_members_may_decide(shares: np.ndarray) -> None:
    p = shares / shares.sum(axis=1, keepdims=True)
    members = [sides(TRADER, row) for row in p]
    found = combined(members, "majority")
    up = down = 0.0
    for votes in product(range(3), repeat=len(p)):
        chance = np.prod([p[member, vote] for member, vote in enumerate(votes)])
        up += chance * (2 * votes.count(0) > len(p))
        down += chance * (2 * votes.count(2) > len(p))
    np.testing.assert_allclose([found.up, found.down], [up, down], atol=1e-12)
    mean = combined(members, "mean")
    np.testing.assert_allclose(mean.up - mean.down, (p[:, 0] - p[:, 2]).mean(), atol=1e-12)


@pytest.mark.parametrize(
    ("votes", "mean", "majority"),
    [
        ((1, 1, 0), 1, 1),
        ((1, 1, -1), 0, 1),
        ((1, 0, 0), 0, 0),
        ((1, -1), 0, 0),
        ((-1, -1, -1), -1, -1),
        ((1, 0), 0, 0),
        ((-1, -1, 1), 0, -1),
    ],
)
def test_hard_decisions_of_several(votes: tuple[int, ...], mean: int, majority: int) -> None:
    members = [Sides(np.array(0.5), np.array(0.5), np.array(vote, np.int8)) for vote in votes]
    assert (int(combined(members, "mean").hard), int(combined(members, "majority").hard)) == (mean, majority)
