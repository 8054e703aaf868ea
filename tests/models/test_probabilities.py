"""From log-probabilities to probabilities, mass, calibration and score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from massjax.models.probabilities import calibrated, choice_probabilities, expected_score, impossible, log_sums


def possible(logprobs: list[float]) -> list[float]:
    """Lowered alike until their probabilities add up to at most 1."""
    return list(np.array(logprobs) - max(0.0, np.logaddexp.reduce(logprobs)))


LOGPROBS = st.lists(st.floats(-30, -0.01), min_size=2, max_size=6).map(possible)


@given(LOGPROBS)
def test_probabilities_are_the_renormalised_mass(logprobs: list[float]) -> None:
    found = choice_probabilities(np.array([logprobs]))
    mass = np.exp(np.array(logprobs))
    np.testing.assert_allclose(found.probability[0], mass / mass.sum(), atol=1e-3)
    np.testing.assert_allclose(found.mass[0], mass.sum(), rtol=1e-3, atol=1e-7)
    assert found.probability.dtype == np.float16


def test_missing_answers_stay_missing() -> None:
    found = choice_probabilities(np.array([[np.nan, np.nan], [-1.0, -2.0]]))
    assert np.isnan(found.probability[0]).all()
    assert np.isnan(found.mass[0])
    assert np.isfinite(found.probability[1]).all()
    assert np.isnan(expected_score(found.probability)[0])


@given(LOGPROBS)
def test_the_score_is_the_expected_choice_between_0_and_1(logprobs: list[float]) -> None:
    probability = choice_probabilities(np.array([logprobs])).probability
    score = expected_score(probability)[0]
    p = probability[0].astype(float)
    assert abs(score - sum(i * q for i, q in enumerate(p)) / (len(p) - 1)) < 1e-6 or score in (0.0, 1.0)
    assert 0.0 <= score <= 1.0


@pytest.mark.parametrize("logprobs", [[np.nan, -1], [0.5, -1], [np.inf, -1], [-0.1, -0.1], [800.0, -1], [0.02, -9]])
def test_what_cannot_be_probabilities_is_no_answer(logprobs: list[float]) -> None:
    assert impossible(np.array([logprobs]))[0]
    assert np.isnan(choice_probabilities(np.array([logprobs])).probability).all()


def test_rounding_is_no_impossibility_and_never_more_than_1() -> None:
    found = choice_probabilities(np.array([[0.004, -30.0], [-np.inf, np.log(0.5)]]))
    assert found.mass.tolist() == [1.0, 0.5]
    assert found.probability.tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_a_server_that_writes_a_large_number_for_minus_infinity_has_not_answered() -> None:
    assert np.isnan(choice_probabilities(np.array([[-9999.0, -9999.0]])).probability).all()


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(-40, 0)), max_size=12))
def test_a_choice_has_the_mass_of_all_its_tokens(found: list[tuple[int, float]]) -> None:
    sums = np.exp(log_sums(found, 3))
    np.testing.assert_allclose(sums, [sum(np.exp(value) for number, value in found if number == c) for c in range(3)], rtol=1e-9)


def test_the_ends_of_the_scale() -> None:
    assert expected_score(np.array([1.0, 0.0, 0.0])) == 0.0
    assert expected_score(np.array([0.0, 0.0, 1.0])) == 1.0
    assert expected_score(np.array([0.0, 1.0, 0.0])) == 0.5


def test_calibration_divides_by_the_content_free_answer() -> None:
    prior = np.array([0.5, 0.25, 0.25])
    np.testing.assert_allclose(calibrated(prior, prior), [1 / 3] * 3)
    np.testing.assert_allclose(calibrated(np.array([0.6, 0.2, 0.2]), prior), np.array([1.2, 0.8, 0.8]) / 2.8)
    np.testing.assert_array_equal(calibrated(prior, None), prior)


def test_confident_answers_keep_their_order() -> None:
    best = 1 - np.geomspace(1e-2, 1e-5, 500)
    logprobs = np.log(np.stack([(1 - best) * 0.6, (1 - best) * 0.4, best], axis=1))
    scores = expected_score(calibrated(choice_probabilities(logprobs).probability, None))
    assert np.corrcoef(np.argsort(np.argsort(scores)), np.arange(500))[0, 1] > 0.999
