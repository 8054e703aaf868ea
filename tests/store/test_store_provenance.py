"""A stale score is never reused: every field of the provenance is compared, and every unit has a key of its own."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from massjax.errors import StoreError
from massjax.store import ScoreStore

from .store_writer import answer, archetypes, content, days, fill, key, make, stocks

RUN_KEY: dict[str, Any] = {
    "engine": "vllm",
    "engine_version": "0.32.0",
    "model": {"name": "SmolLM2-135M-Instruct", "weights": "0f3a", "revision": None},
    "tokenizer": "77aa",
    "chat_template": "1b2c",
    "prompt_template": "9d8e",
    "choices": ["1", "2", "3", "4", "5"],
    "prefill": "",
    "sampling": {"max_tokens": 1, "temperature": 0.0, "seed": 0},
    "dtype": "bfloat16",
    "head_dtype": "float32",
    "compile": False,
    "calibrate": True,
    "content_free_prompt": "N/A",
}
ARCHETYPE: dict[str, Any] = {
    "name": "momentum",
    "modalities": ["price", "price_feature"],
    "rule": None,
    "risk_aversion": "low",
    "horizon": "weeks",
    "seniority": "senior",
    "protocol": "single",
    "model": None,
    "replica": 0,
    "persona": "You follow trends.",
}


def leaves(document: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in document.items():
        yield from leaves(value, (*above, name)) if isinstance(value, Mapping) else [(*above, name)]


def changed(document: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    result = copy.deepcopy(document)
    place = result
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return result


@pytest.fixture(scope="module")
def path(module_path: Path) -> Path:
    where = module_path / "s.zarr"
    ScoreStore.create(where, dates=["2020-01-01"], stocks=["A", "B"], archetypes=[ARCHETYPE], choices=RUN_KEY["choices"], run_key=RUN_KEY)
    return where


def test_the_same_run_key_and_archetypes_are_accepted(path: Path) -> None:
    as_tuples = {**RUN_KEY, "choices": tuple(RUN_KEY["choices"])}
    store = ScoreStore.open(path, expect=as_tuples, archetypes=[ARCHETYPE, {**ARCHETYPE, "name": "another"}])
    assert store.provenance.run_key == RUN_KEY
    assert store.provenance.archetypes == (ARCHETYPE,)


@pytest.mark.parametrize("field", list(leaves(RUN_KEY)), ids=".".join)
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_any_other_value_in_the_run_key_is_refused_with_both(path: Path, field: tuple[str, ...], mode: Any) -> None:
    stored = RUN_KEY
    for name in field:
        stored = stored[name]
    other = (not stored) if isinstance(stored, bool) else "another"
    with pytest.raises(StoreError) as caught:
        ScoreStore.open(path, expect=changed(RUN_KEY, field, other), mode=mode)
    assert f"{'.'.join(field)}: the store has {stored!r}, this run has {other!r}" in str(caught.value)


@pytest.mark.parametrize("field", [field for field in leaves(ARCHETYPE) if field != ("name",)], ids=".".join)
def test_any_other_definition_of_an_archetype_is_refused_with_both(path: Path, field: tuple[str, ...]) -> None:
    with pytest.raises(StoreError, match="archetype 'momentum'") as caught:
        ScoreStore.open(path, archetypes=[changed(ARCHETYPE, field, "another")])
    assert f"{field[0]}: the store has {ARCHETYPE[field[0]]!r}, this run has 'another'" in str(caught.value)


def test_missing_additional_and_several_fields_are_all_named(path: Path) -> None:
    expect = {**RUN_KEY, "adapter": "lora", "dtype": "float32"}
    del expect["tokenizer"]
    with pytest.raises(StoreError) as caught:
        ScoreStore.open(path, expect=expect)
    for line in (
        "adapter: the store has nothing, this run has 'lora'",
        "tokenizer: the store has '77aa', this run has nothing",
        "dtype: the store has 'bfloat16', this run has 'float32'",
    ):
        assert line in str(caught.value)


@pytest.mark.parametrize(
    ("stored", "other"), [(1, True), (0, False), (None, "None"), (0.0, "0.0"), ([1], [True]), ([1, 2], [2, 1]), ({}, None)]
)
def test_values_that_python_or_a_careless_eye_takes_for_equal_differ(tmp_path: Path, stored: Any, other: Any) -> None:
    axes = {"dates": ["2020-01-01"], "stocks": ["A"], "archetypes": [ARCHETYPE], "choices": ["1", "2"]}
    ScoreStore.create(tmp_path / "s.zarr", **axes, run_key={"field": stored})
    ScoreStore.open(tmp_path / "s.zarr", expect={"field": stored})
    with pytest.raises(StoreError, match="field: the store has"):
        ScoreStore.open(tmp_path / "s.zarr", expect={"field": other})


def test_a_changed_unit_key_makes_exactly_that_unit_missing_and_the_new_answer_replaces_the_old(tmp_path: Path) -> None:
    store = fill(make(tmp_path / "s.zarr"))
    store.compact()
    keys = {unit: key(unit) for unit in store.units()}
    assert store.missing_units(keys) == []
    unit = store.units()[11]
    keys[unit] = key(unit, 1)
    assert store.missing_units(keys) == [unit]
    before = store.scores()
    assert store.write_unit(unit, answer(unit, 1), key=keys[unit])
    expected = before.copy()
    expected[unit.archetype, unit.stocks, unit.dates] = answer(unit, 1).score.T
    for _ in range(2):
        np.testing.assert_array_equal(store.scores(), expected)
        assert store.missing_units(keys) == []
        store.compact()
    assert store.verify().ok


def test_what_is_there_under_the_same_key_is_kept(tmp_path: Path) -> None:
    store = fill(make(tmp_path / "s.zarr"))
    before = content(store)
    unit = store.units()[3]
    assert not store.write_unit(unit, answer(unit, 5), key=key(unit))
    store.compact()
    assert not store.write_unit(unit, answer(unit, 5), key=key(unit))
    assert content(store) == before


def test_units_in_which_requests_failed_can_be_asked_again_under_the_same_key(tmp_path: Path) -> None:
    store = fill(make(tmp_path / "s.zarr"))
    unit = store.units()[3]
    scores = answer(unit, 1)
    failed = scores.status == 1
    scores.status[failed], scores.score[failed] = 3, np.nan
    store.write_unit(unit, scores, key=key(unit, 1))
    keys = {**{unit: key(unit) for unit in store.units()}, unit: key(unit, 1)}
    assert store.missing_units(keys) == []
    assert store.missing_units(keys, retry_failed=True) == [unit]
    assert store.write_unit(unit, answer(unit, 1), key=key(unit, 1))
    assert store.missing_units(keys, retry_failed=True) == []


def test_growing_asks_only_what_is_new(tmp_path: Path) -> None:
    store = fill(make(tmp_path / "s.zarr", dates=12))
    store.compact()
    before, old = store.scores(), set(store.units())
    for change, cells in (
        ({"dates": days(2, "2020-01-13")}, 2 * 6 * 8),
        ({"dates": days(7, "2020-01-15")}, 7 * 6 * 8),
        ({"stocks": stocks(3, 8)}, 21 * 6 * 3),
        ({"archetypes": archetypes(2, 6)}, 21 * 2 * 11),
    ):
        store.extend(**change, panel={"fingerprint": str(cells)})
        missing = store.missing_units({unit: key(unit) for unit in store.units()})
        assert not old & set(missing)
        assert sum(unit.shape[0] * unit.shape[1] for unit in missing) == cells
        fill(store, missing)
        old |= set(missing)
        store.compact()
        assert ScoreStore.open(store.path).provenance.panel == {"fingerprint": str(cells)}
    np.testing.assert_array_equal(store.scores()[:6, :8, :12], before)
    assert store.missing_units() == []
    assert store.verify().ok


def test_a_store_that_was_opened_before_it_grew_reads_and_writes_what_it_knows(tmp_path: Path) -> None:
    early = fill(make(tmp_path / "s.zarr", dates=12))
    late = ScoreStore.open(early.path, mode="r+")
    late.extend(dates=["2020-02-01"], stocks=["new"], archetypes=[{"name": "new"}])
    fill(late).compact()
    np.testing.assert_array_equal(early.scores(), late.scores()[:6, :8, :12])
    assert early.missing_units() == []
    unit = early.units()[2]
    assert early.write_unit(unit, answer(unit, 1), key=key(unit, 1))
    assert early.compact() == [early.layout.block(unit)]
    assert late.missing_units() == []
    np.testing.assert_array_equal(late.scores()[unit.archetype, unit.stocks, unit.dates], answer(unit, 1).score.T.astype(np.float32))
    assert late.verify().ok


def test_the_calibration_of_every_archetype_is_kept(tmp_path: Path) -> None:
    store = make(tmp_path / "s.zarr", dates=5)
    assert np.isnan(store.calibration()).all()
    fill(store)
    expected = np.array([answer(unit).calibration for unit in store.units()], dtype=np.float32)
    np.testing.assert_array_equal(store.calibration(), expected)
    store.compact()
    np.testing.assert_array_equal(ScoreStore.open(store.path).calibration(), expected)
