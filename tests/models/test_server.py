"""A model behind a server with the OpenAI API that fails: retries, Retry-After, time-outs, bounds, what is never retried."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("httpx", reason="httpx is not installed: pip install 'massjax[openai]'")


from massjax.answers.log import AnswerLog
from massjax.errors import ModelError
from massjax.models.answer import Answer
from massjax.models.failures import Failure, Reason
from massjax.models.forms import Rate
from massjax.models.http import retry_after
from massjax.models.identity import identity_digest
from massjax.models.question import Prompt, Question
from massjax.models.remote import Server
from massjax.models.settings import ModelSettings
from massjax.precompute import main
from massjax.scores.scores import Scores
from massjax.scores.status import Status
from tests.models.serve import Fault, Served, answer, serving
from tests.test_precompute import config_file

PROMPTS = [Prompt("You rate stocks.", f"Stock number {n}.") for n in range(12)]
FIVE = Rate(("1", "2", "3", "4", "5"))
SECRET = "sk-test-1f3a9c77e2b84d0d"


def client_of(served: Served, **endpoint: Any) -> Server:
    settings = {"url": served.url, "api": "chat", "concurrency": 4, "first_wait": 0.01, "longest_wait": 2.0, "timeout": 5.0, **endpoint}
    return Server(ModelSettings.model_validate({"engine": "openai", "endpoint": settings}))


def right(answers: list[Answer]) -> bool:
    """Whether every prompt has the answer of the server in its row."""
    for prompt, found in zip(PROMPTS, answers, strict=True):
        top = answer(prompt.user)["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        listed = np.array([math.exp(entry["logprob"]) for entry in top if entry["token"] in FIVE.choices])
        assert found.probability is not None
        np.testing.assert_allclose(found.probability, listed / listed.sum(), atol=6e-4)
    return True


def asked(fault: Fault = lambda number, message: None, seconds: float = 0.0, **endpoint: Any) -> tuple[list[Answer], Served]:
    with serving(fault, seconds) as served:
        client = client_of(served, **endpoint)
        digest = identity_digest(client.identity())
        try:
            return client.answer([Question(digest, prompt, FIVE) for prompt in PROMPTS]), served
        finally:
            client.close()


def test_no_more_requests_are_under_way_than_allowed() -> None:
    for concurrency in (1, 3):
        _, served = asked(seconds=0.03, concurrency=concurrency)
        assert served.most == concurrency


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_again(status: int) -> None:
    answers, served = asked(lambda number, message: (status, {}, "busy") if served_before(message) < 2 else None)
    assert right(answers)
    assert len(served.messages) == 3 * len(PROMPTS)


SEEN: dict[str, int] = {}


@pytest.fixture(autouse=True)
def _forget() -> None:
    SEEN.clear()


def served_before(message: str) -> int:
    """How often a message came before."""
    SEEN[message] = SEEN.get(message, -1) + 1
    return SEEN[message]


def test_a_lost_connection_and_a_late_answer_are_asked_again() -> None:
    slow, torn = PROMPTS[2].user, PROMPTS[5].user

    def fault(number: int, message: str) -> tuple[int, dict[str, str], str] | float | None:
        if served_before(message):
            return None
        return {slow: 1.5, torn: (200, {"content-length": "9999", "connection": "close"}, "{")}.get(message)

    answers, served = asked(fault, timeout=0.5)
    assert right(answers)
    assert served.messages.count(slow) == served.messages.count(torn) == 2


@pytest.mark.parametrize("body", ["not json", "{}", '{"choices": []}', '{"choices": [{"logprobs": []}]}', "[1]"])
def test_a_reply_that_is_not_understood_is_asked_again_then_a_failure(body: str) -> None:
    bad = PROMPTS[4].user
    answers, served = asked(lambda number, message: (200, {}, body) if message == bad else None, attempts=3)
    assert served.messages.count(bad) == 3
    assert [row for row, found in enumerate(answers) if found.failure is not None] == [4]
    failure = answers[4].failure
    assert failure is not None
    assert failure.reason is Reason.MALFORMED
    assert "3 attempts" in failure.words
    assert answers[4].probability is None


def test_retry_after_is_honoured_by_all() -> None:
    _, served = asked(lambda number, message: (429, {"retry-after": "1"}, "slow down") if number == 0 else None, concurrency=1)
    assert served.times[1] - served.times[0] >= 1.0
    assert len(served.messages) == len(PROMPTS) + 1


def test_retry_after_has_two_forms() -> None:
    assert retry_after("7.5") == 7.5
    assert retry_after(None) is None
    assert retry_after("soon") is None
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=30))
    assert retry_after(moment) == pytest.approx(30, abs=3)
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


def test_waits_grow_and_stay_below_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as served:
        client = client_of(served, first_wait=0.5, longest_wait=3.0)
        waits = [[client._requests._backoff(attempt) for _ in range(200)] for attempt in range(6)]
        client.close()
    for attempt, found in enumerate(waits):
        whole = min(0.5 * 2**attempt, 3.0)
        assert whole / 2 <= min(found) < max(found) <= whole


def test_a_prompt_the_server_refuses_is_a_failure_at_once() -> None:
    answers, served = asked(lambda number, message: (400, {}, "too long") if message == PROMPTS[0].user else None)
    assert answers[0].failure == Failure(Reason.TOO_LONG, "HTTP 400: too long")
    assert all(found.failure is None for found in answers[1:])
    assert served.messages.count(PROMPTS[0].user) == 1


@pytest.mark.parametrize(("status", "words"), [(401, "MASSJAX_TEST_KEY"), (403, "MASSJAX_TEST_KEY"), (404, "endpoint.url")])
def test_what_every_request_would_get_ends_the_run_without_the_key(status: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASSJAX_TEST_KEY", SECRET)
    with pytest.raises(ModelError, match=words) as caught:
        asked(lambda number, message: (status, {}, f"wrong key {SECRET}"), key_variable="MASSJAX_TEST_KEY")
    assert SECRET not in str(caught.value)
    assert "wrong key ***" in str(caught.value)


def test_a_server_that_answers_nothing_ends_the_run() -> None:
    with pytest.raises(ModelError, match=r"answered none of 12 prompts.*HTTP 503.*2 attempts"):
        asked(lambda number, message: (503, {}, "down"), attempts=2)
    with serving() as served:
        pass
    with pytest.raises(ModelError, match="is the server running"):
        client_of(served, attempts=1)


def test_a_model_that_is_not_served_is_named_with_the_nearest() -> None:
    with serving() as served, pytest.raises(ModelError, match=r"'smal'.*did you mean 'small'"):
        client_of(served, model="smal")


def test_a_choice_that_is_not_among_the_likeliest_has_probability_zero() -> None:
    def only(token: str) -> dict[str, Any]:
        top = [{"token": token, "logprob": math.log(0.5)}]
        return {"choices": [{"logprobs": {"content": [{"top_logprobs": top}]}}]}

    answers, _ = asked(lambda number, message: (200, {}, json.dumps(only("The" if message == PROMPTS[3].user else " 2"))))
    assert (answers[0].probability, answers[0].mass) == ((0.0, 1.0, 0.0, 0.0, 0.0), 0.5)
    assert answers[3].probability is None
    assert answers[3].failure == Failure(Reason.NO_CHOICE, "likeliest was 'The'")


@pytest.mark.parametrize(
    ("scoring", "words"),
    [
        ({"engine": "openai"}, ["needs scoring.endpoint"]),
        ({"engine": "fake", "endpoint": {"url": "http://localhost/v1"}}, ["'openai' only"]),
        ({"engine": "openai", "endpoint": {"url": f"http://user:{SECRET}@localhost/v1"}}, ["holds a user, password or query"]),
        ({"engine": "openai", "endpoint": {"url": f"http://localhost/v1?key={SECRET}"}}, ["holds a user, password or query"]),
        ({"engine": "openai", "endpoint": {"url": "localhost:8000"}}, ["expected an address"]),
        ({"engine": "openai", "endpoint": {"url": "http://localhost/v1", "key_variable": SECRET}}, ["name of an environment variable"]),
        ({"engine": "openai", "endpoint": {"url": "http://localhost/v1", "api_key": SECRET}}, ["unknown key", "api_key"]),
        ({"engine": "openai", "endpoint": {"url": "http://localhost/v1", "api": "chat", "key_variable": "MASSJAX_NO_KEY"}}, ["not set"]),
        ({"engine": "openai", "endpoint": {"url": "http://localhost/v1"}}, ["scoring.model", "tokenizer"]),
    ],
)
def test_bad_settings_are_told_without_the_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], scoring: dict[str, Any], words: list[str]
) -> None:
    assert main(["--config", str(config_file(tmp_path, scoring=scoring))]) == 2
    told = " ".join(capsys.readouterr().err.split())
    for word in words:
        assert word in told
    assert SECRET not in told


def test_a_beginning_that_the_chat_api_cannot_give_is_told_and_nothing_is_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as served:
        endpoint = {"url": served.url, "api": "chat"}
        assert main(["--config", str(config_file(tmp_path, scoring={"engine": "openai", "prefill": "R: ", "endpoint": endpoint}))]) in (
            1,
            2,
        )
    told = capsys.readouterr()
    assert "prefill" in told.out + told.err
    assert served.messages == []


def through_the_command(folder: Path, served: Served, **endpoint: Any) -> int:
    settings = {"url": served.url, "api": "chat", "first_wait": 0.01, "longest_wait": 0.1, "concurrency": 8, **endpoint}
    return main(["--config", str(config_file(folder, scoring={"engine": "openai", "endpoint": settings}))])


def test_a_run_that_fails_midway_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    with serving(lambda number, message: (503, {}, "down") if number >= 40 else None) as served:
        assert through_the_command(tmp_path, served, attempts=2, concurrency=4) in (1, 2)
    done = served.messages[:40]
    with serving() as served:
        assert through_the_command(tmp_path, served) == 0
    assert (Scores.open(tmp_path / "store").status()[:, :2] == Status.SCORED).all()
    assert not set(done) & set(served.messages)
    assert len(served.messages) == len(set(served.messages))


def test_the_key_is_in_nothing_that_is_written_or_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MASSJAX_TEST_KEY", SECRET)
    caplog.set_level("DEBUG")
    with serving(lambda number, message: (500, {}, f"Bearer {SECRET} is bad") if number % 5 == 0 else None) as served:
        assert through_the_command(tmp_path, served, key_variable="MASSJAX_TEST_KEY", attempts=1) in (1, 2)
        assert through_the_command(tmp_path, served, key_variable="MASSJAX_TEST_KEY") == 0
    assert served.keys == {f"Bearer {SECRET}"}
    captured = capsys.readouterr()
    assert SECRET not in captured.out + captured.err + caplog.text
    log = AnswerLog(tmp_path / "store" / "answers")
    shown = "".join(str(frame.to_dicts()) for frame in log.frames())
    assert log.files
    assert SECRET not in shown
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 10
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]


def test_a_server_is_not_called_where_the_settings_name_its_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as served:
        assert through_the_command(tmp_path, served, model="small") == 0
        asked = len(served.messages)
    capsys.readouterr()
    assert through_the_command(tmp_path, served, model="small", attempts=1) == 0, "the server is gone"
    assert "Nothing is left to ask" in capsys.readouterr().out
    with serving(models={"data": [{"id": "large"}]}) as served:
        assert through_the_command(tmp_path, served, model="large") == 0
        assert len(served.messages) == asked, "another model is asked everything, in the same store"
    models = AnswerLog(tmp_path / "store" / "answers").models().values()
    assert sorted(model.identity["served_model"] for model in models) == ["large", "small"]
