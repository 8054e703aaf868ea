"""What fits a schema and what does not, in words; compared with the jsonschema package where it is installed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from massjax.errors import ModelError
from massjax.models.failures import Reason
from massjax.models.schema import check_schema, is_strict, misfit
from massjax.models.written import written

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "stance": {"enum": ["long", "short", None]},
        "weight": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
        "days": {"type": ["integer", "null"], "maximum": 9},
        "notes": {"type": "array", "items": {"$ref": "#/$defs/note"}, "minItems": 1, "maxItems": 2},
        "kind": {"const": 1},
        "either": {"anyOf": [{"type": "string", "minLength": 2}, {"type": "boolean"}]},
        "one": {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 5}]},
    },
    "required": ["stance"],
    "additionalProperties": {"type": "string", "maxLength": 3},
    "$defs": {"note": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"], "additionalProperties": False}},
}
VALUES: list[tuple[Any, str | None]] = [
    ({"stance": "long"}, None),
    ({"stance": None, "weight": 0, "days": 3.0, "notes": [{"text": "a"}], "kind": 1, "either": True, "one": 3, "x": "abc"}, None),
    ([], "$: expected object, found []"),
    ({}, "$: 'stance' is missing"),
    ({"stance": "flat"}, '$.stance: "flat" is none of'),
    ({"stance": "long", "weight": 1}, "$.weight: 1 breaks exclusiveMaximum 1"),
    ({"stance": "long", "weight": True}, "$.weight: expected number, found true"),
    ({"stance": "long", "days": 2.5}, "$.days: expected integer or null, found 2.5"),
    ({"stance": "long", "days": 10}, "$.days: 10 breaks maximum 9"),
    ({"stance": "long", "notes": []}, "$.notes: 0 items are fewer than 1"),
    ({"stance": "long", "notes": [{"text": "a"}, {"text": 1}]}, "$.notes[1].text: expected string, found 1"),
    ({"stance": "long", "notes": [{"text": "a", "b": 1}]}, "$.notes[0]: 'b' is not wanted"),
    ({"stance": "long", "kind": True}, "$.kind: expected 1, found true"),
    ({"stance": "long", "either": "a"}, "$.either: fits 0 of the 2 schemas in anyOf"),
    ({"stance": "long", "one": 7}, "$.one: fits 2 of the 2 schemas in oneOf"),
    ({"stance": "long", "other": "long text"}, "$.other: 9 characters are more than 3"),
]


@pytest.mark.parametrize(("value", "fault"), VALUES)
def test_what_does_not_fit_is_told(value: Any, fault: str | None) -> None:
    found = misfit(json.dumps(value), json.dumps(SCHEMA))
    assert (found is None) == (fault is None)
    assert fault is None or (found is not None and found.startswith(fault))
    jsonschema = pytest.importorskip("jsonschema")
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(value) == (fault is None)


@pytest.mark.parametrize("text", ["", "{", "nan", '{"stance": NaN}', "[" * 100_000, '{"stance": "long"} and more'])
def test_what_is_no_json_is_told(text: str) -> None:
    found = misfit(text, json.dumps(SCHEMA))
    assert found is not None
    assert found.startswith("it is not JSON")


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ([], r"at \$: expected a JSON object"),
        ({"properties": {"a": {"pattern": "x"}}}, r"at \$.a: the keyword 'pattern' is not known"),
        ({"items": {"type": "text"}}, r"at \$.items: no JSON type is called 'text'"),
        ({"$ref": "#/$defs/none"}, "names nothing"),
        ({"properties": []}, r"at \$: 'properties' cannot be \[\]"),
        ({"type": {"a": 1}}, r"at \$: no JSON type is called {'a': 1}"),
        ({"required": "text"}, "'required' cannot be \"text\""),
        ({"anyOf": []}, r"'anyOf' cannot be \[\]"),
        ({"items": {"minLength": "3"}}, r"at \$.items: 'minLength' cannot be \"3\""),
        ({"minimum": 5, "maximum": 1}, "nothing fits minimum 5 and maximum 1"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "leads back to itself"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"a": {"$ref": "#/$defs/a"}}, "required": ["a"]}}}, "leads back to itself"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/a"}}}}, "leads back to itself"),
    ],
)
def test_a_schema_that_could_not_be_checked_is_refused(schema: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        check_schema(schema)


def test_what_hosted_servers_follow() -> None:
    closed = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
    assert is_strict(closed)
    assert is_strict({**closed, "properties": {"a": {"type": "array", "items": closed}}})
    assert not is_strict({**closed, "required": []})
    assert not is_strict({**closed, "properties": {"a": {"type": "object", "properties": {}}}})


def test_a_text_is_an_answer_or_a_failure_by_name() -> None:
    schema = json.dumps(SCHEMA)
    assert written(' {"stance": "long"} ', "stop", schema).text == '{"stance": "long"}'
    cut = written('{"stance": "lo', "length", schema)
    assert cut.failure is not None
    assert cut.failure.reason is Reason.UNFIT
    assert cut.failure.words.endswith("it ended at its max_tokens")
    assert cut.text == '{"stance": "lo'
    assert written("<think>hm</think>\n\nIt rose.", "stop", None).text == "It rose."
    for text, reason in [
        ("  ", Reason.NO_TEXT),
        ("\u200b\ufeff", Reason.NO_TEXT),
        ("<think>hm", Reason.THINKING),
        ("<think>hm</think> ", Reason.THINKING),
    ]:
        answer = written(text, "stop", None)
        assert answer.failure is not None
        assert answer.failure.reason is reason
