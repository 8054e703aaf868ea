"""Forms as JSON, and keys: anything that can change an answer changes the key, many keys at once are the same keys."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from massjax.errors import ModelError
from massjax.models.forms import Decide, Familiar, Form, Pick, Rate, Write, form_document, form_of, form_text
from massjax.models.question import Prompt, Question, question_keys

MODEL = "0123456789abcdef" * 2
PICK = Pick(("x", "y", "z"), (2, 0, 1), 2)
SCHEMA = '{"type": "object", "properties": {"b": {"type": "integer"}, "a": {"type": "string"}}}'
FORMS: list[Form] = [
    Rate(("1", "2"), "R: "),
    Decide(("BUY", "SELL")),
    PICK,
    replace(PICK, method="exact", temperature=0.5),
    Write(9, 0.7, 3, SCHEMA),
    Familiar(),
]


@pytest.mark.parametrize("form", FORMS)
def test_a_form_comes_back_from_json(form: Form) -> None:
    assert form_of(json.loads(json.dumps(form_document(form)))) == form


def test_schemas_that_say_the_same_are_one_form() -> None:
    assert Write(9, schema=SCHEMA) == Write(9, schema=json.dumps(dict(reversed(json.loads(SCHEMA).items())), indent=2))


def test_percents_that_are_the_same_numbers_are_one_form() -> None:
    assert form_text(Familiar((5, 20))) == '{"kind":"familiar","percents":[5.0,20.0]}' == form_text(Familiar((5.0, 20.0)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Rate(("1",)), "2 to 128 different texts"),
        (lambda: Decide(("BUY", "BUY")), "different texts"),
        (lambda: Pick(tuple(map(str, range(53))), tuple(range(53)), 1), "53 items cannot be picked from: there are 52 labels"),
        (lambda: Pick(("x", "y"), (0, 0), 1), "each of 0 to 1 once"),
        (lambda: Pick(("x", "y"), (0, 1), 3), "3 of a list of 2"),
        (lambda: Write(9, schema="{"), "not JSON"),
        (lambda: Write(9, schema='{"typ": "object"}'), r"keyword 'typ' is not known \(did you mean 'type'"),
        (lambda: Familiar(()), "must increase"),
        (lambda: Familiar((20.0, 10.0)), "must increase"),
        (lambda: Familiar((0.0, 10.0)), "above 0 and up to 100"),
        (lambda: Familiar((float("nan"),)), "above 0 and up to 100"),
        (lambda: Familiar(("few",)), "must be numbers"),  # type: ignore[arg-type]
        (lambda: form_of({"kind": "guess"}), "no form of an answer is called 'guess'"),
        (lambda: form_of({"kind": "rate", "choises": ["1", "2"]}), "not made of choises"),
    ],
)
def test_what_is_no_form_is_told(make: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        make()


def test_everything_that_is_asked_changes_the_key() -> None:
    base = Question(MODEL, Prompt("system", "user"), FORMS[0])
    variants = [
        base,
        base._replace(model="f" * 32),
        base._replace(prompt=Prompt("system", "user ")),
        base._replace(prompt=Prompt("systemu", "ser")),
        base._replace(prompt=Prompt("system\nuser", "")),
        *(base._replace(form=form) for form in FORMS[1:]),
        base._replace(form=Rate(("1", "2"), "R:")),
        base._replace(form=Decide(("1", "2"), "R: ")),
        base._replace(form=replace(PICK, order=(0, 1, 2))),
        base._replace(form=replace(PICK, seed=1)),
        base._replace(form=Write(9, 0.7, 4, SCHEMA)),
        base._replace(form=Familiar((20.0,))),
    ]
    assert len({question.key for question in variants}) == len(variants)


def test_a_key_is_the_hash_that_is_documented() -> None:
    """A store outlives the code: keys may not change by accident."""
    question = Question(MODEL, Prompt("Sé", "ü"), Rate(("1", "2"), "R: "))
    form = '{"choices":["1","2"],"kind":"rate","prefill":"R: "}'
    text = f"massjax question\n32 {len(form)}\n{MODEL}\n{form}\n3 2\nSéü"
    assert question.key == hashlib.blake2b(text.encode(), digest_size=16).digest()


@pytest.mark.parametrize("form", FORMS)
def test_many_keys_at_once_are_the_same_keys(form: Form) -> None:
    prompts = [Prompt(f"s{n % 3}", f"user {n}") for n in range(20)]
    keys = question_keys(MODEL, form, prompts)
    assert keys.dtype == np.dtype("<u8")
    assert [row.tobytes() for row in keys] == [Question(MODEL, prompt, form).key for prompt in prompts]
    assert question_keys(MODEL, form, []).shape == (0, 2)
