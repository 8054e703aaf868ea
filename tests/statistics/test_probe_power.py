from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from massjax.statistics.probe_power import probe_power


@pytest.mark.parametrize(("share", "by"), [(1.0, "dates"), (0.25, "dates"), (0.5, "cells")])
def test_the_error_is_that_of_simulated_probes(share: float, by: str) -> None:
    """A model that always says the same of a stock, and returns that overlap over four dates."""
    rng, stocks, dates, horizon, probes = np.random.default_rng(0), 24, 60, 4, 600
    days = rng.normal(size=(probes, stocks, dates + horizon))
    returns = np.stack([days[..., t : t + horizon].sum(axis=-1) for t in range(dates)], axis=-1)
    returns = returns[..., :: round(1 / share)] if by == "dates" else returns[:, : int(share * stocks)]
    ranks = returns.argsort(axis=1).argsort(axis=1) - (returns.shape[1] - 1) / 2
    blank = np.arange(returns.shape[1]) - (returns.shape[1] - 1) / 2
    daily = np.einsum("n,pnt->pt", blank, ranks) / (blank @ blank)
    told = probe_power(0.05, stocks, dates, horizon, share=share, by=by, controls=0)
    assert daily.mean(axis=1).std() == pytest.approx(told.standard_error, rel=0.08)
    assert told.questions == returns.shape[1] * returns.shape[2]


def test_power_and_the_least_found_agree() -> None:
    told = probe_power(0.03, 50, 500, 5, share=0.2, target=0.9)
    assert probe_power(told.least, 50, 500, 5, share=0.2).power == pytest.approx(0.9)
    assert probe_power(0.0, 50, 500, 5).power == pytest.approx(0.05)
    measured = probe_power(0.02, 50, 100, 1, spread=0.2)
    assert measured.power == pytest.approx(norm.cdf(0.02 / 0.02 - norm.ppf(0.95)))


def test_answers_that_change_from_day_to_day_do_not_overlap() -> None:
    slow, fast = (probe_power(0.02, 50, 500, 5, persistence=phi) for phi in (1.0, 0.0))
    assert fast.standard_error == pytest.approx(1 / np.sqrt(46 * 500))
    assert slow.standard_error == pytest.approx(fast.standard_error * np.sqrt(5), rel=0.01)


def test_a_probe_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="share is 0"):
        probe_power(0.02, 50, 500, 5, share=0)
    with pytest.raises(ValueError, match="4 stocks a date are too few with 3 controls"):
        probe_power(0.02, 40, 500, 5, share=0.1, by="cells")
