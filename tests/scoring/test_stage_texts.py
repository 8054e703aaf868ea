"""Stages before the score: texts are written once, kept, resumed, and enter the later prompts; replicas differ by theirs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from massjax.config import RunConfig
from massjax.errors import ConfigError, ModelError, StoreError
from massjax.models.failures import Failure, Reason
from massjax.models.fake import FakeModel
from massjax.models.language_model import Sampling, Texts
from massjax.models.question import Prompt
from massjax.scoring.checking import check_stored_scores
from massjax.scoring.passes import run_passes
from massjax.scoring.placing import open_or_create, shards_of
from massjax.scoring.plan import plan
from massjax.scoring.stage_texts import stored_texts
from massjax.scoring.work import Work, prepare
from massjax.store import ScoreStore, Status
from tests.small_store import written

STRATEGY = {"name": "strategy", "scope": "archetype", "instruction": "Write your strategy in two sentences.", "temperature": 0.8}
NOTE = {"name": "analyst_note", "instruction": "Write a note for the trader in one sentence.", "max_tokens": 40}


@pytest.fixture
def staged(small: dict[str, Any]) -> dict[str, Any]:
    small["market"]["end"] = "2022-06-07"
    small["agents"] |= {
        "stages": [STRATEGY, NOTE],
        "archetypes": [
            {"name": "plain", "modalities": ["price"]},
            {"name": "advised", "modalities": ["price"], "protocol": "staged", "stages": ["strategy", "analyst_note"]},
        ],
    }
    return small


def run(config: RunConfig, model: FakeModel | None = None) -> tuple[Work, ScoreStore, FakeModel]:
    work, model = prepare(config), model or FakeModel(config.scoring)
    assert config.store is not None
    store = open_or_create(work, config.store, model.identity())
    run_passes(work, store, model)
    return prepare(config), ScoreStore.open(config.store), model


def test_texts_are_written_once_and_enter_the_prompts(staged: dict[str, Any], tmp_path: Path) -> None:
    work, store, model = run(written(staged, tmp_path))
    notes = len(work.prompts["plain"].prompts)
    assert model.written == 1 + notes
    assert len(stored_texts(store.path)) == 1 + notes
    assert (store.status() == Status.SCORED).all()
    prompt = work.prompts["advised"].prompts[0]
    assert "Your strategy: noise " in prompt.system
    assert '\n  "noise ' in prompt.user
    assert "analyst note" in prompt.user
    assert "noise" not in "".join(work.prompts["plain"].prompts[0])
    assert "analyst note: N/A" in work.content_free(work.archetypes[1]).user
    check_stored_scores(work, store)
    _, _, model = run(written(staged, tmp_path))
    assert (model.written, model.asked) == (0, 0)


def test_what_comes_after_a_stage_changes_without_it(staged: dict[str, Any], tmp_path: Path) -> None:
    work, _, _ = run(written(staged, tmp_path))
    before = work.prompts["advised"].prompts
    staged["agents"]["archetypes"].append({**staged["agents"]["archetypes"][1], "name": "strategist", "stages": ["strategy"]})
    work, _, model = run(written(staged, tmp_path))
    assert model.written == 0
    assert model.asked == len(work.prompts["strategist"].prompts) + 1
    assert work.prompts["advised"].prompts == before
    staged["agents"]["stages"][1] = {**NOTE, "instruction": "Write a warning."}
    changed = written(staged, tmp_path)
    with pytest.raises(StoreError, match="stage 'analyst_note' lacks"):
        check_stored_scores(prepare(changed), ScoreStore.open(tmp_path / "scores.zarr"))
    work, _, model = run(changed)
    assert model.written == len(before)
    assert work.prompts["advised"].prompts[0].system == before[0].system


def test_replicas_differ_by_their_strategy(staged: dict[str, Any], tmp_path: Path) -> None:
    grid = {"modalities": [["price"]], "replicas": 3, "stages": ["strategy"]}
    staged["agents"] |= {"archetypes": [], "grid": grid}
    work, store, model = run(written(staged, tmp_path))
    assert model.written == 3
    systems = {prompts.prompts[0].system for prompts in work.prompts.values()}
    assert len(systems) == 3
    scores = store.scores()
    assert not np.array_equal(scores[0], scores[1])
    staged["agents"]["stages"] = [{**STRATEGY, "temperature": 0.0}]
    (tmp_path / "other").mkdir()
    _, _, model = run(written({**staged, "store": str(tmp_path / "other" / "s.zarr")}, tmp_path))
    assert model.written == 1


class Stopping(FakeModel):
    """Stops after so many texts, as a kill would."""

    prompts_at_once = 5

    def write(self, prompts: Sequence[Prompt], sampling: Sequence[Sampling]) -> Texts:
        if self.written >= 11:
            raise KeyboardInterrupt
        return super().write(prompts, sampling)


def test_stopped_between_texts_it_goes_on_without_writing_one_again(staged: dict[str, Any], tmp_path: Path) -> None:
    config = written(staged, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(config, Stopping(config.scoring))
    kept = stored_texts(tmp_path / "scores.zarr")
    assert len(kept) == 11
    found = plan(prepare(config), tmp_path / "scores.zarr")
    work, store, model = run(config)
    assert model.written == len(work.prompts["plain"].prompts) + 1 - 11 == found.texts
    assert kept.items() <= stored_texts(store.path).items()


def test_a_damaged_text_is_written_again(staged: dict[str, Any], tmp_path: Path) -> None:
    config = written(staged, tmp_path)
    _, store, model = run(config)
    kept = stored_texts(store.path)
    assert model.written == len(kept)
    logs = sorted((tmp_path / "scores.zarr" / "ledger" / "texts").glob("*.log"))
    torn, flipped = logs[2], logs[-1]
    torn.write_bytes(torn.read_bytes()[:-3])
    flipped.write_bytes(bytes([flipped.read_bytes()[0] ^ 1]) + flipped.read_bytes()[1:])
    assert stored_texts(store.path).items() <= kept.items()
    missing = len(kept) - len(stored_texts(store.path))
    _, _, model = run(config)
    assert model.written == missing == 2
    assert stored_texts(store.path) == kept


def test_a_text_that_cannot_be_had_is_told_and_the_others_kept(staged: dict[str, Any], tmp_path: Path) -> None:
    class Failing(FakeModel):
        prompts_at_once = 1000

        def write(self, prompts: Sequence[Prompt], sampling: Sequence[Sampling]) -> Texts:
            texts, _ = super().write(prompts, sampling)
            return Texts([None, *texts[1:]], {0: Failure(Reason.REFUSED)}) if len(prompts) > 1 else Texts(texts, {})

    config = written(staged, tmp_path)
    with pytest.raises(ModelError, match=r"stage 'analyst_note': 1 of \d+ texts.*'advised' \(refused by the server\)"):
        run(config, Failing(config.scoring))
    _, store, model = run(config)
    assert model.written == 1
    assert (store.status() == Status.SCORED).all()


def test_a_staged_archetype_stays_whole_in_a_part(staged: dict[str, Any], tmp_path: Path) -> None:
    staged["layout"] = {"dates_per_unit": 1}
    config = written(staged, tmp_path)
    work = prepare(config)
    assert config.store is not None
    store = open_or_create(work, config.store, FakeModel(config.scoring).identity())
    shards = shards_of(work, store, 4)
    assert sum(any(unit.archetype == 1 for unit in shard) for shard in shards) == 1
    for shard in shards:
        run_passes(work, store, FakeModel(config.scoring), units=frozenset(shard))
    assert (store.status() == Status.SCORED).all()


@pytest.mark.parametrize(
    ("agents", "words"),
    [
        ({"archetypes": [{"name": "a", "modalities": ["price"], "protocol": "staged", "stages": ["stratgy"]}]}, "did you mean 'strategy'"),
        ({"archetypes": [{"name": "a", "modalities": ["price"], "stages": ["strategy"]}]}, "set protocol: staged"),
        ({"archetypes": [{"name": "a", "modalities": ["price"], "protocol": "staged"}]}, "needs the names of its stages"),
        ({"stages": [STRATEGY, STRATEGY]}, "the same name"),
        ({"stages": [{**STRATEGY, "name": "a b"}]}, "letters, digits"),
    ],
)
def test_wrong_stages_are_told(staged: dict[str, Any], tmp_path: Path, agents: dict[str, Any], words: str) -> None:
    staged["agents"] |= agents
    with pytest.raises(ConfigError, match=words):
        written(staged, tmp_path)
