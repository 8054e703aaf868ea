"""What one reply of a server may hold: any shape, tokens that spell a choice, impossible numbers, thoughts, or nothing to score."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import numpy as np
import pytest

pytest.importorskip("httpx", reason="httpx is not installed: pip install 'massjax[openai]'")

from massjax.errors import ModelError
from massjax.models.failures import Failure, Reason
from massjax.models.token_replies import read_tokens
from tests.models.serve import answer, serving
from tests.models.test_server import PROMPTS, asked, client_of, failed, put, raw, right


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
    assert right(answers)
    assert [found.prompt_tokens for found in answers] == [0] * 12


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
    np.testing.assert_allclose(raw(answers[0]), [0.2, 0, 0, 0, 0.701], atol=6e-4)


def test_one_token_listed_twice_is_one_token() -> None:
    answers, _ = asked(lambda number, message: (200, {}, chat([("5", math.log(0.6)), ("1", math.log(0.3)), ("5", math.log(0.6))])))
    np.testing.assert_allclose(raw(answers[0]), [0.3, 0, 0, 0, 0.6], atol=6e-4)


def test_tokens_that_differ_in_their_bytes_are_two() -> None:
    def reply(number: int, message: str) -> tuple[int, dict[str, str], str]:
        top = [{"token": "5", "logprob": math.log(0.3), "bytes": [53]}, {"token": "5", "logprob": math.log(0.3), "bytes": [32, 53]}]
        return 200, {}, json.dumps({"choices": [{"logprobs": {"content": [{"top_logprobs": top}]}}]})

    answers, _ = asked(reply)
    assert raw(answers[0])[4] == pytest.approx(0.6, abs=6e-4)


@pytest.mark.parametrize(
    "top", [[("5", 0.5)], [("5", -0.1), ("1", -0.1)], [("The", -0.2), ("5", -0.3)], [("The", 3.0), ("5", -3.0)], [("5", 700.0)]]
)
def test_impossible_probabilities_are_refused_for_every_prompt_alike(top: list[tuple[str, float]]) -> None:
    with pytest.raises(ModelError, match="log-probabilities that cannot be"):
        asked(lambda number, message: (200, {}, chat(top)))
    answers, _ = asked(lambda number, message: (200, {}, chat(top)) if message == PROMPTS[7].user else None)
    assert {row: failure.reason for row, failure in failed(answers).items()} == {7: Reason.IMPOSSIBLE}
    assert answers[7].probability is None


def test_impossible_probabilities_beside_the_choices_are_refused_in_completions() -> None:
    sent = {"token_id:1": -0.5, "token_id:2": -1.2, "token_id:9": -0.1}
    body = json.dumps({"choices": [{"text": "a", "logprobs": {"top_logprobs": [sent]}}]}).encode()
    found = read_tokens(body, (1, 2))
    assert isinstance(found, Failure)
    assert found.reason is Reason.IMPOSSIBLE


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
        client = client_of(served)
        with pytest.raises(
            ModelError, match=r"the server sent no log-probabilities \(it may not support logprobs\); .*scoring.engine: vllm"
        ):
            put(client, PROMPTS)
        client.close()
    assert len(served.messages) == 3


def test_one_prompt_without_log_probabilities_is_a_failure_of_that_prompt() -> None:
    document = json.dumps({"choices": [{"message": {"content": "no"}, "logprobs": None, "finish_reason": "content_filter"}]})
    answers, served = asked(lambda number, message: (200, {}, document) if message == PROMPTS[0].user else None)
    assert {row: failure.reason for row, failure in failed(answers).items()} == {0: Reason.NO_LOGPROBS}
    assert len(served.messages) == 12


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
    assert {failure.reason for failure in failed(answers).values()} == {Reason.DECLINED}
    assert said in failed(answers)[0].words
    assert len(failed(answers)) == len(PROMPTS)
