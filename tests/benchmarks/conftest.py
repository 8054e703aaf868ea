"""The benchmarks are scripts beside each other: they are run as such, or imported from their folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

RunScript = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_script(root: Path) -> RunScript:
    """Run one of the benchmarks from the checkout, as a user would."""

    def run(name: str, *words: object) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(root), "COLUMNS": "200"}
        command = [sys.executable, f"benchmarks/{name}.py", *map(str, words)]
        return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=600, check=False)

    return run


@pytest.fixture
def scripts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the modules of the benchmarks importable."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
