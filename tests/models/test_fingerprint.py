"""Model folders: what is refused, and what changes a fingerprint."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from massjax.errors import ModelError
from massjax.models.fingerprint import fingerprints, model_folder
from massjax.models.small import convert, main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "transformers_version": "5"}))
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "chat_template.jinja").write_text("x")
    return folder


def test_a_folder_is_taken_as_it_is(folder: Path) -> None:
    assert model_folder(str(folder)) == folder


@pytest.mark.parametrize("name", ["./absent", "/absent/model", "absent"])
def test_a_folder_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        model_folder(name)


def test_what_fetches_a_model_is_named_with_the_extras_that_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelError, match=r"huggingface_hub, which would fetch it, is not installed; massjax\[tokenizer\], massjax\[vllm\]"):
        model_folder("owner/model")


def test_a_folder_without_a_model_is_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ModelError, match="no config"):
        model_folder(str(tmp_path))
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="holds no weights"):
        fingerprints(folder)


@pytest.mark.parametrize(
    ("file", "content", "field"),
    [
        ("model.safetensors", "other", "weights"),
        ("tokenizer.json", "[]", "tokenizer"),
        ("chat_template.jinja", "y", "chat_template"),
        ("config.json", '{"model_type": "qwen2"}', "model_config"),
    ],
)
def test_each_file_has_its_own_fingerprint(folder: Path, file: str, content: str, field: str) -> None:
    before = fingerprints(folder)
    (folder / file).write_text(content)
    after = fingerprints(folder)
    assert {name for name in before if before[name] != after[name]} == {field}


def test_who_wrote_the_configuration_does_not_matter(folder: Path) -> None:
    before = fingerprints(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "transformers_version": "6"}))
    assert fingerprints(folder) == before


def test_the_small_model_is_not_written_over_something_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match="not empty"):
        convert(tmp_path)
    assert main([str(tmp_path)]) == 2
    assert "not empty" in capsys.readouterr().err
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_converted_folder_is_left_alone(folder: Path) -> None:
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert convert(folder) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
