"""Export: every asked cell is a row, with what the store says of it, in a file that is whole or absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from massjax.errors import StoreError
from massjax.store import ScoreStore, Status, export
from massjax.store.__main__ import main

from .store_writer import CHOICES, fill, make


@pytest.fixture
def store(tmp_path: Path) -> ScoreStore:
    """Compacted, journaled and missing units."""
    store = make(tmp_path / "s.zarr", 12, 3, 4)
    fill(store, [unit for unit in store.units() if unit.start == 0])
    store.compact()
    fill(store, [unit for unit in store.units() if unit.start == 5 and unit.archetype != 1])
    return store


@pytest.mark.parametrize("calibrated", [True, False])
def test_every_asked_cell_is_a_row_and_says_what_the_store_says(store: ScoreStore, tmp_path: Path, calibrated: bool) -> None:
    assert export(store, tmp_path / "out" / "s.parquet", calibrated=calibrated) == 5 * 3 * 4 + 5 * 2 * 4
    table = pd.read_parquet(tmp_path / "out" / "s.parquet")
    assert list(table.columns[:6]) == ["date", "stock", "archetype", "score", "coverage", "status"]
    assert list(table.columns[6:]) == [f"probability_{choice}" for choice in CHOICES]
    places = [
        [names.index(value) for value in table[column]]
        for column, names in (("archetype", store.archetypes), ("stock", store.stocks), ("date", [d.item() for d in store.dates]))
    ]
    cells = tuple(np.array(place) for place in places)
    assert len(set(zip(*places, strict=True))) == len(table) == (store.status() != 0).sum()
    np.testing.assert_array_equal(table["score"].to_numpy(), store.scores()[cells])
    np.testing.assert_array_equal(table["coverage"].to_numpy(), store.coverage()[cells])
    assert [Status[name.upper()] for name in table["status"]] == store.status()[cells].tolist()
    np.testing.assert_array_equal(table[list(table.columns[6:])].to_numpy(), store.probabilities(calibrated=calibrated)[cells])


def test_missing_numbers_are_null_not_nan(store: ScoreStore, tmp_path: Path) -> None:
    export(store, tmp_path / "s.parquet")
    table = pl.read_parquet(tmp_path / "s.parquet")
    answered = table["status"].is_in(["scored", "rule"])
    assert table["score"].is_null().to_list() == (~answered).to_list()
    assert not table["score"].is_nan().any()
    assert table.schema["date"] == pl.Date


def test_a_file_that_is_there_is_replaced_only_on_demand(store: ScoreStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "s.parquet"
    out.write_text("mine")
    assert main(["export", str(store.path), str(out)]) == 2
    assert "is there already; give another file, or --replace" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert main(["export", str(store.path), str(out), "--replace"]) == 0
    assert "s.parquet: 100 rows of" in capsys.readouterr().out
    assert pl.read_parquet(out).height == 100


def test_a_damaged_store_leaves_no_file(store: ScoreStore, tmp_path: Path) -> None:
    chunk = Path(store.path) / "coverage" / "c.0.0.0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    (tmp_path / "out").mkdir()
    with pytest.raises(StoreError, match=r"coverage/c\.0\.0\.0: chunk of block 0 .* is damaged"):
        export(store, tmp_path / "out" / "s.parquet")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_told(store: ScoreStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"s\.parquet: cannot write: a part of the path is a file"):
        export(store, tmp_path / "file" / "s.parquet")
