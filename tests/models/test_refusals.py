"""What a server refuses (a field, an account, a long prompt) is told with the setting that mends it, and that changes what is sent."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

pytest.importorskip("httpx", reason="httpx is not installed: pip install 'massjax[openai]'")

from massjax.errors import ModelError
from massjax.models.failures import Reason
from massjax.models.settings import ScoringSettings
from tests.models.serve import serving
from tests.models.test_server import PROMPTS, asked, client_of, failed, put

REFUSALS = [
    ("System role not supported", "system_role: false"),
    ("Conversation roles must alternate user/assistant/user/assistant/...", "system_role: false"),
    ("Developer instruction is not enabled for models/gemma-3-27b-it", "system_role: false"),
    ("Cannot request more than 5 logprobs.", "top_logprobs: 5"),
    ("Invalid value for 'top_logprobs': must be less than or equal to 5.", "top_logprobs: 5"),
    ("Requested sample logprobs of 20, which is greater than max allowed: 8", "top_logprobs: 8"),
    ("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "max_completion_tokens"),
    ("Extra inputs are not permitted: seed", "leave_out: [seed]"),
    ("Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.", "[temperature]"),
    ("This model does not support logprobs", "name a model or server that does"),
    ("You are not allowed to request logprobs from this model", "name a model or server that does"),
]


@pytest.mark.parametrize("as_error", ["HTTP 400", "HTTP 422 with details", "in a 200", "HTTP 500"])
@pytest.mark.parametrize(("words", "setting"), REFUSALS)
def test_a_refused_field_is_told_after_one_request_with_its_setting(words: str, setting: str, as_error: str) -> None:
    refusal = {
        "HTTP 400": (400, {}, json.dumps({"error": {"message": words, "type": "invalid_request_error", "code": None}})),
        "HTTP 422 with details": (422, {}, json.dumps({"detail": [{"loc": ["body"], "msg": words}]})),
        "in a 200": (200, {}, json.dumps({"error": {"message": words, "code": 400}})),
        "HTTP 500": (500, {}, json.dumps({"object": "error", "message": words})),
    }[as_error]
    with serving(lambda number, message: refusal) as served:
        client = client_of(served)
        with pytest.raises(ModelError, match="refuses every request with") as caught:
            put(client, PROMPTS)
        client.close()
    assert setting in str(caught.value)
    assert "scoring.endpoint" in str(caught.value)
    assert words[:40] in str(caught.value)
    assert len(served.messages) == 1


@pytest.mark.parametrize(
    ("field", "setting"),
    [("seed", r"leave_out: \[seed\]"), ("max_tokens", "token_limit: max_completion_tokens"), ("top_logprobs", "top_logprobs")],
)
def test_a_refusal_that_names_the_field_by_its_place_alone_is_told_with_its_setting(field: str, setting: str) -> None:
    body = json.dumps({"detail": [{"type": "extra_forbidden", "loc": ["body", field], "msg": "Extra inputs are not permitted"}]})
    with pytest.raises(ModelError, match=rf"body\.{field}: Extra inputs.*{setting}"):
        asked(lambda number, message: (422, {}, body))


def test_the_settings_that_messages_name_change_what_is_sent() -> None:
    endpoint = {
        "system_role": False,
        "token_limit": "max_completion_tokens",
        "leave_out": ["seed", "temperature"],
        "top_logprobs": 5,
        "extra": {"reasoning_effort": "none"},
    }
    answers, served = asked(**endpoint)
    assert not failed(answers)
    body = served.bodies[0]
    assert body.pop("messages") == [{"role": "user", "content": f"{PROMPTS[0].system}\n\n{PROMPTS[0].user}"}]
    assert body == {"model": "small", "max_completion_tokens": 1, "logprobs": True, "top_logprobs": 5, "reasoning_effort": "none"}


def test_what_changes_an_answer_is_part_of_the_identity() -> None:
    with serving() as served:
        identities = []
        for endpoint in (
            {},
            {"system_role": False},
            {"leave_out": ["seed"]},
            {"extra": {"a": 1}},
            {"token_limit": "max_completion_tokens"},
        ):
            client = client_of(served, **endpoint)
            identities.append(tuple(sorted(client.identity().items())))
            client.close()
    assert len(set(identities)) == 4
    assert identities[0] == identities[4]
    assert "mass" in dict(identities[0])


def test_a_field_of_massjax_cannot_be_replaced() -> None:
    for extra, words in (({"model": "x"}, "model is a field that massjax sends"), ({"logprobs": False}, "logprobs is a field")):
        with serving() as served, pytest.raises(Exception, match=words):
            client_of(served, extra=extra)


def test_settings_of_the_endpoint_are_checked() -> None:
    for endpoint, words in (({"leave_out": ["model"]}, "leave_out"), ({"token_limit": "n"}, "token_limit"), ({"extra": [1]}, "extra")):
        with pytest.raises(ValueError, match=words):
            ScoringSettings.model_validate({"engine": "openai", "endpoint": {"url": "http://localhost/v1", "api": "chat", **endpoint}})


@pytest.mark.parametrize("error", [{"code": "insufficient_quota", "message": "You exceeded your quota"}, "Your credit balance is too low"])
def test_an_account_that_is_used_up_is_told_without_waiting(error: Any) -> None:
    began = time.monotonic()
    with pytest.raises(ModelError, match=r"refused with HTTP 429: .*; the account has no credit left"):
        asked(lambda number, message: (429, {}, json.dumps({"error": error})), attempts=8, first_wait=300.0, longest_wait=300.0)
    assert time.monotonic() - began < 60, "it waited to ask again"


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": "overloaded", "code": 503}},
        {"error": {"message": "slow down", "code": "429"}},
    ],
)
def test_an_error_inside_a_200_that_may_pass_is_asked_again(error: dict[str, Any]) -> None:
    answers, served = asked(lambda number, message: (200, {}, json.dumps(error)) if number in (0, 4) else None)
    assert not failed(answers)
    assert len(served.messages) == 14


@pytest.mark.parametrize("error", ["out of credit", {"message": "no such thing"}, {"type": "oops"}, ["bad"], True, {}, 7])
def test_an_error_inside_a_200_is_told(error: Any) -> None:
    with pytest.raises(ModelError, match=r"refuses every request|does not answer as"):
        asked(lambda number, message: (200, {}, json.dumps({"error": error})))


def test_an_error_inside_a_200_about_the_key_ends_the_run() -> None:
    with pytest.raises(ModelError, match=r"/chat/completions: refused with .*invalid api key.*key_variable"):
        asked(lambda number, message: (200, {}, json.dumps({"error": {"message": "invalid api key", "code": 401}})))


def test_prompts_that_are_all_too_long_are_failures_not_the_end() -> None:
    def reply(number: int, message: str) -> tuple[int, dict[str, str], str]:
        return 400, {}, f"This model's maximum context length is 4096 tokens. However, your messages resulted in {5000 + number} tokens."

    answers, served = asked(reply)
    assert {failure.reason for failure in failed(answers).values()} == {Reason.TOO_LONG}
    assert len(failed(answers)) == len(served.messages) == 12
