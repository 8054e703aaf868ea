"""A plan counts what is open, and takes its seconds from what the log recorded for that model, form and length, or says it cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from massjax.answers.log import AnswerLog
from massjax.answers.plan import Basis, Batch, Plan, plan
from massjax.answers.sharding import own
from massjax.machine import this_machine
from massjax.models.answer import Answer
from massjax.models.forms import Familiar, Rate, Write
from massjax.models.question import CHARACTERS_PER_TOKEN, Prompt, Question

from .asked import IDENTITY, MODEL, RATE, keys, questions


def prompts(count: int, length: int = 400) -> list[Prompt]:
    return [Prompt("s" * (length // 2), f"{i:08d}" * (length // 16)) for i in range(count)]


def recorded(log: AnswerLog, asked: list[Prompt], seconds: float, machine: str | None = None, form: Rate | Write = RATE) -> None:
    """Answers to prompts of four characters a token, each of which took so long."""
    tokens = [sum(map(len, prompt)) // 4 for prompt in asked]
    share, text = ((0.2,) * 5, None) if isinstance(form, Rate) else (None, "text")
    answers = [Answer(share, 0.5, None, text, None, "stop", count, 0, 1, seconds) for count in tokens]
    log.append(IDENTITY, [Question(MODEL, prompt, form) for prompt in asked], answers, machine or str(this_machine()))


def test_each_distinct_question_counts_once_and_is_known_or_open(tmp_path: Path) -> None:
    log, asked = AnswerLog(tmp_path), prompts(50)
    assert plan(log, []) == Plan()
    whole = plan(log, [Batch(None, RATE, asked * 2)])
    assert (whole.known, whole.open, whole.seconds, whole.basis, whole.no_basis) == (0, 50, None, None, 50)
    assert whole.prompt_tokens == pytest.approx(50 * 400 / CHARACTERS_PER_TOKEN, abs=1)
    recorded(log, asked[:20], 0.5)
    for model in (MODEL, "0" * 32):
        found = plan(log, [Batch(model, RATE, asked), Batch(model, Rate(("a", "b")), asked[:5])])
        assert (found.known, found.open) == ((20, 35) if model == MODEL else (0, 55))
    finished = plan(log, [Batch(MODEL, RATE, asked[:20])])
    assert (finished.known, finished.open, finished.seconds, finished.no_basis) == (20, 0, 0.0, 0)


def test_beginnings_that_neighbours_share_are_not_computed_again(tmp_path: Path) -> None:
    found = plan(AnswerLog(tmp_path), [Batch(None, RATE, [Prompt("s" * 440, f"{i}" * 44) for i in range(10)])])
    assert found.prompt_tokens == 10 * 110
    assert found.computed_tokens == 110 + 9 * 10
    assert found.written_tokens == 10
    whole = plan(AnswerLog(tmp_path), [Batch(None, Familiar(), [Prompt("s" * 440, f"{i}" * 44) for i in range(10)])])
    assert (whole.prompt_tokens, whole.computed_tokens) == (10 * 110, 10 * 110), "log-probabilities of a prompt come from no cache"
    assert plan(AnswerLog(tmp_path), [Batch(None, Write(64), prompts(3))]).written_tokens == 3 * 64


def test_seconds_are_those_of_the_same_model_form_and_length(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path)
    recorded(log, prompts(40, 400), 0.5)
    recorded(log, prompts(40, 3200), 3.0)
    new = [Prompt("n" + prompt.system[1:], prompt.user) for prompt in prompts(10, 400)]
    found = plan(log, [Batch(MODEL, RATE, new)])
    assert found.seconds == pytest.approx(10 * 0.5)
    assert found.prompt_tokens == 10 * 100
    assert found.basis == Basis(80, (str(this_machine()),), True)
    twice = [Prompt(prompt.system * 2, "n" + prompt.user * 2) for prompt in new]
    assert plan(log, [Batch(MODEL, RATE, twice)]).seconds == pytest.approx(10 * 1.0), "an octave longer: twice as long"
    assert plan(log, [Batch(MODEL, RATE, new), Batch(MODEL, RATE, twice)]).seconds == pytest.approx(15.0)
    for batch in (Batch(MODEL, Write(5), new), Batch("0" * 32, RATE, new), Batch(None, RATE, new), Batch(MODEL, RATE, prompts(10, 40_000))):
        found = plan(log, [batch])
        assert (found.seconds, found.no_basis) == (None, 10)


def test_this_machine_counts_before_others(tmp_path: Path) -> None:
    log, new = AnswerLog(tmp_path), [Prompt("new", "n" * 397)]
    recorded(log, prompts(10), 0.001, "8 GPUs")
    found = plan(log, [Batch(MODEL, RATE, new)])
    assert (found.seconds, found.basis) == (pytest.approx(0.001), Basis(10, ("8 GPUs",), False))
    recorded(log, prompts(20)[10:], 2.0)
    found = plan(log, [Batch(MODEL, RATE, new)])
    assert (found.seconds, found.basis) == (pytest.approx(2.0), Basis(10, (str(this_machine()),), True))


@pytest.mark.parametrize("count", [1, 2, 3, 8, 100])
def test_shards_are_disjoint_and_whole_and_each_is_found_without_the_others(count: int) -> None:
    asked = questions(500)
    shards = np.array([own(keys(asked), number, count) for number in range(1, count + 1)])
    assert (shards.sum(axis=0) == 1).all()
    assert shards.sum(axis=1).max() < 500 / count + 5 * (500 / count) ** 0.5 + 1
    assert (own(keys(asked[::2]), 1, count) == shards[0][::2]).all()
    groups = [question.prompt.user for question in asked]
    grouped = np.array([own(keys(asked), number, count, groups) for number in range(1, count + 1)])
    assert (grouped.sum(axis=0) == 1).all()
    for name in set(groups):
        assert len({tuple(part) for part, group in zip(grouped.T.tolist(), groups, strict=True) if group == name}) == 1
