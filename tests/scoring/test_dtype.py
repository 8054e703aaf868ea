"""`scoring.dtype: auto` takes what the device is fast with, goes on with what a store has, and is never kept as `auto` for a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from massjax.machine import Machine
from massjax.models.settings import ScoringSettings
from massjax.scoring.checking import check_settings
from massjax.scoring.dtype import dtype_warnings, resolved_dtype, said_dtype, with_dtype
from massjax.scoring.work import prepare
from massjax.store import ScoreStore
from tests.scoring.test_asking import run
from tests.small_store import written

MODEL = ScoringSettings(model="m")
FAST, SLOW, OLD = Machine(0, 2, True), Machine(0, 2, False), Machine(1, 2, False)


@pytest.mark.parametrize(
    ("settings", "machine", "held", "dtype"),
    [
        ({}, FAST, None, "bfloat16"),
        ({}, SLOW, None, "float32"),
        ({}, OLD, None, "float16"),
        ({}, Machine(1, 2, True), None, "bfloat16"),
        ({}, SLOW, "bfloat16", "bfloat16"),
        ({}, FAST, "auto", "auto"),
        ({"dtype": "bfloat16"}, SLOW, None, "bfloat16"),
        ({"dtype": "float32"}, FAST, "bfloat16", "float32"),
        ({"engine": "fake"}, FAST, None, "auto"),
        ({"engine": "openai", "endpoint": {"url": "http://127.0.0.1:8000/v1"}}, SLOW, None, "auto"),
    ],
)
def test_what_auto_comes_to(settings: dict[str, Any], machine: Machine, held: str | None, dtype: str) -> None:
    assert resolved_dtype(ScoringSettings(**{"model": "m", **settings}), machine, held) == dtype


def test_a_reason_and_a_warning_go_with_it() -> None:
    assert said_dtype(MODEL, "float32", SLOW) == "float32: this CPU emulates bfloat16, which is slow"
    assert said_dtype(MODEL, "bfloat16", SLOW) == "bfloat16, as in the store"
    assert said_dtype(MODEL, "bfloat16", FAST) == "bfloat16"
    emulated = MODEL.model_copy(update={"dtype": "bfloat16"})
    assert "emulates it" in dtype_warnings(emulated, SLOW)[0]
    assert not dtype_warnings(emulated, FAST)
    assert not dtype_warnings(MODEL, SLOW)


def test_a_store_is_gone_on_with_in_its_own_numbers_on_any_machine(small: dict[str, Any], tmp_path: Path) -> None:
    small["scoring"]["dtype"] = "bfloat16"
    run(written(small, tmp_path))
    small["scoring"]["dtype"] = "auto"
    config = written(small, tmp_path)
    assert config.store is not None
    check_settings(prepare(config), ScoreStore.open(config.store))
    resumed = with_dtype(config, config.store, SLOW)
    assert resumed.scoring.dtype == "bfloat16"
    run(resumed)
    assert ScoreStore.open(config.store).provenance.run_key["dtype"] == "bfloat16"
    assert with_dtype(config, tmp_path / "none.zarr", SLOW).scoring.dtype == "auto", "the fake model computes in no numbers"
