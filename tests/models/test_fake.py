"""The fake answers all forms, always the same, within what each form allows."""

from __future__ import annotations

import json

import numpy as np
import pytest

from massjax.models.fake import Fake
from massjax.models.familiarity import familiarity_of, misfit as misfit_of
from massjax.models.forms import Decide, Familiar, Form, Pick, Rate, Write
from massjax.models.identity import identity_digest
from massjax.models.picks import shuffled
from massjax.models.question import Prompt, Question
from massjax.models.schema import misfit
from massjax.models.settings import ModelSettings

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "stance": {"enum": ["long", "short"]},
            "weight": {"type": "number", "minimum": 0, "maximum": 1},
            "days": {"type": "integer", "minimum": 1, "maximum": 3},
            "reasons": {"type": "array", "items": {"$ref": "#/$defs/reason"}, "minItems": 2},
        },
        "required": ["stance", "weight", "why"],
        "$defs": {"reason": {"type": "string", "minLength": 2, "maxLength": 5}},
    }
)
FORMS: list[Form] = [
    Rate(("1", "2", "3")),
    Decide(("BUY", "HOLD")),
    Pick(tuple("abcdefg"), shuffled(7, 1), 3, temperature=1.0),
    Pick(tuple("abcdefg"), shuffled(7, 1), 7, method="exact"),
    Write(20),
    Write(20, schema=SCHEMA),
    Familiar(),
]


def questions(model: Fake) -> list[Question]:
    digest = identity_digest(model.identity())
    return [Question(digest, Prompt("s", f"user {n}"), form) for n in range(20) for form in FORMS]


def test_every_form_is_answered_within_its_bounds() -> None:
    model = Fake(ModelSettings(engine="fake"))
    asked = questions(model)
    answers = model.answer(asked)
    assert answers == model.answer(asked)
    assert model.answered == 2 * len(asked)
    for question, answer in zip(asked, answers, strict=True):
        form = question.form
        assert answer.failure is None
        if isinstance(form, Write):
            assert answer.text is not None
            assert np.isnan(answer.mass)
            assert form.schema is None or misfit(answer.text, form.schema) is None
            continue
        if isinstance(form, Familiar):
            assert misfit_of(form, answer.text) is None
            assert familiarity_of(answer).tokens == 1
            continue
        assert answer.probability is not None
        assert sum(answer.probability) == np.float32(1) or abs(sum(answer.probability) - 1) < 5e-3
        assert abs(answer.mass - 0.9) < 1e-3
        if isinstance(form, Pick):
            assert answer.picks is not None
            assert len(set(answer.picks)) == form.count == len(answer.picks)
            assert set(answer.picks) <= set(range(7))
    assert len({repr(answer) for answer in answers}) == len(answers)


def test_answers_are_of_the_seed() -> None:
    first, second = (Fake(ModelSettings(engine="fake", seed=seed)) for seed in (0, 1))
    assert identity_digest(first.identity()) != identity_digest(second.identity())
    assert first.answer(questions(first))[0] != second.answer(questions(second))[0]


TREE = {"type": "object", "properties": {"word": {"type": "string"}, "left": {"$ref": "#/$defs/tree"}, "more": {"type": "array"}}}
TREE["properties"]["more"]["items"] = {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/tree"}]}  # type: ignore[index]


@pytest.mark.parametrize("required", [["word"], ["word", "more"]])
def test_schemas_that_hold_themselves_come_to_an_end(required: list[str]) -> None:
    schema = json.dumps({"$ref": "#/$defs/tree", "$defs": {"tree": {**TREE, "required": required}}})
    model = Fake(ModelSettings(engine="fake"))
    digest = identity_digest(model.identity())
    for answer in model.answer([Question(digest, Prompt("s", f"user {n}"), Write(20, schema=schema)) for n in range(20)]):
        assert answer.text is not None
        assert misfit(answer.text, schema) is None
