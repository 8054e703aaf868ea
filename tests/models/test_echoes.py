"""How familiar prompts are over HTTP, exactly by a known model's table; servers that tell nothing of prompts are named, not guessed for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx", reason="httpx is not installed: pip install 'massjax[openai]'")
pytest.importorskip("transformers", reason="transformers is not installed: pip install 'massjax[tokenizer]'")

from massjax.errors import ModelError
from massjax.models.answer import Answer
from massjax.models.chat import Chat
from massjax.models.failures import Reason
from massjax.models.familiarity import familiarity_of, min_k
from massjax.models.forms import Familiar, Form, Rate, unaskable_in_chat
from massjax.models.identity import identity_digest
from massjax.models.model_check import check_model
from massjax.models.question import Prompt, Question
from massjax.models.remote import Server
from massjax.models.settings import ModelSettings
from tests.models.byte_model import byte_model, table
from tests.models.serve import Fault, Served, serving

PROMPTS = [Prompt("You rate.", f"Stock {n} of 8.") for n in range(8)]
FORM, TWO = Familiar((20.0, 100.0)), Rate(("1", "2"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return byte_model(tmp_path_factory.mktemp("models") / "bytes")


def asked(
    folder: Path, forms: Sequence[Form], fault: Fault = lambda number, message: None, prompts: Sequence[Prompt] = PROMPTS, **endpoint: Any
) -> tuple[list[Answer], Served]:
    with serving(fault) as served:
        place = {"url": served.url, "concurrency": 3, "first_wait": 0.01, "longest_wait": 0.1, "timeout": 5.0, "attempts": 2, **endpoint}
        chosen = {"engine": "openai", "model": str(folder), "max_model_len": 256, "endpoint": place}
        model = Server(ModelSettings.model_validate(chosen))
        digest = identity_digest(model.identity())
        try:
            return model.answer([Question(digest, prompt, form) for prompt in prompts for form in forms]), served
        finally:
            model.close()


def test_each_prompt_has_the_mean_over_its_own_user_tokens(folder: Path) -> None:
    answers, served = asked(folder, [FORM, TWO])
    for prompt, answer, rated in zip(PROMPTS, answers[::2], answers[1::2], strict=True):
        ids = Chat(folder).ids(prompt)
        start, stop = len("You rate.") + 2, len(ids) - 1
        own = [float(table(tuple(ids[:place]))[ids[place]]) for place in range(start, stop)]
        found = familiarity_of(answer)
        assert list(found.means.values()) == pytest.approx(min_k(own, FORM.percents), abs=1e-6)
        assert (found.tokens, found.counted, answer.prompt_tokens) == (len(prompt.user), "user", len(ids))
        assert rated.failure is None
    body = next(body for body in served.bodies if "echo" in body)
    wanted = {"echo": True, "logprobs": 1, "max_tokens": 1, "return_tokens_as_token_ids": True, "add_special_tokens": False}
    assert wanted.items() <= body.items()
    assert len(served.bodies) == 2 * len(PROMPTS)


def test_prompts_that_cannot_be_asked_are_failures_of_their_own(folder: Path) -> None:
    answers, _ = asked(folder, [FORM], prompts=[Prompt("s", "long" * 70), Prompt("s", ""), PROMPTS[0]])
    assert [None if answer.failure is None else answer.failure.reason for answer in answers] == [Reason.TOO_LONG, Reason.UNASKABLE, None]


def silent(number: int, message: str) -> Any:
    return 200, {}, json.dumps({"choices": [{"text": "A", "logprobs": {"tokens": ["A"], "token_logprobs": [-1.0], "top_logprobs": None}}]})


def doubled(number: int, message: str) -> Any:
    """A token that was not sent, before those that were."""
    ids = [257, *json.loads(message)]
    logprobs = {"tokens": [f"token_id:{token}" for token in ids], "token_logprobs": [None, *[-1.0] * (len(ids) - 1)]}
    return 200, {}, json.dumps({"choices": [{"text": "A", "logprobs": logprobs}]})


def refusing(number: int, message: str) -> Any:
    return 400, {}, json.dumps({"error": {"message": "echo is not supported with logprobs"}})


@pytest.mark.parametrize(
    ("fault", "requests", "words"),
    [
        (silent, 3, "the server sent none for the tokens of the prompt"),
        (doubled, 3, "the server sent none for the tokens of the prompt"),
        (refusing, 1, "echo is not supported with logprobs; it tells no log-probabilities of the prompt: name a vLLM server"),
    ],
)
def test_a_server_that_tells_nothing_of_prompts_is_asked_three_times_at_most(folder: Path, fault: Fault, requests: int, words: str) -> None:
    answers, served = asked(folder, [FORM], fault)
    assert len(served.bodies) == requests
    reasons = [answer.failure.reason for answer in answers if answer.failure is not None]
    assert len(reasons) == len(PROMPTS)
    assert set(reasons[requests:]) == {Reason.UNASKABLE}
    assert set(reasons[:requests]) <= {Reason.NO_LOGPROBS, Reason.REFUSED}
    assert answers[-1].failure is not None
    assert words in answers[-1].failure.words


def test_a_reply_that_fails_is_one_prompts_own_once_another_was_answered(folder: Path) -> None:
    bad = json.dumps(Chat(folder).ids(PROMPTS[5]))
    answers, served = asked(folder, [FORM], lambda number, message: silent(number, message) if message == bad else None)
    assert [row for row, answer in enumerate(answers) if answer.failure is not None] == [5]
    assert len(served.bodies) == len(PROMPTS)


def test_a_server_that_is_away_ends_the_run(folder: Path) -> None:
    with pytest.raises(ModelError, match="answered none of 8 prompts"):
        asked(folder, [FORM], lambda number, message: (503, {}, "down"))


def test_over_the_chat_api_it_is_known_before() -> None:
    place = {"url": "http://127.0.0.1:1/v1", "api": "chat"}
    found = check_model(ModelSettings.model_validate({"engine": "openai", "endpoint": place}), [FORM, TWO])
    assert found.faults == (unaskable_in_chat(FORM),)
    assert "use api: completions" in found.faults[0]


def test_over_the_chat_api_it_is_a_failure_and_nothing_is_sent(folder: Path) -> None:
    answers, served = asked(folder, [FORM], api="chat")
    assert {str(answer.failure).partition(":")[0] for answer in answers} == {Reason.UNASKABLE.value}
    assert not served.bodies
