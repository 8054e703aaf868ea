"""The whole command, killed at random instants; the same script with 100 kills: `python -m tests.scoring.kill_precompute FOLDER 100 7`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = 8


@pytest.mark.slow
def test_killed_at_any_instant_a_run_loses_at_most_one_call_of_the_model(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.scoring.kill_precompute", str(tmp_path), str(KILLS), "0"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{KILLS} killed")
