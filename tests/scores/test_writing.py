"""Which tensors of a store are kept when another is written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from massjax.answers import durable
from massjax.errors import StoreError
from massjax.scores.fitting import fitting_scores
from massjax.scores.inputs import prepare
from massjax.scores.scores import Scores, tensors_in
from massjax.scores.writing import TENSORS_KEPT
from tests.scores.asking import run
from tests.small_store import written


def of_persona(small: dict[str, Any], persona: str) -> dict[str, Any]:
    return {**small, "agents": {**small["agents"], "archetypes": [{"name": "mine", "modalities": ["price"], "persona": persona}]}}


def test_two_configurations_of_one_store_keep_a_tensor_each(small: dict[str, Any], tmp_path: Path) -> None:
    first, second = (of_persona(small, persona) for persona in ("You like trains.", "You like ships."))
    scores = [run(written(config, tmp_path)).score for config in (first, second)]
    places = tensors_in(tmp_path / "store")
    assert len(places) == 2
    for config, expected in zip((first, second, first), (*scores, scores[0]), strict=True):
        found = fitting_scores(prepare(written(config, tmp_path)), tmp_path / "store")
        assert found.place in map(str, places), "read from a tensor, not built from the answers"
        np.testing.assert_array_equal(found.score(), expected)
        run(written(config, tmp_path))
    assert tensors_in(tmp_path / "store") == places


def test_a_wider_tensor_takes_the_place_of_a_narrower_one(small: dict[str, Any], tmp_path: Path) -> None:
    config = of_persona(small, "You like trains.")
    narrow = {**config, "market": {**config["market"], "end": "2022-06-03"}}
    places = [run(written(one, tmp_path)).written.scores.place for one in (narrow, config)]
    assert list(map(str, tensors_in(tmp_path / "store"))) == places[1:]


def test_old_tensors_and_damaged_ones_go(small: dict[str, Any], tmp_path: Path) -> None:
    personas = [f"You like {n} trains." for n in range(TENSORS_KEPT + 2)]
    places = [run(written(of_persona(small, persona), tmp_path)).written.scores.place for persona in personas]
    assert list(map(str, tensors_in(tmp_path / "store"))) == places[2:]
    Path(places[3], "score", "zarr.json").unlink()
    run(written(of_persona(small, "You like ships."), tmp_path))
    kept = {path.name for path in (tmp_path / "store" / "scores").iterdir()}
    assert Path(places[3]).name not in kept
    assert len(kept) == TENSORS_KEPT


def test_probabilities_of_the_choices_are_kept_on_request_and_asked_for_by_no_one_else(small: dict[str, Any], tmp_path: Path) -> None:
    without = run(written(small, tmp_path))
    with pytest.raises(StoreError, match=r"hold no probabilities of choices; set scoring\.keep_probabilities"):
        without.scores.probability()
    small["scoring"]["keep_probabilities"] = True
    found = run(written(small, tmp_path))
    assert found.asked == []
    probability = Scores.open(tmp_path / "store").probability(slice(3, 5))
    assert probability.shape == (2, 3, 20, 5)
    for k, name in enumerate(found.scores.archetypes):
        if name == "low-volatility":
            assert np.isnan(probability[:, k]).all()
            continue
        asks = found.resolver.asks(found.archetype(name))
        said, _, _ = found.resolver.log.choices(asks.keys, 5)
        np.testing.assert_array_equal(probability[:, k], said.astype(np.float16)[asks.index.T[3:5]])
    np.testing.assert_array_equal(found.score, without.score)
    small["scoring"]["keep_probabilities"] = False
    assert run(written(small, tmp_path)).written.scores.probability().shape == (12, 3, 20, 5), "a tensor that holds more is left"


def test_what_a_killed_process_left_unfinished_is_swept_by_the_next_run(small: dict[str, Any], tmp_path: Path) -> None:
    found = run(written(small, tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    name = durable.temporary_name().replace(f"-{os.getpid()}-", f"-{ended.pid}-")
    folder = tmp_path / "store" / "scores"
    (folder / name / "score").mkdir(parents=True)
    (folder / durable.temporary_name()).mkdir()
    assert run(written(small, tmp_path)).asked == []
    kept = {path.name for path in folder.iterdir()}
    assert name not in kept
    assert len(kept) == 2, "the tensor, and what a process that is alive is writing"
    assert Path(found.scores.place).name in kept
