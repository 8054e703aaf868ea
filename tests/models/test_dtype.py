"""`dtype: auto` takes what the device is fast with, goes on with what was answered before, and is never kept as `auto` for a model."""

from __future__ import annotations

from typing import Any

import pytest

from massjax.machine import Machine
from massjax.models.dtype import dtype_warnings, resolved_dtype, said_dtype
from massjax.models.identity import as_recorded, identity_digest, known_identity, matching_identity
from massjax.models.settings import ModelSettings

MODEL = ModelSettings(model="m")
FAST, SLOW, OLD = Machine(0, 2, True), Machine(0, 2, False), Machine(1, 2, False)


@pytest.mark.parametrize(
    ("settings", "machine", "held", "dtype"),
    [
        ({}, FAST, None, "bfloat16"),
        ({}, SLOW, None, "float32"),
        ({}, OLD, None, "float16"),
        ({}, Machine(1, 2, True), None, "bfloat16"),
        ({}, SLOW, "bfloat16", "bfloat16"),
        ({}, FAST, "auto", "auto"),
        ({"dtype": "bfloat16"}, SLOW, None, "bfloat16"),
        ({"dtype": "float32"}, FAST, "bfloat16", "float32"),
        ({"engine": "fake"}, FAST, None, "auto"),
        ({"engine": "openai", "endpoint": {"url": "http://127.0.0.1:8000/v1"}}, SLOW, None, "auto"),
    ],
)
def test_what_auto_comes_to(settings: dict[str, Any], machine: Machine, held: str | None, dtype: str) -> None:
    assert resolved_dtype(ModelSettings(**{"model": "m", **settings}), machine, held) == dtype


def test_a_reason_and_a_warning_go_with_it() -> None:
    assert said_dtype(MODEL, "float32", SLOW) == "float32: this CPU emulates bfloat16, which is slow"
    assert said_dtype(MODEL, "bfloat16", SLOW) == "bfloat16, as in the answers that are there"
    assert said_dtype(MODEL, "bfloat16", FAST) == "bfloat16"
    emulated = MODEL.model_copy(update={"dtype": "bfloat16"})
    assert "emulates it" in dtype_warnings(emulated, SLOW)[0]
    assert not dtype_warnings(emulated, FAST)
    assert not dtype_warnings(MODEL, SLOW)


def test_answers_are_gone_on_with_in_their_own_numbers_on_any_machine() -> None:
    settings = ModelSettings(model="a/model")
    recorded = {**known_identity(settings.model_copy(update={"dtype": "bfloat16"})), "files": "f"}
    digest = identity_digest(recorded)
    assert matching_identity(known_identity(settings), {digest: recorded}) == digest
    assert as_recorded(settings, recorded).dtype == "bfloat16"
    other = settings.model_copy(update={"dtype": "float32"})
    assert matching_identity(known_identity(other), {digest: recorded}) is None
    assert as_recorded(other, recorded).dtype == "float32"
