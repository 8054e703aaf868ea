"""What a run says of itself in the store: what it took, which part of the work it was; and that failing to say so loses nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from massjax.machine import this_machine
from massjax.precompute import main
from massjax.store import ScoreStore
from massjax.store.__main__ import main as store_command
from tests.test_precompute import config_file


def test_every_run_that_did_something_is_recorded_with_its_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = str(config_file(tmp_path, scoring={"engine": "fake", "price_per_million_tokens": 2.0}))
    for arguments in (["--shard", "1/2"], [], []):
        assert main(["--config", config, *arguments]) == 0
    store = ScoreStore.open(tmp_path / "scores.zarr")
    runs = sorted((run["statistics"] for run in store.runs()), key=lambda run: "shard" not in run)
    assert [run.get("shard") for run in runs] == ["1/2", None], "the third run had nothing to do"
    for name in ("units", "cells"):
        assert sum(run[name] for run in runs) == {"units": len(store.units()), "cells": store.status().size}[name]
    for name in ("prompts", "reused", "prompt_tokens", "cached_tokens"):
        assert sum(run[name] for run in runs) == sum(entry.stats.get(name, 0) for entry in store.entries().values())
    for run in runs:
        assert run["seconds"] >= 0
        assert run["order"] == "archetype-first"
        assert run["machine"] == str(this_machine()), "for the estimate of the next plan"
        assert run["price_per_million_tokens"] == 2.0
        assert run["prefix_cache_share"] == round(run["cached_tokens"] / run["prompt_tokens"], 4)
        assert run["duplicate_share"] == round(run["reused"] / (run["reused"] + run["prompts"]), 4) > 0
    capsys.readouterr()
    assert store_command(["info", str(store.path)]) == 0
    output = capsys.readouterr().out
    for words in ("not asked again", "prefix cache", "shard", "1/2", "archetype-first", "at 2.00 for a million prompt tokens"):
        assert words in output


def test_a_run_that_cannot_be_recorded_loses_no_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, folder = str(config_file(tmp_path)), tmp_path / "scores.zarr" / "ledger" / "runs"
    assert main(["--config", config, "--shard", "1/2"]) == 0
    shutil.rmtree(folder)
    folder.write_text("a file where the records belong")
    capsys.readouterr()
    assert main(["--config", config]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "ledger/runs" in told
    assert "every score is stored, but what this run took is not" in told
    folder.unlink()
    store = ScoreStore.open(tmp_path / "scores.zarr")
    assert store.missing_units() == []
    assert np.isfinite(store.scores()).all()
    assert store.verify().ok
    assert store.runs() == []
