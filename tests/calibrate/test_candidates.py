"""Candidates are simulated as `simulate` does it, all with the same chances and by one program."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from massjax.calibrate.candidates import in_units, simulate_candidates, simulated, values_of
from massjax.simulator.rollout import simulate
from massjax.simulator.settings import TraitSettings
from massjax.simulator.traits import distribution
from tests.calibrate.small_calibration import POLICY, SMALL

KEY = jax.random.key(3)
VALUES = np.array([[0.5, 1.25], [0.0, 1.25], [1.0, 4.0]])


def test_a_candidate_is_the_market_of_its_traits():
    found = list(simulated(VALUES, POLICY, KEY, SMALL))
    spread = SMALL.simulation.learning.spread
    for values, one in zip(VALUES, found, strict=True):
        traits = TraitSettings(rule_share=values[0], chartist_weight=values[1])
        ticks = simulate(POLICY, distribution(traits), KEY, SMALL.simulation.market, markets=SMALL.markets, spread=spread).ticks
        prices, traded = np.asarray(ticks.price, np.float64), np.asarray(ticks.traded)
        assert one.panel.returns.shape == one.panel.volumes.shape == (SMALL.markets, 1, SMALL.rows)
        np.testing.assert_array_equal(one.panel.returns[:, 0], np.diff(np.log(prices[::4]), axis=0).T)
        by_row = [traded[1 + 4 * row : 5 + 4 * row].sum(axis=0) for row in range(SMALL.rows)]
        np.testing.assert_array_equal(one.panel.volumes[:, 0], np.stack(by_row, axis=1))
        np.testing.assert_allclose(one.trades, (np.asarray(ticks.trades) > 0).mean(), rtol=1e-5)


def test_chances_are_the_same_whatever_stands_beside_a_candidate_and_there_is_one_program():
    together = list(simulated(VALUES, POLICY, KEY, SMALL))
    programs = simulate_candidates._cache_size()
    for at in (2, 0):
        alone = next(simulated(VALUES[at : at + 1], POLICY, KEY, SMALL))
        np.testing.assert_array_equal(alone.panel.returns, together[at].panel.returns)
    other = next(simulated(VALUES[:1], POLICY, jax.random.key(4), SMALL))
    assert (other.panel.returns != together[0].panel.returns).any()
    assert simulate_candidates._cache_size() == programs


@pytest.mark.slow
def test_candidates_side_by_side_are_those_one_after_the_other():
    apart = list(simulated(VALUES, POLICY, KEY, SMALL))
    beside = list(simulated(VALUES, POLICY, KEY, SMALL.replace(together=2)))
    assert len(beside) == len(apart)
    for one, other in zip(apart, beside, strict=True):
        np.testing.assert_allclose(other.trades, one.trades, atol=0.02)
        same = np.isclose(other.panel.returns, one.panel.returns, atol=1e-6).mean()
        assert same > 0.9, "but for what rounding may turn"


def test_the_unit_box_is_what_lies_between_the_bounds():
    assert in_units(np.array([[0.0, 0.0], [1.0, 1.0], [0.5, 0.2]]), SMALL).tolist() == [[0.0, 0.0], [1.0, 5.0], [0.5, 1.0]]
    assert values_of(TraitSettings(rule_share=0.25), SMALL).tolist() == [0.25, 1.25]
