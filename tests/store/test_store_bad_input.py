"""What is refused, and that nothing is lost by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from massjax.errors import StoreError
from massjax.store import ScoreStore, Status, Unit, UnitScores, exists

from .store_writer import CHOICES, RUN_KEY, answer, archetypes, content, days, fill, key, make, stocks


def plain(unit: Unit) -> UnitScores:
    """A unit in which every cell is scored."""
    return UnitScores(np.full(unit.shape, 1), np.full(unit.shape, 0.5), np.full((*unit.shape, 5), 0.2), np.full(unit.shape, 0.1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": np.full((5, 8), 0)}, "status that is not one of 1 to 5"),
        ({"status": np.full((5, 8), 6)}, "status that is not one of 1 to 5"),
        ({"score": np.full((5, 8), 1.01)}, r"score outside \[0, 1\]"),
        ({"score": np.full((5, 8), np.nan)}, r"score outside \[0, 1\]"),
        ({"score": np.full((5, 8), np.inf)}, r"score outside \[0, 1\]"),
        ({"status": np.full((5, 8), Status.INVALID)}, "although its status says"),
        ({"probability": np.full((5, 8, 5), 0.3)}, "do not sum to 1"),
        ({"probability": None}, "do not sum to 1"),
        ({"probability": np.tile([-0.2, 0.6, 0.2, 0.2, 0.2], (5, 8, 1))}, "negative choice probability"),
        ({"coverage": np.full((5, 8), 1.5)}, r"coverage outside \[0, 1\]"),
        ({"coverage": None}, r"coverage outside \[0, 1\]"),
        ({"score": np.full((8, 5), 0.5)}, r"score has shape \(8, 5\); expected \(5, 8\)"),
        ({"probability": np.full((5, 8, 4), 0.25)}, r"probability has shape \(5, 8, 4\); expected \(5, 8, 5\)"),
        ({"calibration": np.array([0.5, 0.5, 0, 0, 0])}, "calibration must be 5 positive numbers"),
        ({"calibration": np.array([0.5, 0.5])}, "calibration must be 5 positive numbers"),
    ],
)
def test_contradictory_scores_are_refused_with_their_place(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    store = make(tmp_path / "s.zarr")
    unit = store.units()[1]
    with pytest.raises(StoreError, match=message) as caught:
        store.write_unit(unit, replace(plain(unit), **change), key="k")
    assert "archetype 'a0'" in str(caught.value)
    assert "2020-01-06" in str(caught.value)
    assert store.missing_units() == store.units()


def test_one_bad_cell_is_named_by_date_and_stock(tmp_path: Path) -> None:
    store = make(tmp_path / "s.zarr")
    scores = plain(store.units()[1])
    scores.score[3, 2] = -0.1
    with pytest.raises(StoreError, match=r"archetype 'a0', date 2020-01-09, stock 'S2': a score outside"):
        store.write_unit(store.units()[1], scores, key="k")


def test_a_unit_of_another_store_is_refused(tmp_path: Path) -> None:
    store = make(tmp_path / "s.zarr")
    unit = Unit(0, 6, 0, 0, 8)
    with pytest.raises(StoreError, match="is not a unit of this store"):
        store.write_unit(unit, plain(unit), key="k")


def test_statistics_must_be_json(tmp_path: Path) -> None:
    store = make(tmp_path / "s.zarr")
    unit = store.units()[0]
    for wrong in (float("nan"), object(), {1, 2}):
        with pytest.raises(StoreError, match="cannot be stored as JSON"):
            store.write_unit(unit, plain(unit), key="k", stats={"seconds": wrong})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dates": []}, "needs dates"),
        ({"stocks": []}, "needs stocks"),
        ({"archetypes": []}, "needs archetypes"),
        ({"dates": ["2020-01-02", "2020-01-01"]}, "date 2020-01-01 comes after 2020-01-02"),
        ({"dates": ["2020-01-01", "2020-01-01"]}, "dates must increase"),
        ({"dates": ["soon"]}, "dates must be days"),
        ({"dates": ["NaT"]}, "one of them is missing"),
        ({"stocks": ["A", "B", "A"]}, "stock 'A' is on its axis twice"),
        ({"archetypes": [{"name": "x"}, {"name": "x"}]}, "archetype 'x' is on its axis twice"),
        ({"archetypes": [{"persona": "x"}]}, "every archetype needs a name"),
        ({"choices": ["1"]}, "at least two choices"),
        ({"choices": ["1", "1"]}, "choice '1' is on its axis twice"),
        ({"dates_per_unit": 0}, "dates_per_unit is 0"),
        ({"run_key": {"x": float("inf")}}, "cannot be stored as JSON"),
    ],
)
def test_a_store_that_makes_no_sense_is_not_made(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    axes = {"dates": days(3), "stocks": stocks(2), "archetypes": archetypes(2), "choices": CHOICES, "run_key": RUN_KEY}
    with pytest.raises(StoreError, match=message):
        ScoreStore.create(tmp_path / "s.zarr", **{**axes, **change})
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_never_made_over_something(tmp_path: Path) -> None:
    store = fill(make(tmp_path / "s.zarr"))
    before = content(store)
    with pytest.raises(StoreError, match="is there already"):
        make(tmp_path / "s.zarr")
    assert content(ScoreStore.open(store.path)) == before


def test_growing_refuses_what_is_there_or_earlier(tmp_path: Path) -> None:
    store = fill(make(tmp_path / "s.zarr"))
    before = content(store)
    for change in ({"dates": ["2020-01-03"]}, {"stocks": ["S1"]}, {"archetypes": [{"name": "a0"}]}, {"dates": days(2, "2019-12-30")}):
        with pytest.raises(StoreError):
            store.extend(**change)
        assert content(ScoreStore.open(store.path)) == before


def test_a_store_opened_to_read_is_not_written(tmp_path: Path) -> None:
    store = ScoreStore.open(make(tmp_path / "s.zarr").path)
    unit = store.units()[0]
    for attempt in (
        lambda: store.write_unit(unit, answer(unit), key=key(unit)),
        store.compact,
        store.repair,
        lambda: store.extend(stocks=["new"]),
        lambda: store.claim(unit).__enter__(),
    ):
        with pytest.raises(StoreError, match="mode='r\\+'"):
            attempt()


@pytest.mark.parametrize("where", ["nowhere.zarr", "file.txt", "file.txt/below.zarr", "folder"])
def test_where_there_is_no_store_it_says_so(tmp_path: Path, where: str) -> None:
    (tmp_path / "file.txt").write_text("hello")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="there is no score store here"):
        ScoreStore.open(tmp_path / where)


def test_another_zarr_group_or_a_newer_format_is_refused(tmp_path: Path) -> None:
    group = tmp_path / "zarr.json"
    group.write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    with pytest.raises(StoreError, match=r"zarr\.json: metadata"):
        ScoreStore.open(tmp_path)


def test_a_store_cannot_be_made_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("hello")
    with pytest.raises(StoreError, match=r"below\.zarr: cannot create: a part of the path is a file"):
        make(tmp_path / "file.txt" / "below.zarr")


def test_a_store_is_made_in_an_empty_folder_but_never_over_something(tmp_path: Path) -> None:
    (tmp_path / "empty.zarr").mkdir()
    assert not exists(tmp_path / "empty.zarr")
    assert make(tmp_path / "empty.zarr").missing_units()
    (tmp_path / "full.zarr").mkdir()
    (tmp_path / "full.zarr" / "note.txt").write_text("mine")
    (tmp_path / "link.zarr").symlink_to(tmp_path / "nowhere")
    for name in ("full.zarr", "link.zarr"):
        with pytest.raises(StoreError, match="is there already"):
            make(tmp_path / name)
    assert (tmp_path / "full.zarr" / "note.txt").read_text() == "mine"
