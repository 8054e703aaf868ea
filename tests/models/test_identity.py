"""Which model it is: every file that matters counts, names and notes do not; what is known here finds what was recorded elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from massjax.errors import ModelError
from massjax.models.identity import as_recorded, differences, identity_digest, known_identity, matching_identity
from massjax.models.model_files import file_digests
from massjax.models.settings import ModelSettings

COUNT = (
    *("vocab.txt", "spiece.model", "tekken.json", "generation_config.json", "adapter_config.json", "adapter_model.safetensors"),
    *("quantize_config.json", "hf_quant_config.json", "chat_template.jinja", "modeling_own.py", "tokenizer.json", "merges.txt"),
    *("model.safetensors", "config.json", "additional_chat_templates/tools.jinja", "1_Dense/pytorch_model.bin", "qwen.tiktoken"),
)
DO_NOT = (
    *("README.md", "LICENSE", "LICENSE.txt", "USE_POLICY.md", ".gitattributes", "figure.png", "original/consolidated.00.pth"),
    *("optimizer.pt", "trainer_state.json", "onnx/model.onnx", ".cache/huggingface/x.json", "notes.md"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = tmp_path / "model"
    for name in (*COUNT, *DO_NOT):
        file = model / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"name": name}))
    return model


def settings(folder: Path, **more: Any) -> ModelSettings:
    return ModelSettings(model=str(folder), dtype="float32", **more)


def test_all_files_that_matter_have_a_digest(folder: Path) -> None:
    assert set(file_digests(folder)) == set(COUNT)


@pytest.mark.parametrize("name", COUNT)
def test_a_file_that_matters_makes_another_model_and_is_named(folder: Path, name: str) -> None:
    before = known_identity(settings(folder))
    (folder / name).write_text(json.dumps({"name": "another"}))
    after = known_identity(settings(folder))
    assert identity_digest(before) != identity_digest(after)
    assert differences(before, after) == [f"files of the model: {name}"]


@pytest.mark.parametrize("name", DO_NOT)
def test_a_file_that_does_not_matter_changes_nothing(folder: Path, name: str) -> None:
    before = known_identity(settings(folder))
    (folder / name).unlink()
    assert known_identity(settings(folder)) == before


def test_neither_the_place_nor_who_wrote_it_matters(folder: Path, tmp_path: Path) -> None:
    before = identity_digest(known_identity(settings(folder)))
    (folder / "config.json").write_text(json.dumps({"transformers_version": "9", "name": "config.json"}))
    folder.rename(tmp_path / "elsewhere")
    assert identity_digest(known_identity(settings(tmp_path / "elsewhere"))) == before


def test_a_new_or_missing_file_is_named(folder: Path) -> None:
    before = known_identity(settings(folder))
    (folder / "added_tokens.json").write_text("{}")
    (folder / "vocab.txt").unlink()
    assert differences(before, known_identity(settings(folder))) == ["files of the model: added_tokens.json, vocab.txt"]


def test_settings_that_answers_depend_on_count_and_others_do_not(folder: Path) -> None:
    base = identity_digest(known_identity(settings(folder)))
    counted = [{"head_dtype": "model"}, {"compile": True}, {"tensor_parallel_size": 2}, {"thinking": "prefill"}]
    assert len({base, *(identity_digest(known_identity(settings(folder, **more))) for more in counted)}) == 5
    for more in ({"max_num_seqs": 3}, {"max_model_len": 99}, {"prompts_per_second": 5.0}, {"gpu_memory_utilization": 0.5}):
        assert identity_digest(known_identity(settings(folder, **more))) == base


def test_what_is_not_here_is_left_open(tmp_path: Path) -> None:
    known = known_identity(ModelSettings(model="nobody/never-fetched", revision="main"))
    assert {"files", "dtype"}.isdisjoint(known)
    assert known["model"] == "nobody/never-fetched@main"
    with pytest.raises(ModelError, match="no such folder"):
        known_identity(ModelSettings(model=str(tmp_path / "none")))


def test_what_is_known_finds_what_was_recorded(folder: Path) -> None:
    auto = ModelSettings(model=str(folder))
    known = known_identity(auto)
    whole = {dtype: {**known, "version": "1", "dtype": dtype} for dtype in ("bfloat16", "float32")}
    candidates = {identity_digest(one): one for one in (*whole.values(), {**whole["float32"], "files": "other"})}
    known.pop("version", None)
    first, second, _ = candidates
    assert matching_identity(known, candidates) == second, "the last that agrees"
    assert matching_identity(known, candidates, {first: 9, second: 3}) == first
    assert as_recorded(auto, candidates[first]).dtype == "bfloat16"
    assert matching_identity({**known, "compile": "true"}, candidates) is None
    assert matching_identity({**known, "model": "other/name"}, candidates) == second, "the files tell, not the name"


def test_without_files_the_name_tells() -> None:
    known = known_identity(ModelSettings(model="nobody/never-fetched"))
    here = {"version": "1", **known, "files": "f", "dtype": "float32"}
    known.pop("version", None)
    assert matching_identity(known, {"a": here}) == "a"
    assert matching_identity(known, {"a": {**here, "model": "nobody/another"}}) is None


def test_a_served_model_is_known_by_how_it_is_asked(folder: Path) -> None:
    def served(**endpoint: Any) -> dict[str, str]:
        url = {"url": "http://127.0.0.1:8000/v1", "api": "chat"}
        return known_identity(ModelSettings.model_validate({"engine": "openai", "model": str(folder), "endpoint": {**url, **endpoint}}))

    base = served(model="small")
    assert base["mass"] == "a lower bound: of the choices among the 20 likeliest tokens that the server lists"
    assert base["served_model"] == "small"
    assert served(model="small", url="http://other/v1", concurrency=2) == base
    different = [{"top_logprobs": 5}, {"extra": {"a": 1}}, {"system_role": False}, {"model": "large"}, {"api": "completions"}]
    assert len({identity_digest(one) for one in (base, *(served(**{"model": "small", **more}) for more in different))}) == 6
    assert "served_model" not in served()
    assert served(api="completions")["mass"] == "exact"
