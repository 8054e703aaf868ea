"""Model folders: what is refused, and what changes a fingerprint."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from massjax.errors import ModelError
from massjax.models.fingerprint import model_folder
from massjax.models.model_files import file_digests
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
        file_digests(folder)


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
