"""Min-K % against exact fractions, what an answer of it holds, and what cannot be one."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, strategies as st

from massjax.models.answer import Answer, unanswered
from massjax.models.failures import Reason
from massjax.models.familiarity import familiarity_answer, familiarity_of, min_k, misfit
from massjax.models.forms import Familiar

TEXT = '{"counted":"user","means":[-9.0,-2.5],"percents":[10.0,100.0],"tokens":7}'
FORM = Familiar((10.0, 100.0))


@given(st.lists(st.integers(-(1 << 14), 0), min_size=1, max_size=60), st.lists(st.integers(1, 100), min_size=1, max_size=5, unique=True))
def test_it_is_the_mean_of_the_least_likely_tokens(parts: list[int], percents: list[int]) -> None:
    logprobs = [Fraction(part, 1 << 10) for part in parts]
    expected = []
    for percent in percents:
        count = max(1, len(parts) * percent // 100)
        expected.append(float(sum(sorted(logprobs)[:count]) / count))
    assert min_k([float(value) for value in logprobs], percents).tolist() == expected


def test_the_least_likely_token_counts_where_the_share_is_of_none() -> None:
    assert min_k([-1.0, -3.0, -2.0], [5.0]).tolist() == [-3.0]
    assert min_k(np.arange(-1000.0, 0.0), [32.3]).tolist() == [-1000.0 + 322 / 2], "323 of 1,000, whatever 1000 · 32.3 / 100 is in binary"
    with pytest.raises(ValueError, match="without tokens"):
        min_k([], [20.0])


@given(st.lists(st.floats(-30.0, 0.0), min_size=1, max_size=200))
def test_an_answer_holds_it_and_fits_its_form(logprobs: list[float]) -> None:
    form = Familiar()
    answer = familiarity_answer(form, logprobs, "user")
    assert misfit(form, answer.text) is None
    found = familiarity_of(answer)
    assert (tuple(found.means), found.tokens, found.counted) == (form.percents, len(logprobs), "user")
    np.testing.assert_allclose(list(found.means.values()), min_k(logprobs, form.percents), atol=5.1e-7)


@pytest.mark.parametrize("worst", [math.nan, -math.inf, -9999.0, 0.5])
def test_what_is_no_log_probability_is_a_failure(worst: float) -> None:
    failure = familiarity_answer(FORM, [-1.0, worst, -2.0], "user").failure
    assert failure is not None
    assert failure.reason is Reason.IMPOSSIBLE


def test_rounding_above_zero_is_zero_and_no_token_is_a_failure() -> None:
    assert (
        familiarity_answer(FORM, [0.004, 0.002], "prompt").text
        == '{"counted":"prompt","means":[0.0,0.0],"percents":[10.0,100.0],"tokens":2}'
    )
    failure = familiarity_answer(FORM, [], "user").failure
    assert failure is not None
    assert failure.words == "no token of the prompt has a log-probability: its user message is empty"


def changed(**fields: object) -> str:
    return json.dumps({**json.loads(TEXT), **fields})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "can be read"),
        ("-2.5", "can be read"),
        ("[" * 100_000, "can be read"),
        (changed(means=[-9.0]), "can be read"),
        (changed(means=["x", -1.0]), "can be read"),
        (changed(means=[-2.5, -9.0]), "rise with the percent"),
        (changed(means=[-2.5, 0.1]), "no log-probabilities"),
        (changed(means=[-2.5, math.nan]), "no log-probabilities"),
        (changed(means=[-math.inf, -1.0]), "no log-probabilities"),
        (changed(percents=[10.0, 10.0]), "no log-probabilities"),
        (changed(tokens=0), "of no tokens"),
        (changed(tokens=2.5), "of no tokens"),
        (changed(counted="all"), "not said which"),
        (changed(percents=[10.0, 90.0]), "other percents"),
    ],
)
def test_what_cannot_be_an_answer_is_told(text: str | None, words: str) -> None:
    assert misfit(FORM, TEXT) is None
    assert words in str(misfit(FORM, text))


def test_a_failure_holds_none() -> None:
    with pytest.raises(ValueError, match="there is no answer: the prompt is longer"):
        familiarity_of(unanswered(Reason.TOO_LONG))
    with pytest.raises(ValueError, match="can be read"):
        familiarity_of(Answer(text="a text"))
