from __future__ import annotations

import numpy as np
import pytest

from massjax.scores.hindsight import HindsightView, ViewCode, codes_of, log_odds, of_log_odds


def test_the_first_reason_counts() -> None:
    answered = np.array([[False, True, True, True, True]])
    blank = np.array([[False, False, True, True, True]])
    mass, blank_mass = np.array([[np.nan, 0.9, 0.1, 0.9, 0.9]]), np.array([[np.nan, np.nan, 0.1, 0.1, 0.5]])
    assert codes_of(answered, blank, mass, blank_mass, 0.5).tolist() == [
        [ViewCode.NO_ANSWER, ViewCode.NO_BLANK_ANSWER, ViewCode.LOW_MASS, ViewCode.LOW_BLANK_MASS, ViewCode.VIEWED]
    ]
    assert codes_of(answered, blank).tolist() == [[ViewCode.NO_ANSWER, ViewCode.NO_BLANK_ANSWER, *3 * [ViewCode.VIEWED]]]


def test_every_code_has_words_and_is_counted_in_them() -> None:
    code = np.array([list(ViewCode), len(ViewCode) * [ViewCode.NO_PAST]], np.uint8)
    view = HindsightView(np.zeros(code.shape, np.float32), code)
    counts = view.counts(np.ones(code.shape, bool))
    assert next(iter(counts.items())) == (ViewCode.NO_PAST.meaning, len(ViewCode) + 1)
    assert set(counts) == {one.meaning for one in ViewCode}
    assert view.counts(np.zeros(code.shape, bool)) == {}


def test_log_odds_come_back_and_stay_finite() -> None:
    scores = np.array([[0.0, 1e-9, 0.001, 0.3, 0.5, 0.999, 1.0]])
    odds = log_odds(scores)
    assert np.isfinite(odds).all()
    assert (np.diff(odds) >= 0).all()
    assert of_log_odds(odds)[0, 2:6] == pytest.approx(scores[0, 2:6], abs=1e-7)
    assert of_log_odds(np.array([[-1e4, 1e4]])).tolist() == [[0.0, 1.0]]
