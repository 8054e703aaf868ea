"""`python -m massjax.store`: what is printed, and the exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from massjax.store import ScoreStore
from massjax.store.__main__ import main

from .store_writer import fill, make


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
