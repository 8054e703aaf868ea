"""`python -m massjax.store`: what is printed, and the exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from massjax.store import ScoreStore
from massjax.store.__main__ import main

from .store_writer import CHOICES, answer, archetypes, days, fill, make, stocks


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    store = make(tmp_path / "s.zarr", dates=12)
    fill(store, [unit for unit in store.units() if unit.start < 10])
    store.compact()
    return store.path


def test_info_tells_what_is_stored(store_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(store_path)]) == 0
    output = capsys.readouterr().out
    for text in (
        "12, 2020-01-01 to 2020-01-12",
        "S0, S1",
        "12 of 18 units (66.7%)",
        "bfloat16",
        "model.weights",
        "00000000",
        "Rate it.",
        "a5",
    ):
        assert text in output


def test_info_is_a_readme(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Model, prompt, dates, completeness, distributions and cost, in words: nothing in a cell is JSON, and what is not known has no row."""
    panel = {"source": "sp500", "features": ["return_1m", "beta"], "texts": None, "span": {"first": "2020-01-01"}, "survivors": True}
    axes = {"dates": days(12), "stocks": stocks(8), "archetypes": [*archetypes(2), {"name": "rule", "rule": {"beta": -1.0}}]}
    run_key = {"model": {"name": "none", "weights": "a" * 64}, "choices": list(CHOICES), "prefill": "Rating:\n"}
    store = ScoreStore.create(
        tmp_path / "s.zarr", **axes, choices=CHOICES, run_key=run_key, dates_per_unit=5, panel=panel, example_prompt="Rate [bold]it[/bold]."
    )
    stats = {"prompts": 30, "reused": 10, "prompt_tokens": 4000, "cached_tokens": 1000, "seconds": 2.5, "reasons": {"low coverage": 3}}
    for unit in store.units()[:7]:
        store.write_unit(unit, answer(unit), key="k", stats=stats)
    assert main(["info", str(store.path)]) == 0
    output = capsys.readouterr().out
    rows = [" ".join(line.replace("│", " ").split()) for line in output.splitlines()]
    for row in (
        "dates 12, 2020-01-01 to 2020-01-12, 5 a block",
        "archetypes 3: 2 ask a language model, 1 are rules",
        "finished 7 of 9 units (77.8%), 7 of them in the journal",
        "data.features return_1m, beta",
        "data.texts none",
        "data.span.first 2020-01-01",
        "data.survivors yes",
        "model.weights aaaaaaaaaaaaaaaa…",
        "prefill Rating:⏎",
        "prompts asked 210",
        "scores from a prompt asked before 70 (25.0% of the answered cells)",
        "from the prefix cache 7,000 (25.0% of the prompt tokens)",
        "seconds 17.5 (12.0 prompts a second)",
        "cells without a score 21 coverage below scoring.minimum_coverage",
        "Rate [bold]it[/bold].",
    ):
        assert row in rows, f"{row!r} is not in\n{output}"
    assert "price" not in output
    assert "runs" not in output
    assert not any(sign in output for sign in '{}"')
    store.add_run(
        {"prompts": 10, "seconds": 4.0, "prompt_tokens": 100, "cached_tokens": 40, "price_per_million_tokens": 2.5, "shard": "1/2"}
    )
    assert main(["info", str(store.path)]) == 0
    output = capsys.readouterr().out
    assert "0.07, at 2.50 for a million prompt tokens" in output
    assert "40.0%" in output
    assert "1/2" in output
    assert main(["info", str(store.path), "--price", "10"]) == 0
    assert "0.28, at 10.00 for a million prompt tokens" in capsys.readouterr().out


def test_a_damaged_record_of_a_run_is_named_and_forgotten(store_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ScoreStore.open(store_path, mode="r+").add_run({"prompts": 10})
    (record,) = (store_path / "ledger" / "runs").iterdir()
    record.write_bytes(record.read_bytes().replace(b"10", b"11"))
    assert main(["verify", str(store_path)]) == 1
    assert record.name in capsys.readouterr().out
    assert main(["repair", str(store_path)]) == 0
    assert "0 metadata files restored, 1 damaged records of runs, answers or texts deleted, 0 units dropped" in capsys.readouterr().out
    assert main(["verify", str(store_path)]) == 0


def test_verify_and_repair_tell_what_is_damaged(store_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(store_path)]) == 0
    assert "sound; 8 chunks, 12 compacted units and 0 records" in capsys.readouterr().out
    chunk = store_path / "score" / "c.1.0.0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    assert main(["verify", str(store_path)]) == 1
    output = capsys.readouterr().out
    assert "score/c.1.0.0" in output
    assert "2020-01-06 to 2020-01-10" in output
    assert main(["info", str(store_path)]) == 2
    assert "is damaged" in capsys.readouterr().err
    assert main(["repair", str(store_path)]) == 0
    assert "0 metadata files restored, 6 units dropped, to be asked again" in capsys.readouterr().out
    assert main(["verify", str(store_path)]) == 0
    assert main(["repair", str(store_path)]) == 0
    assert "sound, nothing to repair" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["info", "verify", "repair"])
def test_no_store_is_exit_code_2(tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, str(tmp_path / "nowhere.zarr")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "there is no score store here" in captured.err


def test_as_a_command_an_error_is_one_line_without_a_traceback(root: Path, tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "massjax.store", "info", str(tmp_path / "nowhere.zarr")]
    done = subprocess.run(arguments, env={**os.environ, "PYTHONPATH": str(root)}, text=True, capture_output=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "there is no score store here" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_bundled_store_is_sound_and_complete(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It was written by an earlier version: what is on disk must stay readable."""
    path = root / "cache" / "demo.zarr"
    if not path.exists():
        pytest.skip("cache/demo.zarr is not in this checkout")
    assert main(["verify", str(path)]) == 0, capsys.readouterr().out
    store = ScoreStore.open(path)
    assert store.missing_units() == []
    assert sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) < 5_000_000
