"""The state of a model's memory is read from the store as it was written, and named where it is not that of the run."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from massjax.errors import StoreError
from massjax.models.settings import ModelSettings
from massjax.scores.cautions import cutoff_warnings
from massjax.scores.inputs import prepare
from massjax.scores.measured import NOT_MEASURED, ModelState, fits, latest_cutoff, memory_picture, memory_words, named_in_words, states_in
from tests.small_store import written

FOUND = ModelState(
    model="", named="fake ", first="2022-01-03", last="2022-06-30", state="found", points=1.234, p_value=0.004, least=0.9,
    period="up to the cut-off", horizon=5, level=0.05, target=0.8,
)  # fmt: skip


def store_with(text: str, folder: Path) -> Path:
    """A store whose document is this."""
    (folder / "hindsight").mkdir()
    (folder / "hindsight" / "hindsight.json").write_text(text)
    return folder


def test_states_are_what_was_written(tmp_path: Path) -> None:
    assert states_in(tmp_path) == ()
    undefined = {**asdict(FOUND), "model": "other", "state": "undefined", "points": None, "reason": "no answer"}
    one, other = states_in(store_with(json.dumps({"models": [asdict(FOUND), undefined]}), tmp_path))
    assert one == FOUND
    assert math.isnan(other.points)
    assert other.words == "undefined: no answer"


def test_states_in_words() -> None:
    assert FOUND.words == "found: 1.23 points of RankIC (p 0.004)"
    assert replace(FOUND, state="none found").words == "none found (power 80% for 0.90 points of RankIC)"
    assert replace(FOUND, state="none found", least=None).words == "none found (power unknown)"


def test_a_state_is_of_a_model_and_of_dates() -> None:
    named = named_in_words(ModelSettings(engine="fake"))
    assert fits(FOUND, named, date(2022, 1, 3), date(2022, 6, 30))
    assert not fits(FOUND, named, date(2022, 1, 2), date(2022, 6, 30))
    assert not fits(FOUND, named, date(2022, 1, 3), date(2022, 7, 1))
    assert not fits(FOUND, "vllm model", date(2022, 1, 3), date(2022, 6, 30))


@pytest.mark.parametrize("text", ["{", "[]", '{"models": [{}]}', '{"models": [{"points": "x", "p_value": 1}]}'])
def test_a_document_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(StoreError, match=r"hindsight\.json cannot be read .* run python -m massjax\.hindsight again"):
        states_in(store_with(text, tmp_path))


def test_a_run_names_the_state_of_its_models(small: dict[str, Any], tmp_path: Path) -> None:
    inputs = prepare(written(small, tmp_path))
    assert memory_words(inputs, None) == memory_words(inputs, tmp_path) == (NOT_MEASURED,)
    of_dates = replace(FOUND, first="2022-06-01", last="2022-06-16")
    store = store_with(json.dumps({"models": [asdict(FOUND), asdict(of_dates)]}), tmp_path)
    assert memory_words(inputs, store) == ("found: 1.23 points of RankIC (p 0.004); removed by mask",)
    small["agents"]["hindsight"] = "residual"
    small["agents"]["archetypes"][0]["hindsight"] = "none"
    small["models"] = {"other": {"engine": "fake", "model": "other"}}
    small["agents"]["archetypes"][1]["model"] = "other"
    first, second = memory_words(prepare(written(small, tmp_path)), store)
    assert memory_picture(inputs, store) == b""
    (store / "hindsight" / "years.svg").write_text("<svg/>")
    assert memory_picture(inputs, store) == b"<svg/>"
    assert memory_picture(inputs, None) == b""
    assert first == (
        "scoring: found: 1.23 points of RankIC (p 0.004); not removed from all scores (agents.hindsight: residual takes it out)"
    )
    assert second == f"other: {NOT_MEASURED}"
    (store / "hindsight" / "hindsight.json").write_text(json.dumps({"models": [asdict(replace(of_dates, state="none found"))]}))
    assert memory_words(inputs, store) == ("measured: none found (power 80% for 0.90 points of RankIC)",)
    (store / "hindsight" / "hindsight.json").write_text("{")
    (words,) = memory_words(inputs, store)
    assert words.startswith("not measured (")
    assert "cannot be read" in words


def test_the_latest_cut_off_is_that_of_all_models_and_each_is_warned_of(small: dict[str, Any], tmp_path: Path) -> None:
    small["models"] = {"other": {"engine": "fake", "seed": 1, "knowledge_cutoff": "2022-12-05"}}
    small["agents"]["archetypes"][1]["model"] = "other"
    assert latest_cutoff(prepare(written(small, tmp_path))) is None, "that of scoring is not known"
    small["scoring"]["knowledge_cutoff"] = "2024-06-30"
    inputs = prepare(written(small, tmp_path))
    assert latest_cutoff(inputs) == date(2024, 6, 30)
    first, second = cutoff_warnings(inputs)
    assert first.startswith("scoring: the model's knowledge ends 2024-06-30")
    assert second.startswith("other: the model's knowledge ends 2022-12-05")
