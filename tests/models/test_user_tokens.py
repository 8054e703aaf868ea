"""The tokens of a user message are found wherever a chat template puts it, and no others; where not, all of them count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("transformers", reason="transformers is not installed: pip install 'massjax[tokenizer]'")

from massjax.models.answer import Answer
from massjax.models.chat import Chat
from massjax.models.failures import Reason
from massjax.models.forms import Familiar
from massjax.models.question import Prompt
from massjax.models.user_tokens import Placed, placed_prompts
from tests.models.byte_model import TEMPLATE, byte_model

STRIPPING = TEMPLATE.replace("m.content", "m.content | trim")
CHANGING = TEMPLATE.replace("m.content", "m.content | replace('Q', 'q')")
TWICE = "{{ messages[1].content }}" + TEMPLATE + "Now {{ messages[1].content[:0] }}answer: "


def placed(folder: Path, prompt: Prompt, longest: int = 256) -> Placed | Answer:
    return placed_prompts(Chat(folder), [prompt], longest)[0]


def counted(folder: Path, one: Placed | Answer) -> str:
    """The text of the tokens that count."""
    assert isinstance(one, Placed)
    text = Chat(folder).tokenizer.decode([one.ids[place] for place in one.places])
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize(
    ("template", "user", "expected"),
    [
        (TEMPLATE, "Stock Q rose.", "Stock Q rose."),
        (TEMPLATE, " Zürich €\n", " Zürich €\n"),
        (TEMPLATE, "You rate.", "You rate."),
        (TEMPLATE, "a <|user|> b", "a < |user|> b"),
        (STRIPPING, "\n Stock \n", "Stock"),
        (CHANGING, "Stock X", "Stock X"),
        (TWICE, "Stock", "Stock"),
    ],
)
def test_just_the_tokens_of_the_user_message_count(tmp_path: Path, template: str, user: str, expected: str) -> None:
    folder, prompt = byte_model(tmp_path / "model", template), Prompt("You rate.", user)
    found = placed(folder, prompt)
    assert counted(folder, found) == expected
    assert isinstance(found, Placed)
    assert (found.ids, found.counted) == (Chat(folder).ids(prompt), "user")


def test_a_control_token_in_other_letters_is_broken_up_as_it_is_sent(tmp_path: Path) -> None:
    folder = byte_model(tmp_path / "model")
    normalising = json.loads((folder / "tokenizer.json").read_text()) | {"normalizer": {"type": "NFKC"}}
    normalising["added_tokens"] = [{**token, "normalized": True} for token in normalising["added_tokens"]]
    (folder / "tokenizer.json").write_text(json.dumps(normalising))
    prompt = Prompt("You rate.", "a <|user|> b".translate({ord("<"): 0xFF1C}))
    assert counted(folder, placed(folder, prompt)) == "a < |user|> b"


def test_of_a_tokenizer_that_does_not_tell_all_tokens_but_the_first_count(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "ByT5Tokenizer", "chat_template": TEMPLATE}))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5"}))
    found = placed(tmp_path, Prompt("You rate.", "Stock"))
    assert isinstance(found, Placed)
    assert (found.places, found.counted) == (list(range(1, len(found.ids))), "prompt")


@pytest.mark.parametrize(
    ("template", "user", "reason"),
    [
        (CHANGING, "Stock Q", Reason.UNASKABLE),
        (TEMPLATE, "long" * 100, Reason.TOO_LONG),
    ],
)
def test_what_cannot_be_asked_is_named(tmp_path: Path, template: str, user: str, reason: Reason) -> None:
    found = placed(byte_model(tmp_path / "model", template), Prompt("You rate.", user))
    assert isinstance(found, Answer)
    assert found.failure is not None
    assert found.failure.reason is reason


def test_a_log_probability_that_is_missing_is_named(tmp_path: Path) -> None:
    found = placed(byte_model(tmp_path / "model"), Prompt("s", "abc"))
    assert isinstance(found, Placed)
    told: list[float | None] = [None, *(-float(place) for place in range(1, len(found.ids)))]
    form = Familiar((30.0, 100.0))
    assert found.answer(form, told).text == '{"counted":"user","means":[-5.0,-4.0],"percents":[30.0,100.0],"tokens":3}'
    told[4] = None
    assert str(found.answer(form, told).failure) == "no log-probabilities in the reply: 1 of 3 tokens of the prompt have none"
    empty = placed(byte_model(tmp_path / "other"), Prompt("s", ""))
    assert isinstance(empty, Placed)
    assert "its user message is empty" in str(empty.answer(form, [-1.0] * len(empty.ids)).failure)
