"""What `--plan` knows of a model: its folder, the choices, and which prompts are too long for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from massjax.models.forms import Decide, Pick, Rate, Write
from massjax.models.model_check import ModelCheck, check_model, too_long
from massjax.models.question import Prompt
from massjax.models.settings import ModelSettings
from tests.models.byte_model import byte_model

FIVE, TEN = Rate(("1", "2", "3", "4", "5")), Rate(("1", "ten"))
SERVER: dict[str, Any] = {"engine": "openai", "endpoint": {"url": "http://127.0.0.1:8000/v1", "api": "chat"}}


def words(prompts: Any) -> list[int]:
    return [len(" ".join(prompt).split()) for prompt in prompts]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder with a real tokenizer of bytes and no weights worth the name."""
    return byte_model(tmp_path / "model")


def test_a_folder_that_is_not_here_is_said_with_what_the_run_would_say(tmp_path: Path) -> None:
    found = check_model(ModelSettings(model=str(tmp_path / "none")), [FIVE])
    assert found.said == "not checked: its folder is not here"
    assert "there is no such folder" in found.faults[0]
    (tmp_path / "empty").mkdir()
    assert "holds no config.json" in check_model(ModelSettings(model=str(tmp_path / "empty")), [FIVE]).faults[0]
    assert "scoring.model is not set" in check_model(ModelSettings(), [FIVE]).faults[0]


def test_what_cannot_be_checked_is_said_and_is_no_fault() -> None:
    for settings, said in [
        (ModelSettings(model="nobody/never-fetched"), "not checked: its files are not here, and are fetched when it is asked"),
        (ModelSettings.model_validate(SERVER), "not checked: the server has it, its tokenizer too"),
        (ModelSettings(engine="fake"), "none: the fake engine answers with noise"),
    ]:
        found = check_model(settings, [FIVE])
        assert (found.said, found.faults, found.count) == (said, (), None)


@pytest.mark.vllm
def test_a_whole_folder_counts_tokens(folder: Path) -> None:
    pytest.importorskip("transformers")
    found = check_model(ModelSettings(model=str(folder), max_model_len=512), [FIVE])
    assert (found.said, found.faults) == ("folder, tokenizer and choices checked", ())
    assert found.count is not None
    assert found.count([Prompt("ab", "cde")]) == [2 + 3 + 3], "bytes, and the three tokens of the chat"
    found = check_model(ModelSettings(model=str(folder)), [TEN])
    assert found.said.endswith("1 at fault")
    assert "2048 tokens are more than the 512" in found.faults[0]


@pytest.mark.vllm
def test_without_transformers_the_tokenizer_alone_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    found = check_model(ModelSettings(model=str(folder), max_model_len=512), [TEN])
    assert found.said == "folder and tokenizer checked, choices and chat template not (transformers is not installed)"
    assert found.count is not None
    assert found.count([Prompt("ab", "cde")]) == [6]
    (folder / "tokenizer.json").write_text("{}")
    assert "tokenizer and choices not (" in check_model(ModelSettings(model=str(folder), max_model_len=512), [FIVE]).said


def test_forms_that_cannot_be_asked_are_told_before_anything_is_loaded(folder: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed: pip install 'massjax[tokenizer]'")
    settings = ModelSettings(model=str(folder), max_model_len=512)
    several = [Rate(("1", "10", "ten")), Decide(("BUY", "SELL"), "D: "), Pick(("x", "y"), (1, 0), 1), Write(5)]
    assert check_model(settings, several).faults == ()
    many = Rate(tuple(f"{first}{second}" for first in map(chr, range(192, 256)) for second in "ab"))
    assert check_model(settings, [many]).faults == ()
    assert check_model(ModelSettings(engine="fake"), several).said == "none: the fake engine answers with noise"
    assert "no such folder" in check_model(ModelSettings(model="./none"), several).faults[0]


def test_prompts_without_room_for_an_answer_are_found() -> None:
    prompts = [Prompt("s", " ".join(["word"] * count)) for count in (5, 98, 99, 400)]
    settings = ModelSettings(model="m", max_model_len=100)
    counted = too_long(ModelCheck("", count=words), settings, prompts)
    assert counted == {prompts[2].digest(): 100, prompts[3].digest(): 401}
    guessed = too_long(ModelCheck(""), settings, prompts)
    assert set(guessed) == {prompts[3].digest()} | {p.digest() for p in prompts[1:3] if (len(p.user) + 1) // 4 > 99}
    assert too_long(ModelCheck(""), ModelSettings.model_validate({**SERVER, "max_model_len": 16}), prompts) == {}
