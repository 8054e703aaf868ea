"""What `--plan` knows of a model: its folder, the choices, and which prompts are too long for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from massjax.scoring.plan import _too_long_warnings, plan
from massjax.scoring.work import prepare

from massjax.models.forms import Decide, Pick, Rate, Write
from massjax.models.model_check import ModelCheck, check_model, check_model_, parameters_of, tokens_per_character, too_long
from massjax.models.question import Prompt
from massjax.models.settings import ModelSettings, ScoringSettings
from tests.models.byte_model import byte_model
from tests.small_store import written

SERVER: dict[str, Any] = {"engine": "openai", "endpoint": {"url": "http://127.0.0.1:8000/v1", "api": "chat"}}


def words(prompts: Any) -> list[int]:
    return [len(" ".join(prompt).split()) for prompt in prompts]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder with a real tokenizer of bytes and no weights worth the name."""
    return byte_model(tmp_path / "model")


def test_a_folder_that_is_not_here_is_said_with_what_the_run_would_say(tmp_path: Path) -> None:
    found = check_model(ScoringSettings(model=str(tmp_path / "none")))
    assert found.said == "not checked: its folder is not here"
    assert "there is no such folder" in found.faults[0]
    (tmp_path / "empty").mkdir()
    assert "holds no config.json" in check_model(ScoringSettings(model=str(tmp_path / "empty"))).faults[0]
    assert "scoring.model is not set" in check_model(ScoringSettings()).faults[0]


def test_what_cannot_be_checked_is_said_and_is_no_fault() -> None:
    for settings, said in [
        (ScoringSettings(model="nobody/never-fetched"), "not checked: its files are not here, and are fetched when it is asked"),
        (ScoringSettings.model_validate(SERVER), "not checked: the server has it, its tokenizer too"),
        (ScoringSettings(engine="fake"), "none: the fake engine answers with noise"),
    ]:
        found = check_model(settings)
        assert (found.said, found.faults, found.count, parameters_of(found)) == (said, (), None, None)


@pytest.mark.vllm
def test_a_whole_folder_counts_tokens_and_choices_of_several_are_told(folder: Path) -> None:
    pytest.importorskip("transformers")
    found = check_model(ScoringSettings(model=str(folder), max_model_len=512))
    assert (found.said, found.faults) == ("folder, tokenizer and choices checked", ())
    assert parameters_of(found) == 2000, "4,000 bytes of float16"
    assert found.count is not None
    assert found.count([Prompt("ab", "cde")]) == [2 + 3 + 3], "bytes, and the three tokens of the chat"
    found = check_model(ScoringSettings(model=str(folder), choices=("1", "ten")))
    assert found.said.endswith("2 at fault")
    assert "2048 tokens are more than the 512" in found.faults[0]
    assert "'ten' is not a single token of this model" in found.faults[1]


@pytest.mark.vllm
def test_without_transformers_the_tokenizer_alone_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    found = check_model(ScoringSettings(model=str(folder), choices=("1", "ten"), max_model_len=512))
    assert "without the chat template (transformers is not installed)" in found.said
    assert "'ten' is not a single token" in found.faults[0]
    assert found.count is not None
    assert found.count([Prompt("ab", "cde")]) == [6]
    (folder / "tokenizer.json").write_text("{}")
    assert "tokenizer and choices not (" in check_model(ScoringSettings(model=str(folder), max_model_len=512)).said


def test_forms_that_cannot_be_asked_are_told_before_anything_is_loaded(folder: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed: pip install 'massjax[tokenizer]'")
    settings = ModelSettings(model=str(folder), max_model_len=512)
    several = [Rate(("1", "10", "ten")), Decide(("BUY", "SELL"), "D: "), Pick(("x", "y"), (1, 0), 1), Write(5)]
    assert check_model_(settings, several).faults == ()
    many = Rate(tuple(f"{first}{second}" for first in map(chr, range(192, 256)) for second in "ab"))
    assert check_model_(settings, [many]).faults == ()
    assert check_model_(ModelSettings(engine="fake"), several).said == "none: the fake engine answers with noise"
    assert "no such folder" in check_model_(ModelSettings(model="./none"), several).faults[0]


def test_prompts_without_room_for_an_answer_are_found() -> None:
    prompts = [Prompt("s", " ".join(["word"] * count)) for count in (5, 98, 99, 400)]
    settings = ScoringSettings(model="m", max_model_len=100)
    counted = too_long(ModelCheck("", count=words), settings, prompts)
    assert counted == {prompts[2].digest(): 100, prompts[3].digest(): 401}
    guessed = too_long(ModelCheck(""), settings, prompts)
    assert set(guessed) == {prompts[3].digest()} | {p.digest() for p in prompts[1:3] if (len(p.user) + 1) // 4 > 99}
    assert too_long(ModelCheck(""), ScoringSettings.model_validate({**SERVER, "max_model_len": 16}), prompts) == {}
    assert tokens_per_character(ModelCheck("", count=words), prompts)[1] == "counted on a sample"


def test_the_first_prompt_that_is_too_long_is_named_by_stock_and_date(small: dict[str, Any], tmp_path: Path) -> None:
    small["scoring"] = {"engine": "vllm", "model": str(tmp_path / "none"), "max_model_len": 16}
    work = prepare(written(small, tmp_path))
    found = plan(work, tmp_path / "none.zarr")
    assert "no such folder" in found.warnings[0]
    assert found.warnings[1].startswith(f"about {found.to_ask} prompts are too long for scoring.max_model_len (16 tokens")
    assert f"about stock {work.panel.stocks[0]} on {work.panel.dates[0]}" in found.warnings[1]
    last = work.prompts["careful"].index[7, -1]
    digest = work.prompts["careful"].prompts[last].digest()
    t, n = min(zip(*reversed((work.digests["careful"] == digest).nonzero()), strict=True))
    (told,) = _too_long_warnings(work, {digest: 999}, ModelCheck("", count=words))
    assert told.startswith("1 prompt is too long")
    assert f"archetype 'careful' about stock {work.panel.stocks[n]} on {work.panel.dates[t]} (999 tokens)" in told
