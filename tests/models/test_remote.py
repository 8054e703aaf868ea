"""All forms over the chat API of a server: lower bounds of the mass, schemas, what cannot be asked; and models of several names."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("httpx", reason="httpx is not installed: pip install 'massjax[openai]'")

from massjax.errors import ConfigError, ModelError
from massjax.models.answer import Answer
from massjax.models.failures import Reason
from massjax.models.forms import Decide, Form, Pick, Rate, Write
from massjax.models.identity import identity_digest, known_identity, matching_identity
from massjax.models.loading import Models
from massjax.models.question import Prompt, Question
from massjax.models.remote import Server
from massjax.models.settings import ModelSettings
from tests.models.serve import Fault, Served, answer, serving

FIVE = Rate(("1", "2", "3", "4", "5"))
PROMPTS = [Prompt("You rate stocks.", f"Stock number {n}.") for n in range(12)]
SCHEMA = '{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false}'


def settings(served: Served, **endpoint: Any) -> ModelSettings:
    place = {"url": served.url, "api": "chat", "concurrency": 4, "first_wait": 0.01, "longest_wait": 0.1, "timeout": 5.0, **endpoint}
    return ModelSettings.model_validate({"engine": "openai", "endpoint": place})


def asked(forms: Sequence[Form], fault: Fault = lambda number, message: None, **endpoint: Any) -> tuple[list[Answer], Served]:
    with serving(fault) as served:
        model = Server(settings(served, **endpoint))
        digest = identity_digest(model.identity())
        try:
            return model.answer([Question(digest, prompt, form) for prompt in PROMPTS for form in forms]), served
        finally:
            model.close()


def listing(tokens: dict[str, float]) -> tuple[int, dict[str, str], str]:
    top = [{"token": token, "logprob": math.log(value)} for token, value in tokens.items()]
    return 200, {}, json.dumps({"choices": [{"logprobs": {"content": [{"top_logprobs": top}]}}]})


def saying(text: str, reason: str = "stop") -> tuple[int, dict[str, str], str]:
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    return 200, {}, json.dumps({"choices": [{"message": {"content": text}, "finish_reason": reason}], "usage": usage})


def test_every_question_is_answered_in_its_row() -> None:
    answers, served = asked([FIVE, Decide(("5", "4"))], minimum_listed_mass=0.0)
    for prompt, (first, second) in zip(PROMPTS, zip(answers[::2], answers[1::2], strict=True), strict=True):
        top = {e["token"]: math.exp(e["logprob"]) for e in answer(prompt.user)["choices"][0]["logprobs"]["content"][0]["top_logprobs"]}
        expected = np.array([top[choice] for choice in "12345"])
        assert first.probability is not None
        assert second.probability is not None
        np.testing.assert_allclose(first.probability, expected / expected.sum(), atol=6e-4)
        np.testing.assert_allclose(second.probability[0], top["5"] / (top["5"] + top["4"]), atol=6e-4)
        assert first.mass == pytest.approx(expected.sum(), abs=1e-3)
        assert (first.prompt_tokens, first.cached_tokens) == (len(prompt.user) // 4, 3)
        assert first.seconds > 0
    assert {body["top_logprobs"] for body in served.bodies} == {20}


def test_too_little_among_the_listed_tokens_is_refused() -> None:
    def little(number: int, message: str) -> Any:
        return listing({"3": 0.3, "The": 0.6}) if message == PROMPTS[1].user else None

    answers, _ = asked([FIVE], little)
    failure = answers[1].failure
    assert failure is not None
    assert failure.reason is Reason.LITTLE_LISTED
    assert failure.words == "0.3 on the choices that are listed, less than scoring.endpoint.minimum_listed_mass, 0.5"
    assert [answer.failure for answer in answers].count(None) == 11
    answers, _ = asked([FIVE], little, minimum_listed_mass=0.2)
    assert answers[1].mass == pytest.approx(0.3, abs=1e-3)
    assert answers[1].probability == (0.0, 0.0, 1.0, 0.0, 0.0)


def test_labels_are_picked_only_where_enough_are_listed() -> None:
    form = Pick(("x", "y", "z"), (1, 2, 0), 2)
    answers, _ = asked([form], lambda number, message: listing({"A": 0.2, " B": 0.5, "C": 0.1, "b": 0.1}))
    assert answers[0].picks == (2, 1)
    np.testing.assert_allclose(answers[0].probability or (), [0.125, 0.25, 0.625], atol=1e-3)
    answers, _ = asked([form], lambda number, message: listing({"A": 0.9}) if message == PROMPTS[2].user else listing({"A": 0.6, "B": 0.2}))
    assert answers[2].failure is not None
    assert str(answers[2].failure) == (
        "the likeliest tokens that the server lists hold too little of the choices: 1 of 2 labels to be picked are listed"
    )


def test_what_needs_a_beginning_or_a_second_pass_is_named() -> None:
    forms: list[Form] = [FIVE, Rate(("1", "2"), "R: "), Pick(("x", "y"), (0, 1), 1, "exact")]
    answers, served = asked(forms)
    for answered in answers[1::3] + answers[2::3]:
        assert answered.failure is not None
        assert answered.failure.reason is Reason.UNASKABLE
        assert "use api: completions" in answered.failure.words
    assert len(served.messages) == len(PROMPTS)


def test_json_of_a_schema_is_asked_for_and_checked() -> None:
    def text(number: int, message: str) -> Any:
        wrong = {PROMPTS[1].user: '{"a": "x"}', PROMPTS[2].user: "I think 3", PROMPTS[3].user: '{"a": 1'}
        return saying(wrong.get(message, ' {"a": 3} '), "length" if message == PROMPTS[3].user else "stop")

    answers, served = asked([Write(50, 0.7, 5, SCHEMA)], text)
    assert answers[0]._replace(seconds=0.0, mass=0.0) == Answer(
        text='{"a": 3}', mass=0.0, finish_reason="stop", prompt_tokens=7, written_tokens=3
    )
    assert [a.failure.reason if a.failure else None for a in answers[:5]] == [None, Reason.UNFIT, Reason.UNFIT, Reason.UNFIT, None]
    assert [a.failure.words.split(":")[0] for a in answers[1:4] if a.failure] == [
        "$.a",
        "it is not JSON (Expecting value",
        "it is not JSON (Expecting ',' delimiter",
    ]
    assert answers[1].text == '{"a": "x"}'
    body = served.bodies[0]
    expected = {"type": "json_schema", "json_schema": {"name": "answer", "schema": json.loads(SCHEMA), "strict": True}}
    assert body["response_format"] == expected
    assert (body["max_tokens"], body["temperature"], body["seed"]) == (50, 0.7, 5)


def test_a_server_that_follows_no_schema_is_told_so() -> None:
    refusal = (400, {}, json.dumps({"error": {"message": "response_format type json_schema is not supported"}}))
    with pytest.raises(ModelError, match="it writes no JSON of this schema"):
        asked([Write(50, schema=SCHEMA)], lambda number, message: refusal)


def test_a_server_that_answers_nothing_ends_the_run() -> None:
    with pytest.raises(ModelError, match="answered none of 12 prompts"):
        asked([FIVE], lambda number, message: (503, {}, "down"), attempts=1)
    with pytest.raises(ModelError, match="the model thinks before it answers"):
        asked([FIVE], lambda number, message: listing({"<think>": 0.9, "1": 0.05}))


def test_the_identity_says_what_is_a_lower_bound() -> None:
    with serving(version="0.32.0") as served:
        model = Server(settings(served, top_logprobs=5))
        whole = model.identity()
        model.close()
    assert whole["mass"] == "a lower bound: of the choices among the 5 likeliest tokens that the server lists"
    assert (whole["served_model"], whole["version"]) == ("small", "vllm 0.32.0")
    known = known_identity(settings(served, top_logprobs=5, model="small"))
    assert known.items() <= whole.items()
    assert matching_identity(known, {identity_digest(whole): whole}) == identity_digest(whole)


def test_thinking_is_the_servers_over_the_chat_api() -> None:
    with serving() as served, pytest.raises(ConfigError, match=r"endpoint\.extra"):
        Server(settings(served).replace(thinking="prefill"))


def test_of_several_models_one_is_at_hand() -> None:
    with serving() as served:
        several = {"a": settings(served), "b": settings(served, top_logprobs=5), "noise": ModelSettings(engine="fake")}
        with Models(several) as models:
            assert len({models.digest(name) for name in models}) == 3
            first = models.take("a")
            assert models.take("a") is first
            question = Question(models.digest("a"), PROMPTS[0], FIVE)
            assert first.answer([question])[0].failure is None
            assert identity_digest(models.take("b").identity()) == models.digest("b")
            assert models.take("a") is not first, "it was freed for the other"
            with pytest.raises(ModelError, match=r"no model is called 'nois' \(did you mean 'noise'\?\)"):
                models.take("nois")
