"""Servers that say anything: no traceback, an end within seconds, a sentence that says what the server did and what mends it."""

from __future__ import annotations

import gzip
import json
import math
import time
import tracemalloc
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

import numpy as np
import pytest

pytest.importorskip("httpx", reason="httpx is not installed: pip install 'massjax[openai]'")

from massjax.errors import ConfigError, ModelError
from massjax.models.failures import Failure, Reason
from massjax.models.language_model import Sampling
from massjax.models.replies import read_completion
from massjax.models.settings import ScoringSettings
from tests.models.serve import answer, serving
from tests.models.test_server import PROMPTS, SECRET, asked, engine, expected


def chat(top: list[tuple[str, float]], message: dict[str, Any] | None = None, **choice: Any) -> str:
    entries = [{"token": token, "logprob": value} for token, value in top]
    logprobs = {"content": [{**entries[0], "top_logprobs": entries}]}
    return json.dumps({"choices": [{"message": message or {"content": "3"}, "logprobs": logprobs, "finish_reason": "length", **choice}]})


GOOD = [(str(i + 1), math.log(0.2)) for i in range(5)]
CONTENT = '{"choices":[{"message":{"content":"3"},"logprobs":{"content":%s}}]}'
SHAPES = {
    "nothing": "",
    "blanks": " \n ",
    "a page": "<html><body>Welcome to the hotel</body></html>",
    "half": '{"choices": [{"message"',
    "null": "null",
    "a number": "17",
    "a string": '"choices"',
    "a list": "[]",
    "a list of lists": "[[[]]]",
    "an empty mapping": "{}",
    "choices null": '{"choices": null}',
    "choices a mapping": '{"choices": {"0": {}}}',
    "choices empty": '{"choices": []}',
    "choices of null": '{"choices": [null]}',
    "choices of text": '{"choices": ["3"]}',
    "logprobs a list": '{"choices": [{"logprobs": [1, 2]}]}',
    "content a mapping": CONTENT % '{"top_logprobs": []}',
    "content of null": CONTENT % "[null]",
    "a string for a logprob": CONTENT % '[{"top_logprobs":[{"token":"5","logprob":"-0.1"}]}]',
    "null for a logprob": CONTENT % '[{"top_logprobs":[{"token":"5","logprob":null}]}]',
    "no token": CONTENT % '[{"top_logprobs":[{"logprob":-0.1}]}]',
    "a number for a token": CONTENT % '[{"top_logprobs":[{"token":5,"logprob":-0.1}]}]',
    "a mapping for the likeliest": CONTENT % '[{"top_logprobs":{"5":-0.1}}]',
    "deep": "[" * 50_000 + "]" * 50_000,
    "deep mappings": '{"a":' * 50_000,
    "half a character": '{"choices": "\\ud800"}',
    "NaN": CONTENT % '[{"top_logprobs":[{"token":"5","logprob":NaN}]}]',
    "a large number": CONTENT % '[{"top_logprobs":[{"token":"5","logprob":1e999}]}]',
    "a huge number": '{"choices": ' + "9" * 20_000 + "}",
    "an event stream": 'data: {"choices": []}\n\ndata: [DONE]\n\n',
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_reply_of_any_shape_ends_in_one_sentence_and_soon(shape: str) -> None:
    began = time.process_time()
    with pytest.raises(ModelError, match=r"^http://127\.0\.0\.1:\d+/v1: ") as caught:
        asked(lambda number, message: (200, {}, SHAPES[shape]))
    assert time.process_time() - began < 5
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 800


@pytest.mark.parametrize("data", [b"\xff\xfe{\x00}\x00", b"\x80\x81", b'{"choices": "\xff"}', b"\x00" * 100])
def test_bytes_that_are_no_text(data: bytes) -> None:
    with pytest.raises(ModelError, match="does not answer as the OpenAI API does") as caught:
        asked(lambda number, message: (200, {}, data))
    assert str(caught.value).isprintable()


def test_a_mark_before_the_json_and_odd_counts_do_not_matter() -> None:
    def reply(number: int, message: str) -> tuple[int, dict[str, str], bytes]:
        usage = {"prompt_tokens": "many", "prompt_tokens_details": [1]}
        return 200, {}, b"\xef\xbb\xbf" + json.dumps({**answer(message), "usage": usage if number % 2 else None}).encode()

    answers, _ = asked(reply)
    np.testing.assert_allclose(answers.logprobs, [expected(p) for p in PROMPTS])
    assert answers.prompt_tokens.tolist() == [0] * 12


@pytest.mark.parametrize(
    "entries",
    [
        [("5", math.log(0.70)), ("1", math.log(0.20)), ("5", math.log(0.001))],
        [("5", math.log(0.70)), ("1", math.log(0.20)), (" 5", math.log(0.001))],
        [("▁5", math.log(0.001)), ("5", math.log(0.70)), ("1", math.log(0.20))],
        [("5\n", math.log(0.001)), ("５", math.log(0.70)), ("Ġ1", math.log(0.20))],
    ],
)
def test_the_mass_of_a_choice_is_the_sum_over_its_tokens(entries: list[tuple[str, float]]) -> None:
    answers, _ = asked(lambda number, message: (200, {}, chat(entries)))
    np.testing.assert_allclose(np.exp(answers.logprobs[0]), [0.2, 0, 0, 0, 0.701])


def test_one_token_listed_twice_is_one_token() -> None:
    answers, _ = asked(lambda number, message: (200, {}, chat([("5", math.log(0.6)), ("1", math.log(0.3)), ("5", math.log(0.6))])))
    np.testing.assert_allclose(np.exp(answers.logprobs[0]), [0.3, 0, 0, 0, 0.6])


def test_tokens_that_differ_in_their_bytes_are_two() -> None:
    def reply(number: int, message: str) -> tuple[int, dict[str, str], str]:
        top = [{"token": "5", "logprob": math.log(0.3), "bytes": [53]}, {"token": "5", "logprob": math.log(0.3), "bytes": [32, 53]}]
        return 200, {}, json.dumps({"choices": [{"logprobs": {"content": [{"top_logprobs": top}]}}]})

    answers, _ = asked(reply)
    assert math.exp(answers.logprobs[0, 4]) == pytest.approx(0.6)


@pytest.mark.parametrize(
    "top", [[("5", 0.5)], [("5", -0.1), ("1", -0.1)], [("The", -0.2), ("5", -0.3)], [("The", 3.0), ("5", -3.0)], [("5", 700.0)]]
)
def test_impossible_probabilities_are_refused_for_every_prompt_alike(top: list[tuple[str, float]]) -> None:
    with pytest.raises(ModelError, match="log-probabilities that cannot be"):
        asked(lambda number, message: (200, {}, chat(top)))
    answers, _ = asked(lambda number, message: (200, {}, chat(top)) if message == PROMPTS[7].user else None)
    assert {row: failure.reason for row, failure in answers.failures.items()} == {7: Reason.IMPOSSIBLE}
    assert np.isnan(answers.logprobs[7]).all()


@pytest.mark.parametrize("missing", ["left out", "null", "empty", "no entries", "no first", "null first"])
def test_no_log_probabilities_are_told_after_three_prompts(missing: str) -> None:
    document = json.loads(chat(GOOD))
    choice = document["choices"][0]
    if missing == "left out":
        del choice["logprobs"]
    else:
        entries = {"no entries": [{"token": "3", "logprob": -0.1, "top_logprobs": []}], "null first": [{"top_logprobs": None}]}
        choice["logprobs"] = {"null": None, "empty": {}, "no first": {"content": []}}.get(missing, {"content": entries.get(missing)})
    with serving(lambda number, message: (200, {}, json.dumps(document))) as served:
        client = engine(served)
        with pytest.raises(
            ModelError, match=r"the server sent no log-probabilities \(it may not support logprobs\); .*scoring.engine: vllm"
        ):
            client.ask(PROMPTS)
        client.close()
    assert len(served.messages) == 3


def test_one_prompt_without_log_probabilities_is_a_failure_of_that_prompt() -> None:
    document = json.dumps({"choices": [{"message": {"content": "no"}, "logprobs": None, "finish_reason": "content_filter"}]})
    answers, served = asked(lambda number, message: (200, {}, document) if message == PROMPTS[0].user else None)
    assert {row: failure.reason for row, failure in answers.failures.items()} == {0: Reason.NO_LOGPROBS}
    assert len(served.messages) == 12


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
        client = engine(served)
        with pytest.raises(ModelError, match="refuses every request with") as caught:
            client.ask(PROMPTS)
        client.close()
    assert setting in str(caught.value)
    assert "scoring.endpoint" in str(caught.value)
    assert words[:40] in str(caught.value)
    assert len(served.messages) == 1


def test_the_settings_that_messages_name_change_what_is_sent() -> None:
    endpoint = {
        "system_role": False,
        "token_limit": "max_completion_tokens",
        "leave_out": ["seed", "temperature"],
        "top_logprobs": 5,
        "extra": {"reasoning_effort": "none"},
    }
    answers, served = asked(**endpoint)
    assert np.isfinite(answers.logprobs).all()
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
            client = engine(served, **endpoint)
            identities.append(tuple(sorted(client.identity().items())))
            client.close()
    assert len(set(identities)) == 4
    assert identities[0] == identities[4]
    assert "choice_mass" in dict(identities[0])


def test_a_field_of_massjax_cannot_be_replaced() -> None:
    for extra, words in (({"model": "x"}, "model is a field that massjax sends"), ({"logprobs": False}, "logprobs is a field")):
        with serving() as served, pytest.raises(Exception, match=words):
            engine(served, extra=extra)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (chat([("<think>", -0.001), ("3", -8.0)], {"content": "<think>"}), "<think>"),
        (chat([("<think>", -0.001), ("3", -8.0)], {"content": ""}), "<think>"),
        (chat(GOOD, {"content": None, "reasoning_content": "Let me see"}), "Let me see"),
        (chat(GOOD, {"content": "", "reasoning": "The user wants"}), "The user wants"),
        (chat([("<|channel|>", -0.01), ("5", -7.0)], {"content": "<|channel|>analysis"}), "channel"),
        (json.dumps({"choices": [{"message": {"content": ""}, "finish_reason": "length"}]}), "said nothing"),
        *((chat([(mark, -0.01), ("5", -7.0)]), mark) for mark in ("<|START_THINKING|>", "<|begin_of_thought|>", "<th", "<thoughts>")),
    ],
)
def test_a_model_that_thinks_first_is_named_with_what_it_said(body: str, said: str) -> None:
    with pytest.raises(ModelError, match="the model thinks before it answers") as caught:
        asked(lambda number, message: (200, {}, body))
    assert said in str(caught.value)
    assert "enable_thinking: false" in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"message": {"content": None, "refusal": "I cannot give advice"}, "finish_reason": "stop"}, "I cannot give advice"),
        ({"message": {"content": ""}, "finish_reason": "content_filter"}, "content filter"),
    ],
)
def test_an_answer_that_is_declined_is_a_failure_of_its_prompt_under_its_own_name(answer: dict[str, Any], said: str) -> None:
    body = json.dumps({"choices": [answer]})
    answers, _ = asked(lambda number, message: (200, {}, body))
    assert {failure.reason for failure in answers.failures.values()} == {Reason.DECLINED}
    assert said in answers.failures[0].words
    assert len(answers.failures) == len(PROMPTS)


@pytest.mark.parametrize(
    ("field", "setting"),
    [("seed", r"leave_out: \[seed\]"), ("max_tokens", "token_limit: max_completion_tokens"), ("top_logprobs", "top_logprobs")],
)
def test_a_refusal_that_names_the_field_by_its_place_alone_is_told_with_its_setting(field: str, setting: str) -> None:
    body = json.dumps({"detail": [{"type": "extra_forbidden", "loc": ["body", field], "msg": "Extra inputs are not permitted"}]})
    with pytest.raises(ModelError, match=rf"body\.{field}: Extra inputs.*{setting}"):
        asked(lambda number, message: (422, {}, body))


def test_impossible_probabilities_beside_the_choices_are_refused_in_completions() -> None:
    sent = {"token_id:1": -0.5, "token_id:2": -1.2, "token_id:9": -0.1}
    body = json.dumps({"choices": [{"text": "a", "logprobs": {"top_logprobs": [sent]}}]}).encode()
    found = read_completion(body, ("a", "b"), [[1], [2]])
    assert isinstance(found, Failure)
    assert found.reason is Reason.IMPOSSIBLE


@pytest.mark.parametrize("error", [{"code": "insufficient_quota", "message": "You exceeded your quota"}, "Your credit balance is too low"])
def test_an_account_that_is_used_up_is_told_without_waiting(error: Any) -> None:
    began = time.monotonic()
    with pytest.raises(ModelError, match=r"refused with HTTP 429: .*; the account has no credit left"):
        asked(lambda number, message: (429, {}, json.dumps({"error": error})), attempts=8, first_wait=300.0, longest_wait=300.0)
    assert time.monotonic() - began < 60, "it waited to ask again"


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ALL_PROXY", "socks9://127.0.0.1:1"), ("HTTP_PROXY", "127.0.0.1:99999999"), ("SSL_CERT_FILE", "/no/such/file")],
)
def test_an_environment_that_no_connection_can_be_made_in_is_told(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv(variable.lower(), value)
    with pytest.raises(ModelError, match=r"^http://127\.0\.0\.1:\d+/v1: "):
        asked()


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": "overloaded", "code": 503}},
        {"error": {"message": "slow down", "code": "429"}},
    ],
)
def test_an_error_inside_a_200_that_may_pass_is_asked_again(error: dict[str, Any]) -> None:
    answers, served = asked(lambda number, message: (200, {}, json.dumps(error)) if number in (0, 4) else None)
    assert not answers.failures
    assert len(served.messages) == 14


@pytest.mark.parametrize("error", ["out of credit", {"message": "no such thing"}, {"type": "oops"}, ["bad"], True, {}, 7])
def test_an_error_inside_a_200_is_told(error: Any) -> None:
    with pytest.raises(ModelError, match=r"refuses every request|does not answer as"):
        asked(lambda number, message: (200, {}, json.dumps({"error": error})))


def test_an_error_inside_a_200_about_the_key_ends_the_run() -> None:
    with pytest.raises(ModelError, match=r"/chat/completions: refused with .*invalid api key.*key_variable"):
        asked(lambda number, message: (200, {}, json.dumps({"error": {"message": "invalid api key", "code": 401}})))


def test_a_server_that_sends_requests_elsewhere_is_told() -> None:
    with pytest.raises(ModelError, match=r"sends every request on to https://other/v1 \(308\); set scoring.endpoint.url"):
        asked(lambda number, message: (308, {"location": "https://other/v1"}, ""))


def trickle(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    with suppress(OSError):
        for _ in range(1000):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("connection", "close")
    handler.end_headers()
    with suppress(OSError):
        while True:
            handler.wfile.write(b" " * (1 << 20))


def test_a_byte_now_and_then_does_not_hold_a_request_open() -> None:
    began = time.monotonic()
    with pytest.raises(ModelError, match=r"no answer within 0.5 s \(2 attempts\)"):
        asked(lambda number, message: trickle, timeout=0.5, attempts=2, concurrency=12)
    assert time.monotonic() - began < 50, "it read on to the end, which takes 100 s"


@pytest.mark.parametrize("kind", ["endless", "compressed"])
def test_a_reply_without_end_is_not_taken_into_memory(kind: str) -> None:
    bomb = gzip.compress(b" " * (300 << 20), compresslevel=9)
    tracemalloc.start()
    with pytest.raises(ModelError, match="a reply of more than 4 MiB, which is not read"):
        asked(lambda number, message: endless if kind == "endless" else (200, {"content-encoding": "gzip"}, bomb), timeout=60.0)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 100 << 20


def test_a_compressed_reply_is_read() -> None:
    answers, _ = asked(lambda number, message: (200, {"content-encoding": "gzip"}, gzip.compress(json.dumps(answer(message)).encode())))
    np.testing.assert_allclose(answers.logprobs, [expected(p) for p in PROMPTS])
    with pytest.raises(ModelError, match="content-encoding 'br', which was not asked for"):
        asked(lambda number, message: (200, {"content-encoding": "br"}, "x"))


@pytest.mark.parametrize("escape", ["\x1b[2J", "\x9b31m", "\x1b]0;title\x07", "\u202eevil", "a\r\nb", "\u2028"])
def test_what_a_server_says_cannot_steer_a_terminal(escape: str) -> None:
    for body in (json.dumps({"error": {"message": f"no {escape} way"}}), f"no {escape} way"):
        with pytest.raises(ModelError, match=r"no .*way") as caught:
            asked(lambda number, message, body=body: (400, {}, body))
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text", [SECRET, SECRET.replace("-", "\\u002d"), f"{SECRET[:9]}\\n{SECRET[9:]}", f"{SECRET[:7]}********{SECRET[-4:]}"]
)
def test_the_key_is_in_no_message_or_text(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASSJAX_TEST_KEY", SECRET)
    body = f'{{"error": {{"message": "Incorrect API key provided: {text}."}}}}'
    with pytest.raises(ModelError) as caught:
        asked(lambda number, message: (401, {}, body), key_variable="MASSJAX_TEST_KEY")
    assert "Incorrect API key provided: ***" in str(caught.value)
    said = json.dumps({"choices": [{"message": {"content": f"my key is {SECRET}\x1b[2J"}}]})
    with serving(lambda number, message: (200, {}, said)) as served:
        client = engine(served, key_variable="MASSJAX_TEST_KEY")
        assert client.write(PROMPTS[:1], [Sampling(20, 0.0, 0)]).texts == ["my key is ***\\x1b[2J"]
        client.close()


def test_a_key_that_no_header_can_hold_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("sk-abc\ndef-0123", "sk–typographic", "“sk-quoted”"):
        monkeypatch.setenv("MASSJAX_TEST_KEY", key)
        with serving() as served, pytest.raises(ConfigError, match="MASSJAX_TEST_KEY holds characters that no API key has"):
            engine(served, key_variable="MASSJAX_TEST_KEY")


def test_prompts_that_are_all_too_long_are_failures_not_the_end() -> None:
    def reply(number: int, message: str) -> tuple[int, dict[str, str], str]:
        return 400, {}, f"This model's maximum context length is 4096 tokens. However, your messages resulted in {5000 + number} tokens."

    answers, served = asked(reply)
    assert {failure.reason for failure in answers.failures.values()} == {Reason.TOO_LONG}
    assert len(answers.failures) == len(served.messages) == 12


def test_settings_of_the_endpoint_are_checked() -> None:
    for endpoint, words in (({"leave_out": ["model"]}, "leave_out"), ({"token_limit": "n"}, "token_limit"), ({"extra": [1]}, "extra")):
        with pytest.raises(ValueError, match=words):
            ScoringSettings.model_validate({"engine": "openai", "endpoint": {"url": "http://localhost/v1", "api": "chat", **endpoint}})
