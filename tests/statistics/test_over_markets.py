from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from massjax.errors import DataError
from massjax.statistics.over_markets import band_over_markets, mean_over_markets, over_markets
from massjax.statistics.tails import excess_kurtosis


def ratio(values: np.ndarray) -> float:
    return float(values[:, 0].mean() / values[:, 1].mean())


def test_bounds_are_scipys_bca_at_the_wider_level() -> None:
    values, markets, level = np.random.default_rng(0).gamma(2.0, size=(30, 2)), 30, 0.9
    found = over_markets(ratio, values, level=level, draws=2000, seed=4)
    wider = np.sqrt(markets / (markets - 1)) * stats.t.ppf((1 + level) / 2, markets - 1)
    theirs = stats.bootstrap(
        (np.arange(markets),),
        lambda drawn: ratio(values[drawn]),
        vectorized=False,
        n_resamples=2000,
        method="BCa",
        confidence_level=2 * stats.norm.cdf(wider) - 1,
        rng=np.random.default_rng(4),
    )
    assert found.estimate == ratio(values)
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval), rel=1e-6)
    assert found.standard_error == pytest.approx(theirs.standard_error)
    assert (found.markets, found.draws, found.level) == (30, 2000, level)


@pytest.mark.parametrize(("markets", "draw"), [(8, "normal"), (32, "normal"), (32, "exponential")])
def test_the_interval_holds_the_mean_as_often_as_it_says(markets: int, draw: str) -> None:
    rng, trials = np.random.default_rng(0), 400
    truth = {"normal": 0.0, "exponential": 1.0}[draw]
    found = [mean_over_markets(getattr(rng, draw)(size=markets), draws=300, seed=trial) for trial in range(trials)]
    held = np.mean([interval.low <= truth <= interval.high for interval in found])
    assert 0.95 - 3 * np.sqrt(0.05 * 0.95 / trials) - 0.01 < held < 0.985


def test_the_interval_of_a_fact_of_whole_markets_holds_it() -> None:
    """Each market has a volatility of its own; resampled ticks would know nothing of that."""
    rng, trials, ticks = np.random.default_rng(1), 120, 60
    held = by_tick = 0.0
    for trial in range(trials):
        volatility = rng.gamma(3.0, size=(24, 1))
        panel = np.abs(volatility * rng.normal(size=(24, ticks)))
        truth = 3.0 * np.sqrt(2 / np.pi)
        interval = over_markets(lambda drawn: float(drawn.mean()), panel, draws=300, seed=trial)
        held += (interval.low <= truth <= interval.high) / trials
        by_tick += (abs(panel.mean() - truth) < 1.96 * panel.std() / np.sqrt(panel.size)) / trials
    assert 0.88 < held <= 1.0
    assert by_tick < 0.5


def test_panels_are_drawn_together() -> None:
    first = np.arange(12.0)
    found = over_markets(lambda a, b: float(np.abs(a - b).max()), first, first.copy(), draws=50)
    assert (found.estimate, found.low, found.high, found.standard_error) == (0.0, 0.0, 0.0, 0.0)


def test_a_band_is_each_figures_own_interval() -> None:
    values = np.random.default_rng(0).normal(size=(20, 3))
    values[:, 2] = 7.0
    band = band_over_markets(lambda drawn: drawn.mean(axis=0), values, draws=200, seed=3)
    for figure in range(3):
        alone = mean_over_markets(values[:, figure], draws=200, seed=3)
        assert (band.estimate[figure], band.low[figure], band.high[figure]) == pytest.approx((alone.estimate, alone.low, alone.high))
    assert (band.low[2], band.high[2], band.standard_error[2]) == (7.0, 7.0, 0.0)
    assert band.draws.tolist() == [200, 200, 200]


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(0).normal(size=20)
    assert mean_over_markets(values, seed=1) == mean_over_markets(values, seed=1)
    assert mean_over_markets(values, seed=1).low != mean_over_markets(values, seed=2).low


def test_markets_without_a_figure_are_left_out_and_counted() -> None:
    returns = np.random.default_rng(0).normal(size=(12, 100))
    returns[3:5] = 0.0
    found = mean_over_markets(excess_kurtosis(returns), draws=100)
    assert found.markets == 10
    assert found == mean_over_markets(excess_kurtosis(np.delete(returns, (3, 4), axis=0)), draws=100)


def test_too_few_markets_or_too_many_undefined_draws_give_no_bounds() -> None:
    few = mean_over_markets(np.array([1.0, 2.0, 3.0, np.nan, 4.0]))
    assert (few.estimate, few.markets, few.draws) == (2.5, 4, 0)
    assert np.isnan([few.low, few.high, few.standard_error]).all()
    assert np.isnan(mean_over_markets(np.full(8, np.nan)).estimate)

    def often_undefined(drawn: np.ndarray) -> float:
        return float(drawn.mean()) if (drawn == 0).any() else np.nan

    values = np.arange(10.0)
    found = over_markets(often_undefined, values, draws=200)
    assert found.estimate == 4.5
    assert 100 < found.draws < 180
    assert np.isnan([found.low, found.high]).all()
    undefined = over_markets(lambda drawn: np.nan, values, draws=20)
    assert np.isnan([undefined.estimate, undefined.low, undefined.high]).all()
    without_one = over_markets(lambda drawn: float(drawn.mean()) if drawn.size == 10 else np.nan, values, draws=20)
    assert np.isnan([without_one.low, without_one.high]).all()


def test_what_does_not_fit_is_refused() -> None:
    values = np.ones(6)
    for panels in ((), (values, np.ones(5))):
        with pytest.raises(DataError, match="first axis"):
            over_markets(lambda *drawn: 0.0, *panels)
    for wrong in ({"draws": 1}, {"level": 1.0}, {"level": 0.0}):
        with pytest.raises(DataError, match="draws and a level"):
            mean_over_markets(values, **wrong)
