"""Asking that is killed at random instants: nothing is lost beyond the last flush, whatever was being done."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("kills", [12, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_at_any_instant_alone_or_in_shards_it_loses_at_most_a_flush(root: Path, tmp_path: Path, kills: int) -> None:
    command = [sys.executable, "-m", "tests.answers.kill_asking", str(tmp_path), str(kills), "0"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{kills} killed")
