"""How long a run will take: past runs of the store first, else an assumption that is said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from massjax.machine import Machine
from massjax.models.settings import ScoringSettings
from massjax.scoring.estimate import START_SECONDS, Load, estimate

MODEL = ScoringSettings(model="m")
HERE, THERE = Machine(0, 2, False), Machine(1, 8, True)
LOAD = Load(prompts=1000, tokens=200_000, shared=150_000)


def past(machine: Machine | None = None, **changes: Any) -> dict[str, Any]:
    recorded = {"prompts": 500, "prompt_tokens": 100_000, "cached_tokens": 60_000, "seconds": 100.0, **changes}
    return recorded if machine is None else {**recorded, "machine": str(machine)}


def test_without_a_past_it_is_assumed_from_tokens_the_model_and_the_device() -> None:
    found = estimate(LOAD, MODEL, HERE, parameters=125_000_000)
    assert found.seconds == pytest.approx((50_000 + 1000 * 16) / 400 + 1000 * 0.002)
    assert found.basis == "assumed 400 tokens a second on 2 CPU cores; corrected after the first batch"
    assert found.start == START_SECONDS + 0.125
    assert estimate(LOAD, MODEL, Machine(0, 8, False), 125_000_000).seconds < found.seconds / 3, "more cores take less"
    assert estimate(LOAD, MODEL, THERE, 125_000_000).basis.startswith("assumed 400,000 tokens a second on 1 GPU;")
    assert "of a model of 1 billion parameters (its files are not here)" in estimate(LOAD, MODEL, HERE).basis


def test_longer_prompts_take_longer() -> None:
    short, long = (estimate(Load(100, tokens, 0), MODEL, HERE, 10**9).seconds for tokens in (10_000, 1_000_000))
    assert long > 50 * short


def test_past_runs_on_this_machine_come_before_others_and_others_before_an_assumption() -> None:
    here = [past(HERE), past(HERE, seconds=300.0)]
    found = estimate(LOAD, MODEL, HERE, 10**9, [*here, past(THERE, seconds=1.0)], past(seconds=7.0))
    assert found.seconds == pytest.approx(50_000 / (80_000 / 400))
    assert found.basis == "at 200 tokens a second, as in 2 past runs of this store on 2 CPU cores"
    found = estimate(LOAD, MODEL, HERE, 10**9, [past(THERE)], past(seconds=7.0))
    assert found.basis == "at 400 tokens a second, as in 1 past run of this store on 1 GPU"
    found = estimate(LOAD, MODEL, HERE, 10**9, [], past(seconds=10.0))
    assert found.basis == "at 4,000 tokens a second, as in this store, on a machine that is not recorded"


@pytest.mark.parametrize(
    ("recorded", "seconds"),
    [
        (past(HERE, cached_tokens=0), 200_000 / 1000),
        (past(HERE, prompt_tokens=0, cached_tokens=0), 1000 / 5),
        (past(HERE, prompts=3), None),
        (past(HERE, seconds=0), None),
    ],
    ids=["no prefix cache", "a server that counts no tokens", "too few to tell", "nothing asked"],
)
def test_what_a_past_run_recorded_decides_how_it_is_used(recorded: dict[str, Any], seconds: float | None) -> None:
    found = estimate(LOAD, MODEL, HERE, 10**9, [recorded])
    assert found.basis.startswith("assumed") == (seconds is None)
    if seconds is not None:
        assert found.seconds == pytest.approx(seconds)


def test_a_rate_that_the_user_sets_comes_before_all() -> None:
    found = estimate(LOAD, MODEL.model_copy(update={"prompts_per_second": 8.0}), HERE, None, [past(HERE)])
    assert (found.seconds, found.basis) == (125.0, "at 8 prompts a second (scoring.prompts_per_second)")


def test_a_server_is_as_fast_as_its_requests_at_once() -> None:
    server = ScoringSettings.model_validate({"engine": "openai", "endpoint": {"url": "http://127.0.0.1:8000/v1", "concurrency": 10}})
    found = estimate(LOAD, server, THERE)
    assert (found.seconds, found.start) == (100.0, 0.0)
    assert "10 at once, 1 s each; corrected after the first batch" in found.basis


@given(st.integers(0, 10**7), st.integers(1, 10**5), st.integers(1, 64), st.integers(10**6, 10**12))
def test_no_estimate_is_negative_and_nothing_takes_no_time(prompts: int, tokens: int, cores: int, parameters: int) -> None:
    found = estimate(Load(prompts, prompts * tokens, 0), MODEL, Machine(0, cores, False), parameters)
    assert found.seconds >= 0
    assert (found.seconds == 0) == (prompts == 0) == (found.start == 0)
