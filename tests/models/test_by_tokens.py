"""Rates, decisions and picks by token ids, against a model whose every next-token probability is known: exact, and through a server too."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers", reason="transformers is not installed: pip install 'massjax[tokenizer]'")

from massjax.models.answer import Answer
from massjax.models.by_tokens import ByTokens, Seen
from massjax.models.chat import Chat
from massjax.models.failures import Reason
from massjax.models.forms import Decide, Form, Pick, Rate, Write
from massjax.models.picks import shuffled
from massjax.models.question import Prompt, Question
from massjax.models.sequences import Tokens
from massjax.models.settings import ModelSettings
from tests.models.byte_model import byte_model, table
from tests.models.serve import serving

PROMPTS = [Prompt("You rate.", f"Stock {n}.") for n in range(6)]
ITEMS = tuple(f"item {n}" for n in range(7))
TENS = Rate(tuple(map(str, range(1, 11))), "R: ")
WORDS = Decide(("BUY", "HOLD", "SELL", "SELL SHORT"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return byte_model(tmp_path_factory.mktemp("models") / "bytes")


class Table:
    """`forward` of the known model; remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[tuple[list[int], Tokens]]] = []

    def __call__(self, passes: Sequence[tuple[list[int], Tokens]]) -> list[Seen]:
        self.calls.append(list(passes))
        return [Seen({token: float(table(tuple(ids))[token]) for token in wanted}, len(ids), 1) for ids, wanted in passes]


def ask(folder: Path, forms: Sequence[Form], prompts: Sequence[Prompt] = PROMPTS, longest: int = 256) -> tuple[list[Answer], Table]:
    forward = Table()
    questions = [Question("f" * 32, prompt, form) for prompt in prompts for form in forms]
    return ByTokens(chat_of(folder), longest, forward).answers(questions), forward


@cache
def chat_of(folder: Path) -> Chat:
    return Chat(folder)


@cache
def ids_of(folder: Path, prompt: Prompt, said: str) -> tuple[int, ...]:
    return tuple(chat_of(folder).ids(prompt, prefill=said))


def probability(folder: Path, prompt: Prompt, before: str, text: str) -> float:
    """Of a text after a beginning, byte by byte."""
    value = 1.0
    for place in range(len(text)):
        row = table(ids_of(folder, prompt, before + text[:place]))
        value *= float(np.exp(row[ids_of(folder, prompt, before + text[: place + 1])[-1]]))
    return value


@pytest.mark.parametrize("form", [Rate(("1", "2", "3")), Rate(("1", "2", "3"), "R: "), TENS, WORDS])
def test_choices_have_the_probabilities_of_their_texts(folder: Path, form: Rate | Decide) -> None:
    answers, _ = ask(folder, [form])
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        texts = {choice: probability(folder, prompt, form.prefill, choice) for choice in form.choices}
        for choice in form.choices:
            longer = [other for other in form.choices if other != choice and other.startswith(choice)]
            for other in longer:
                first = probability(folder, prompt, form.prefill, choice + other[len(choice)])
                texts[choice] -= first
        expected = np.array(list(texts.values()))
        assert answer.probability is not None
        np.testing.assert_allclose(answer.probability, expected / expected.sum(), atol=6e-4)
        assert answer.mass == pytest.approx(expected.sum(), rel=1e-3, abs=1e-7)


def test_one_token_a_choice_is_one_pass_and_several_share_the_prompt(folder: Path) -> None:
    _, forward = ask(folder, [Rate(("1", "2", "3"))])
    assert [len(call) for call in forward.calls] == [len(PROMPTS)]
    answers, forward = ask(folder, [TENS])
    assert [len(call) for call in forward.calls] == [len(PROMPTS), len(PROMPTS)]
    first, second = (call[0] for call in forward.calls)
    assert second[0][:-1] == first[0]
    assert answers[0].prompt_tokens == 2 * len(first[0]) + 1
    assert answers[0].cached_tokens == 2


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_plackett_luce_reads_all_labels_in_one_pass(folder: Path, temperature: float) -> None:
    form = Pick(ITEMS, shuffled(7, 5), 3, temperature=temperature, prefill="Picks: ")
    answers, forward = ask(folder, [form])
    assert [len(call) for call in forward.calls] == [len(PROMPTS)]
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        shown = np.array([probability(folder, prompt, "Picks: ", label) for label in form.labels])
        expected = np.zeros(7)
        expected[list(form.order)] = shown / shown.sum()
        assert answer.probability is not None
        assert answer.picks is not None
        np.testing.assert_allclose(answer.probability, expected, atol=6e-4)
        if temperature == 0.0:
            assert answer.picks == tuple(np.argsort(-expected)[:3])
        assert len(set(answer.picks)) == 3


def test_exact_picks_take_the_likeliest_label_left_after_those_said(folder: Path) -> None:
    for count in (1, 4, 7):
        form = Pick(ITEMS, shuffled(7, 5), count, "exact", prefill="Picks: ")
        answers, forward = ask(folder, [form])
        assert [len(call) for call in forward.calls] == [len(PROMPTS)] * min(count, 6)
        for prompt, answer in zip(PROMPTS, answers, strict=True):
            said: list[str] = []
            while len(said) < count:
                left = [label for label in form.labels if label not in said]
                before = "Picks: " + ", ".join(said) + ("," if said else "")
                said.append(max(left, key=lambda label: probability(folder, prompt, before, label)))
            assert answer.picks == tuple(form.order[form.labels.index(label)] for label in said)
            assert answer.probability == ask(folder, [Pick(ITEMS, shuffled(7, 5), count, prefill="Picks: ")], [prompt])[0][0].probability


def test_exact_draws_are_of_the_conditional_probabilities(folder: Path) -> None:
    """Of two of three labels, over 4,000 seeds."""
    prompt, items = PROMPTS[0], ("x", "y", "z")
    forms = [Pick(items, (2, 0, 1), 2, "exact", temperature=1.0, seed=seed) for seed in range(4000)]
    found = [answer.picks for answer in ask(folder, forms, [prompt])[0]]
    labels = "ABC"
    first = np.array([probability(folder, prompt, "", label) for label in labels])
    for one in range(3):
        left = [place for place in range(3) if place != one]
        second = np.array([probability(folder, prompt, f"{labels[one]},", labels[place]) for place in left])
        for place, share in zip(left, second / second.sum(), strict=True):
            expected = first[one] / first.sum() * share
            count = found.count(((2, 0, 1)[one], (2, 0, 1)[place]))
            assert abs(count / 4000 - expected) < 5 * np.sqrt(expected * (1 - expected) / 4000) + 1e-9


def test_fifty_two_items_are_labelled_to_z(folder: Path) -> None:
    form = Pick(tuple(map(str, range(52))), tuple(range(52)), 52, "exact")
    (answer,), _ = ask(folder, [form], PROMPTS[:1], 512)
    assert answer.picks is not None
    assert sorted(answer.picks) == list(range(52))


def test_a_prompt_that_is_too_long_is_a_failure_of_its_own(folder: Path) -> None:
    """With room for what is said between its end and the last token wanted: a token for "10", four a label for exact picks."""
    prompt = Prompt("x", "y" * 40)
    length = len(ids_of(folder, prompt, "R: "))
    exact = Pick(ITEMS, shuffled(7, 5), 2, "exact", prefill="R: ")
    for room, failing in [(0, 3), (1, 2), (2, 1), (8, 1), (9, 0)]:
        answers, _ = ask(folder, [Rate(("1", "2"), "R: "), TENS, exact], [PROMPTS[0], prompt], length + room)
        failures = [answer.failure for answer in answers]
        assert failures[:3] == [None] * 3
        assert [f.reason for f in failures[3:] if f is not None] == [Reason.TOO_LONG] * failing


def test_a_model_that_thinks_first_is_named(tmp_path: Path) -> None:
    folder = byte_model(tmp_path / "thinks", tokens=["<think>"])

    def forward(passes: Sequence[tuple[list[int], Tokens]]) -> list[Seen]:
        return [Seen({token: np.log(0.9 if token == 259 else 0.01) for token in wanted}) for _, wanted in passes]

    (answer,) = ByTokens(Chat(folder), 256, forward).answers([Question("f" * 32, PROMPTS[0], TENS)])
    assert answer.failure is not None
    assert str(answer.failure) == "the model thinks before it answers: it opens a passage of thinking with probability 0.9"


def test_a_server_that_takes_tokens_answers_the_same(folder: Path) -> None:
    pytest.importorskip("httpx", reason="httpx is not installed: pip install 'massjax[openai]'")
    from massjax.models.remote import Server

    forms: list[Form] = [TENS, WORDS, Pick(ITEMS, shuffled(7, 5), 3, "exact"), Pick(ITEMS, shuffled(7, 5), 3, temperature=1.0), Write(9)]
    questions = [Question("f" * 32, prompt, form) for prompt in PROMPTS for form in forms]
    with serving() as served:
        endpoint: dict[str, Any] = {"url": served.url, "concurrency": 4}
        server = Server(ModelSettings.model_validate({"engine": "openai", "model": str(folder), "endpoint": endpoint}))
        answers = server.answer(questions)
        server.close()
    expected, _ = ask(folder, forms[:4])
    kept = [answer for question, answer in zip(questions, answers, strict=True) if not isinstance(question.form, Write)]
    assert [a._replace(seconds=0.0) for a in kept] == [a._replace(cached_tokens=0) for a in expected]
    texts = [answer for question, answer in zip(questions, answers, strict=True) if isinstance(question.form, Write)]
    assert all(answer.text and answer.text.startswith("text ") and answer.finish_reason == "stop" for answer in texts)
