"""The small run of the evaluation's tests, and one of the same that was allowed to see the future."""

from __future__ import annotations

import pytest

from massjax.pipeline import run
from massjax.report.run import RunResult
from tests.small_run import small_config


@pytest.fixture(scope="session")
def leaking_run() -> RunResult:
    """A run whose name is hostile to HTML, and whose gap sees the future."""
    return run(small_config(name="a <b>bold</b> & 'odd' name", evaluate={"gap": 0, "leakage_ablation": True}))


@pytest.fixture(scope="session")
def few_run() -> RunResult:
    """Two searches and 17 dates, of which none can tell anything about five-day returns."""
    searches = [{"method": "annealing", "chains": 4, "steps": 3}, {"method": "gradient", "restarts": 2, "steps": 2}]
    return run(small_config(market={"end": "2022-02-25"}, search=searches))


@pytest.fixture(scope="session")
def controls_alone() -> RunResult:
    """A run without any search."""
    return run(small_config(search=[]))
