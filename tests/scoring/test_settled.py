"""Nothing left to ask is found out by reading: no language model is made; and whatever differs is still refused or asked."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from massjax import pipeline
from massjax.precompute import main
from massjax.scoring.settled import readable_identity, settled
from massjax.scoring.work import prepare
from massjax.store import ScoreStore
from tests.models.serve import serving
from tests.scoring.test_asking import run
from tests.small_store import written
from tests.test_precompute import config_file


def test_a_run_with_nothing_to_ask_makes_no_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = str(config_file(tmp_path))
    assert main(["--config", config]) == 0
    written_first = re.search(r"scores written\D+([\d,]+)", capsys.readouterr().out)
    store = ScoreStore.open(tmp_path / "scores.zarr")
    before = sorted((path, path.stat().st_mtime_ns) for path in store.path.rglob("*"))
    monkeypatch.setattr(pipeline, "model_for", None)
    for extra in ([], ["--shard", "1/2"]):
        assert main(["--config", config, *extra]) == 0
        output = " ".join(capsys.readouterr().out.split())
        assert f"Nothing is left to ask: all {store.status().size:,} scores are in" in output
    assert written_first is not None
    assert before == sorted((path, path.stat().st_mtime_ns) for path in store.path.rglob("*"))


def test_what_is_missing_or_different_is_not_settled(small: dict[str, Any], tmp_path: Path) -> None:
    work, store, _ = run(written(small, tmp_path))
    assert settled(work, store.path) is not None
    assert settled(work, tmp_path / "other.zarr") is None
    longer = {**small, "market": {**small["market"], "end": "2022-06-24"}}
    dip = {"name": "dip", "modalities": ["price"], "persona": "You buy dips."}
    another = {**small, "agents": {**small["agents"], "archetypes": [*small["agents"]["archetypes"], dip]}}
    redefined = [{**a, "horizon": "days"} if a["name"] == "trend" else a for a in small["agents"]["archetypes"]]
    for changed in (
        longer,
        another,
        {**small, "scoring": {"engine": "fake", "seed": 1}},
        {**small, "scoring": {"engine": "fake", "choices": ["a", "b"]}},
        {**small, "agents": {**small["agents"], "archetypes": redefined}},
        {**small, "agents": {**small["agents"], "features": ["return_1w", "volatility_60d"]}},
    ):
        assert settled(prepare(written(changed, tmp_path)), store.path) is None
    copy = tmp_path / "copy.zarr"
    shutil.copytree(store.path, copy)
    shutil.rmtree(copy / "ledger")
    assert settled(work, copy) is None


def test_rules_alone_are_settled_too(small: dict[str, Any], tmp_path: Path) -> None:
    small["agents"]["archetypes"] = [{"name": "low-volatility", "rule": {"volatility_60d": -1.0}}]
    config = written(small, tmp_path)
    file = tmp_path / "run.yaml"
    assert main(["--config", str(file)]) == 0
    assert settled(prepare(config), tmp_path / "scores.zarr") is not None


def test_a_server_is_not_called_where_the_settings_name_its_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("httpx", reason="httpx is not installed: pip install 'massjax[openai]'")
    endpoint = {"api": "chat", "model": "small"}
    with serving() as served:
        config = str(config_file(tmp_path, scoring={"engine": "openai", "endpoint": {**endpoint, "url": served.url}}))
        assert main(["--config", config]) == 0
        asked = len(served.messages)
        assert main(["--config", config]) == 0
        assert len(served.messages) == asked
    capsys.readouterr()
    assert main(["--config", config]) == 0
    assert "Nothing is left to ask" in capsys.readouterr().out
    with serving(models={"data": [{"id": "large"}]}) as served:
        for changed in ({"url": served.url, "model": "large"}, {"url": served.url, "model": ""}):
            config = str(config_file(tmp_path, scoring={"engine": "openai", "endpoint": {**endpoint, **changed}}))
            assert main(["--config", config]) == 2
            assert "served_model: the store has 'small', this run has 'large'" in " ".join(capsys.readouterr().err.split())


def test_a_model_folder_is_known_by_the_contents_of_its_files(tmp_path: Path, small: dict[str, Any]) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"):
        (folder / name).write_text("{}")
    settings = written({**small, "scoring": {"engine": "vllm", "model": str(folder)}}, tmp_path).scoring
    before = readable_identity(settings)
    assert before is not None
    for name, field in (("model.safetensors", "weights"), ("chat_template.jinja", "chat_template"), ("config.json", "model_config")):
        (folder / name).write_text('{"a": 1}')
        after = readable_identity(settings)
        assert after is not None
        assert after[field] != before[field]
