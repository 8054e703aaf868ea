"""The objective against its definition, and against the distribution it must have at the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from massjax.calibrate.objective import Facts, objective
from massjax.errors import DataError

NAMES = ("a", "b", "c")


def random_covariance(rng: np.random.Generator) -> np.ndarray:
    root = rng.normal(size=(3, 3))
    return root @ root.T + 0.5 * np.eye(3)


def test_it_is_the_quadratic_form_of_scaled_differences():
    rng = np.random.default_rng(0)
    panel = Facts(rng.normal(size=3), random_covariance(rng), units=30)
    simulated = Facts(rng.normal(size=3), random_covariance(rng), units=12)
    made = objective(NAMES, panel, simulated)
    facts = rng.normal(size=(4, 3))
    total = panel.covariance + simulated.covariance
    shrunk = total.copy()
    for row in range(3):
        for column in range(3):
            if row != column:
                shrunk[row, column] *= 1 - 3 / 12
    expected = [float((one - panel.values) @ np.linalg.inv(shrunk) @ (one - panel.values)) for one in facts]
    np.testing.assert_allclose(made.squared_distance(facts), expected, rtol=1e-9)
    np.testing.assert_allclose(made.scaled(facts), (facts - panel.values) / np.sqrt(np.diag(total)), rtol=1e-12)


def test_at_the_truth_it_is_chi_squared():
    rng = np.random.default_rng(1)
    of_panel, of_simulation = random_covariance(rng), random_covariance(rng)
    truth = np.array([1.0, -2.0, 3.0])
    root_panel, root_simulation = np.linalg.cholesky(of_panel), np.linalg.cholesky(of_simulation)
    found = []
    for _ in range(500):
        panel = Facts(truth + root_panel @ rng.normal(size=3), of_panel, units=10**6)
        made = objective(NAMES, panel, Facts(truth, of_simulation, units=10**6))
        found.append(made.squared_distance((truth + root_simulation @ rng.normal(size=3))[None])[0])
    assert stats.kstest(found, stats.chi2(3).cdf).pvalue > 0.01


def test_two_facts_that_say_the_same_count_once():
    alike = np.array([[1.0, 0.999], [0.999, 1.0]])
    made = objective(("a", "b"), Facts(np.zeros(2), alike, units=10**6), None)
    np.testing.assert_allclose(made.squared_distance(np.array([[2.0, 2.0]])), 4.0, rtol=0.01)


def test_undefined_facts_are_infinitely_far_and_undefined_targets_refused():
    made = objective(NAMES, Facts(np.zeros(3), np.eye(3), units=50), None)
    assert made.squared_distance(np.array([[0.0, np.nan, 0.0]])).tolist() == [np.inf]
    with pytest.raises(DataError, match="'b' of the panel that is compared with is undefined"):
        objective(NAMES, Facts(np.array([0.0, np.nan, 0.0]), np.eye(3), units=50), None)
    with pytest.raises(DataError, match="'c' of the panel that is compared with never differs"):
        objective(NAMES, Facts(np.zeros(3), np.diag([1.0, 1.0, 0.0]), units=50), None)
