"""A calibration whole: its posterior is what its candidates say, and finds a known mix of agents again."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from massjax.calibrate.facts import FactPanel
from massjax.calibrate.running import Calibration, calibrated, facts_and_errors, panels_of
from massjax.calibrate.settings import CalibrationConfig, ComparedFacts
from massjax.errors import ConfigError, DataError
from massjax.market.load import load_panel
from massjax.simulator.settings import MarketSettings, SimulationSettings, TraitSettings
from tests.calibrate.small_calibration import POLICY, SMALL, silent


@pytest.fixture(scope="module")
def found() -> Calibration:
    return calibrated(SMALL, POLICY, silent)


def test_the_posterior_is_what_its_candidates_say(found):
    total = SMALL.rounds * SMALL.candidates
    assert found.traits.shape == (total, 2)
    assert found.facts.shape == (total, len(found.objective.names))
    assert found.rounds.tolist() == [0] * 8 + [1] * 8
    assert ((found.traits >= 0) & (found.traits <= [1, 5])).all()
    np.testing.assert_allclose(found.weights.sum(), 1, rtol=1e-12)
    alive = found.trades >= SMALL.least_trades
    np.testing.assert_allclose(found.squared_distance, found.objective.squared_distance(found.smooth))
    assert np.isinf(found.squared_distance[~alive]).all()
    kept = np.isfinite(found.smooth).all(axis=1)
    assert (kept == (alive & np.isfinite(found.facts).all(axis=1))).all()
    assert (found.smooth[kept].std(axis=0) < found.facts[kept].std(axis=0)).all()
    assert not found.weights[~np.isfinite(found.squared_distance)].any()
    assert found.misfit == max(1.0, found.squared_distance.min() / len(found.objective.names))
    assert found.effective > 1


def test_regions_and_intervals_hold_their_share(found):
    inside = found.squared_distance <= found.region
    assert found.weights[inside].sum() >= 0.9 - 1e-9
    assert found.weights[found.squared_distance < found.region].sum() < 0.9 + 1e-9
    for at, trait in enumerate(SMALL.traits):
        median, low, high = found.interval(trait)
        assert low <= median <= high
        values = found.traits[:, at]
        assert found.weights[(values >= low) & (values <= high)].sum() >= 0.9 - 1e-9


def test_a_seed_gives_one_calibration_and_the_truth_has_chances_of_its_own(found):
    again = calibrated(SMALL, POLICY, silent)
    np.testing.assert_array_equal(again.weights, found.weights)
    assert found.truth is not None
    assert found.truth.squared_distance > 0, "the panel is not simulated with the chances of the candidates"
    assert found.truth.inside == (found.truth.squared_distance <= found.region)
    assert found.held_out is None


def test_dried_up_markets_are_refused():
    with pytest.raises(DataError, match="all 8 candidates of the first round were refused, 100 % of them because less than 100 %"):
        calibrated(SMALL.replace(least_trades=1.0), POLICY, silent)


def test_years_from_the_split_on_are_held_out():
    config = CalibrationConfig(split=date(2012, 1, 1))
    panels = panels_of(config, POLICY)
    prices = load_panel(config.market).prices
    assert prices is not None
    returns = np.diff(np.log(prices), axis=1)
    for panel, last in ((panels.fitted, load_panel(config.market.replace(end=date(2011, 12, 31)))), (panels.held_out, None)):
        assert panel is not None
        end = returns.shape[1] if last is None else len(last.dates) - 1
        np.testing.assert_allclose(panel.returns[-1], returns[:, end - config.rows : end], rtol=1e-9)
        assert panel.returns.shape[1:] == (20, 99)
    with pytest.raises(ConfigError, match="split: 2030-01-01 is not within the market data, 1990-01-02 to 2022-12-28"):
        panels_of(config.replace(split=date(2030, 1, 1)), POLICY)


@pytest.mark.slow
def test_a_known_mix_lies_in_the_region_and_its_share_of_rules_is_found():
    """Three truths; of regions of 90 % that are right, all three or two hold theirs in 97 % of such tests."""
    config = CalibrationConfig(
        simulation=SimulationSettings(market=MarketSettings(agents=20, ticks=301, preopen=40)),
        bounds={"rule_share": (0.0, 1.0), "noise_mean": (0.005, 0.05)},
        facts=ComparedFacts(bar=5, scales=(1,), lags=(1,), memory=(5, 8), draws=200),
        markets=32,
        candidates=32,
        rounds=3,
        least_trades=0.02,
    )
    inside, narrow = 0, 0
    for seed, share in enumerate((0.2, 0.5, 0.8)):
        found = calibrated(config.replace(seed=seed, truth=TraitSettings(rule_share=share)), POLICY, silent)
        assert found.truth is not None
        inside += found.truth.inside
        _, low, high = found.interval("rule_share")
        narrow += high - low < 0.7
        assert found.misfit < 2
    assert inside >= 2
    assert narrow >= 2


def test_a_panel_without_a_fact_is_refused_by_the_facts_name():
    still = np.random.default_rng(0).standard_t(4, size=(8, 4, 99))
    still[:, :2] = 0.0
    with pytest.raises(DataError, match=r"has no 'excess kurtosis, scale 1': it is undefined in more than 10 % of its series"):
        facts_and_errors(FactPanel(still, None), SMALL)
