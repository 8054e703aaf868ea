"""The small run of the evaluation's tests, and one of the same that was allowed to see the future."""

from __future__ import annotations

import pytest

from massjax.evaluate.pipeline import run
from massjax.evaluate.result import RunResult
from tests.evaluate.conftest import small_config, small_run

__all__ = ["leaking_run", "small_run"]


@pytest.fixture(scope="session")
def leaking_run() -> RunResult:
    """A run whose name is hostile to HTML, and whose gap sees the future."""
    return run(small_config(name="a <b>bold</b> & 'odd' name", evaluate={"gap": 0, "leakage_ablation": True}))
