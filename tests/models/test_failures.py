"""Reasons are a closed set; the free text of stores that were written before is read into it."""

from __future__ import annotations

import pytest

from massjax.models.failures import Reason, by_kind, reason_of


@pytest.mark.parametrize("reason", Reason)
def test_a_stored_reason_is_read_as_itself(reason: Reason) -> None:
    assert reason_of(reason.value) is reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("the prompt has 5012 tokens, more than 2047", Reason.TOO_LONG),
        ("HTTP 400: This model's maximum context length is 4096 tokens. However, you sent 5001.", Reason.TOO_LONG),
        ("the prompt holds a control token of the model's chat", Reason.CONTROL_TOKEN),
        ("no answer within 120 s (8 attempts)", Reason.TIMED_OUT),
        ("ConnectError: All connection attempts failed (8 attempts)", Reason.UNAVAILABLE),
        ("HTTP 503: down (8 attempts)", Reason.UNAVAILABLE),
        ("HTTP 422: no such field", Reason.REFUSED),
        ("a reply that is not understood (KeyError) (8 attempts)", Reason.MALFORMED),
        ("the server sent no log-probabilities (it may not support logprobs) (8 attempts)", Reason.NO_LOGPROBS),
        ("the engine returned no log-probability for token 33", Reason.NO_LOGPROBS),
        ("the engine gave no finite log-probabilities", Reason.NO_CHOICE),
        ("coverage below scoring.minimum_coverage", Reason.LOW_COVERAGE),
        ("who knows", Reason.OTHER),
    ],
)
def test_the_free_text_of_older_stores_is_read_into_a_kind(text: str, reason: Reason) -> None:
    assert reason_of(text) is reason


def test_counts_of_one_kind_are_added_up() -> None:
    counts = {f"the prompt has {n} tokens, more than 2047": 2 for n in range(3000, 3037)} | {Reason.TIMED_OUT.value: 80}
    assert by_kind(counts) == {Reason.TIMED_OUT: 80, Reason.TOO_LONG: 74}
