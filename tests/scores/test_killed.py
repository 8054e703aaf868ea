"""The whole command, killed at random instants; the same script with 100 kills: `python -m tests.scores.kill_precompute FOLDER 100 7`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = 8


@pytest.mark.slow
@pytest.mark.parametrize("shards", [1, 3])
def test_killed_at_any_instant_a_run_loses_at_most_what_waited_to_be_written(root: Path, tmp_path: Path, shards: int) -> None:
    command = [sys.executable, "-m", "tests.scores.kill_precompute", str(tmp_path), str(KILLS), "0", str(shards)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[0]) >= KILLS
