"""Tails, fifths by trait and outcomes of agents, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from massjax.simulations.judging import effect, mean_over_known, moves_of, outcomes, tail
from massjax.simulator.book import Accounts, Book
from massjax.simulator.rollout import MarketState, Rollout, Ticks
from massjax.simulator.traits import Traits
from massjax.statistics.tails import standardised


def made_rollout() -> Rollout:
    """Four ticks of one market of three agents, of which the last has no turn."""
    import jax.numpy as jnp

    nothing = np.zeros((4, 1), np.float32)
    ticks = Ticks(*(nothing for _ in Ticks._fields))._replace(
        actor=np.array([[0], [1], [0], [1]], np.int32),
        wealth=np.array([[100.0], [200.0], [150.0], [250.0]], np.float32),
        gain=np.array([[0.0], [0.0], [10.0], [-10.0]], np.float32),
        price=np.array([[10], [10], [12], [11]], np.int32),
        action=np.array([[[0.1, -0.5]], [[0.1, 0.5]], [[0.1, 0.5]], [[0.1, -0.5]]], np.float32),
        trades=np.array([[0], [0], [2], [1]], np.int32),
        traded=np.array([[0], [0], [7], [3]], np.int32),
    )
    traits = Traits(*(np.zeros((1, 3), np.float32) for _ in Traits._fields))
    gain = np.array([5.0, -5.0, 0.0], np.float32).view(np.int32)
    accounts = Accounts(jnp.asarray(np.array([[[90, 40, 30], [10, 5, 0], gain.tolist()]], np.int32)))
    book = Book(*(jnp.zeros((1, 3), jnp.int32) for _ in Book._fields))
    zeros = jnp.zeros(1, jnp.float32)
    end = MarketState(book, accounts, None, None, jnp.array([11], jnp.int32), zeros, zeros, zeros, (zeros, zeros), zeros)  # type: ignore[arg-type]
    return Rollout(ticks, traits, end)


def test_moves_are_those_between_ticks_with_the_side_that_crossed() -> None:
    moves = moves_of(made_rollout().ticks)
    np.testing.assert_allclose(moves.returns, [[0.0, np.log(1.2), np.log(11 / 12)]])
    assert moves.volumes.tolist() == [[0.0, 7.0, 3.0]]
    assert moves.signs.tolist() == [[0.0, 1.0, -1.0]]


def test_outcomes_compare_the_end_with_the_first_turn() -> None:
    found = outcomes(made_rollout())
    grown = np.log([(90 + 110) / 100, (40 + 55) / 200])
    np.testing.assert_allclose(found["wealth gained"], [[*(grown - grown.mean()), np.nan]])
    np.testing.assert_allclose(found["gain against the fundamental"], [[15 / 100, -15 / 200, np.nan]])


def test_the_tail_is_that_counted_one_by_one() -> None:
    returns = np.random.default_rng(0).standard_t(4, size=(3, 200))
    found = tail(returns, 2)
    z = np.abs(standardised(returns.reshape(3, 100, 2).sum(axis=-1))).ravel()
    np.testing.assert_allclose(found.share, [np.mean(z >= size) for size in found.size])
    assert found.share[-1] == pytest.approx(1 / z.size)
    assert tail(np.zeros((3, 200)), 1).size.size == 0, "a market that does not move has no tail"


def test_an_effect_is_the_mean_of_each_fifth() -> None:
    rng = np.random.default_rng(1)
    levels, values = rng.random((6, 10)), rng.random((6, 10))
    values[0, np.argsort(levels[0])[:2]] = np.nan
    found = effect("noise", levels, "taking", values, draws=20)
    by_hand = np.full((6, 5), np.nan)
    for market in range(6):
        order = np.argsort(levels[market])
        for fifth in range(5):
            of_fifth = values[market, order[2 * fifth : 2 * fifth + 2]]
            by_hand[market, fifth] = np.nan if np.isnan(of_fifth).all() else np.nanmean(of_fifth)
    np.testing.assert_allclose(found.mean.estimate, [np.nanmean(column) for column in by_hand.T])
    np.testing.assert_allclose(found.level, np.sort(levels, axis=1).reshape(6, 5, 2).mean(axis=(0, 2)))


def test_the_mean_over_nothing_is_missing() -> None:
    found = mean_over_known(np.array([[1.0, np.nan], [3.0, np.nan]]))
    np.testing.assert_array_equal(found, [2.0, np.nan])
