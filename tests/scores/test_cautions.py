"""What should be known before anything is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from massjax.machine import Machine
from massjax.scores.cautions import cautions
from massjax.scores.survey import survey
from tests.scores.asking import opened
from tests.small_store import written

SLOW = Machine(0, 2, False)


def told(small: dict[str, Any], folder: Path) -> list[str]:
    resolver, _, _ = opened(written(small, folder))
    return list(cautions(resolver.inputs, survey(resolver, {}), SLOW))


def test_noise_is_told_of_any_model_that_is_asked(small: dict[str, Any], tmp_path: Path) -> None:
    noise = "scoring.engine is 'fake': the scores are noise, for tests of the machinery only"
    assert told(small, tmp_path) == [noise]
    small["models"] = {"unused": {"engine": "fake"}}
    small["scoring"] = {"engine": "vllm", "model": "a/b"}
    assert told(small, tmp_path) == []
    small["agents"]["archetypes"][0]["model"] = "unused"
    assert told(small, tmp_path) == [noise]


def test_prompts_alike_are_told_by_their_archetypes(small: dict[str, Any], tmp_path: Path) -> None:
    small["agents"] |= {"archetypes": [], "grid": {"modalities": [["price"]], "replicas": 3}}
    found = told(small, tmp_path)[1:]
    assert len(found) == 2
    assert all("ask the very same prompts, so their scores are the same" in one for one in found)


def test_members_of_a_committee_who_ask_the_same_are_told_by_role(small: dict[str, Any], tmp_path: Path) -> None:
    committee = {"name": "three", "modalities": ["price"], "protocol": "committee"}
    small["agents"]["archetypes"] = [committee]
    assert len(told(small, tmp_path)) == 1
    committee["roles"] = {"trader_3": {"risk_aversion": "low"}}
    assert told(small, tmp_path)[1:] == [
        "archetype 'three': roles 'trader_1' and 'trader_3' ask the very same of the same model, so they always agree; "
        "give one another persona, seniority, horizon or model"
    ]


@pytest.mark.parametrize(("dtype", "count"), [("bfloat16", 1), ("auto", 0), ("float32", 0)])
def test_numbers_that_are_slow_here_are_told(small: dict[str, Any], tmp_path: Path, dtype: str, count: int) -> None:
    small["scoring"] = {"engine": "vllm", "model": "a/b", "dtype": dtype}
    assert len(told(small, tmp_path)) == count
