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
from massjax.scores.cautions import cutoff_warnings
from massjax.scores.inputs import prepare
from massjax.scores.measured import (
    NOT_MEASURED,
    Asked,
    ModelState,
    asked_of,
    latest_cutoff,
    memory_picture,
    memory_words,
    misfit,
    state_of,
    states_in,
)
from tests.small_store import written

FOUND = ModelState(
    model="", named="fake ", identity="0a", first="2022-01-03", last="2022-06-30", stocks=("AAPL", "KO"), cutoff=None, state="found",
    points=1.234, p_value=0.004, least=0.9, period="all dates", horizon=5, level=0.05, target=0.8,
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


def test_memory_after_the_cutoff_says_that_the_cutoff_is_wrong() -> None:
    after = replace(FOUND, period="after the cut-off", cutoff="2021-12-31")
    assert after.words == f"{FOUND.words}, after the cut-off alone: knowledge_cutoff is wrong, or names tell something else"


ASKED = Asked("", "fake ", "0a", date(2022, 1, 3), date(2022, 6, 30), ("AAPL",), 5, None)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, ""),
        ({"identity": ""}, ""),
        ({"first": date(2022, 1, 2)}, "on other dates, 2022-01-03 to 2022-06-30"),
        ({"last": date(2022, 7, 1)}, "on other dates, 2022-01-03 to 2022-06-30"),
        ({"identity": "0b"}, "of another model of this name"),
        ({"stocks": ("AAPL", "XOM")}, "of other stocks"),
        ({"horizon": 20}, "over 5 rows, not 20"),
        ({"cutoff": date(2022, 3, 1)}, "without a cut-off"),
    ],
)
def test_a_state_is_of_a_model_and_of_what_it_was_measured_on(change: dict[str, Any], why: str) -> None:
    assert misfit(FOUND, replace(ASKED, **change)) == why
    assert state_of((FOUND,), replace(ASKED, **change)) == (None if why else FOUND, why)


def test_of_two_models_of_one_name_each_has_its_own_state() -> None:
    other = replace(FOUND, model="other", state="none found")
    assert state_of((FOUND, other), ASKED) == (FOUND, "")
    assert state_of((FOUND, other), replace(ASKED, model="other")) == (other, "")
    assert state_of((FOUND,), replace(ASKED, named="vllm model")) == (None, "")


def changed(**values: Any) -> str:
    """A document with a state of which something was changed by hand."""
    return json.dumps({"models": [{**asdict(FOUND), **values}]})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "Expecting property name"),
        ("[]", "it is no object"),
        ("[" * 100_000, "recursion"),
        ('{"models": null}', "models is no list"),
        ('{"parts": []}', "parts is no object"),
        ('{"models": ["x"]}', "not a mapping"),
        ('{"models": [{}]}', "points"),
        (changed(state="perhaps"), "state: Input should be"),
        (changed(first=20220103), "first: Input should be a valid string"),
        (changed(first="January"), "Invalid isoformat string"),
        (changed(p_value="x"), "p_value: Input should be a valid number"),
        (changed(seen_by="a later version"), "seen_by: Unexpected keyword argument"),
    ],
)
def test_a_document_that_cannot_be_read_is_named(small: dict[str, Any], tmp_path: Path, text: str, why: str) -> None:
    store = store_with(text, tmp_path)
    with pytest.raises(StoreError, match=rf"(?i)hindsight\.json cannot be read \(.*{why}.*run python -m massjax\.hindsight again"):
        states_in(store)
    inputs = prepare(written(small, tmp_path))
    assert memory_words(inputs, store)[0].startswith("not measured (")
    assert memory_picture(inputs, store) == b""


def test_a_run_names_the_state_of_its_models(small: dict[str, Any], tmp_path: Path) -> None:
    inputs = prepare(written(small, tmp_path))
    assert memory_words(inputs, None) == memory_words(inputs, tmp_path) == (NOT_MEASURED,)
    of_dates = replace(FOUND, first="2022-06-01", last="2022-06-16", stocks=tuple(inputs.panel.stocks))
    store = store_with(json.dumps({"models": [asdict(FOUND)]}), tmp_path)
    assert memory_words(inputs, store) == (f"{NOT_MEASURED[:-1]}; it was measured of other stocks)",)
    document = {"models": [asdict(FOUND), asdict(of_dates)]}
    (store / "hindsight" / "hindsight.json").write_text(json.dumps(document))
    masked = "names and dates are masked, and the audit says what masks give away"
    assert memory_words(inputs, store) == (f"found: 1.23 points of RankIC (p 0.004); {masked}",)
    small["agents"]["hindsight"] = "residual"
    small["agents"]["archetypes"][0]["hindsight"] = "none"
    small["models"] = {"other": {"engine": "fake", "model": "other"}}
    small["agents"]["archetypes"][1]["model"] = "other"
    first, second = memory_words(prepare(written(small, tmp_path)), store)
    assert memory_picture(inputs, store) == b""
    (store / "hindsight" / "years.svg").write_text("<svg/>")
    assert memory_picture(inputs, store) == b"", "it is of no part of the document"
    (store / "hindsight" / "hindsight.json").write_text(json.dumps({**document, "parts": {"cutoff": {}}}))
    assert memory_picture(inputs, store) == b"<svg/>"
    (store / "hindsight" / "years.svg").write_text("<svg")
    assert memory_picture(inputs, store) == b""
    assert memory_picture(inputs, None) == b""
    assert first == (
        "scoring: found: 1.23 points of RankIC (p 0.004); not removed from all scores (agents.hindsight: residual takes it out)"
    )
    assert second == f"other: {NOT_MEASURED}"
    (asked,) = asked_of(inputs, {"scoring": {"engine": "fake", "model": "other"}})
    assert misfit(of_dates, asked) == "of another model of this name"
    after = replace(of_dates, period="after the cut-off")
    (store / "hindsight" / "hindsight.json").write_text(json.dumps({"models": [asdict(after)]}))
    assert memory_words(inputs, store) == (after.words,), "nothing is taken out of scores after the cut-off"
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
    assert "names and dates are masked, which helps" in first
    small["agents"]["archetypes"][0]["hindsight"] = "none"
    first, second = cutoff_warnings(prepare(written(small, tmp_path)))
    assert "set agents.mask: true" in first, "nothing is said of hindsight, and all that this model is asked by shows names"
    small["agents"]["hindsight"] = "residual"
    first, second = cutoff_warnings(prepare(written(small, tmp_path)))
    assert "nothing is done about it for trend; set hindsight: residual, contrast or mask for them" in first
    assert "takes out of the scores what it can tell is memory" in second
